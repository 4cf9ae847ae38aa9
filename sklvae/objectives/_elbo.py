"""The evidence lower bound and the beta-VAE loss."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.distributions import kl_divergence

from ..nn import VAE

__all__ = ["ElboTerms", "beta_vae_loss", "elbo"]


class ElboTerms(NamedTuple):
    """Per-sample terms of the bound, each of shape (B,), in nats."""

    log_likelihood: Tensor
    kl: Tensor
    z: Tensor


def elbo(vae: VAE, x: Tensor) -> ElboTerms:
    """log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)), one draw of z.

    Reconstruction is summed over features, KL over latents; nothing is averaged. `z` is the draw, of
    shape (B, n_latent).

    References
    ----------
    Kingma and Welling, 2014, Equation 3.
    """
    posterior = vae.posterior(x)
    z = posterior.rsample()
    return ElboTerms(vae.likelihood(z).log_prob(x), kl_divergence(posterior, vae.prior()), z)


def beta_vae_loss(vae: VAE, x: Tensor, *, beta: float) -> dict[str, Tensor]:
    """L_VAE = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)).

    References
    ----------
    Higgins et al., 2017, Equation 4; cluster-label paper, Equation 1.
    """
    bound = elbo(vae, x)
    return {
        "loss": beta * bound.kl - bound.log_likelihood,
        "reconstruction": -bound.log_likelihood,
        "kl": bound.kl,
    }
