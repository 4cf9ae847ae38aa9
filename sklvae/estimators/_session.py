"""Ask and tell: a fit that waits for its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ..labeling import (
    Answer,
    Oracle,
    Query,
    QueryBatch,
    Round,
    SessionError,
    consult,
    read_answers,
)
from ._persistence import require_safetensors
from ._run import OracleDriven
from ._session_about import about_fit
from ._session_folder import SessionFolder

__all__ = ["LabelingSession", "fit_in_session"]

ROUNDING = 1e-3
"""How far the decoded center of a cluster may be from the one that was asked about, of its largest magnitude."""


class LabelingSession:
    """Ask and tell, for an estimator that asks: the fit waits while somebody thinks.

    ``estimator.fit(X, oracle=f)`` is ``while queries := session.ask(): session.tell(f(queries))``, and then
    ``session.finish()``.

    With ``estimator.session_dir`` everything is kept as it comes: the questions before they are asked, each answer
    before `tell` returns, and the training after each of its phases. A process may be killed at any time; the same
    session, made again, goes on from there, and its result is that of one that was never broken off. Nothing is asked
    twice, and no phase that was finished is trained again.

    Parameters
    ----------
    estimator : ClusterLabelVAEClassifier, GMDGMClassifier, VAALClassifier or ActiveLearningClassifier
        What is fitted.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        As in its `fit`.
    y : array-like of shape (n_samples,), default=None
        What is known already, as in its `fit`.
    asks : bool, default=True
        Whether there is anybody to ask; False fits with y alone.

    Attributes
    ----------
    estimator : estimator
        It has the fitted attributes that are there so far, `answers_` among them.

    Raises
    ------
    ValueError
        If the estimator has no sessions, a parameter, X or y is wrong, `session_dir` is given and a parameter cannot be
        told from others, or `session_dir` holds a session with the same parameters for other data.
    SessionError
        If another process has the session, or it is damaged, or cannot be written.
    ImportError
        If `session_dir` is given and safetensors is not installed.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import ClusterLabelVAEClassifier, LabelingSession
    >>> X, y = make_blobs(n_samples=90, centers=3, n_features=5, random_state=0)
    >>> classifier = ClusterLabelVAEClassifier(
    ...     n_clusters=6, n_rounds=1, budget=6, max_epochs=10, hidden_units=(32,), random_state=0
    ... )
    >>> with LabelingSession(classifier, X) as session:
    ...     first, *others = session.ask()
    ...     session.tell({query.id: y[query.index] for query in others})  # in any order
    ...     [query.id for query in session.ask()]  # still open
    ...     session.tell({first.id: y[first.index]})
    ...     session.finish().n_queries_
    [0]
    6
    """

    def __init__(self, estimator: Any, X: ArrayLike, y: ArrayLike | None = None, *, asks: bool = True) -> None:
        if not isinstance(estimator, OracleDriven):
            raise ValueError(
                f"LabelingSession: {type(estimator).__name__} asks nobody, so it has no sessions. Use "
                "ClusterLabelVAEClassifier, GMDGMClassifier, VAALClassifier or ActiveLearningClassifier."
            )
        self.estimator: Any = estimator
        self._folder: SessionFolder | None = None
        if estimator.session_dir is not None:
            require_safetensors("session_dir needs")
            if estimator.warm_start and estimator._warm_from_last_fit:
                raise ValueError(
                    f"{type(estimator).__name__}: a session starts from the beginning, got session_dir and "
                    "warm_start=True. Use warm_start=False."
                )
        self._before: list[Answer] = []
        self._batch = QueryBatch([])
        self._told: dict[int, Answer] = {}  # in the order they were told
        self._stored: dict[int, Answer] = {}
        self._done = self._closed = False
        fitted = dict(vars(estimator))
        try:
            self._run = estimator._begin(X, y, asks=asks)
            if estimator.session_dir is not None:
                self._take_up(about_fit(self._run, y, asks=asks))
        except BaseException:
            estimator.__dict__ = fitted  # a fit that is refused leaves the last one as it was
            raise
        self._steps = self._run.steps()

    def ask(self) -> QueryBatch:
        """The questions that are open; trains until there are some, and gives none once the fit is done.

        Returns
        -------
        QueryBatch
            Those of the present batch that have no answer yet. When all have, the next batch.
        """
        self._check_open()
        while not self._done and not (left := self._open()):
            self._advance()
        return QueryBatch([] if self._done else left)

    def tell(self, answers: Any) -> None:
        """Answer some or all of the questions of the present batch; each answer is kept before the next is read.

        A question may be answered again until training has used its answer: the last answer counts.

        Parameters
        ----------
        answers : mapping, sequence of Answer with queries, or whole reply
            ``{query.id: label}`` or ``{query.id: Answer(label, confidence)}``; or a sequence of Answer, each with its
            `query`; or, for all open questions in their order, whatever an oracle may return.

        Raises
        ------
        ValueError
            If an answer is wrong, or its query is not of this batch. The answers before it are kept.
        SessionError
            If an answer could not be written. It does not count, those before it do.
        """
        self._check_open()
        queries, reply = self._named(answers)
        answered = {query.id for query in queries}
        before = [answer for answer in self._answers() if answer.query.id not in answered]  # type: ignore[union-attr]
        for answer in read_answers(reply, queries, self.estimator.classes, before, self._run.kinds):
            self._keep(answer)

    def undo(self) -> Query:
        """Take back the answer that was given last; its question is open again.

        Returns
        -------
        Query

        Raises
        ------
        ValueError
            If there is none in the present batch: what training has used stays.
        """
        self._check_open()
        if not self._told:
            raise ValueError(
                "LabelingSession: there is no answer to undo among the questions that ask gave last, and training has "
                "used those before them."
            )
        query = self._told[next(reversed(self._told))].query
        assert query is not None
        self._forget(query)
        return query

    def finish(self) -> Any:
        """Train what is left and close the session.

        Returns
        -------
        estimator
            Fitted.

        Raises
        ------
        ValueError
            If questions are open, or all answers together are of too few classes.
        """
        left = self.ask()
        if left:
            raise ValueError(
                f"LabelingSession: {len(left)} questions are open, from query {left[0].id} on. Answer them first, with "
                "SKIP where there is nothing to say."
            )
        generator = self.estimator.random_state
        if isinstance(generator, np.random.RandomState) and generator is not self._run.rng:
            generator.set_state(self._run.rng.get_state())
        self.close()
        return self.estimator

    def close(self) -> None:
        """Let go of the session; what `session_dir` holds stays, and the same session can be made again."""
        self._closed = True
        self._steps.close()
        if self._folder is not None:
            self._folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_up(self, about: dict[str, Any]) -> None:
        """Open the folder, and go on from where the training stands there."""
        self._folder = folder = SessionFolder.of(self.estimator.session_dir, about)
        run, given = self._run, self.estimator.random_state
        try:
            if given is None:
                run.rng = np.random.RandomState(folder.about["seed"])
            elif given is run.rng:  # moved on only when the fit is done: one that broke off can be repeated
                run.rng = np.random.RandomState()
                run.rng.set_state(given.get_state())
            self._stored = folder.log.answers()
            self._before = self._used(folder.restore(run), folder)
            self.estimator.answers_ = list(self._before)
        except BaseException:
            folder.close()
            raise
        run.checkpoint = lambda: folder.save(run)

    def _advance(self) -> None:
        """Hand the answers of the batch to the fit, and train until the next."""
        answers = [self._told[query.id] for query in self._batch] or None
        self._before += answers or []
        self._batch, self._told = QueryBatch([]), {}
        try:
            batch = self._steps.send(answers)  # type: ignore[arg-type]
            self._batch = batch if self._folder is None else self._asked(batch, self._folder)
        except StopIteration:
            self._done = True
        except BaseException:
            self.close()
            raise
        self._publish()

    def _asked(self, batch: QueryBatch, folder: SessionFolder) -> QueryBatch:
        """The batch as it was asked before the session was broken off; a new one is written down first."""
        questions = folder.log.questions()
        if batch[0].id not in questions:
            folder.log.ask(batch)
            return batch
        for query in batch:
            if not _same(query, questions.get(query.id)):
                self.estimator.answers_ = list(self._stored.values())
                raise SessionError(
                    f"{folder.path}: query {query.id} comes out otherwise than it was asked before, so the session "
                    "cannot go on; another machine, another number of threads or another version of a package may "
                    "compute so. The answers are kept in answers_. Fit with another session_dir and "
                    "oracle=MemoizingOracle(oracle, answers=estimator.answers_)."
                )
        batch = QueryBatch([questions[query.id] for query in batch])
        ids = {query.id for query in batch}
        self._told = {number: answer for number, answer in self._stored.items() if number in ids}
        return batch

    def _used(self, n: int, folder: SessionFolder) -> list[Answer]:
        """The answers that training has used."""
        missing = [number for number in range(n) if number not in self._stored]
        if missing:
            raise SessionError(
                f"{folder.log.path} lacks the answer to query {missing[0]}, which training has used. Put the file back."
            )
        return [self._stored[number] for number in range(n)]

    def _open(self) -> list[Query]:
        return [query for query in self._batch if query.id not in self._told]

    def _answers(self) -> list[Answer]:
        return [*self._before, *(self._told[query.id] for query in self._batch if query.id in self._told)]

    def _publish(self) -> None:
        self.estimator.answers_ = self._answers()

    def _keep(self, answer: Answer) -> None:
        assert answer.query is not None
        if self._folder is not None:
            self._folder.log.tell(answer)
        self._told.pop(answer.query.id, None)  # the last answer stands last
        self._told[answer.query.id] = answer
        self._publish()

    def _forget(self, query: Query) -> None:
        if self._folder is not None:
            self._folder.log.undo(query)
        del self._told[query.id]
        self._publish()

    def _round(self) -> Round:
        """The present batch, for an oracle that tells its answers as they come."""
        return Round(
            self._batch,
            self._keep,
            self._forget,
            said=self._told.values(),
            before=self._before,
            classes=self.estimator.classes,
            kinds=self._run.kinds,
            part=None if self._folder is None else self._part,
        )

    def _part(self, number: int) -> Round:
        """The present batch for one of several people, whose votes are kept beside the answers."""
        assert self._folder is not None
        log, asked = self._folder.log, {query.id for query in self._batch}
        votes = log.answers(number)
        return Round(
            self._batch,
            partial(log.tell, voter=number),
            partial(log.undo, voter=number),
            said=[vote for query, vote in votes.items() if query in asked],
            before=[vote for query, vote in votes.items() if query not in asked],
            classes=self.estimator.classes,
            kinds=self._run.kinds,
        )

    def _named(self, answers: Any) -> tuple[QueryBatch, Any]:
        """The queries that answers are about, and the answers as the reply to these."""
        if isinstance(answers, Mapping):
            named = list(answers.items())
        elif isinstance(answers, Sequence) and answers and all(isinstance(a, Answer) and a.query for a in answers):
            named = [(answer.query.id, answer) for answer in answers]
        elif left := self._open():
            return QueryBatch(left), answers
        else:
            raise ValueError("LabelingSession: no question is open. Call ask first, or name the query of each answer.")
        asked = {query.id: query for query in self._batch}
        for number, _ in named:
            if number not in asked:
                raise ValueError(
                    f"LabelingSession: {number!r} is not the id of a query that ask gave last; those are "
                    f"{list(asked)}. Answers that training has used stand."
                )
        return QueryBatch([asked[number] for number, _ in named]), [answer for _, answer in named]

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("LabelingSession: it is closed. Make the session again; session_dir keeps its answers.")


def fit_in_session(estimator: Any, X: ArrayLike, y: ArrayLike | None, oracle: Oracle | None) -> Any:
    """Fit an estimator that asks: the loop over its session."""
    if callable(y):
        raise ValueError(f"{type(estimator).__name__}: y must be labels, got a function. Give it as oracle={y!r}.")
    if oracle is not None and not callable(oracle):
        raise ValueError(f"{type(estimator).__name__}: oracle must be callable, got {oracle!r}.")
    with LabelingSession(estimator, X, y, asks=oracle is not None) as session:
        while oracle is not None and session.ask():
            consult(oracle, session._round())
        return session.finish()


def _same(query: Query, asked: Query | None) -> bool:
    """Whether a question is the one that was asked; a center may differ by what rounding does."""
    if asked is None:
        return False
    facts = [(q.kind, q.index, q.cluster, q.level, q.round, q.x.shape, q.x.dtype) for q in (query, asked)]
    if facts[0] != facts[1]:
        return False
    x, x_asked = query.x.astype(float), asked.x.astype(float)
    tolerance = ROUNDING * float(np.abs(x_asked).max(initial=0))
    if np.issubdtype(asked.x.dtype, np.integer):
        tolerance = max(1.0, tolerance)  # values on either side of a half round apart
    return bool((np.abs(x - x_asked) <= tolerance).all())
