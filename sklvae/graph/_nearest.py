"""Nearest neighbors, of any number of points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors

__all__ = ["nearest"]

MOST_EXHAUSTIVE, FEW_COLUMNS = 100_000, 5
"""Points up to which neighbors are searched among all, and columns up to which a tree finds them among any number."""

CELL, MOST_CELLS = 250, 4000
"""Points a cell, until there are so many cells; these hold more."""

CANDIDATES, CROWD = 20_000, 5000
"""Among how many points, those of the nearest cells, the points of a cell look for neighbors; and how many a cell
shows at most."""


def nearest(points: NDArray[Any], n_neighbors: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Find the nearest others of each point, in memory that is linear in n.

    More than 100,000 points in more than five columns are put into cells by k-means, and each is compared with those
    in its own cell and in the next ones alone: time is linear, too, and some neighbors are not the nearest.

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
    """
    if len(points) <= MOST_EXHAUSTIVE:
        # One matrix product after another: faster than a tree until its square tells.
        return NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(points).kneighbors()
    if points.shape[1] <= FEW_COLUMNS:
        return NearestNeighbors(n_neighbors=n_neighbors, algorithm="kd_tree").fit(points).kneighbors()
    rng = np.random.RandomState(0)
    centers, members = _cells(points, rng)
    # Where many points crowd in a cell, equal ones as a rule, some are as near as all, and leave room for others.
    most = max(CROWD, n_neighbors + 1)
    shown = [rows if len(rows) <= most else rng.choice(rows, most, replace=False) for rows in members]
    n_shown = np.array([len(rows) for rows in shown])
    distance, index = np.empty((len(points), n_neighbors)), np.empty((len(points), n_neighbors), dtype=np.int64)
    for center, rows in zip(centers, members, strict=True):
        if not len(rows):
            continue
        near = np.square(centers - center).sum(axis=1).argsort()
        enough = np.searchsorted(n_shown[near].cumsum(), max(CANDIDATES, most)) + 1
        candidates = np.concatenate([shown[cell] for cell in near[:enough]])
        search = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="brute").fit(points[candidates])
        far, found = search.kneighbors(points[rows])
        own = candidates[found] == rows[:, None]
        own[:, -1] |= ~own.any(axis=1)
        distance[rows] = far[~own].reshape(-1, n_neighbors)
        index[rows] = candidates[found][~own].reshape(-1, n_neighbors)
    return distance, index


def _cells(points: NDArray[Any], rng: np.random.RandomState) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """Centers, (n_cells, d), and the rows of each cell."""
    n_cells = min(len(points) // CELL, MOST_CELLS)
    some = points[rng.choice(len(points), MOST_EXHAUSTIVE, replace=False)]
    k_means = MiniBatchKMeans(n_cells, n_init=1, batch_size=5000, compute_labels=False, random_state=rng).fit(some)
    cell = k_means.predict(points)
    ends = np.bincount(cell, minlength=n_cells).cumsum()
    return k_means.cluster_centers_, np.split(np.argsort(cell, kind="stable"), ends[:-1])
