"""What an oracle is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Query", "QueryBatch"]


@dataclass(frozen=True, eq=False)
class Query:
    """One question about one input.

    Attributes
    ----------
    id : int
        Number of the question in this fit, from 0.
    x : ndarray
        The input, in the shape, the units and the dtype of a row of X.
    kind : {"center", "sample"}
        A synthesized input (a decoded cluster center), or a row of X.
    index : int or None
        The row of X that `x` is, for a "sample".
    cluster : int
        Number of the cluster in its round.
    level : int
        0, or how often the cluster was split off an invalid one.
    round : int
        Round of questions, from 0.
    members : ndarray of int
        Rows of X in the cluster that are nearest to its center, nearest first; beside a row that an acquisition
        chose, the rows nearest to it, itself first.
    suggestion : tuple of (label, float) or None
        The model's present guess and its probability.
    """

    id: int
    x: NDArray[Any]
    kind: str
    index: int | None
    cluster: int
    level: int
    round: int
    members: NDArray[np.int64]
    suggestion: tuple[Any, float] | None = None


class QueryBatch(Sequence[Query]):
    """The questions of one call of an oracle.

    ``np.asarray(queries)`` gives their inputs, stacked in the shape of X, so that a fitted classifier's
    ``predict`` is an oracle as it stands.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import Query, QueryBatch
    >>> x = np.array([0.0, 1.0])
    >>> query = Query(0, x, "sample", index=7, cluster=0, level=0, round=0, members=np.array([7]))
    >>> queries = QueryBatch([query])
    >>> len(queries), queries[0].index, np.asarray(queries).shape
    (1, 7, (1, 2))
    """

    def __init__(self, queries: Sequence[Query]) -> None:
        self._queries = tuple(queries)

    def __len__(self) -> int:
        return len(self._queries)

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries)

    @overload
    def __getitem__(self, position: int) -> Query: ...
    @overload
    def __getitem__(self, position: slice) -> QueryBatch: ...
    def __getitem__(self, position: int | slice) -> Query | QueryBatch:
        if isinstance(position, slice):
            return QueryBatch(self._queries[position])
        return self._queries[position]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stacked inputs, which scikit-learn asks for."""
        return (len(self), *self._queries[0].x.shape) if self._queries else (0,)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("The inputs of a QueryBatch are stacked into a new array; copy=False cannot be met.")
        return np.stack([query.x for query in self]).astype(dtype or self._queries[0].x.dtype, copy=False)

    def __repr__(self) -> str:
        return f"QueryBatch({len(self)} queries, round {self[0].round})" if self._queries else "QueryBatch(0 queries)"
