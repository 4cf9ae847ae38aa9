"""Neighbor graphs, and labels and points that follow them: arrays in, arrays out."""

from ._embedding import neighbor_embedding
from ._gradients import gradient_histograms
from ._merging import between_clusters, merge_clusters
from ._neighbors import edge_chances, knn_graph, with_latents
from ._points import principal_points
from ._spreading import spread_labels

__all__ = [
    "between_clusters",
    "edge_chances",
    "gradient_histograms",
    "knn_graph",
    "merge_clusters",
    "neighbor_embedding",
    "principal_points",
    "spread_labels",
    "with_latents",
]
