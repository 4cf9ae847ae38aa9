"""What a user imports: scikit-learn estimators that put the parts together."""

from ._active_learning import ActiveLearningClassifier
from ._centroid_regularized import CentroidRegularizedClassifier
from ._cluster_label import ClusterLabelVAEClassifier
from ._gmdgm import GMDGMClassifier
from ._m2 import M2Classifier
from ._persistence import load
from ._session import LabelingSession
from ._vaal import VAALClassifier
from ._vae import VariationalAutoencoder
from ._vae_transfer import VAETransferClassifier

__all__ = [
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
