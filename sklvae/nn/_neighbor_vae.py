"""A VAE whose encoder says, too, which samples are alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent
from torch.nn import functional as F

from ._likelihoods import BernoulliLikelihood, GaussianLikelihood
from ._vae import VAE

__all__ = ["NeighborVAE"]

N_DIRECTIONS = 16


class NeighborVAE(VAE):
    """A VAE whose encoder gives, beside q(z|x), a direction that samples of one kind share.

    What such samples share is not all that the decoder needs, so that it has outputs of its own.

    Parameters
    ----------
    encoder : Module
        (B, ...) -> (B, 2 n_latent + N_DIRECTIONS): mean and raw scale of q(z|x), and the direction.
    decoder, observation, n_latent
        As in `VAE`.

    References
    ----------
    Chen, Kornblith, Norouzi and Hinton, 2020, "A simple framework for contrastive learning of visual representations",
    Section 2.1.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import BernoulliLikelihood, NeighborVAE, mlp_decoder, mlp_encoder
    >>> encoder = mlp_encoder((6,), [8], NeighborVAE.encoder_outputs(2))
    >>> vae = NeighborVAE(encoder, mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> vae.direction(torch.rand(3, 6)).shape
    torch.Size([3, 16])
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        observation: BernoulliLikelihood | GaussianLikelihood,
        n_latent: int,
    ) -> None:
        super().__init__(encoder, decoder, observation, n_latent)
        self.register_buffer("n_directions", torch.tensor(N_DIRECTIONS))  # tells a saved network from a plain VAE

    @classmethod
    def encoder_outputs(cls, n_latent: int) -> int:
        """Width of the encoder's output."""
        return 2 * n_latent + N_DIRECTIONS

    def posterior(self, x: Tensor) -> Independent:
        """q(z|x), batch (B,), event (n_latent,)."""
        return self.posterior_and_direction(x)[0]

    def posterior_and_direction(self, x: Tensor) -> tuple[Independent, Tensor]:
        """q(z|x) and unit vectors (B, N_DIRECTIONS), in one pass."""
        parameters, direction = self.encoder(self.observation.standardize(x)).split(
            [2 * self.n_latent, N_DIRECTIONS], dim=-1
        )
        return self._normal(parameters), F.normalize(direction.to(self.zero.dtype), dim=-1)
