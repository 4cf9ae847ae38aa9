"""Neighbor graphs and label propagation on them: arrays in, arrays out."""

from ._neighbors import knn_graph
from ._spreading import spread_labels

__all__ = ["knn_graph", "spread_labels"]
