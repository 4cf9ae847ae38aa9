"""Label a large data set from a few dozen answers, with variational autoencoders."""

from ._labels import UNLABELED
from .estimators import (
    ActiveLearningClassifier,
    CentroidRegularizedClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    LabelingSession,
    M2Classifier,
    VAALClassifier,
    VAETransferClassifier,
    VariationalAutoencoder,
    load,
)
from .labeling import INVALID, SKIP

__all__ = [
    "INVALID",
    "SKIP",
    "UNLABELED",
    "ActiveLearningClassifier",
    "CentroidRegularizedClassifier",
    "ClusterLabelVAEClassifier",
    "GMDGMClassifier",
    "LabelingSession",
    "M2Classifier",
    "VAALClassifier",
    "VAETransferClassifier",
    "VariationalAutoencoder",
    "load",
]

__version__ = "0.1.0"
