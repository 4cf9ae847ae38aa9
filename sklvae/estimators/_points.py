"""Rows of X as points: where they lie among the inputs, and who is whose neighbor there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..graph import gradient_histograms, knn_graph, principal_points
from ._moments import feature_moments

__all__ = ["input_points", "inputs_graph", "side_by_side"]

N_OF_EDGES = 100
"""Components of gradients: twice as many as of a table, since less of their variance is in the first ones."""

FEW = 64
"""Images that are looked at together until one has an edge."""

NO_VARIANCE = 1e-10
"""Share of the mean square that is left of the variance of equal points by rounding."""


def input_points(rows: NDArray[Any], event: Sequence[int]) -> NDArray[np.float32]:
    """Principal components: of the edges in images, of whatever contrast, or of a table's columns in their units."""
    if len(event) != 3:
        return principal_points(rows, feature_moments(rows, shared=False)[1])
    edges = partial(gradient_histograms, shape=event)
    if any(edges(rows[i : i + FEW]).any() for i in range(0, len(rows), FEW)):
        return principal_points(rows, describe=edges, by_row=True, n_components=N_OF_EDGES)
    return principal_points(rows, by_row=True)


def inputs_graph(rows: NDArray[Any], event: Sequence[int]) -> csr_array:
    """Neighbors among the inputs, by `input_points`."""
    return knn_graph(input_points(rows, event))


def side_by_side(*points: NDArray[Any]) -> NDArray[Any]:
    """Points whose parts, (n, d_i), have equal shares of the variance; a part that does not vary is left out."""
    scaled = []
    for part in points:
        variance = part.var(axis=0).sum()
        if variance > NO_VARIANCE * np.square(part).sum(axis=1).mean():
            scaled.append(part / np.sqrt(variance))
    return np.concatenate(scaled, axis=1) if scaled else points[0]
