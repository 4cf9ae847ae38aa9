"""What a decoder's output means: the density of x given the output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal

__all__ = ["BernoulliLikelihood", "GaussianLikelihood"]


class BernoulliLikelihood(nn.Module):
    """p(x|z) = prod_i Bernoulli(x_i | sigmoid(output_i)), batch (B,), event (...).

    Grey values in [0, 1] are taken as probabilities, so that ``-log_prob`` is the cross-entropy of the
    papers.

    Parameters
    ----------
    event : sequence of int
        Shape of one sample; ``log_prob`` sums over it, in nats per sample.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import BernoulliLikelihood
    >>> density = BernoulliLikelihood((6,))(torch.zeros(2, 6))
    >>> density.log_prob(torch.rand(2, 6))  # 6 ln(1/2), whatever x is
    tensor([-4.1589, -4.1589])
    """

    def __init__(self, event: Sequence[int]) -> None:
        super().__init__()
        self.event_dim = len(event)

    def standardize(self, x: Tensor) -> Tensor:
        """Inputs in [0, 1] enter the encoder as they are."""
        return x

    def forward(self, output: Tensor) -> Independent:
        """The density at the decoder's `output`, its logits."""
        return Independent(Bernoulli(logits=output, validate_args=False), self.event_dim, validate_args=False)


class GaussianLikelihood(nn.Module):
    """p(x|z) = prod_i N(x_i | shift_i + scale_i output_i, (scale_i sigma_i)^2), batch (B,), event (...).

    The networks see standardized inputs, the density is over inputs in their own units. ``sigma`` is
    learned, one number a feature, and kept above `min_sigma` standard deviations: a feature that can be
    predicted exactly would have an infinite density.

    Parameters
    ----------
    shift, scale : Tensor of shape (...)
        Mean and standard deviation of each feature over the training data, in the units of x; their shape is
        that of one sample. ``log_prob`` sums over it, in nats per sample.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import GaussianLikelihood
    >>> likelihood = GaussianLikelihood(shift=torch.tensor([10.0, 0.0]), scale=torch.tensor([2.0, 1.0]))
    >>> density = likelihood(torch.tensor([[0.0, 1.0]]))
    >>> density.mean, density.stddev.detach()  # before training, 1 + min_sigma standard deviations
    (tensor([[10.,  1.]]), tensor([[2.0200, 1.0100]]))
    """

    min_sigma = 0.01

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.log_sigma = nn.Parameter(torch.zeros_like(shift))

    def standardize(self, x: Tensor) -> Tensor:
        """Zero mean and unit variance over the training data."""
        return (x - self.shift) / self.scale

    def forward(self, output: Tensor) -> Independent:
        """The density at the decoder's `output`, its standardized means."""
        sigma = self.scale * (self.log_sigma.exp() + self.min_sigma)
        normal = Normal(self.shift + self.scale * output, sigma, validate_args=False)
        return Independent(normal, self.shift.dim(), validate_args=False)
