"""Pictures of questions, learning curves, latent spaces and inputs: matplotlib figures, and pyplot is left alone."""

from ._curves import plot_learning_curves
from ._images import plot_centroids, plot_classes, plot_reconstructions
from ._latent import plot_latent
from ._queries import plot_queries

__all__ = [
    "plot_centroids",
    "plot_classes",
    "plot_latent",
    "plot_learning_curves",
    "plot_queries",
    "plot_reconstructions",
]
