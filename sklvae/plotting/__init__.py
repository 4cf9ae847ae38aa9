"""Pictures of what was asked, of latent spaces and of inputs. They are matplotlib figures, and pyplot is left alone."""

from ._images import plot_centroids, plot_classes, plot_reconstructions
from ._latent import plot_latent
from ._queries import plot_queries

__all__ = ["plot_centroids", "plot_classes", "plot_latent", "plot_queries", "plot_reconstructions"]
