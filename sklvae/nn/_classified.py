"""A VAE with a softmax layer on its latent vector."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Categorical

from ._vae import VAE

__all__ = ["ClassifiedVAE"]


class ClassifiedVAE(nn.Module):
    """p(x|z), q(z|x) and p(y|z) = softmax(W z + b) (cluster-label paper, Figure 1)."""

    def __init__(self, vae: VAE, n_classes: int) -> None:
        super().__init__()
        self.vae = vae
        self.head = nn.Linear(vae.n_latent, n_classes)

    def classify(self, z: Tensor) -> Categorical:
        """p(y|z), batch (B,), over ``n_classes`` codes."""
        return Categorical(logits=self.head(z).to(self.vae.zero.dtype), validate_args=False)
