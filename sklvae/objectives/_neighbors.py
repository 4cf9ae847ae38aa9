"""A latent space in which neighbors lie in the same direction, whatever view of them is seen."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn import VAE
from ._elbo import elbo

__all__ = ["contrast", "neighbor_vae_loss"]

TEMPERATURE = 0.1


def neighbor_vae_loss(
    vae: VAE,
    x: Tensor,
    x_neighbor: Tensor,
    *,
    beta: float,
    attraction: float,
    augment: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """L_VAE(x') + attraction * contrast(x', x_n'), for views x' of x and x_n' of a neighbor of x.

    Parameters
    ----------
    vae : VAE
        The network. A `NeighborVAE` has directions of its own for the contrast, in another they are those of the
        posterior means.
    x : Tensor of shape (B, ...)
        A batch.
    x_neighbor : Tensor of shape (B, ...)
        A neighbor of each.
    beta, attraction : float
        Weights of the KL and of the contrast, per sample.
    augment : callable
        Makes views of both.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Dwibedi et al., 2021, "With a little help from my friends: nearest-neighbor contrastive learning of visual
    representations", Equation 3; the bound beside it is ours.
    """
    view = augment(x)
    posterior, direction = vae.posterior_and_direction(view)
    terms = elbo(vae, view, posterior).loss(beta)
    terms["contrast"] = contrast(direction, vae.direction(augment(x_neighbor)))
    return {**terms, "loss": terms["loss"] + attraction * terms["contrast"]}


def contrast(one: Tensor, other: Tensor) -> Tensor:
    """-ln of the share that its partner has among all other directions, averaged over both ends of a pair.

    ``-ln exp(u_i v_i / t) / sum_w exp(u_i w / t)``, where w runs over all directions of the batch but u_i; t = 0.1.

    Parameters
    ----------
    one, other : Tensor of shape (B, d)
        Unit vectors u and v, of pairs.

    Returns
    -------
    Tensor of shape (B,)
        In nats per pair.

    References
    ----------
    Chen, Kornblith, Norouzi and Hinton, 2020, "A simple framework for contrastive learning of visual representations",
    Equation 1.

    Examples
    --------
    >>> import torch
    >>> from sklvae.objectives import contrast
    >>> directions = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    >>> contrast(directions, directions)  # the partner is alike, the two others have a cosine of 0.8
    tensor([0.2395, 0.2395])
    """
    n_pairs, both = len(one), torch.cat([one, other])
    similarity = (both @ both.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * n_pairs, device=both.device).roll(n_pairs)
    return F.cross_entropy(similarity, partner, reduction="none").view(2, n_pairs).mean(dim=0)
