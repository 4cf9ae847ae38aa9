"""The losses of variational adversarial active learning."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..nn import ClassifiedVAE, Discriminated
from ._elbo import elbo

__all__ = ["classified_loss", "vaal_loss"]


def classified_loss(
    model: ClassifiedVAE,
    x: Tensor,
    x_labeled: Tensor,
    code_labeled: Tensor,
    *,
    beta: float,
    alpha: float,
    augment: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """L_VAE(x) + L_VAE(x_l) - alpha log p(y_l|z_l'), for as many rows of each kind, z_l' of a view of x_l.

    Parameters
    ----------
    model : ClassifiedVAE
        The network.
    x : Tensor of shape (B, ...)
        Rows, labeled or not.
    x_labeled : Tensor of shape (B, ...)
        Labeled rows.
    code_labeled : Tensor of shape (B,), int64
        Their classes.
    beta, alpha : float
        Weights of the KL and of the classification term, per sample.
    augment : callable, optional
        What makes the view; None is the identity.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Active learning slides, "Loss used for training the model".
    """
    terms, labeled = elbo(model.vae, x).loss(beta), elbo(model.vae, x_labeled)
    z = model.vae.posterior(augment(x_labeled)).rsample() if augment else labeled.z
    cross_entropy = -model.classify(z).log_prob(code_labeled)
    loss = terms["loss"] + labeled.loss(beta)["loss"] + alpha * cross_entropy
    return {**terms, "loss": loss, "cross_entropy": cross_entropy}


def vaal_loss(
    model: Discriminated,
    x: Tensor,
    unlabeled: Tensor,
    x_labeled: Tensor,
    code_labeled: Tensor,
    *,
    own_loss: Callable[..., dict[str, Tensor]],
    adversarial_weight: float,
    turn: str = "model",
) -> dict[str, Tensor]:
    """The loss of the model, which hides what is labeled, or in its turn of the discriminator, which finds out.

    Model: ``L_own - adversarial_weight (log D(mu_L) + log D(mu_U))``. Discriminator:
    ``-log D(mu_L) - log (1 - D(mu_U))``, where the latents mu are given.

    Parameters
    ----------
    model : Discriminated
        Both.
    x : Tensor of shape (B, ...)
        Rows, labeled or not.
    unlabeled : Tensor of shape (B,)
        Weight of each of them as an unlabeled one: 0 where it is labeled, with a mean of 1 over the data.
    x_labeled : Tensor of shape (B, ...)
        Labeled rows.
    code_labeled : Tensor of shape (B,), int64
        Their classes.
    own_loss : callable
        Loss of the model alone: a function of it, x, x_labeled and code_labeled, such as `classified_loss`.
    adversarial_weight : float
        Weight of the adversarial terms, per sample; 0 leaves the model alone.
    turn : {"model", "discriminator"}, default="model"
        Whose loss it is.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Sinha et al., 2019, Equations 1 to 4; active learning slides, L_VAE^adv and L_D.

    Examples
    --------
    >>> from functools import partial
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE, Discriminated, mlp_decoder, mlp_encoder
    >>> from sklvae.objectives import classified_loss, vaal_loss
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> model, own = Discriminated(ClassifiedVAE(vae, 3)), partial(classified_loss, beta=1.0, alpha=1.0)
    >>> batch = torch.rand(4, 6), torch.ones(4), torch.rand(4, 6), torch.tensor([0, 1, 2, 0])
    >>> [sorted(vaal_loss(model, *batch, own_loss=own, adversarial_weight=1.0, turn=turn))
    ...     for turn in ("model", "discriminator")]
    [['adversarial', 'cross_entropy', 'kl', 'loss', 'reconstruction'], ['loss']]
    """
    one, zero = torch.ones_like(unlabeled), torch.zeros_like(unlabeled)
    if turn == "discriminator":
        with torch.no_grad():
            mu_labeled, mu_unlabeled = model.latent(x_labeled), model.latent(x)
        told = model.labeled(mu_labeled).log_prob(one) + unlabeled * model.labeled(mu_unlabeled).log_prob(zero)
        return {"loss": -told}
    terms = own_loss(model.model, x=x, x_labeled=x_labeled, code_labeled=code_labeled)
    if not adversarial_weight:
        return terms
    hidden = model.labeled(model.latent(x_labeled)).log_prob(one)
    hidden = hidden + unlabeled * model.labeled(model.latent(x)).log_prob(one)
    return {**terms, "loss": terms["loss"] - adversarial_weight * hidden, "adversarial": -hidden}
