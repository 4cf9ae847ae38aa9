"""A VAE with a softmax layer on its latent vector."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Categorical

from ._vae import VAE

__all__ = ["ClassifiedVAE"]


class ClassifiedVAE(nn.Module):
    """p(x|z), q(z|x) and p(y|z) = softmax(W z + b) (cluster-label paper, Figure 1).

    Parameters
    ----------
    vae : VAE
        p(x|z) and q(z|x).
    n_classes : int
        Number of classes.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE, mlp_decoder, mlp_encoder
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> ClassifiedVAE(vae, n_classes=3).classify(vae.encode(torch.rand(5, 6))).probs.shape
    torch.Size([5, 3])
    """

    def __init__(self, vae: VAE, n_classes: int) -> None:
        super().__init__()
        self.vae = vae
        self.head = nn.Linear(vae.n_latent, n_classes)

    def classify(self, z: Tensor) -> Categorical:
        """p(y|z), batch (B,), over ``n_classes`` codes."""
        return Categorical(logits=self.head(z).to(self.vae.zero.dtype), validate_args=False)
