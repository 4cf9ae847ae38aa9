"""Networks and densities, in torch only: modules return distributions and know no loss."""

from ._class_vae import GMDGM, M2, ClassVAE
from ._classified import ClassifiedVAE
from ._discriminator import Discriminated
from ._likelihoods import BernoulliLikelihood, GaussianLikelihood
from ._networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from ._vae import VAE

__all__ = [
    "GMDGM",
    "M2",
    "VAE",
    "BernoulliLikelihood",
    "ClassVAE",
    "ClassifiedVAE",
    "Discriminated",
    "GaussianLikelihood",
    "conv_decoder",
    "conv_encoder",
    "mlp_decoder",
    "mlp_encoder",
]
