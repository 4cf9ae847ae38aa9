"""The variational autoencoder as three distributions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn import functional as F

from ._likelihoods import BernoulliLikelihood, GaussianLikelihood

__all__ = ["VAE"]


class VAE(nn.Module):
    """p(z), p(x|z) and q(z|x) (Kingma and Welling, 2014, https://arxiv.org/abs/1312.6114).

    Parameters
    ----------
    encoder : Module
        (B, ...) -> (B, 2 n_latent): mean and raw scale of q(z|x).
    decoder : Module
        (B, n_latent) -> (B, ...).
    observation : BernoulliLikelihood or GaussianLikelihood
        Density of x given the decoder's output.
    n_latent : int
        Number of latent dimensions.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, mlp_decoder, mlp_encoder
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> x = torch.rand(3, 6)
    >>> vae.likelihood(vae.posterior(x).rsample()).log_prob(x).shape
    torch.Size([3])
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        observation: BernoulliLikelihood | GaussianLikelihood,
        n_latent: int,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.observation = encoder, decoder, observation
        self.zero: Tensor
        self.register_buffer("zero", torch.zeros(n_latent))

    @classmethod
    def encoder_outputs(cls, n_latent: int) -> int:
        """Width of the encoder's output."""
        return 2 * n_latent

    @property
    def n_latent(self) -> int:
        """Number of latent dimensions."""
        return len(self.zero)

    def prior(self) -> Independent:
        """p(z) = N(0, I), event (n_latent,)."""
        return Independent(Normal(self.zero, torch.ones_like(self.zero), validate_args=False), 1)

    def posterior(self, x: Tensor) -> Independent:
        """q(z|x), batch (B,), event (n_latent,)."""
        return self._normal(self.encoder(self.observation.standardize(x)))

    def posterior_and_direction(self, x: Tensor) -> tuple[Independent, Tensor]:
        """q(z|x), and what samples of one kind share: the direction of its mean, unit vectors (B, n_latent)."""
        posterior = self.posterior(x)
        return posterior, F.normalize(posterior.mean, dim=-1)

    def direction(self, x: Tensor) -> Tensor:
        """Unit vectors that samples of one kind share."""
        return self.posterior_and_direction(x)[1]

    def _normal(self, parameters: Tensor) -> Independent:
        """q(z|x) of the encoder's output, (B, 2 n_latent)."""
        # Under autocast the networks compute in bfloat16; densities always in the buffers' precision.
        loc, raw = parameters.to(self.zero.dtype).chunk(2, dim=-1)
        return Independent(Normal(loc, F.softplus(raw) + 1e-6, validate_args=False), 1, validate_args=False)

    def likelihood(self, z: Tensor) -> Independent:
        """p(x|z), batch (B,), event (...)."""
        return self.observation(self.decoder(z).to(self.zero.dtype))

    def encode(self, x: Tensor) -> Tensor:
        """Posterior means, (B, n_latent)."""
        mean: Tensor = self.posterior(x).mean
        return mean

    def decode(self, z: Tensor) -> Tensor:
        """Means of p(x|z), (B, ...)."""
        mean: Tensor = self.likelihood(z).mean
        return mean
