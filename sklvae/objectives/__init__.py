"""Each paper's objective as one function of (module, batch) that returns per-sample terms in nats."""

from ._centroids import centroid_loss, centroid_penalty, draw_evenly, responsibilities, settle
from ._class_elbo import class_elbo, classless_loss, labeled_bound, m2_loss, started_loss, unlabeled_bound
from ._cluster_label import cluster_label_loss, taught_loss
from ._elbo import ElboTerms, beta_vae_loss, elbo
from ._neighbors import contrast, neighbor_vae_loss
from ._transfer import transfer_loss
from ._vaal import classified_loss, vaal_loss

__all__ = [
    "ElboTerms",
    "beta_vae_loss",
    "centroid_loss",
    "centroid_penalty",
    "class_elbo",
    "classified_loss",
    "classless_loss",
    "cluster_label_loss",
    "contrast",
    "draw_evenly",
    "elbo",
    "labeled_bound",
    "m2_loss",
    "neighbor_vae_loss",
    "responsibilities",
    "settle",
    "started_loss",
    "taught_loss",
    "transfer_loss",
    "unlabeled_bound",
    "vaal_loss",
]
