"""Asking an oracle, whatever it is, and keeping each answer before the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from typing import Any

from numpy.typing import ArrayLike

from ._answers import Answer, Oracle, OracleError, _WrongReply, read_answers
from ._log import SessionError
from ._queries import Query, QueryBatch

__all__ = ["Round", "consult", "conversation"]


class _Failed(Exception):
    """Carries what an oracle raised, apart from what reading its reply raises."""


class Round:
    """The questions of one batch, the answers to them that stand, and the place where answers are kept.

    An oracle with a method ``attend(round)`` is given this instead of the questions. It tells each answer as it comes,
    and may take it back; it returns when nothing is open. It may be a generator, and yield while it waits. What `tell`
    and `undo` have returned from is kept.

    Parameters
    ----------
    queries : QueryBatch
        The questions, in their order.
    keep : callable, optional
        Keeps one Answer.
    forget : callable, optional
        Takes back the answer to one Query.
    said : iterable of Answer, default=()
        Answers to some of the questions, from before a fit was broken off, in the order they were told.
    before : sequence of Answer, default=()
        Answers to earlier questions.
    classes : array-like, optional
        The only labels allowed.
    kinds : set of str, default=empty
        Kinds of the labels known already.
    part : callable, optional
        Makes the round of one of several people, by number, where what they say is a vote, and kept as such.

    Attributes
    ----------
    said : dict
        The answers that stand, by the id of their question, in the order they were told.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import Query, QueryBatch, Round
    >>> kept = []
    >>> round_ = Round(QueryBatch([Query(0, np.zeros(2), "center", None, 0, 0, 0, members=np.array([0]))]), kept.append)
    >>> round_.tell(round_.open[0], "cat", 0.8).label, kept == list(round_.said.values()), len(round_.open)
    ('cat', True, 0)
    >>> round_.undo(round_.queries[0])
    >>> len(round_.open)
    1
    """

    def __init__(
        self,
        queries: QueryBatch,
        keep: Callable[[Answer], Any] = lambda answer: None,
        forget: Callable[[Query], Any] = lambda query: None,
        *,
        said: Iterable[Answer] = (),
        before: Sequence[Answer] = (),
        classes: ArrayLike | None = None,
        kinds: Set[str] = frozenset(),
        part: Callable[[int], Round] | None = None,
    ) -> None:
        self.queries, self.before = queries, tuple(before)
        self.said = {answer.query.id: answer for answer in said if answer.query is not None}
        self._keep, self._forget, self._classes, self._kinds = keep, forget, classes, kinds
        self._part = part

    @property
    def open(self) -> QueryBatch:
        """The questions that have no answer yet."""
        return QueryBatch([query for query in self.queries if query.id not in self.said])

    @property
    def n_kept(self) -> int:
        """Answers that stand, earlier ones included."""
        return len(self.before) + len(self.said)

    def tell(self, query: Query, label: Any, confidence: float = 1.0) -> Answer:
        """Keep an answer; one to a question that has been answered takes the place of that.

        Raises
        ------
        ValueError
            If it is wrong, see `read_answers`. It is not kept.
        SessionError
            If it could not be written. It does not count.
        """
        for answer in self.read([Answer(label, confidence)], QueryBatch([query])):
            self._take(answer)
        return answer

    def undo(self, query: Query) -> None:
        """Take the answer to a question back: it is open again."""
        self._forget(query)
        del self.said[query.id]

    def settle(self, query: Query, answer: Answer) -> None:
        """Tell an answer unless it stands already."""
        standing = self.said.get(query.id)
        if standing is None or (standing.label, standing.confidence) != (answer.label, answer.confidence):
            self.tell(query, answer.label, answer.confidence)

    def part(self, number: int) -> Round:
        """The same questions for one of several people, whose answers are votes."""
        if self._part is not None:
            return self._part(number)
        return Round(self.queries, classes=self._classes, kinds=self._kinds)

    def read(self, reply: Any, queries: QueryBatch) -> Iterator[Answer]:
        """Check a reply to some of the questions."""
        ids = {query.id for query in queries}
        standing = [answer for number, answer in self.said.items() if number not in ids]
        return read_answers(reply, queries, self._classes, [*self.before, *standing], self._kinds)

    def hear(self, reply: Any) -> None:
        """Keep each answer of a reply to all that is open, before the next is read."""
        for answer in self.read(reply, self.open):
            self._take(answer)

    def _take(self, answer: Answer) -> None:
        self._keep(answer)
        assert answer.query is not None
        self.said.pop(answer.query.id, None)  # the last answer stands last
        self.said[answer.query.id] = answer


def consult(oracle: Oracle, round_: Round) -> None:
    """Have an oracle answer what is open in a round; each answer is kept before the next is read.

    Parameters
    ----------
    oracle : callable
        Who is asked. It is called with the questions that are open, or, if it has ``attend``, that with the round.
    round_ : Round
        The questions.

    Raises
    ------
    OracleError
        If the oracle raises; the message says how many answers are kept.
    KeyboardInterrupt
        If it is interrupted, with the same message.
    ValueError
        If a reply is wrong, see `read_answers`, or lacks answers.
    SessionError
        If an answer could not be written.
    """
    try:
        with closing(conversation(oracle, round_)) as steps:
            deque(steps, maxlen=0)
    except _Failed as failed:
        cause = failed.__cause__
        where = f"after {round_.n_kept} answers, which are kept in answers_"
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt(f"Interrupted in the oracle {where}.") from cause
        raise OracleError(
            f"The oracle raised {type(cause).__name__}: {cause} ({where}). Fit again with "
            "oracle=MemoizingOracle(oracle, answers=estimator.answers_), or with the same session_dir if there was "
            "one, to be asked nothing twice."
        ) from cause
    except ValueError as error:
        raise ValueError(f"{error} The {round_.n_kept} answers before it are kept in answers_.") from error


def conversation(oracle: Oracle, round_: Round) -> Generator[None]:
    """Have an oracle answer what is open in a round; yields while it waits."""
    if hasattr(oracle, "attend"):
        with _failures():
            yield from oracle.attend(round_) or ()
    else:
        round_.hear(_called(oracle, round_.open))
    if left := round_.open:
        raise _WrongReply(
            f"The oracle must give one answer per query, {len(round_.queries)} in all, but query {left[0].id} has none."
        )


@contextmanager
def _failures() -> Iterator[None]:
    """Mark what the oracle itself raises."""
    try:
        yield
    except (_WrongReply, SessionError, _Failed):
        raise
    except (Exception, KeyboardInterrupt) as error:
        raise _Failed from error


def _called(oracle: Oracle, queries: QueryBatch) -> Any:
    with _failures():
        reply = oracle(queries)
    lazy = isinstance(reply, Iterable) and not isinstance(reply, Set) and not hasattr(reply, "__getitem__")
    return _guarded(reply) if lazy else reply


def _guarded(replies: Iterable[Any]) -> Iterator[Any]:
    with _failures():
        yield from replies
