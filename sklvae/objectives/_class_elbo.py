"""The bounds of M2 and GM-DGM, with y given and with y summed out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from ..nn import ClassVAE
from ._elbo import ElboTerms

__all__ = ["class_elbo", "labeled_bound", "m2_loss", "unlabeled_bound"]


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
        Of the shape to which y and the batch broadcast, in nats.
    """
    posterior = model.posterior(model.features(x) if features is None else features, y)
    z = posterior.rsample()
    return ElboTerms(model.likelihood(z, y).log_prob(x), kl_divergence(posterior, model.prior(y)), z)


def labeled_bound(
    model: ClassVAE, x: Tensor, y: Tensor, *, beta: float = 1.0, features: Tensor | None = None
) -> Tensor:
    """L(x,y) = E_q[log p(x|z,y)] - beta KL(q(z|x,y) || p(z|y)) + log p(y), in nats.

    Parameters are those of `class_elbo`; every row of y names a class.

    References
    ----------
    GM-DGM paper, Equations 7 and 8; Kingma et al., 2014, Equation 6.
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
        Weight of the KL.
    n_exact : int, optional
        How many classes, the most probable ones of each sample, are summed exactly. The rest is estimated from
        one class drawn from it: value and gradient are right on average. None sums over all classes.

    References
    ----------
    GM-DGM paper, Equations 9 and 10. Truncated sum: Liu et al., 2019, "Rao-Blackwellized stochastic gradients
    for discrete distributions".
    """
    q, features = model.classify(x), model.features(x)
    n_classes = len(model.class_probs)
    if n_exact is None or n_exact >= n_classes - 1:
        every_y = model.every_y()  # (K, 1, K)
        joint = labeled_bound(model, x, every_y, beta=beta, features=features)  # (K, B)
        return (q.probs.T * joint).sum(dim=0) + q.entropy()
    probs = q.probs.detach()
    top = probs.topk(n_exact, dim=-1).indices.T  # (T, B)
    rest = probs.scatter(-1, top.T, 0.0) + torch.finfo(probs.dtype).tiny
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


def m2_loss(
    model: ClassVAE,
    x: Tensor,
    x_labeled: Tensor,
    code_labeled: Tensor,
    *,
    beta: float,
    alpha: float,
    n_exact: int | None = None,
) -> dict[str, Tensor]:
    """-L(x) - L(x_l, y_l) - alpha log q(y_l|x_l), for as many rows of each kind.

    Parameters
    ----------
    model : ClassVAE
        M2 or GMDGM.
    x : Tensor of shape (B, ...)
        Rows, labeled or not.
    x_labeled : Tensor of shape (B, ...)
        Labeled rows.
    code_labeled : Tensor of shape (B,), int64
        Their classes.
    beta, alpha : float
        Weights of the KL and of the classification term, per sample.
    n_exact : int, optional
        As in `unlabeled_bound`.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    GM-DGM paper, Equation 2, with both sums as means.
    """
    bound = unlabeled_bound(model, x, beta=beta, n_exact=n_exact)
    y = torch.nn.functional.one_hot(code_labeled, len(model.class_probs)).to(bound.dtype)
    labeled = labeled_bound(model, x_labeled, y, beta=beta)
    cross_entropy = -model.classify(x_labeled).log_prob(code_labeled)
    return {"loss": -bound - labeled + alpha * cross_entropy, "bound": bound, "cross_entropy": cross_entropy}
