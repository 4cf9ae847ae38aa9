"""Points that attract their neighbors and repel everything else: a space that clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, triu
from torch import Tensor

from ._neighbors import edge_chances

__all__ = ["neighbor_embedding"]

N_REPELLING = 3
"""Random points that repel an end of an edge, for each time the edge attracts."""

N_BATCHES = 10
FARTHEST_STEP = 4.0
START_RADIUS = 10.0


def neighbor_embedding(graph: csr_array, start: NDArray[Any], *, seed: int, n_epochs: int = 200) -> NDArray[np.float32]:
    """Move points so that neighbors come together and others part.

    Stochastic descent on ``-sum_ij w_ij ln q_ij - sum_ij (1 - w_ij) ln (1 - q_ij)`` with
    ``q_ij = 1 / (1 + |e_i - e_j|^2)``: each epoch takes an edge with probability ``min(1, w_ij^(1/4))``, about
    ``exp(-d_ij^2 / d_i^2)`` for the weights of `knn_graph`, and three random points against each of its ends.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Symmetric weights, as from `knn_graph` or a sum of its graphs.
    start : ndarray of shape (n, d)
        Where the points start; it decides how clusters lie to each other.
    seed : int
        Seed of the edges and points drawn.
    n_epochs : int, default=200
        Passes over the edges.

    Returns
    -------
    ndarray of shape (n, d), float32

    References
    ----------
    McInnes, Healy and Melville, 2018, "UMAP: uniform manifold approximation and projection", Section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.graph import knn_graph, neighbor_embedding
    >>> points = np.random.default_rng(0).normal(size=(40, 3))
    >>> neighbor_embedding(knn_graph(points), points, seed=0).shape
    (40, 3)
    """
    edges = edge_chances(triu(graph, format="csr")).tocoo()
    head, tail = (torch.from_numpy(nodes.astype(np.int64)) for nodes in edges.coords)
    chance = torch.from_numpy(edges.data)
    centered = start - start.mean(axis=0)
    points = torch.from_numpy((START_RADIUS * centered / (np.abs(centered).max() or 1)).astype(np.float32))
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(n_epochs):
        step = 1 - epoch / n_epochs
        taken = torch.nonzero(torch.rand(len(chance), generator=generator) < chance)[:, 0]
        taken = taken[torch.randperm(len(taken), generator=generator)]
        for edge in taken.chunk(N_BATCHES):
            points += step * _forces(points, head[edge], tail[edge], generator)
    return points.numpy()


def _forces(points: Tensor, head: Tensor, tail: Tensor, generator: torch.Generator) -> Tensor:
    """How far edges pull their ends together and random points push them apart, (n, d)."""
    force = torch.zeros_like(points)
    at_head, at_tail = points.index_select(0, head), points.index_select(0, tail)
    difference = at_head - at_tail
    pull = (difference * (-2 / (1 + _squared(difference)))).clamp_(-FARTHEST_STEP, FARTHEST_STEP)
    for end, place, total in ((head, at_head, pull), (tail, at_tail, -pull)):
        for _ in range(N_REPELLING):
            other = torch.randint(len(points), (len(end),), generator=generator)
            difference = place - points.index_select(0, other)
            distance = _squared(difference)
            push = difference.mul_(2 / ((1e-3 + distance) * (1 + distance)))
            total += push.clamp_(-FARTHEST_STEP, FARTHEST_STEP)
        force.index_add_(0, end, total)
    return force


def _squared(difference: Tensor) -> Tensor:
    """Squared lengths, (e, 1)."""
    return torch.linalg.vecdot(difference, difference)[:, None]
