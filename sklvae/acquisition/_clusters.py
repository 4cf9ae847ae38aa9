"""Batches that follow the clusters of the embedding."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ._checks import check_n, is_whole, require
from ._distances import chunks, spaced, squared_distances
from ._farthest import farthest_first

__all__ = ["medoids", "partition", "typiclust"]

MOST_EXACT, BATCH = 50, 5000
"""So many clusters, or points, for which k-means sees all points at every step; batches of 5000 points beyond."""

MOST_CLUSTERS = 500
"""Clusters beyond which labeled rows add no more of them."""

MOST_MEMBERS = 5000
"""Members of a cluster, evenly spaced, that are compared with each other."""


def typiclust(
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    *,
    n: int,
    random_state: Any = None,
    n_neighbors: int = 20,
) -> NDArray[np.int64]:
    """Choose the most typical point of each of the largest clusters without a label.

    All points are clustered by k-means into as many clusters as there are labels and questions. Typical is
    ``1 / mean distance to the nearest members of the cluster``; the clusters with the fewest labeled and chosen
    points come first, of these the largest.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled.
    n : int
        How many to choose.
    random_state : int, RandomState or None, default=None
        Decides where k-means starts.
    n_neighbors : int, default=20
        Neighbors that the distance is a mean of, where the cluster has so many.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice; of equally typical ones the lowest first. Of a cluster of more
        than 5000 points, evenly spaced ones stand for all.

    References
    ----------
    Hacohen, Dekel and Weinshall, 2022, "Active learning on a budget: opposite strategies suit high and low budgets",
    Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import typiclust
    >>> points = np.array([[0.0], [1.0], [2.1], [50.0], [51.0], [52.1], [53.5]])
    >>> typiclust(points, np.array([[0.5]]), n=1, random_state=0, n_neighbors=2)
    array([4])
    """
    require(is_whole(n_neighbors), "typiclust: n_neighbors", "an integer >= 1", n_neighbors)
    check_n(n, len(embedding), "typiclust")
    points = np.concatenate([embedding, labeled_embedding])
    cluster = partition(points, min(len(labeled_embedding) + n, max(MOST_CLUSTERS, n)), random_state)
    size = np.bincount(cluster)
    known = np.bincount(cluster[len(embedding) :], minlength=len(size))
    left = size - known
    members = np.split(np.argsort(cluster, kind="stable"), np.cumsum(size)[:-1])
    ranked: dict[int, list[int]] = {}
    chosen: list[int] = []
    for _ in range(n):
        k = int(np.lexsort((-size, known, left == 0))[0])
        if not ranked.get(k):
            pool = members[k][members[k] < len(embedding)]
            ranked[k] = _by_typicality(points, members[k], np.setdiff1d(pool, chosen), n_neighbors)
        chosen.append(ranked[k].pop())
        known[k] += 1
        left[k] -= 1
    return np.array(chosen)


def _by_typicality(
    points: NDArray[Any], members: NDArray[np.int64], pool: NDArray[np.int64], n_neighbors: int
) -> list[int]:
    """The points of the pool in a cluster, the most typical last."""
    pool, members = (rows[spaced(len(rows), MOST_MEMBERS)] for rows in (pool, members))
    k = min(n_neighbors, len(members) - 1)
    if k < 1:
        return pool[::-1].tolist()
    distance = np.empty(len(pool))
    for rows in chunks(len(pool), len(members)):
        squared = squared_distances(points[pool[rows]], points[members])
        squared[pool[rows, None] == members] = np.inf  # no point is its own neighbor
        distance[rows] = np.sqrt(np.partition(squared, k - 1, axis=1)[:, :k]).mean(axis=1)
    return pool[np.lexsort((-pool, -distance))].tolist()


def medoids(embedding: NDArray[Any], *, n: int, random_state: Any = None) -> NDArray[np.int64]:
    """Cluster the pool into n clusters by k-means and choose of each the member nearest to its mean.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool.
    n : int
        How many to choose.
    random_state : int, RandomState or None, default=None
        Decides where k-means starts.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, that of the largest cluster first; of equally near ones the lowest. With fewer than n
        distinct clusters, the points farthest from those chosen follow.

    References
    ----------
    Nguyen and Smeulders, 2004, "Active learning using pre-clustering".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import medoids
    >>> medoids(np.array([[0.0], [1.0], [2.1], [9.0], [9.2]]), n=2, random_state=0)
    array([1, 3])
    """
    check_n(n, len(embedding), "medoids")
    cluster = partition(embedding, n, random_state)
    order = np.lexsort(
        (_squared_from_means(embedding, cluster), cluster)
    )  # stable: of equally near members the lowest is first
    found, first, size = np.unique(cluster[order], return_index=True, return_counts=True)
    chosen = order[first[np.lexsort((found, -size))]]
    if len(chosen) == n:
        return chosen
    rest = np.setdiff1d(np.arange(len(embedding)), chosen)
    more = farthest_first(embedding[rest], embedding[chosen], n=n - len(chosen))
    return np.concatenate([chosen, rest[more]])


def partition(points: NDArray[Any], n_clusters: int, random_state: Any = None, *, n_init: int = 1) -> NDArray[np.int64]:
    """Cluster points by k-means.

    Parameters
    ----------
    points : ndarray of shape (n_points, d)
        What is clustered.
    n_clusters : int
        How many clusters, at most one a point; fewer if points are equal. More than 50 of more than 5000 points are
        found by mini-batch k-means, which may leave some empty.
    random_state : int, RandomState or None, default=None
        Decides where k-means starts.
    n_init : int, default=1
        Starts of k-means, of which the best is taken; mini-batch k-means starts once.

    Returns
    -------
    ndarray of shape (n_points,)
        The cluster of each point, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import partition
    >>> cluster = partition(np.array([[0.0], [1.0], [9.0]]), 2, random_state=0)
    >>> (cluster == cluster[0]).tolist()
    [True, True, False]
    """
    n_clusters = min(n_clusters, len(points))
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    if n_clusters <= MOST_EXACT or len(points) <= BATCH:
        estimator = KMeans(n_clusters, n_init=n_init, random_state=seed)
    else:
        estimator = MiniBatchKMeans(n_clusters, n_init=1, batch_size=BATCH, compute_labels=False, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # more clusters than distinct points
        estimator.fit(points)
    cluster = np.empty(len(points), dtype=np.int64)
    for rows in chunks(len(points), n_clusters):
        cluster[rows] = squared_distances(points[rows], estimator.cluster_centers_).argmin(axis=1)
    return cluster


def _squared_from_means(points: NDArray[Any], cluster: NDArray[np.int64]) -> NDArray[Any]:
    """Squared distance of each point from the mean of its cluster, (n,)."""
    member = csr_array((np.ones(len(points)), cluster, np.arange(len(points) + 1)))
    mean = (member.T @ points) / np.maximum(np.bincount(cluster), 1)[:, None]
    squared = np.empty(len(points))
    for rows in chunks(len(points), points.shape[1]):
        difference = points[rows] - mean[cluster[rows]]
        squared[rows] = np.einsum("ij,ij->i", difference, difference)
    return squared
