"""Label a large data set from a few dozen answers, with variational autoencoders."""

from ._labels import UNLABELED
from .estimators import (
    CentroidRegularizedClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    LabelingSession,
    M2Classifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)
from .labeling import INVALID, SKIP

__all__ = [
    "INVALID",
    "SKIP",
    "UNLABELED",
    "CentroidRegularizedClassifier",
    "ClusterLabelVAEClassifier",
    "GMDGMClassifier",
    "LabelingSession",
    "M2Classifier",
    "VAETransferClassifier",
    "VariationalAutoencoder",
]

__version__ = "0.1.0"
