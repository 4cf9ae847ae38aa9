"""Label spreading on a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.sparse.csgraph import dijkstra

__all__ = ["spread_labels"]

AT_ONCE = 16
"""Classes whose mass is found together: a pass over the graph costs hardly more than for one."""


def spread_labels(graph: csr_array, seeds: NDArray[Any], *, alpha: float = 0.99) -> NDArray[np.float64]:
    """Spread the mass of labeled nodes over a graph and give every node class probabilities.

    Solves ``(I - alpha S) F = (1 - alpha) Y`` with ``S = D^-1/2 W D^-1/2`` by conjugate gradients, divides
    each class by its mass and each row by its sum. Nodes so far from every label that the solver stops before any mass
    gets there have the probabilities of the nearest node, in edges, that has some.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Symmetric weights W.
    seeds : ndarray of shape (n, n_classes)
        Y: the weight of each label where one is known, 0 elsewhere.
    alpha : float in (0, 1), default=0.99
        How far mass travels.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Rows sum to 1; a node that is not connected to a label has a row of 0.

    References
    ----------
    Zhou et al., 2004, "Learning with local and global consistency", Equation 4; class mass normalization:
    Zhu, Ghahramani and Lafferty, 2003, Section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import knn_graph, spread_labels
    >>> graph = knn_graph(np.array([[0.0], [1.0], [2.0], [7.0], [8.0], [9.0]]), n_neighbors=2)
    >>> spread_labels(graph, np.eye(6)[:, [0, 5]]).argmax(axis=1)
    array([0, 0, 0, 1, 1, 1])
    """
    degree = np.asarray(graph.sum(axis=1)).ravel()
    root = diags_array(1 / np.sqrt(np.maximum(degree, np.finfo(np.float64).tiny)))
    system = (eye_array(graph.shape[0]) - alpha * (root @ graph @ root)).tocsr()
    seeds = (1 - alpha) * np.asarray(seeds, dtype=np.float64)
    mass = np.concatenate(
        [_solution(system, seeds[:, i : i + AT_ONCE]) for i in range(0, seeds.shape[1], AT_ONCE)], axis=1
    )
    mass = np.maximum(mass, 0)  # the solver's rounding
    total = mass.sum(axis=0)
    mass = mass / np.where(total > 0, total, 1)
    row = mass.sum(axis=1, keepdims=True)
    return _carried_on(graph, np.divide(mass, row, out=np.zeros_like(mass), where=row > 0))


def _solution(system: csr_array, right: NDArray[np.float64], rtol: float = 1e-6) -> NDArray[np.float64]:
    """Solve ``system @ x = right`` by conjugate gradients, the columns side by side, until all are near."""
    x, residual, direction = np.zeros_like(right), right.copy(), right.copy()
    left = np.square(residual).sum(axis=0)
    enough = rtol**2 * left
    while (left > enough).any():
        along = system @ direction
        step = _ratio(left, (direction * along).sum(axis=0))
        x += step * direction
        residual -= step * along
        before, left = left, np.square(residual).sum(axis=0)
        direction = residual + _ratio(left, before) * direction
    return x


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a / b, and 0 where b is 0: of a column that is solved."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _carried_on(graph: csr_array, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of 0 become those of the nearest nodes with mass, where there is a path."""
    reached = share.any(axis=1)
    if reached.all() or not reached.any():
        return share
    _, _, nearest = dijkstra(
        graph,
        directed=False,
        indices=np.flatnonzero(reached),
        unweighted=True,
        min_only=True,
        return_predecessors=True,
    )
    return np.where((nearest >= 0)[:, None], share[np.maximum(nearest, 0)], 0.0)
