"""Nearest neighbors, of any number of points."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

__all__ = ["nearest"]

MOST_EXHAUSTIVE = 100_000
"""Points up to which neighbors are searched among all; and of more points so many, evenly spaced, are clustered."""

CELL, CANDIDATES, CROWD = 250, 20_000, 5
"""Beyond that, points a cell on average; how many points, at least, each looks at; and at most, as a multiple of it."""


def nearest(points: NDArray[Any], n_neighbors: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Find the nearest others of each point, in memory that is linear in n.

    Of more than 100,000 points only those are looked at that are in the cells of k-means next to its own: time is
    linear, too, and a few neighbors in a hundred are not the nearest ones.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Where they are.
    n_neighbors : int
        How many, at most ``n - 1``.

    Returns
    -------
    distance, index : ndarray of shape (n, n_neighbors)
        The nearest first. No point is its own neighbor.

    References
    ----------
    Jegou, Douze and Schmid, 2011, "Product quantization for nearest neighbor search", Section 4: the inverted file.
    """
    if len(points) <= MOST_EXHAUSTIVE:
        # One matrix product after another: faster than a tree.
        return NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(points).kneighbors()
    distance = np.empty((len(points), n_neighbors), dtype=np.result_type(points, np.float32))
    index = np.empty((len(points), n_neighbors), dtype=np.int64)
    centers, cell = _cells(points)
    size = np.bincount(cell, minlength=len(centers))
    members = np.split(np.argsort(cell, kind="stable"), np.cumsum(size)[:-1])
    fewest, rng = max(CANDIDATES, n_neighbors + 1), np.random.RandomState(0)
    for center, rows in zip(centers, members, strict=True):
        if not len(rows):
            continue
        near = np.square(centers - center).sum(axis=1).argsort()
        enough = np.searchsorted(size[near].cumsum(), fewest) + 1
        candidates = np.concatenate([members[k] for k in near[:enough]])
        if len(candidates) > CROWD * fewest:  # equal points, say, of which any are as near as all
            candidates = rng.choice(candidates, CROWD * fewest, replace=False)
        search = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="brute").fit(points[candidates])
        far, found = search.kneighbors(points[rows])
        own = candidates[found] == rows[:, None]
        own[:, -1] |= ~own.any(axis=1)
        distance[rows] = far[~own].reshape(-1, n_neighbors)
        index[rows] = candidates[found][~own].reshape(-1, n_neighbors)
    return distance, index


def _cells(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Centers, (n_cells, d), and the cell of each point, (n,)."""
    k_means = MiniBatchKMeans(len(points) // CELL, n_init=1, batch_size=5000, compute_labels=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # more cells than distinct points
        k_means.fit(points[:: -(-len(points) // MOST_EXHAUSTIVE)])
    return k_means.cluster_centers_, k_means.predict(points)
