"""A residual network in the shape of ResNet-18, for small images."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from numbers import Integral

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ResNet"]

Event = Sequence[int]

MOST_PIXELS = 24
"""The stem halves an image until its shorter side is no longer than this."""


class ResNet(nn.Module):
    """Four stages of residual blocks, the mean over all pixels, and a linear layer (He et al., 2016).

    ``width=64`` is ResNet-18. Two things differ from it. The stem suits small images: it halves them until the
    shorter side is at most 24, so not at all at 8 x 8, once at 28 x 28 and twice at 96 x 96. And channels are
    normalized in groups, not over the batch, so that what a sample gives never depends on the rows beside it.

    The parts are ``stem``, ``stage1`` to ``stage4``, ``pool`` and ``head``.

    Parameters
    ----------
    event : sequence of int
        ``(channels, height, width)`` of one sample.
    n_outputs : int
        Width of the output: K for logits of q(y|x).
    width : int, default=16
        Channels of the first stage; they double from stage to stage.
    n_blocks : int, default=2
        Residual blocks in each stage.

    Raises
    ------
    ValueError
        If `width` or `n_blocks` is no positive integer.

    References
    ----------
    He et al., 2016, "Deep residual learning for image recognition"; Wu and He, 2018, "Group normalization".

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import ResNet
    >>> ResNet((1, 28, 28), 10, width=4)(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, event: Event, n_outputs: int, width: int = 16, n_blocks: int = 2) -> None:
        super().__init__()
        if not all(isinstance(n, Integral) and n >= 1 for n in (width, n_blocks)):
            raise ValueError(f"ResNet: width and n_blocks must be integers >= 1, got {width!r} and {n_blocks!r}.")
        channels, height, wide = event
        self.stem = stem(channels, width, min(height, wide))
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stage1, self.stage2, self.stage3, self.stage4 = (
            stage(widths[i], widths[i + 1], n_blocks, stride=1 if i == 0 else 2) for i in range(4)
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(widths[-1], n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B, n_outputs)."""
        for part in (self.stem, self.stage1, self.stage2, self.stage3, self.stage4, self.pool, self.head):
            x = part(x)
        return x


class ResidualBlock(nn.Module):
    """ReLU(x + g(x)) with two convolutions in g; where the shape changes, x goes through a convolution of its own."""

    def __init__(self, n_inputs: int, n_outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            convolution(n_inputs, n_outputs, stride), norm(n_outputs), nn.ReLU(), convolution(n_outputs, n_outputs),
            norm(n_outputs),
        )  # fmt: skip
        same = stride == 1 and n_inputs == n_outputs
        short = nn.Sequential(nn.Conv2d(n_inputs, n_outputs, kernel_size=1, stride=stride, bias=False), norm(n_outputs))
        self.shortcut = nn.Identity() if same else short

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_inputs, height, width) -> (B, n_outputs, height / stride, width / stride)."""
        return F.relu(self.shortcut(x) + self.residual(x))


def stem(n_inputs: int, n_outputs: int, side: int) -> nn.Sequential:
    """A convolution, and as many halvings as an image of this size needs."""
    strided = side > MOST_PIXELS
    layers = [convolution(n_inputs, n_outputs, stride=2 if strided else 1), norm(n_outputs), nn.ReLU()]
    side = -(-side // 2) if strided else side
    while side > MOST_PIXELS:
        layers.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        side = -(-side // 2)
    return nn.Sequential(*layers)


def stage(n_inputs: int, n_outputs: int, n_blocks: int, stride: int) -> nn.Sequential:
    """Residual blocks, the first of which changes the shape."""
    first = ResidualBlock(n_inputs, n_outputs, stride)
    return nn.Sequential(first, *(ResidualBlock(n_outputs, n_outputs, 1) for _ in range(n_blocks - 1)))


def convolution(n_inputs: int, n_outputs: int, stride: int = 1) -> nn.Conv2d:
    """3 x 3, without a bias: a norm follows."""
    return nn.Conv2d(n_inputs, n_outputs, kernel_size=3, stride=stride, padding=1, bias=False)


def norm(n_channels: int) -> nn.GroupNorm:
    """Groups of at least four channels, where their number allows it."""
    return nn.GroupNorm(max(1, gcd(n_channels, 32) // 4), n_channels)
