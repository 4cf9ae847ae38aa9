"""Label a large data set from a few dozen answers, with variational autoencoders."""

from ._labels import UNLABELED
from .estimators import (
    ActiveLearningClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    M2Classifier,
    VAALClassifier,
    VariationalAutoencoder,
)
from .labeling import INVALID, SKIP

__all__ = [
    "INVALID",
    "SKIP",
    "UNLABELED",
    "ActiveLearningClassifier",
    "ClusterLabelVAEClassifier",
    "GMDGMClassifier",
    "M2Classifier",
    "VAALClassifier",
    "VariationalAutoencoder",
]

__version__ = "0.1.0"
