"""A discriminator of labeled against unlabeled latents, beside the model that makes them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli

from ._class_vae import M2
from ._classified import ClassifiedVAE
from ._networks import dense

__all__ = ["Discriminated"]


class Discriminated(nn.Module):
    """A model and D(mu), the probability that the latent of a row is that of a labeled one.

    The latent of a `ClassifiedVAE` is the mean of q(z|x), that of `M2` is E[z|x] and q(y|x) side by side.

    Parameters
    ----------
    model : ClassifiedVAE or M2
        What makes the latents.
    hidden_units : sequence of int, default=(512, 512)
        Widths of the discriminator's hidden layers.

    References
    ----------
    Sinha, Ebrahimi and Darrell, 2019, "Variational adversarial active learning"; active learning slides ("our latent
    space consists of [Z, Y']").

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE, Discriminated, mlp_decoder, mlp_encoder
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> model = Discriminated(ClassifiedVAE(vae, n_classes=3))
    >>> model.labeled(model.latent(torch.rand(5, 6))).probs.shape
    torch.Size([5])
    """

    def __init__(self, model: ClassifiedVAE | M2, hidden_units: Sequence[int] = (512, 512)) -> None:
        super().__init__()
        self.model = model
        n_inputs = model.vae.n_latent if isinstance(model, ClassifiedVAE) else model.n_latent + len(model.class_probs)
        self.discriminator = nn.Sequential(*dense(n_inputs, hidden_units, 1))

    def latent(self, x: Tensor) -> Tensor:
        """What the discriminator sees of x, (B, n_inputs)."""
        if isinstance(self.model, ClassifiedVAE):
            return self.model.vae.encode(x)
        return torch.cat([self.model.encode(x), self.model.classify(x).probs], dim=1)

    def labeled(self, latent: Tensor) -> Bernoulli:
        """D: whether a latent is that of a labeled row, batch (B,)."""
        logits = self.discriminator(latent).squeeze(-1).to(latent.dtype)
        return Bernoulli(logits=logits, validate_args=False)
