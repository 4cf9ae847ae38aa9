"""The bounds of M2 and GM-DGM, with y given and with y summed out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from ..nn import ClassVAE
from ._elbo import ElboTerms

__all__ = ["class_elbo", "classless_loss", "labeled_bound", "m2_loss", "started_loss", "unlabeled_bound"]


def class_elbo(model: ClassVAE, x: Tensor, y: Tensor, features: Tensor | None = None) -> ElboTerms:
    """E_q[log p(x|z,y)] and KL(q(z|x,y) || p(z|y)), one draw of z.

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        A batch.
    y : Tensor of shape (K, 1, K), (B, K) or (K,)
        One-hot classes that broadcast against the batch; zeros are no class: the ELBO of a plain VAE.
    features : Tensor of shape (B, H), optional
        ``model.features(x)``, where it has been computed.

    Returns
    -------
    ElboTerms
        Of the shape to which y and the batch broadcast, in nats per sample.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import M2, BernoulliLikelihood
    >>> from sklvae.objectives import class_elbo
    >>> networks = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(5, 6)
    >>> model = M2(*networks, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    >>> x = torch.rand(4, 6)
    >>> bound = class_elbo(model, x, model.every_y())
    >>> bound.kl.shape, bound.z.shape
    (torch.Size([3, 4]), torch.Size([3, 4, 2]))
    """
    posterior = model.posterior(model.features(x) if features is None else features, y)
    z = posterior.rsample()
    return ElboTerms(model.likelihood(z, y).log_prob(x), kl_divergence(posterior, model.prior(y)), z)


def labeled_bound(
    model: ClassVAE, x: Tensor, y: Tensor, *, beta: float = 1.0, features: Tensor | None = None
) -> Tensor:
    """L(x,y) = E_q[log p(x|z,y)] - beta KL(q(z|x,y) || p(z|y)) + log p(y), in nats.

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        A batch.
    y : Tensor of shape (K, 1, K), (T, B, K), (B, K) or (K,)
        One-hot classes that broadcast against the batch; every row names a class.
    beta : float, default=1.0
        Weight of the KL, per sample.
    features : Tensor of shape (B, H), optional
        ``model.features(x)``, where it has been computed.

    Returns
    -------
    Tensor
        Of the shape to which y and the batch broadcast, in nats per sample.

    References
    ----------
    GM-DGM paper, Equations 7 and 8; Kingma et al., 2014, Equation 6.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import M2, BernoulliLikelihood
    >>> from sklvae.objectives import labeled_bound
    >>> networks = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(5, 6)
    >>> model = M2(*networks, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    >>> labeled_bound(model, torch.rand(4, 6), model.every_y()).shape  # each class, each row
    torch.Size([3, 4])
    """
    bound = class_elbo(model, x, y, features)
    return bound.log_likelihood - beta * bound.kl + (y * model.class_probs.log()).sum(dim=-1)


def unlabeled_bound(model: ClassVAE, x: Tensor, *, beta: float = 1.0, n_exact: int | None = None) -> Tensor:
    """L(x) = sum_y q(y|x) L(x,y) + H(q(y|x)), (B,), in nats.

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        A batch.
    beta : float, default=1.0
        Weight of the KL, per sample.
    n_exact : int, optional
        How many classes, the most probable ones of each sample, are summed exactly. The rest is estimated from
        one class drawn from it: value and gradient are right on average. None sums over all classes.

    Returns
    -------
    Tensor of shape (B,)
        In nats per sample.

    References
    ----------
    GM-DGM paper, Equations 9 and 10. Truncated sum: Liu et al., 2019, "Rao-Blackwellized stochastic gradients
    for discrete distributions".

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import M2, BernoulliLikelihood
    >>> from sklvae.objectives import labeled_bound, unlabeled_bound
    >>> networks = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(5, 6)
    >>> model = M2(*networks, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    >>> x, state = torch.rand(4, 6), torch.random.get_rng_state()
    >>> bound = unlabeled_bound(model, x)
    >>> torch.random.set_rng_state(state)  # the same draws of z
    >>> bound <= labeled_bound(model, x, model.every_y()).logsumexp(dim=0)  # equal where q(y|x) ~ exp L(x,y)
    tensor([True, True, True, True])
    """
    q, features = model.classify(x), model.features(x)
    n_classes = len(model.class_probs)
    if n_exact is None or n_exact >= n_classes - 1:
        every_y = model.every_y()  # (K, 1, K)
        joint = labeled_bound(model, x, every_y, beta=beta, features=features)  # (K, B)
        return (q.probs.T * joint).sum(dim=0) + q.entropy()
    probs = q.probs.detach()
    top = probs.topk(n_exact, dim=-1).indices.T  # (T, B)
    rest = (probs + torch.finfo(probs.dtype).tiny).scatter(-1, top.T, 0.0)
    drawn = torch.multinomial(rest, 1).T  # (1, B)
    codes = torch.cat([top, drawn])  # (T + 1, B)
    proposal = torch.ones_like(codes, dtype=probs.dtype)
    proposal[-1:] = (rest / rest.sum(dim=-1, keepdim=True)).T.gather(0, drawn)
    y = torch.nn.functional.one_hot(codes, n_classes).to(probs.dtype)
    joint = labeled_bound(model, x, y, beta=beta, features=features)  # (T + 1, B)
    # sum_y q = 1, so that a baseline changes nothing on average: the best class's bound keeps the gradient of
    # the drawn one small.
    baseline = joint[0].detach()
    weight = q.probs.T.gather(0, codes) / proposal
    return (weight * (joint - baseline)).sum(dim=0) + baseline + q.entropy()


def classless_loss(model: ClassVAE, x: Tensor, *, beta: float) -> dict[str, Tensor]:
    """The loss of a plain VAE: no class is given, and none inferred.

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        A batch.
    beta : float
        Weight of the KL, per sample.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.
    """
    return class_elbo(model, x, torch.zeros_like(model.class_probs)).loss(beta)


def started_loss(
    model: ClassVAE,
    x: Tensor,
    code: Tensor,
    weight: Tensor,
    *,
    beta: float,
    alpha: float,
    augment: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """w (-L(x,y) - alpha log q(y|x')), for rows that start in a slot y with a weight w, and views x' of them.

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        A batch.
    code : Tensor of shape (B,), int64
        Slots.
    weight : Tensor of shape (B,)
        0 where a row starts nowhere.
    beta, alpha : float
        Weights of the KL and of the classification term, per sample.
    augment : callable, optional
        What makes x' of x; None is the identity.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.
    """
    y = torch.nn.functional.one_hot(code, len(model.class_probs)).to(model.class_probs.dtype)
    bound = labeled_bound(model, x, y, beta=beta)
    cross_entropy = -weight * _log_class_probability(model, x, code, augment)
    return {"loss": -weight * bound + alpha * cross_entropy, "bound": weight * bound, "cross_entropy": cross_entropy}


def m2_loss(
    model: ClassVAE,
    x: Tensor,
    x_labeled: Tensor | None = None,
    code_labeled: Tensor | None = None,
    code: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    beta: float,
    alpha: float,
    n_exact: int | None = None,
    augment: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """-L(x) - L(x_l, y_l) - alpha log q(y_l|x_l'), for as many rows of each kind, and views x_l' of the labeled ones.

    Rows that started in a class y are held to it by - alpha w log q(y|x').

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        Rows, labeled or not.
    x_labeled : Tensor of shape (B, ...), optional
        Labeled rows; None trains without any.
    code_labeled : Tensor of shape (B,), int64, optional
        Their classes.
    code : Tensor of shape (B,), int64, optional
        Classes that the rows x started in.
    weight : Tensor of shape (B,), optional
        w; 0 where a row started nowhere.
    beta, alpha : float
        Weights of the KL and of the classification term, per sample.
    n_exact : int, optional
        As in `unlabeled_bound`.
    augment : callable, optional
        What makes x' of x, and x_l' of x_l; None is the identity.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    GM-DGM paper, Equation 2, with both sums as means; the term of started rows is ours.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import M2, BernoulliLikelihood
    >>> from sklvae.objectives import m2_loss
    >>> networks = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(5, 6)
    >>> model = M2(*networks, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    >>> x, x_labeled, code = torch.rand(4, 6), torch.rand(4, 6), torch.tensor([0, 2, 1, 0])
    >>> terms = m2_loss(model, x, x_labeled, code, beta=1.0, alpha=10.0)
    >>> {name: tuple(term.shape) for name, term in terms.items()}
    {'loss': (4,), 'bound': (4,), 'cross_entropy': (4,)}
    """
    bound = unlabeled_bound(model, x, beta=beta, n_exact=n_exact)
    terms = {"loss": -bound, "bound": bound}
    if x_labeled is not None and code_labeled is not None:
        y = torch.nn.functional.one_hot(code_labeled, len(model.class_probs)).to(bound.dtype)
        cross_entropy = -_log_class_probability(model, x_labeled, code_labeled, augment)
        terms["loss"] = terms["loss"] - labeled_bound(model, x_labeled, y, beta=beta) + alpha * cross_entropy
        terms["cross_entropy"] = cross_entropy
    if code is not None and weight is not None:
        terms["held"] = -weight * _log_class_probability(model, x, code, augment)
        terms["loss"] = terms["loss"] + alpha * terms["held"]
    return terms


def _log_class_probability(
    model: ClassVAE, x: Tensor, code: Tensor, augment: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """log q(y|x') for a view x' of x, (B,)."""
    return model.classify(augment(x) if augment else x).log_prob(code)
