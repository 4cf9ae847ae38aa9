"""The slides' two algorithms: far from the labeled rows that are classified correctly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._checks import check_n
from ._distances import FromOne, mean_distances
from ._scores import least_confident

__all__ = ["distant_least_confident", "farthest_per_class"]


def farthest_per_class(
    proba: NDArray[Any],
    embedding: NDArray[Any],
    labeled_proba: NDArray[Any],
    labeled_embedding: NDArray[Any],
    labeled_codes: NDArray[np.int64],
    *,
    n: int,
) -> NDArray[np.int64]:
    """Choose as many rows of each predicted class, each the farthest in sum from the anchors of the class.

    The anchors of a class are the labeled rows of it that are predicted to be of it, and whatever has been chosen
    of those predicted to be of it. The active learning slides' algorithm 1.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_classes)
        Class probabilities of the pool.
    embedding : ndarray of shape (n_candidates, d)
        Where the pool is.
    labeled_proba : ndarray of shape (n_labeled, n_classes)
        Class probabilities of the labeled rows.
    labeled_embedding : ndarray of shape (n_labeled, d)
        Where they are.
    labeled_codes : ndarray of shape (n_labeled,)
        Their labels, as columns of the probabilities.
    n : int
        How many to choose.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool. Classes take turns, in the order of the columns, so that what `n` leaves over goes to
        the first of them, and what a class is too small for to the others. Of equally far rows the lowest is first,
        also where a class has no anchor.

    References
    ----------
    Active learning slides, "Proposed methods", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import farthest_per_class
    >>> proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    >>> points = np.array([[1.0], [2.0], [6.0], [8.0]])
    >>> farthest_per_class(proba, points, proba[[0, 2]], np.array([[0.0], [9.0]]), np.array([0, 1]), n=2)
    array([1, 2])
    """
    check_n(n, len(proba), "farthest_per_class")
    predicted = proba.argmax(axis=1)
    anchors = _anchors(labeled_proba, labeled_codes)
    rows_of = {k: np.flatnonzero(predicted == k) for k in np.unique(predicted)}
    squared_from = {k: FromOne(embedding[rows]) for k, rows in rows_of.items()}
    distance = {}
    for k, rows in rows_of.items():
        of_class = labeled_embedding[anchors == k]
        distance[k] = len(of_class) * _mean_distance(embedding[rows], of_class, 0.0)
    chosen: list[int] = []
    while True:
        for k, rows in rows_of.items():
            if len(chosen) == n:
                return np.array(chosen)
            farthest = int(distance[k].argmax())
            if distance[k][farthest] > -np.inf:
                chosen.append(int(rows[farthest]))
                distance[k] += np.sqrt(squared_from[k](farthest))
                distance[k][farthest] = -np.inf


def distant_least_confident(
    proba: NDArray[Any],
    embedding: NDArray[Any],
    labeled_proba: NDArray[Any],
    labeled_embedding: NDArray[Any],
    labeled_codes: NDArray[np.int64],
) -> NDArray[Any]:
    """``(1 - max_y p(y|x)) d(x) / max d``, d the mean distance to the anchors of the predicted class.

    The anchors of a class are the labeled rows of it that are predicted to be of it. The active learning slides'
    algorithm 2, as a score.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_classes)
        Class probabilities of the pool.
    embedding : ndarray of shape (n_candidates, d)
        Where the pool is.
    labeled_proba : ndarray of shape (n_labeled, n_classes)
        Class probabilities of the labeled rows.
    labeled_embedding : ndarray of shape (n_labeled, d)
        Where they are.
    labeled_codes : ndarray of shape (n_labeled,)
        Their labels, as columns of the probabilities.

    Returns
    -------
    ndarray of shape (n_candidates,)
        In [0, 1). A row predicted to be of a class without anchors counts as the farthest.

    References
    ----------
    Active learning slides, "Proposed methods", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import distant_least_confident
    >>> proba = np.array([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75]])
    >>> points = np.array([[1.0], [2.0], [8.0]])
    >>> distant_least_confident(proba, points, proba[[0, 2]], np.array([[0.0], [9.0]]), np.array([0, 1]))
    array([0.125, 0.25 , 0.125])
    """
    predicted = proba.argmax(axis=1)
    anchors = _anchors(labeled_proba, labeled_codes)
    distance = np.empty(len(proba))
    for k in range(proba.shape[1]):
        rows = predicted == k
        distance[rows] = _mean_distance(embedding[rows], labeled_embedding[anchors == k], np.inf)
    finite = distance[np.isfinite(distance)]
    farthest = finite.max() if len(finite) else 0.0
    normalized = np.minimum(distance, farthest) / farthest if farthest > 0 else np.ones(len(proba))
    return np.asarray(least_confident(proba) * normalized)


def _anchors(labeled_proba: NDArray[Any], labeled_codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class that a labeled row is an anchor of, -1 for one that is classified wrongly, (n_labeled,)."""
    return np.where(labeled_proba.argmax(axis=1) == labeled_codes, labeled_codes, -1)


def _mean_distance(points: NDArray[Any], anchors: NDArray[Any], without: float) -> NDArray[Any]:
    return mean_distances(points, anchors) if len(anchors) else np.full(len(points), without)
