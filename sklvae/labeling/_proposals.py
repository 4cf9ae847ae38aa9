"""Which clusters are worth a question once something is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._clusters import Cluster, hard_cluster

__all__ = ["doubtful_clusters"]


def doubtful_clusters(
    points: NDArray[Any], assignment: NDArray[np.int64], answered: NDArray[np.int64], doubt: NDArray[Any], n: int
) -> list[Cluster]:
    """The clusters with the fewest answers, and of these the ones with the most doubt, a sum over their rows.

    Clusters of which every row is answered are left out; of equal ones the larger come first.

    Parameters
    ----------
    points : ndarray of shape (n_samples, d)
        Where the rows are.
    assignment : ndarray of shape (n_samples,)
        The cluster of each row, 0, 1, ...
    answered : ndarray of shape (n_answered,)
        Rows that were asked about, or whose label is known; each once.
    doubt : ndarray of shape (n_samples,)
        Doubt about each row, at least 0.
    n : int
        How many clusters to give; fewer if there are no more.

    Returns
    -------
    list of Cluster
        In the order of choice; each with the mean of its members as its center.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import doubtful_clusters
    >>> points, doubt = np.array([[0.0], [1.0], [8.0], [9.0], [20.0]]), np.array([0.9, 0.9, 0.2, 0.3, 0.4])
    >>> chosen = doubtful_clusters(points, np.array([0, 0, 1, 1, 2]), np.array([1]), doubt, 2)
    >>> [cluster.rows.tolist() for cluster in chosen]
    [[2, 3], [4]]
    """
    found, assignment = np.unique(assignment, return_inverse=True)
    size, n_answers = np.bincount(assignment), np.bincount(assignment[answered], minlength=len(found))
    order = np.lexsort((-size, -np.bincount(assignment, weights=doubt), n_answers))
    unanswered = order[n_answers[order] < size[order]]
    return [hard_cluster(points, np.flatnonzero(assignment == k)) for k in unanswered[:n]]
