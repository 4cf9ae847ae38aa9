"""Neighbor graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ._nearest import nearest

__all__ = ["edge_chances", "knn_graph", "with_latents"]

TELLING = 0.1
"""Variance of a posterior mean over the data, where the prior has 1, above which the latent says something of them."""


def knn_graph(points: NDArray[Any], n_neighbors: int = 10) -> csr_array:
    """Symmetric graph of nearest neighbors, weighted by a Gaussian of the local scale.

    ``w_ij = exp(-4 |x_i - x_j|^2 / d_i^2)`` where ``d_i`` is the distance from i to its last neighbor; the
    graph is the mean of ``w`` and its transpose. More than 100,000 points in more than five columns are compared with
    some 20,000 each, those in the nearest cells of k-means: time is linear in n, as memory always is, and some
    neighbors are not the nearest. The fewer clusters there are to see, and the more columns, the more are missed.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Where the nodes are.
    n_neighbors : int, default=10
        Edges that start at a node; at most ``n - 1`` are made.

    Returns
    -------
    csr_array of shape (n, n)
        Weights in (0, 1], none on the diagonal.

    References
    ----------
    Calder, Cook, Thorpe and Slepcev, 2020, "Poisson learning", Section 4. Many points: Jegou, Douze and Schmid, 2011,
    "Product quantization for nearest neighbor search", Section 4 (the inverted file).

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import knn_graph
    >>> knn_graph(np.array([[0.0], [1.0], [3.0]]), n_neighbors=1).toarray().round(3)
    array([[0.   , 0.018, 0.   ],
           [0.018, 0.   , 0.009],
           [0.   , 0.009, 0.   ]])
    """
    n = len(points)
    n_neighbors = min(n_neighbors, n - 1)
    distance, index = nearest(points, n_neighbors)
    scale = np.maximum(distance[:, -1:], np.finfo(np.float64).tiny)
    weight = np.exp(-4 * (distance / scale) ** 2)
    indptr = np.arange(0, n * n_neighbors + 1, n_neighbors)
    directed = csr_array((weight.ravel(), index.ravel(), indptr), shape=(n, n))
    return ((directed + directed.T) / 2).tocsr()


def edge_chances(graph: csr_array) -> csr_array:
    """How likely an edge is drawn, up to a factor: about ``exp(-d_ij^2 / d_i^2)``, for weights as of `knn_graph`.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Weights in (0, 1], or sums of such.

    Returns
    -------
    csr_array of shape (n, n)

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import edge_chances, knn_graph
    >>> edge_chances(knn_graph(np.array([[0.0], [1.0]]))).toarray().round(3)
    array([[0.   , 0.368],
           [0.368, 0.   ]])
    """
    return graph**0.25


def with_latents(graph: csr_array, z: NDArray[Any]) -> csr_array:
    """Add the neighbors among latent vectors to a graph, if the vectors say anything.

    Where the posterior has collapsed, onto a prior of variance 1, its means are noise, and so would their neighbors be.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Neighbors among the inputs.
    z : ndarray of shape (n, n_latent)
        Posterior means.

    Returns
    -------
    csr_array of shape (n, n)

    References
    ----------
    The variance of posterior means as a measure: Burda, Grosse and Salakhutdinov, 2016, "Importance weighted
    autoencoders", Section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import knn_graph, with_latents
    >>> points = np.random.default_rng(0).normal(size=(20, 3))
    >>> graph = knn_graph(points)
    >>> with_latents(graph, 0.01 * points) is graph
    True
    """
    return graph + knn_graph(z) if z.var(axis=0).max() > TELLING else graph
