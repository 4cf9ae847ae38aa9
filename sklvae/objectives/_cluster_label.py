"""The loss of the cluster-label paper."""

from __future__ import annotations

from torch import Tensor

from ..nn import ClassifiedVAE
from ._elbo import elbo

__all__ = ["cluster_label_loss"]


def cluster_label_loss(
    model: ClassifiedVAE, x: Tensor, code: Tensor, weight: Tensor, *, beta: float, gamma: float
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
