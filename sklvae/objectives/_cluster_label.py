"""The loss of the cluster-label paper."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..nn import ClassifiedVAE
from ._elbo import elbo

__all__ = ["cluster_label_loss", "taught_loss"]

SURE = 0.95
"""Probability from which the network's own guess about a row is taught to its views."""

ONE_IN = 4
"""Of the known labels that come with a batch, one in so many is seen: they are few, and come again."""


def cluster_label_loss(
    model: ClassifiedVAE,
    x: Tensor,
    code: Tensor,
    weight: Tensor,
    *,
    beta: float,
    gamma: float,
) -> dict[str, Tensor]:
    """L = L_VAE - gamma w_n ln p(y_n | z_n), with w_n = 0 for a sample that has no label.

    Parameters
    ----------
    model : ClassifiedVAE
        The network.
    x : Tensor of shape (B, ...)
        A batch.
    code : Tensor of shape (B,), int64
        Class codes; any code where the weight is 0.
    weight : Tensor of shape (B,)
        Confidence w_n in [0, 1] of each label.
    beta, gamma : float
        Weights of the KL and of the cross-entropy, per sample.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Cluster-label paper, Equation 4.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE, mlp_decoder, mlp_encoder
    >>> from sklvae.objectives import cluster_label_loss
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> code, weight = torch.tensor([2, 0, 0]), torch.tensor([1.0, 0.5, 0.0])
    >>> terms = cluster_label_loss(ClassifiedVAE(vae, 3), torch.rand(3, 6), code, weight, beta=1.0, gamma=10.0)
    >>> terms["loss"].shape, terms["cross_entropy"] > 0
    (torch.Size([3]), tensor([ True,  True, False]))
    """
    bound = elbo(model.vae, x)
    cross_entropy = -weight * model.classify(bound.z).log_prob(code)
    terms = bound.loss(beta)
    return {**terms, "loss": terms["loss"] + gamma * cross_entropy, "cross_entropy": cross_entropy}


def taught_loss(
    model: ClassifiedVAE,
    x: Tensor,
    code: Tensor,
    weight: Tensor,
    x_labeled: Tensor,
    code_labeled: Tensor,
    weight_labeled: Tensor,
    *,
    beta: float,
    gamma: float,
    augment: Callable[[Tensor], Tensor],
    guesses: bool = True,
) -> dict[str, Tensor]:
    """Equation 4 at views x' of x: of spread labels, of the network's own guesses, and of known labels.

    ``L_VAE(x') - gamma (w ln p(y|z') + v ln p(g|z') + mean w_l ln p(y_l|z_l'))``: a guess g, the most probable class
    of x as it is, must hold for its views where it is sure (v = 1, else 0); known labels weigh as much as all others.

    Parameters
    ----------
    model : ClassifiedVAE
        The network.
    x : Tensor of shape (B, ...)
        A batch.
    code : Tensor of shape (B,), int64
        Codes of the spread labels.
    weight : Tensor of shape (B,)
        w in [0, 1].
    x_labeled : Tensor of shape (B, ...)
        Rows whose label is known, drawn at random; the first quarter is used.
    code_labeled : Tensor of shape (B,), int64
        Their codes.
    weight_labeled : Tensor of shape (B,)
        w_l: how sure the answers were.
    beta, gamma : float
        Weights of the KL and of the cross-entropy, per sample.
    augment : callable
        Makes the views.
    guesses : bool, default=True
        Whether guesses are taught; if not, v = 0.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Cluster-label paper, Equation 4. Guesses that hold for views: Sohn et al., 2020, "FixMatch", Equation 4.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE, mlp_decoder, mlp_encoder
    >>> from sklvae.objectives import taught_loss
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> x, code, weight = torch.rand(3, 6), torch.tensor([2, 0, 0]), torch.tensor([1.0, 0.5, 0.0])
    >>> batch = (x, code, weight, x, code, weight)
    >>> terms = taught_loss(ClassifiedVAE(vae, 3), *batch, beta=1.0, gamma=10.0, augment=lambda x: 0.9 * x)
    >>> {name: tuple(term.shape) for name, term in terms.items()}
    {'loss': (3,), 'reconstruction': (3,), 'kl': (3,), 'cross_entropy': (3,), 'guessed': (3,), 'known': (3,)}
    """
    if guesses:
        with torch.no_grad():
            probability, guess = model.classify(model.vae.encode(x)).probs.max(dim=1)
        # Older versions of torch (their issue 158232) would go on with the weights cast here, which have no gradient.
        torch.clear_autocast_cache()
    bound = elbo(model.vae, augment(x))
    terms, label = bound.loss(beta), model.classify(bound.z)
    terms["cross_entropy"] = -weight * label.log_prob(code)
    terms["guessed"] = torch.zeros_like(weight)
    if guesses:
        terms["guessed"] = -(probability >= SURE).to(weight) * label.log_prob(guess)
    some = slice(-(-len(x) // ONE_IN))
    known = model.classify(model.vae.posterior(augment(x_labeled[some])).rsample())
    terms["known"] = (-weight_labeled[some] * known.log_prob(code_labeled[some])).mean().expand(len(x))
    terms["loss"] = terms["loss"] + gamma * (terms["cross_entropy"] + terms["guessed"] + terms["known"])
    return terms
