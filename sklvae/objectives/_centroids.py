"""The loss of the latent-centroids paper, and the k-means or EM step between its epochs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..nn import CentroidNetwork, Centroids

__all__ = ["centroid_loss", "centroid_penalty", "draw_evenly", "measure", "responsibilities", "settle"]

MOMENTUM = 0.1
"""How fast the moments follow the activations of a batch."""


def centroid_penalty(centroids: Centroids, f: Tensor, *, soft: bool = False) -> Tensor:
    """How far activations are from their centroids: ``min_j |f - C_j|^2 / v - rho (|f - m|^2 / v - 1)``.

    Its mean is the share rho of the variance that the centroids leave unexplained. The second term is 0 on
    average, and its gradient takes out of the first what would only shrink the activations: together they are
    Dinkelbach's step towards the least ratio of the two. m, v and rho are constants, so a sample's penalty does not
    depend on its batch.

    Parameters
    ----------
    centroids : Centroids
        C, m, v and rho of the layer.
    f : Tensor of shape (B, D)
        Activations.
    soft : bool, default=False
        Instead of the minimum, the negative log density of an even mixture of Gaussians around the centroids, with the
        variance v/D: ``-2/D log sum_j exp(-D/2 |f - C_j|^2 / v)``.

    Returns
    -------
    Tensor of shape (B,)
        Without a unit.

    References
    ----------
    Latent-centroids paper, Section 2.1 (Section 2.3 where soft); Dinkelbach, 1967, "On nonlinear fractional
    programming".

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import Centroids
    >>> from sklvae.objectives import centroid_penalty
    >>> centroids = Centroids(2, 3)
    >>> centroids.centers.data[1] = 1.0
    >>> centroids.within.fill_(0.0)
    tensor(0.)
    >>> centroid_penalty(centroids, torch.tensor([[0.0, 0.0, 0.5], [1.0, 1.0, 1.0]])).tolist()
    [0.25, 0.0]
    """
    d = centroids.distances(f)
    half = f.shape[1] / 2
    pull = -(-half * d).logsumexp(dim=1) / half if soft else d.min(dim=1).values
    return pull - centroids.unexplained * (centroids.spread(f) - 1)


def centroid_loss(
    model: CentroidNetwork, x: Tensor, x_labeled: Tensor, code_labeled: Tensor, *, beta: float, soft: bool = False
) -> dict[str, Tensor]:
    """-log q(y_l|x_l) + beta sum_i (penalty_i(x_l) + penalty_i(x)) over the layers i.

    In training, the moments of each layer follow its activations, as those of batch normalization do.

    Parameters
    ----------
    model : CentroidNetwork
        The network and the centroids.
    x : Tensor of shape (B, ...)
        Rows, labeled or not.
    x_labeled : Tensor of shape (B, ...)
        Labeled rows.
    code_labeled : Tensor of shape (B,), int64
        Their classes.
    beta : float
        Weight of the penalty, in nats per sample. With 0 only labeled rows are looked at.
    soft : bool, default=False
        As in `centroid_penalty`.

    Returns
    -------
    dict of Tensor of shape (B,)
        Terms in nats per sample; ``loss`` is the one to minimize.

    References
    ----------
    Latent-centroids paper, Section 2.1.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklvae.nn import CentroidNetwork
    >>> from sklvae.objectives import centroid_loss
    >>> network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> model = CentroidNetwork(network, torch.zeros(6), torch.ones(6), ["1"])
    >>> model.add_centroids([4], [8])
    >>> x, x_labeled, code = torch.rand(5, 6), torch.rand(5, 6), torch.tensor([0, 2, 1, 0, 1])
    >>> terms = centroid_loss(model, x, x_labeled, code, beta=0.1)
    >>> torch.allclose(terms["loss"], terms["cross_entropy"] + 0.1 * terms["centroid_penalty"])
    True
    """
    n = len(x_labeled)
    if beta == 0 and n > 1:  # a network that normalizes over the batch needs two rows
        cross_entropy = -model.classify(x_labeled).log_prob(code_labeled)
        return {"loss": cross_entropy, "cross_entropy": cross_entropy}
    q, activations = model(torch.cat([x_labeled, x]))
    cross_entropy = -q.logits[:n].gather(1, code_labeled[:, None]).squeeze(1)
    each = [centroid_penalty(c, f, soft=soft) for c, f in zip(model.centroids, activations, strict=True)]
    penalty = torch.stack([p[:n] + p[n:] for p in each]).sum(dim=0)
    if model.training:
        for centroids, f in zip(model.centroids, activations, strict=True):
            measure(centroids, f, soft=soft, momentum=MOMENTUM)
    return {"loss": cross_entropy + beta * penalty, "cross_entropy": cross_entropy, "centroid_penalty": penalty}


def responsibilities(centroids: Centroids, f: Tensor, *, soft: bool = False) -> Tensor:
    """Share of each centroid in each sample, (B, J): 1 for the nearest, or that of the Gaussian mixture."""
    d = centroids.distances(f)
    if soft:
        return (-d * f.shape[1] / 2).softmax(dim=1)
    return torch.nn.functional.one_hot(d.argmin(dim=1), d.shape[1]).to(d.dtype)


@torch.no_grad()
def measure(centroids: Centroids, f: Tensor, *, soft: bool = False, momentum: float = 1.0) -> None:
    """Move m, v and the mean squared distance to the centroids towards those of `f`, (B, D)."""
    f = f.detach().to(centroids.mean.dtype)
    within = (responsibilities(centroids, f, soft=soft) * centroids.distances(f)).sum(dim=1).mean() * centroids.variance
    centroids.mean = centroids.mean.lerp(f.mean(dim=0), momentum)  # anew: the gradient needs the old ones
    variance = (f - centroids.mean).square().sum(dim=1).mean().clamp_min(1e-12)
    centroids.variance = centroids.variance.lerp(variance, momentum)
    centroids.within = centroids.within.lerp(within, momentum)


@torch.no_grad()
def settle(centroids: Centroids, f: Tensor, *, soft: bool = False) -> Tensor:
    """Take one step of k-means (of EM where soft), in place: no centroid stays dead, and moments become those of `f`.

    Centroids with less than half a sample move to samples far from all others, drawn as k-means++ draws.

    Parameters
    ----------
    centroids : Centroids
        What to update.
    f : Tensor of shape (n, D)
        Activations, of labeled and unlabeled samples.
    soft : bool, default=False
        As in `centroid_penalty`.

    Returns
    -------
    Tensor of shape (J,)
        Share of the samples that each centroid had, before dead ones moved.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import Centroids
    >>> from sklvae.objectives import settle
    >>> centroids = Centroids(2, 1)
    >>> centroids.centers.data = torch.tensor([[0.0], [9.0]])
    >>> settle(centroids, torch.tensor([[0.0], [2.0], [10.0], [12.0]])).tolist()
    [0.5, 0.5]
    >>> centroids.centers.tolist(), round(centroids.unexplained.item(), 3)
    ([[1.0], [11.0]], 0.038)
    """
    f = f.to(centroids.mean)
    measure(centroids, f, soft=soft)
    share = responsibilities(centroids, f, soft=soft)  # (n, J)
    mass = share.sum(dim=0)
    alive = mass >= 0.5
    centroids.centers[alive] = ((share.T @ f) / mass.clamp_min(0.5)[:, None])[alive]
    far = centroids.distances(f)[:, alive].min(dim=1).values
    for dead in torch.nonzero(~alive).flatten().tolist():
        if far.sum() > 0:
            center = f[torch.multinomial(far, 1)[0]]
            centroids.centers[dead] = center
            far = torch.minimum(far, (f - center).square().sum(dim=1) / centroids.variance)
    measure(centroids, f, soft=soft)
    return mass / len(f)


def draw_evenly(code: Tensor, n: int) -> Tensor:
    """`n` rows at random, as many of each class as of any other, give or take one, (n,), int64.

    A class with too few rows gives some of them more than once.

    Parameters
    ----------
    code : Tensor of shape (n_rows,), int64
        Classes.
    n : int
        How many to draw.

    Examples
    --------
    >>> import torch
    >>> from sklvae.objectives import draw_evenly
    >>> code = torch.tensor([0, 0, 0, 0, 0, 1, 1])
    >>> code[draw_evenly(code, 4)].sort().values
    tensor([0, 0, 1, 1])
    """
    rows_of = [torch.nonzero(code == label).flatten() for label in code.unique()]
    rows_of = [rows_of[i] for i in torch.randperm(len(rows_of))]
    drawn = []
    for place, rows in enumerate(rows_of):
        count = n // len(rows_of) + (place < n % len(rows_of))
        rounds = [rows[torch.randperm(len(rows))] for _ in range(-(-count // len(rows)))]
        drawn.append(torch.cat([rows[:0], *rounds])[:count])
    return torch.cat(drawn)
