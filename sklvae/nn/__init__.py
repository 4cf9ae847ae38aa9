"""Networks and densities, in torch only: modules return distributions and know no loss."""

from ._centroids import CentroidNetwork, Centroids
from ._class_vae import GMDGM, M2, ClassVAE
from ._classified import ClassifiedVAE
from ._discriminator import Discriminated
from ._likelihoods import BernoulliLikelihood, GaussianLikelihood
from ._neighbor_vae import NeighborVAE
from ._networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder, pooled_encoder
from ._resnet import ResNet
from ._transfer import TransferNet, convolutional_head, cut_encoder, feedforward_head, weighted_layers
from ._vae import VAE

__all__ = [
    "GMDGM",
    "M2",
    "VAE",
    "BernoulliLikelihood",
    "CentroidNetwork",
    "Centroids",
    "ClassVAE",
    "ClassifiedVAE",
    "Discriminated",
    "GaussianLikelihood",
    "NeighborVAE",
    "ResNet",
    "TransferNet",
    "conv_decoder",
    "conv_encoder",
    "convolutional_head",
    "cut_encoder",
    "feedforward_head",
    "mlp_decoder",
    "mlp_encoder",
    "pooled_encoder",
    "weighted_layers",
]
