"""Variational autoencoders with a class: M2 and the Gaussian-mixture model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, Normal
from torch.nn import functional as F

from ._likelihoods import BernoulliLikelihood, GaussianLikelihood

__all__ = ["GMDGM", "M2", "ClassVAE"]


class ClassVAE(nn.Module, ABC):
    """A joint p(x, y, z) with q(y|x) and q(z|x,y); a subclass says where y enters the joint.

    Classes are one-hot vectors that broadcast against the batch: ``every_y()``, of shape (K, 1, K), gives
    densities of batch shape (K, B). The zero vector is no class at all, and makes the model a plain VAE.

    Parameters
    ----------
    classifier : Module
        (B, ...) -> (B, K): logits of q(y|x).
    trunk : Module
        (B, ...) -> (B, H): the part of q(z|x,y) that does not depend on y. It is computed once for all classes.
    decoder : Module
        (N, D) -> (N, ...), with D = ``n_latent``, plus K where the likelihood depends on y.
    observation : BernoulliLikelihood or GaussianLikelihood
        Density of x given the decoder's output.
    class_prior : Tensor of shape (K,)
        p(y).
    n_hidden, n_latent : int
        H, and the number of latent dimensions.
    """

    def __init__(
        self,
        classifier: nn.Module,
        trunk: nn.Module,
        decoder: nn.Module,
        observation: BernoulliLikelihood | GaussianLikelihood,
        class_prior: Tensor,
        *,
        n_hidden: int,
        n_latent: int,
    ) -> None:
        super().__init__()
        self.classifier, self.trunk, self.decoder, self.observation = classifier, trunk, decoder, observation
        self.embed_y = nn.Linear(len(class_prior), n_hidden, bias=False)
        self.to_posterior = nn.Linear(n_hidden, 2 * n_latent)
        self.class_probs: Tensor
        self.register_buffer("class_probs", class_prior)
        self.zero: Tensor
        self.register_buffer("zero", torch.zeros(n_latent))

    @property
    def n_latent(self) -> int:
        """Number of latent dimensions."""
        return len(self.zero)

    def every_y(self) -> Tensor:
        """Every class, one-hot, (K, 1, K)."""
        return torch.eye(len(self.class_probs), dtype=self.zero.dtype, device=self.zero.device)[:, None, :]

    def class_prior(self) -> Categorical:
        """p(y)."""
        return Categorical(probs=self.class_probs, validate_args=False)

    def classify(self, x: Tensor) -> Categorical:
        """q(y|x), batch (B,)."""
        logits = self.classifier(self.observation.standardize(x))
        return Categorical(logits=logits.to(self.zero.dtype), validate_args=False)

    def features(self, x: Tensor) -> Tensor:
        """What q(z|x,y) sees of x, (B, H)."""
        features: Tensor = self.trunk(self.observation.standardize(x))
        return features

    def posterior(self, features: Tensor, y: Tensor) -> Independent:
        """q(z|x,y), batch of features and y broadcast, event (n_latent,)."""
        hidden = F.relu(features + self.embed_y(y))
        loc, raw = self.to_posterior(hidden).to(self.zero.dtype).chunk(2, dim=-1)
        return normal(loc, F.softplus(raw) + 1e-6)

    @abstractmethod
    def prior(self, y: Tensor) -> Independent:
        """p(z|y), event (n_latent,)."""

    @abstractmethod
    def likelihood(self, z: Tensor, y: Tensor) -> Independent:
        """p(x|z,y), event (...)."""

    def encode(self, x: Tensor) -> Tensor:
        """E[z|x] = sum_y q(y|x) E_q[z|x,y], (B, n_latent)."""
        means = self.posterior(self.features(x), self.every_y()).mean  # (K, B, n_latent)
        return (self.classify(x).probs.T[..., None] * means).sum(dim=0)

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """E[x|z], (B, ...)."""

    def _observe(self, inputs: Tensor) -> Independent:
        """Decode inputs of any batch shape: a convolution takes one batch dimension only."""
        output = self.decoder(inputs.flatten(0, -2))
        return self.observation(output.view(*inputs.shape[:-1], *output.shape[1:]).to(self.zero.dtype))


class M2(ClassVAE):
    """p(x|y,z) p(y) p(z) (Kingma et al., 2014, https://arxiv.org/abs/1406.5298, model M2).

    Parameters are those of `ClassVAE`; the decoder takes D = ``n_latent`` + K inputs.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import M2, BernoulliLikelihood
    >>> networks = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(5, 6)
    >>> model = M2(*networks, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    >>> z = torch.randn(4, 2).expand(3, 4, 2)
    >>> model.likelihood(z, model.every_y()).mean.shape  # the same z with each class
    torch.Size([3, 4, 6])
    """

    def prior(self, y: Tensor) -> Independent:
        """p(z) = N(0, I), whatever y is."""
        return normal(self.zero, torch.ones_like(self.zero))

    def likelihood(self, z: Tensor, y: Tensor) -> Independent:
        """p(x|y,z): the decoder sees both."""
        batch = torch.broadcast_shapes(z.shape[:-1], y.shape[:-1])
        return self._observe(torch.cat([part.expand(*batch, -1) for part in (z, y)], dim=-1))

    def decode(self, z: Tensor) -> Tensor:
        """E[x|z] = sum_y p(y) E[x|y,z], (B, ...)."""
        every_y = self.every_y()
        means = self.likelihood(z, every_y).mean  # (K, B, ...)
        return torch.einsum("k,k...->...", self.class_probs, means)


class GMDGM(ClassVAE):
    """p(x|z) p(z|y) p(y): a mixture of Gaussians in latent space (GM-DGM paper, Equations 3 to 6).

    Parameters are those of `ClassVAE`; the decoder takes D = ``n_latent`` inputs.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import GMDGM, BernoulliLikelihood
    >>> networks = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(2, 6)
    >>> model = GMDGM(*networks, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    >>> model.set_prior(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0, 0]))
    >>> model.prior(torch.tensor([1.0, 0.0, 0.0])).mean.tolist()  # of p(z|y=0)
    [2.0, 3.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        n_classes = len(self.class_probs)
        self.location = nn.Linear(n_classes, self.n_latent, bias=False)
        self.log_scale = nn.Linear(n_classes, self.n_latent, bias=False)
        nn.init.normal_(self.location.weight)
        nn.init.zeros_(self.log_scale.weight)
        nn.init.zeros_(self.embed_y.weight)  # q(z|x,y) starts as that of a plain VAE

    @torch.no_grad()
    def set_prior(self, z: Tensor, codes: Tensor) -> None:
        """Move p(z|y) to the moments of latent vectors (n, n_latent) of known slots (n,); empty slots stay."""
        for slot in codes.unique().tolist():
            members = z[codes == slot]
            self.location.weight[:, slot] = members.mean(dim=0)
            if len(members) > 1:
                self.log_scale.weight[:, slot] = members.std(dim=0).clamp_min(0.1).log()

    def prior(self, y: Tensor) -> Independent:
        """p(z|y) = N(mu_y, sigma_y^2)."""
        dtype = self.zero.dtype
        return normal(self.location(y).to(dtype), self.log_scale(y).to(dtype).exp())

    def likelihood(self, z: Tensor, y: Tensor) -> Independent:
        """p(x|z): y acts through z alone."""
        return self._observe(z)

    def decode(self, z: Tensor) -> Tensor:
        """E[x|z], (B, ...)."""
        mean: Tensor = self._observe(z).mean
        return mean


def normal(loc: Tensor, scale: Tensor) -> Independent:
    """A Gaussian with independent dimensions, event (n_latent,)."""
    return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
