"""Covering the pool with balls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._checks import check_n, is_number, is_whole, require
from ._clusters import partition
from ._distances import FromOne, chunks, nearest_squared, spaced, squared_distances
from ._farthest import farthest_first

__all__ = ["prob_cover", "pure_radius"]

MOST_COVERED = 20_000
"""Rows, evenly spaced, that stand for a larger pool: all pairs of them are looked at twice."""

MOST_BALLS = 1000
"""Rows, evenly spaced, whose balls the radius is taken from."""


def prob_cover(
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    *,
    n: int,
    random_state: Any = None,
    delta: float | None = None,
    purity: float = 0.95,
    n_clusters: int = 10,
) -> NDArray[np.int64]:
    """Choose, n times, the point whose ball holds most points that no ball holds yet.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool; of more than 20,000 rows, so many evenly spaced ones stand for it.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled: points within `delta` of it are covered.
    n : int
        How many to choose.
    random_state : int, RandomState or None, default=None
        Decides where k-means starts, for `delta`.
    delta : float, default=None
        Radius of the balls; None is that of `pure_radius`.
    purity : float in (0, 1), default=0.95
        Share of the balls that hold points of one cluster only.
    n_clusters : int, default=10
        Clusters that `pure_radius` takes for the classes.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice; of equal ones the lowest first. Once all is covered, the points
        farthest from those chosen follow.

    References
    ----------
    Yehuda et al., 2022, "Active learning through a covering lens", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import prob_cover
    >>> prob_cover(np.array([[0.0], [1.0], [2.0], [8.0], [9.0]]), np.empty((0, 1)), n=2, delta=1.5)
    array([1, 3])
    """
    valid = delta is None or (is_number(delta) and delta > 0)
    require(valid, "prob_cover: delta", "a number > 0 or None", delta)
    check_n(n, len(embedding), "prob_cover")
    if delta is None:
        delta = pure_radius(embedding, purity, n_clusters, random_state)
    rounding = 100 * float(np.finfo(embedding.dtype).eps)
    reach = delta**2 * (1 + rounding)  # a point on the edge is in
    nodes = spaced(len(embedding), max(MOST_COVERED, n))
    points = embedding[nodes]
    covered = nearest_squared(points, labeled_embedding) <= reach
    gain = _in_balls(points, points[~covered], reach)
    squared_from = FromOne(points)
    chosen: list[int] = []
    while len(chosen) < n and not covered.all():
        # Whoever is not covered yet lies in its own ball, so there is always one that gains.
        chosen.append(int(gain.argmax()))
        ball = squared_from(chosen[-1]) <= reach
        ball[chosen[-1]] = True
        gain -= _in_balls(points, points[ball & ~covered], reach)
        gain[chosen] = -1
        covered |= ball
    picked = nodes[chosen]
    if len(picked) == n:
        return picked
    rest = np.setdiff1d(np.arange(len(embedding)), picked)
    known = np.concatenate([labeled_embedding, embedding[picked]])
    return np.concatenate([picked, rest[farthest_first(embedding[rest], known, n=n - len(picked))]])


def pure_radius(embedding: NDArray[Any], purity: float = 0.95, n_clusters: int = 10, random_state: Any = None) -> float:
    """Widest radius at which that share of the balls holds points of one k-means cluster only.

    A ball is pure as long as it does not reach the nearest point of another cluster, so the radius is the
    ``1 - purity`` quantile of the distances to those.

    Parameters
    ----------
    embedding : ndarray of shape (n, d)
        The pool.
    purity : float in (0, 1), default=0.95
        Share of pure balls.
    n_clusters : int, default=10
        Clusters that stand for the classes.
    random_state : int, RandomState or None, default=None
        Decides where k-means starts.

    Returns
    -------
    float
        In the unit of the embedding; judged by the balls of 1000 evenly spaced points.

    References
    ----------
    Yehuda et al., 2022, where the radius is the widest one that keeps 95% of the balls pure.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import pure_radius
    >>> radius = pure_radius(np.array([[0.0], [1.0], [5.0], [6.0]]), purity=0.75, n_clusters=2, random_state=0)
    >>> round(radius, 2)
    4.0
    """
    require(is_number(purity) and 0 < purity < 1, "pure_radius: purity", "a number in (0, 1)", purity)
    require(is_whole(n_clusters), "pure_radius: n_clusters", "an integer >= 1", n_clusters)
    n_clusters = min(n_clusters, len(embedding))
    cluster = partition(embedding, n_clusters, random_state)
    centers = spaced(len(embedding), MOST_BALLS)
    strangers = np.empty(len(centers))
    for k in np.unique(cluster[centers]):
        own = cluster[centers] == k
        strangers[own] = _nearest_of(embedding[centers[own]], embedding, cluster != k)
    finite = strangers[np.isfinite(strangers)]
    if not len(finite):  # one cluster: all balls are pure
        return float(np.sqrt(squared_distances(embedding[centers], embedding[centers]).max()))
    return float(np.quantile(finite, 1 - purity, method="lower"))


def _nearest_of(points: NDArray[Any], others: NDArray[Any], wanted: NDArray[np.bool_]) -> NDArray[Any]:
    """Distance to the nearest of the wanted ones among the others, (n,)."""
    nearest = np.full(len(points), np.inf)
    for rows in chunks(len(others), len(points)):
        some = others[rows][wanted[rows]]
        if len(some):
            np.minimum(nearest, squared_distances(points, some).min(axis=1), out=nearest)
    return np.sqrt(nearest)


def _in_balls(points: NDArray[Any], others: NDArray[Any], reach: float) -> NDArray[np.int64]:
    """How many of the others lie within that squared distance of each point, (n,)."""
    count = np.zeros(len(points), dtype=np.int64)
    if len(others):
        for rows in chunks(len(points), len(others)):
            count[rows] = (squared_distances(points[rows], others) <= reach).sum(axis=1)
    return count
