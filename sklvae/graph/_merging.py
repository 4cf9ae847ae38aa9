"""Clusters that belong together, as a graph of their members says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["between_clusters", "merge_clusters"]


def between_clusters(graph: csr_array, clusters: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight of the edges between any two clusters.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Symmetric weights.
    clusters : ndarray of shape (n,)
        The cluster of each node, 0, 1, ...

    Returns
    -------
    ndarray of shape (n_clusters, n_clusters)
        On the diagonal those within a cluster, counted from both ends.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sklvae.graph import between_clusters
    >>> chain = csr_array(np.diag([1.0, 2.0], 1) + np.diag([1.0, 2.0], -1))
    >>> between_clusters(chain, np.array([0, 0, 1]))
    array([[2., 2.],
           [2., 0.]])
    """
    member = csr_array((np.ones(len(clusters)), (np.arange(len(clusters)), clusters)))
    weight: NDArray[np.float64] = (member.T @ graph @ member).toarray()
    return weight


def merge_clusters(
    weight: NDArray[np.float64], size: NDArray[np.int64], found: NDArray[np.int64], n_groups: int
) -> NDArray[np.int64]:
    """Merge clusters until there are at most so many groups, always the two groups that are connected most.

    Connection is the weight of the edges between two groups, over the weight of all edges of the smaller one.

    Parameters
    ----------
    weight : ndarray of shape (n_clusters, n_clusters)
        As from `between_clusters`.
    size : ndarray of shape (n_clusters,)
        Members of each cluster.
    found : ndarray of shape (n_found,)
        The clusters to merge; edges to others count for the weight of a cluster only.
    n_groups : int
        At most so many groups.

    Returns
    -------
    ndarray of shape (n_found,)
        The group of each, 0 the one with the most members.

    References
    ----------
    The connection is the conductance between two groups, see Kannan, Vempala and Vetta, 2004, "On clusterings: good,
    bad and spectral", Section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import merge_clusters
    >>> weight = np.array([[8.0, 0.0, 3.0], [0.0, 8.0, 1.0], [3.0, 1.0, 4.0]])
    >>> merge_clusters(weight, np.array([5, 9, 1]), np.arange(3), 2)  # the third goes to the first
    array([1, 0, 1])
    """
    weight = weight.copy()
    group = {int(cluster): [int(cluster)] for cluster in found}
    while len(group) > max(n_groups, 1):
        names = list(group)
        between = weight[np.ix_(names, names)]
        volume = weight[names].sum(axis=1)
        connection = between / np.maximum(np.minimum.outer(volume, volume), np.finfo(float).tiny)
        i, j = np.unravel_index(np.triu(connection, 1).argmax(), connection.shape)
        if i == j:  # nothing is connected any more
            i, j = 0, 1
        keep, drop = names[i], names[j]
        weight[keep] += weight[drop]
        weight[:, keep] += weight[:, drop]
        group[keep] += group.pop(drop)
    ranked = sorted(group.values(), key=lambda members: -size[members].sum())
    place = {cluster: number for number, members in enumerate(ranked) for cluster in members}
    return np.array([place[int(cluster)] for cluster in found], dtype=np.int64)
