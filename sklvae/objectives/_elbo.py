"""The evidence lower bound and the beta-VAE loss."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.distributions import Independent, kl_divergence

from ..nn import VAE

__all__ = ["ElboTerms", "beta_vae_loss", "elbo"]


class ElboTerms(NamedTuple):
    """Per-sample terms of the bound.

    Attributes
    ----------
    log_likelihood, kl : Tensor of shape (B,)
        E_q[log p(x|z)] and KL(q(z|x) || p(z)), in nats per sample.
    z : Tensor of shape (B, n_latent)
        The draw they were computed with.
    """

    log_likelihood: Tensor
    kl: Tensor
    z: Tensor

    def loss(self, beta: float) -> dict[str, Tensor]:
        """``-log_likelihood + beta kl`` as ``loss``, and the two terms under the names of a training record."""
        return {
            "loss": beta * self.kl - self.log_likelihood,
            "reconstruction": -self.log_likelihood,
            "kl": self.kl,
        }


def elbo(vae: VAE, x: Tensor, posterior: Independent | None = None) -> ElboTerms:
    """log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)), one draw of z.

    Reconstruction is summed over features, KL over latents; nothing is averaged.

    Parameters
    ----------
    vae : VAE
        The network.
    x : Tensor of shape (B, ...)
        A batch.
    posterior : Independent, optional
        q(z|x), where it has been computed already.

    Returns
    -------
    ElboTerms
        In nats per sample.

    References
    ----------
    Kingma and Welling, 2014, Equation 3.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, mlp_decoder, mlp_encoder
    >>> from sklvae.objectives import elbo
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> log_likelihood, kl, z = elbo(vae, torch.rand(3, 6))
    >>> (log_likelihood - kl).shape, z.shape, bool((kl >= 0).all())
    (torch.Size([3]), torch.Size([3, 2]), True)
    """
    posterior = posterior or vae.posterior(x)
    z = posterior.rsample()
    return ElboTerms(vae.likelihood(z).log_prob(x), kl_divergence(posterior, vae.prior()), z)


def beta_vae_loss(vae: VAE, x: Tensor, *, beta: float) -> dict[str, Tensor]:
    """L_VAE = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)).

    Parameters
    ----------
    vae : VAE
        The network.
    x : Tensor of shape (B, ...)
        A batch.
    beta : float
        Weight of the KL, per sample.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Higgins et al., 2017, Equation 4; cluster-label paper, Equation 1.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, mlp_decoder, mlp_encoder
    >>> from sklvae.objectives import beta_vae_loss
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> terms = beta_vae_loss(vae, torch.rand(3, 6), beta=4.0)
    >>> torch.allclose(terms["loss"], terms["reconstruction"] + 4 * terms["kl"])
    True
    """
    return elbo(vae, x).loss(beta)
