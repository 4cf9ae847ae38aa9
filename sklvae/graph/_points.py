"""Rows of X as points whose distances mean something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

__all__ = ["principal_points"]

CHUNK = 4096

MOST_FITTED, MOST_VALUES = 10_000, 50_000_000
"""Rows, evenly spaced, that the components are found on, and of how many values these may be."""


def principal_points(
    rows: NDArray[Any], scale: NDArray[Any] | float = 1.0, *, by_row: bool = False, n_components: int = 50
) -> NDArray[np.float32]:
    """Project rows on their principal components, chunk by chunk: no float copy of X is made.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Any numbers.
    scale : float or ndarray of shape (n_features,), default=1.0
        What a feature is divided by first.
    by_row : bool, default=False
        Then take from each row its mean and divide it by its standard deviation, so that rows are near each other
        when they correlate: images, however bright and of whatever contrast. A constant row becomes 0; where all
        rows are constant, they stay as they are.
    n_components : int, default=50
        Rows of no more features than that are only scaled.

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
    n_fitted = min(MOST_FITTED, max(MOST_VALUES // rows.shape[1], n_components))
    some = rows[:: -(-len(rows) // n_fitted)]
    by_row = by_row and bool(standardized(some / scale).any())
    only_scaled = rows.shape[1] <= n_components
    # Far from zero, float32 is inexact, and so are the moments that the components are found by.
    center = 0.0 if by_row or only_scaled else (some / scale).mean(axis=0)

    def scaled(chunk: NDArray[Any]) -> NDArray[np.float32]:
        points = chunk / scale
        return (standardized(points) if by_row else points - center).astype(np.float32)

    chunks = (rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK))
    if only_scaled:
        return np.concatenate([scaled(chunk) for chunk in chunks])
    pca = PCA(min(n_components, len(rows)), random_state=0).fit(scaled(some))
    return np.concatenate([pca.transform(scaled(chunk)) for chunk in chunks])


def standardized(rows: NDArray[Any]) -> NDArray[Any]:
    """Each row less its mean, in its standard deviations; a constant row is 0, whatever rounding left of it."""
    mean = rows.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=1, keepdims=True)
    varies = deviation > 1e-6 * np.abs(mean)
    return np.where(varies, (rows - mean) / np.where(varies, deviation, 1.0), 0.0)
