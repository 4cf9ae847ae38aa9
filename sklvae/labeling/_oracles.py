"""Oracles that are no people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_consistent_length

from .._labels import split_labels
from ._answers import INVALID, SKIP, Answer, Oracle, read_answers
from ._consult import Round, conversation
from ._queries import Query, QueryBatch

__all__ = ["MemoizingOracle", "SimulatedOracle"]


class SimulatedOracle:
    """A stand-in expert for benchmarks: the nearest true samples vote.

    Their agreement is the confidence; too little agreement means that the input shows no valid class.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        True samples.
    y : array-like of shape (n_samples,)
        Their labels; unlabeled rows are left out.
    n_neighbors : int, default=5
        How many samples vote. With 1, a row of X gets its own label.
    min_agreement : float, default=0.5
        Share of the votes that the winner needs; less is answered INVALID.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import Query, QueryBatch, SimulatedOracle
    >>> oracle = SimulatedOracle([[0.0], [1.0], [9.0]], ["low", "low", "high"], n_neighbors=2)
    >>> query = Query(0, np.array([0.2]), "center", None, 0, 0, 0, members=np.array([0]))
    >>> oracle(QueryBatch([query]))
    [Answer(label='low', confidence=1.0, query=None)]
    """

    def __init__(self, X: ArrayLike, y: ArrayLike, n_neighbors: int = 5, min_agreement: float = 0.5) -> None:
        check_consistent_length(X, y)
        self.classes_, codes = split_labels(y)
        if not 1 <= n_neighbors <= np.sum(codes >= 0):
            raise ValueError(
                f"SimulatedOracle: n_neighbors must be between 1 and the number of labeled rows, "
                f"{np.sum(codes >= 0)}; got {n_neighbors}."
            )
        self.n_neighbors, self.min_agreement = n_neighbors, min_agreement
        self._codes = codes[codes >= 0]
        self._neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(_flat(X)[codes >= 0])

    def __call__(self, queries: QueryBatch) -> list[Answer]:
        """Answer by vote."""
        nearest = self._neighbors.kneighbors(_flat(queries), return_distance=False)
        votes = np.stack([np.bincount(c, minlength=len(self.classes_)) for c in self._codes[nearest]])
        agreement = votes.max(axis=1) / self.n_neighbors
        labels = self.classes_[votes.argmax(axis=1)].tolist()
        return [
            Answer(label, share) if share >= self.min_agreement else Answer(INVALID)
            for label, share in zip(labels, agreement.tolist(), strict=True)
        ]


class MemoizingOracle:
    """Asks another oracle each question once and remembers what it said.

    A fit that failed or was interrupted can be repeated with the same `random_state` without asking
    anything again. SKIP is not remembered: it says nothing.

    Parameters
    ----------
    oracle : callable
        Who is asked.
    answers : iterable of Answer, default=()
        What is known already, such as `answers_` of a fit that failed.

    Attributes
    ----------
    answers : list of Answer
        Every answer that was given, in order, after those that were known.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import MemoizingOracle, Query, QueryBatch
    >>> oracle = MemoizingOracle(lambda queries: ["cat"] * len(queries))
    >>> queries = QueryBatch([Query(0, np.zeros(2), "center", None, 0, 0, 0, members=np.array([0]))])
    >>> [answer.label for answer in [*oracle(queries), *oracle(queries)]], len(oracle.answers)
    (['cat', 'cat'], 1)
    """

    def __init__(self, oracle: Oracle, answers: Iterable[Answer] = ()) -> None:
        self.oracle = oracle
        self.answers: list[Answer] = []
        self._known: dict[Any, Answer] = {}
        for answer in answers:
            if not isinstance(answer, Answer) or answer.query is None:
                raise ValueError(f"MemoizingOracle: answers must be those of a fit, with queries, got {answer!r}.")
            if answer.label is not SKIP:
                self.answers.append(answer)
                self._known[_key(answer.query.x)] = answer

    def __call__(self, queries: QueryBatch) -> Iterator[Answer]:
        """Answer from memory, and ask the rest, one by one: a failure loses nothing that was said before it."""
        new: dict[Any, Query] = {}
        for query in queries:
            if _key(query.x) not in self._known:
                new.setdefault(_key(query.x), query)
        unasked = QueryBatch(list(new.values()))
        said = read_answers(self.oracle(unasked), unasked, before=self.answers) if new else iter(())
        skipped: dict[Any, Answer] = {}
        for query in queries:
            key = _key(query.x)
            if key not in self._known and key not in skipped:
                answer = next(said)
                yield answer
                # Remembered only now: one that was refused never gets here, and is asked for again.
                (skipped if answer.label is SKIP else self._known)[key] = answer
                if answer.label is not SKIP:
                    self.answers.append(answer)
            else:
                yield self._known.get(key) or skipped[key]
        next(said, None)  # raises if the oracle said too much

    def attend(self, round_: Round) -> Iterator[None]:
        """Answer from memory, and have the other asked the rest: what people are told is kept is kept in the round."""
        for query in round_.open:
            if (known := self._known.get(_key(query.x))) is not None:
                round_.tell(query, known.label, known.confidence)
        alike: dict[Any, list[Query]] = {}
        for query in round_.queries:
            if _key(query.x) not in self._known:
                alike.setdefault(_key(query.x), []).append(query)
        for standing in list(round_.said.values()):  # of a fit that is taken up
            for query in alike.get(_key(_asked(standing).x), ()):
                if query.id not in round_.said:
                    round_.tell(query, standing.label, standing.confidence)

        def keep(answer: Answer) -> None:
            key = _key(_asked(answer).x)
            for query in alike[key]:
                round_.tell(query, answer.label, answer.confidence)
            self._forget(key)
            if answer.label is not SKIP:
                self._known[key] = answer
                self.answers.append(answer)

        def forget(taken_back: Query) -> None:
            key = _key(taken_back.x)
            for query in alike[key]:
                if query.id in round_.said:
                    round_.undo(query)
            self._forget(key)

        unlike = {queries[0].id: queries[0] for queries in alike.values()}
        said = [answer for number, answer in round_.said.items() if number in unlike]
        rest = Round(QueryBatch(list(unlike.values())), keep, forget, said=said, before=round_.before)
        if rest.open:
            yield from conversation(self.oracle, rest)

    def _forget(self, key: Any) -> None:
        if self._known.pop(key, None) is not None:
            self.answers = [answer for answer in self.answers if _key(_asked(answer).x) != key]


def _asked(answer: Answer) -> Query:
    assert answer.query is not None
    return answer.query


def _key(x: NDArray[Any]) -> tuple[Any, ...]:
    return x.shape, x.dtype.str, x.tobytes()


def _flat(X: Any) -> NDArray[Any]:
    X = np.asarray(X)
    return X.reshape(len(X), -1).astype(np.float32 if X.dtype == np.uint8 else X.dtype, copy=False)
