"""Rows of X as points whose distances mean something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

__all__ = ["principal_points"]

CHUNK = 4_000_000
"""Values that are worked on at a time."""

MOST_FITTED, MOST_VALUES = 10_000, 50_000_000
"""Rows, evenly spaced, that the components are found on, and of how many values these may be."""


def principal_points(
    rows: NDArray[Any],
    scale: NDArray[Any] | float = 1.0,
    *,
    describe: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    by_row: bool = False,
    n_components: int = 50,
) -> NDArray[np.float32]:
    """Project rows on their principal components, chunk by chunk: no float copy of X is made.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Any numbers.
    scale : float or ndarray of shape (n_features,), default=1.0
        What a feature is divided by first.
    describe : callable, default=None
        Then gives features, (k, n_described), of k rows that were divided by `scale`, say `gradient_histograms`.
    by_row : bool, default=False
        Then take from each row its mean and divide it by its standard deviation, so that rows are near each other
        when they correlate: images, however bright and of whatever contrast. A constant row becomes 0; where all
        rows are constant, they stay as they are.
    n_components : int, default=50
        Rows of no more features than that are not projected.

    Returns
    -------
    ndarray of shape (n, min(n_components, n_features, n))

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import principal_points
    >>> principal_points(np.random.default_rng(0).normal(size=(90, 60)), n_components=5).shape
    (90, 5)
    """

    def described(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
        n = max(1, CHUNK // rows.shape[1])
        for i in range(0, len(rows), n):
            points = rows[i : i + n] / scale
            yield describe(points) if describe else points

    n_fitted = min(MOST_FITTED, max(MOST_VALUES // rows.shape[1], n_components))
    some = np.concatenate(list(described(rows[:: -(-len(rows) // n_fitted)])))
    by_row = by_row and bool(standardized(some).any())
    as_they_are = some.shape[1] <= n_components
    # Far from zero, float32 is inexact, and so are the moments that the components are found by.
    center = 0.0 if by_row or as_they_are else some.mean(axis=0)

    def scaled(points: NDArray[Any]) -> NDArray[np.float32]:
        return (standardized(points) if by_row else points - center).astype(np.float32)

    if as_they_are:
        return np.concatenate([scaled(points) for points in described(rows)])
    pca = PCA(min(n_components, len(rows)), random_state=0).fit(scaled(some))
    return np.concatenate([pca.transform(scaled(points)) for points in described(rows)])


def standardized(rows: NDArray[Any]) -> NDArray[Any]:
    """Each row less its mean, in its standard deviations; a constant row is 0, whatever rounding left of it."""
    mean = rows.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=1, keepdims=True)
    varies = deviation > 1e-6 * np.abs(mean)
    return np.where(varies, (rows - mean) / np.where(varies, deviation, 1.0), 0.0)
