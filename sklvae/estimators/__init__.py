"""What a user imports: scikit-learn estimators that put the parts together."""

from ._active_learning import ActiveLearningClassifier
from ._cluster_label import ClusterLabelVAEClassifier
from ._gmdgm import GMDGMClassifier
from ._m2 import M2Classifier
from ._vaal import VAALClassifier
from ._vae import VariationalAutoencoder

__all__ = [
    "ActiveLearningClassifier",
    "ClusterLabelVAEClassifier",
    "GMDGMClassifier",
    "M2Classifier",
    "VAALClassifier",
    "VariationalAutoencoder",
]
