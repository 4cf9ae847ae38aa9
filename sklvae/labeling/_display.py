"""What a person is shown of an input: a picture, or the features that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._png import png_of
from ._queries import Query, QueryBatch

__all__ = ["Display", "Feature"]

N_NEIGHBORS = 8
"""Real rows shown beside a question."""

N_SEEN = 10_000
"""Rows of X that scales are taken from."""


@dataclass(frozen=True)
class Feature:
    """One column of a table's row.

    Attributes
    ----------
    name : str
        Of the column.
    value : float
        In the row.
    usual : float or None
        Mean over X.
    deviation : float or None
        Standard deviations of X above the mean.
    neighbors : list of float
        Values of the rows beside it.
    """

    name: str
    value: float
    usual: float | None
    deviation: float | None
    neighbors: list[float]


class Display:
    """Turns inputs into what a person can look at.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...), optional
        The rows that `members` of a query number.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of flat rows that are images.
    feature_names : sequence of str, optional
        Names of columns; None takes those of a data frame, or numbers them.
    owner : str
        Who asks, for errors.
    """

    def __init__(
        self,
        X: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        feature_names: Sequence[str] | None = None,
        *,
        owner: str,
    ) -> None:
        names = getattr(X, "columns", None) if feature_names is None else feature_names
        self.owner = owner
        self.names = None if names is None else [str(name) for name in names]
        self.image_shape = None if image_shape is None else tuple(image_shape)
        self.rows = None if X is None else np.asarray(X)
        if self.rows is None:
            return
        if self.rows.ndim < 2 or not len(self.rows) or self.rows.dtype.kind not in "buif":
            raise ValueError(
                f"{owner}: X must be the numbers that fit gets, (n_samples, ...), "
                f"got {self.rows.dtype} of shape {self.rows.shape}."
            )
        seen = self.rows[:: max(1, len(self.rows) // N_SEEN)]
        self._low, self._high = float(seen.min()), float(seen.max())
        self._mean, self._std = seen.mean(axis=0, dtype=float).ravel(), seen.std(axis=0, dtype=float).ravel()

    def check(self, queries: QueryBatch) -> None:
        """Refuse questions that cannot be shown, before anybody is asked.

        Raises
        ------
        ValueError
            If X, `image_shape` or `feature_names` do not fit them.
        """
        for query in queries:
            shape, last = query.x.shape, int(query.members.max(initial=-1))
            if self.image_shape is not None and np.prod(self.image_shape) != query.x.size:
                raise ValueError(
                    f"{self.owner}: image_shape {self.image_shape} does not fit inputs of shape {shape}. "
                    "Give the (height, width) or (channels, height, width) that they have."
                )
            if self.rows is not None and (self.rows[0].size != query.x.size or last >= len(self.rows)):
                raise ValueError(
                    f"{self.owner}: X must be what fit gets, but query {query.id} is of shape {shape} and has "
                    f"row {last} beside it; X has shape {self.rows.shape}. Give {self.owner} the same X as fit."
                )
            if self.names is not None and not self.is_image(query.x) and len(self.names) != query.x.size:
                raise ValueError(
                    f"{self.owner}: feature_names must name all {query.x.size} columns, got {len(self.names)} names."
                )

    def is_image(self, x: NDArray[Any]) -> bool:
        """Whether an input is shown as a picture."""
        return self.image_shape is not None or x.ndim > 1

    def neighbors(self, query: Query) -> NDArray[np.int64]:
        """Rows shown beside a question: none without X, and never the row that is asked about."""
        if self.rows is None:
            return np.empty(0, dtype=np.int64)
        return query.members[query.members != query.index][:N_NEIGHBORS]

    def pixels(self, x: NDArray[Any]) -> NDArray[np.uint8]:
        """An image as uint8, (height, width) or (height, width, 3); 0 is black.

        uint8 stays as it is and [0, 1] becomes 0 to 255; other values are scaled by the range of X.
        """
        image = x.reshape(self.image_shape or x.shape)
        if image.ndim == 3:
            image = np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(axis=0).astype(image.dtype)
        if image.dtype == np.uint8:
            return image
        low, high = (float(x.min()), float(x.max())) if self.rows is None else (self._low, self._high)
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        scaled = (image.astype(float) - low) / max(high - low, np.finfo(float).tiny)
        return np.rint(255 * scaled.clip(0, 1)).astype(np.uint8)

    def png(self, x: NDArray[Any]) -> bytes:
        """An image as a PNG file."""
        return png_of(self.pixels(x))

    def features(self, query: Query, n_features: int = 10) -> list[Feature]:
        """The columns in which a row deviates most from the mean of X, most first; without X the first ones."""
        x = np.asarray(query.x, dtype=float).ravel()
        if self.rows is None:
            return [Feature(self._name(j), float(x[j]), None, None, []) for j in range(len(x))[:n_features]]
        beside = self.rows[self.neighbors(query)].reshape(-1, len(x))
        deviation = (x - self._mean) / np.where(self._std > 0, self._std, 1)
        order = np.argsort(-np.abs(deviation), kind="stable")[:n_features].tolist()
        return [
            Feature(self._name(j), float(x[j]), float(self._mean[j]), float(deviation[j]), beside[:, j].tolist())
            for j in order
        ]

    def _name(self, column: int) -> str:
        return f"column {column}" if self.names is None else self.names[column]
