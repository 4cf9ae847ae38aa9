"""Rows of X as points whose distances mean something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

__all__ = ["principal_points"]

CHUNK = 4096

MOST_FITTED = 10_000
"""Rows, evenly spaced, that the components are found on; all rows are projected."""


def principal_points(
    rows: NDArray[Any], scale: NDArray[Any] | float = 1.0, *, n_components: int = 50
) -> NDArray[np.float32]:
    """Project rows on their principal components, chunk by chunk: no float copy of X is made.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Any numbers.
    scale : float or ndarray of shape (n_features,), default=1.0
        What a feature is divided by first.
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
    starts = range(0, len(rows), CHUNK)
    if rows.shape[1] <= n_components:
        return np.concatenate([(rows[i : i + CHUNK] / scale).astype(np.float32) for i in starts])
    some = rows[:: -(-len(rows) // MOST_FITTED)]
    pca = PCA(min(n_components, len(rows)), svd_solver="covariance_eigh")
    pca.fit((some / scale).astype(np.float32))
    return np.concatenate([pca.transform((rows[i : i + CHUNK] / scale).astype(np.float32)) for i in starts])
