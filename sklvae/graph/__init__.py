"""Neighbor graphs and label propagation on them: arrays in, arrays out."""

from ._neighbors import knn_graph
from ._spreading import spread_labels
from ._views import principal_points

__all__ = ["knn_graph", "principal_points", "spread_labels"]
