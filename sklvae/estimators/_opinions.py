"""What a network says of rows: functions ``(network, batch)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..nn import VAE, ClassifiedVAE, NeighborVAE
from ..training import small_moves

__all__ = ["classifier_of", "classify", "classify_draws", "classify_latent", "classify_moved", "directions", "encode"]


def directions(vae: NeighborVAE, x: Tensor) -> Tensor:
    """Directions, (B, N_DIRECTIONS)."""
    return vae.direction(x)


def encode(vae: VAE, x: Tensor) -> Tensor:
    """Posterior means, (B, n_latent)."""
    return vae.encode(x)


def classify(model: ClassifiedVAE, x: Tensor, temperature: float = 1.0) -> Tensor:
    """p(y|z) at the posterior mean of x, (B, n_classes)."""
    return classify_latent(model, encode(model.vae, x), temperature)


def classify_moved(model: ClassifiedVAE, x: Tensor, temperature: float = 1.0) -> Tensor:
    """p(y|z) at the mean of the posterior means of images and of their `small_moves`, (B, n_classes)."""
    z = torch.stack([encode(model.vae, view) for view in small_moves(x)]).mean(dim=0)
    return classify_latent(model, z, temperature)


def classifier_of(fitted: Any) -> Callable[..., Tensor]:
    """What `predict_proba` asks of a fitted estimator's network: images in "auto" views are moved."""
    return classify_moved if fitted._moves else classify


def classify_latent(model: ClassifiedVAE, z: Tensor, temperature: float = 1.0) -> Tensor:
    """p(y|z), (B, n_classes), its logits divided by a temperature."""
    return (model.classify(z).logits / temperature).softmax(dim=-1)


def classify_draws(model: ClassifiedVAE, x: Tensor, draws: Tensor, temperature: float = 1.0) -> Tensor:
    """p(y|z) at each of `draws` of N(0, I), (n_draws, n_latent), moved to q(z|x): (B, n_draws, n_classes)."""
    posterior = model.vae.posterior(x)
    z = posterior.mean[:, None] + posterior.stddev[:, None] * draws.to(x)
    return classify_latent(model, z, temperature)
