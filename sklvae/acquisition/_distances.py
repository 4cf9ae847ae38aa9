"""Distances between many points, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FromOne",
    "chunks",
    "mean_distances",
    "nearest_squared",
    "spaced",
    "squared_distances",
    "typical_distance",
]

VALUES = 1 << 21
"""Numbers in a chunk: 16 MiB of float64, of which a few exist at a time."""


def chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices that cover `n_rows` rows, each of about `VALUES` numbers."""
    step = max(VALUES // max(n_columns, 1), 1)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def spaced(n: int, at_most: int) -> NDArray[np.int64]:
    """At most so many of n positions, evenly spaced."""
    return np.arange(n) if n <= at_most else np.linspace(0, n - 1, at_most).astype(np.int64)


def squared_distances(points: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """``|x - y|^2``, (n, n_others).

    By inner products, about the mean of the others, so that an origin far away costs no digits.
    """
    origin = others.mean(axis=0)
    x, y = points - origin, others - origin
    squared = x @ (-2 * y.T)
    squared += np.einsum("ij,ij->i", x, x)[:, None]
    squared += np.einsum("ij,ij->i", y, y)
    return np.maximum(squared, 0, out=squared)


class FromOne:
    """Squared distances of all points from one of them, (n,): a product with a vector each time."""

    def __init__(self, points: NDArray[Any]) -> None:
        self.centered = points - points.mean(axis=0)
        self.size = np.einsum("ij,ij->i", self.centered, self.centered)

    def __call__(self, position: int) -> NDArray[Any]:
        squared = self.centered @ (-2 * self.centered[position])
        squared += self.size
        squared += self.size[position]
        return np.maximum(squared, 0, out=squared)


def nearest_squared(points: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Squared distance to the nearest of the others, (n,); infinite where there are none."""
    nearest = np.full(len(points), np.inf, dtype=points.dtype)
    if len(others):
        for rows in chunks(len(points), len(others) + points.shape[1]):
            nearest[rows] = squared_distances(points[rows], others).min(axis=1)
    return nearest


def mean_distances(points: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Mean of the distances to the others, (n,)."""
    mean = np.empty(len(points), dtype=points.dtype)
    for rows in chunks(len(points), len(others) + points.shape[1]):
        mean[rows] = np.sqrt(squared_distances(points[rows], others)).mean(axis=1)
    return mean


def typical_distance(points: NDArray[Any]) -> float:
    """Root mean square of the distances between all pairs, 1 where all points are the same."""
    squared = 2 * float(points.var(axis=0, dtype=np.float64).sum())
    return squared**0.5 or 1.0
