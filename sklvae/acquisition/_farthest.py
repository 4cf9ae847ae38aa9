"""Farthest-first traversal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._checks import check_n
from ._distances import FromOne, nearest_squared

__all__ = ["farthest_first"]


def farthest_first(embedding: NDArray[Any], labeled_embedding: NDArray[Any], *, n: int) -> NDArray[np.int64]:
    """Choose, n times, the point farthest from all labeled and chosen ones.

    The cover that it finds is at most twice as wide as the best one.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled. If nothing is, the first choice is the point nearest to the mean of the pool.
    n : int
        How many to choose.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice; of equal ones, up to rounding, the lowest first.

    References
    ----------
    Sener and Savarese, 2018, "Active learning for convolutional neural networks: a core-set approach",
    Algorithm 1; Gonzalez, 1985, "Clustering to minimize the maximum intercluster distance".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import farthest_first
    >>> farthest_first(np.array([[0.0], [1.0], [5.0], [9.0]]), np.array([[0.0]]), n=2)
    array([3, 2])
    """
    check_n(n, len(embedding), "farthest_first")
    nearest = nearest_squared(embedding, labeled_embedding)
    squared_from = FromOne(embedding)
    chosen: list[int] = []
    for _ in range(n):
        if not chosen and not len(labeled_embedding):
            chosen.append(int(squared_from.size.argmin()))
        else:
            chosen.append(int(nearest.argmax()))
        np.minimum(nearest, squared_from(chosen[-1]), out=nearest)
        nearest[chosen] = -np.inf
    return np.array(chosen)
