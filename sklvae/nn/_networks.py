"""Encoders and decoders. An event is one sample: ``(n_features,)``, or ``(channels, height, width)``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import nn

__all__ = ["conv_decoder", "conv_encoder", "dense", "mlp_decoder", "mlp_encoder", "pooled_encoder"]

Event = Sequence[int]


def dense(n_inputs: int, hidden_units: Sequence[int], n_outputs: int) -> list[nn.Module]:
    """Linear layers with ReLU between them; no hidden units make one linear map."""
    widths = [n_inputs, *hidden_units]
    hidden = [layer for i, o in pairwise(widths) for layer in (nn.Linear(i, o), nn.ReLU())]
    return [*hidden, nn.Linear(widths[-1], n_outputs)]


def mlp_encoder(event: Event, hidden_units: Sequence[int], n_outputs: int) -> nn.Sequential:
    """(B, ...) -> (B, n_outputs) through dense layers.

    Parameters
    ----------
    event : sequence of int
        Shape of one sample.
    hidden_units : sequence of int
        Widths of the dense hidden layers; may be empty.
    n_outputs : int
        Width of the output: 2 ``n_latent`` for q(z|x), K for logits of q(y|x).

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import mlp_encoder
    >>> mlp_encoder((8, 8), [32, 16], 4)(torch.zeros(5, 8, 8)).shape
    torch.Size([5, 4])
    """
    return nn.Sequential(nn.Flatten(), *dense(prod(event), hidden_units, n_outputs))


def mlp_decoder(event: Event, hidden_units: Sequence[int], n_latent: int) -> nn.Sequential:
    """(B, n_latent) -> (B, ...) through the encoder's layers in reverse.

    Parameters
    ----------
    event : sequence of int
        Shape of one sample.
    hidden_units : sequence of int
        Widths of the dense hidden layers, in the order of the encoder; may be empty.
    n_latent : int
        Width of the input: the latent dimensions, plus K where the decoder sees y.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import mlp_decoder
    >>> mlp_decoder((8, 8), [32, 16], 2)(torch.zeros(5, 2)).shape
    torch.Size([5, 8, 8])
    """
    return nn.Sequential(*dense(n_latent, hidden_units[::-1], prod(event)), nn.Unflatten(1, tuple(event)))


def conv_encoder(
    event: Event, hidden_units: Sequence[int], n_outputs: int, channels: Sequence[int] = (16,)
) -> nn.Sequential:
    """Down-sampling convolutions, then dense layers.

    One convolution is the cluster-label paper's network (Section 3.2), two are the VAE-transfer paper's (Section 4).

    Parameters
    ----------
    event : sequence of int
        ``(channels, height, width)`` of one sample; each convolution halves height and width, which must be at
        least 2 for one, 4 for two, and so on.
    hidden_units : sequence of int
        Widths of the dense hidden layers; may be empty.
    n_outputs : int
        Width of the output: 2 ``n_latent`` for q(z|x), K for logits of q(y|x).
    channels : sequence of int, default=(16,)
        Channels of each convolution.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import conv_encoder
    >>> conv_encoder((1, 7, 9), [32], 4, channels=(8, 16))(torch.zeros(5, 1, 7, 9)).shape
    torch.Size([5, 4])
    """
    convolutions = [
        layer
        for n_inputs, n in pairwise([event[0], *channels])
        for layer in (nn.Conv2d(n_inputs, n, kernel_size=4, stride=2, padding=1), nn.ReLU())
    ]
    return nn.Sequential(*convolutions, nn.Flatten(), *dense(prod(grids(event, channels)[-1]), hidden_units, n_outputs))


def pooled_encoder(
    event: Event, hidden_units: Sequence[int], n_outputs: int, channels: Sequence[int] = (16, 32, 64)
) -> nn.Sequential:
    """Convolutions of 3 x 3, each normalized over the batch and followed by max-pooling, then dense layers.

    Rectified after pooling, where there is a quarter of the numbers: the maximum is the same.

    Parameters
    ----------
    event : sequence of int
        ``(channels, height, width)`` of one sample; each pooling halves height and width, which must be at least 8
        for three, 4 for two, and so on.
    hidden_units : sequence of int
        Widths of the dense hidden layers; may be empty.
    n_outputs : int
        Width of the output: 2 ``n_latent`` for q(z|x), K for logits of q(y|x).
    channels : sequence of int, default=(16, 32, 64)
        Channels of each convolution.

    References
    ----------
    Ioffe and Szegedy, 2015, "Batch normalization", Section 3.2.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import pooled_encoder
    >>> pooled_encoder((1, 9, 8), [32], 4, channels=(8, 16))(torch.zeros(5, 1, 9, 8)).shape
    torch.Size([5, 4])
    """
    convolutions = [
        layer
        for n_inputs, n in pairwise([event[0], *channels])
        for layer in (nn.Conv2d(n_inputs, n, 3, padding=1, bias=False), nn.BatchNorm2d(n), nn.MaxPool2d(2), nn.ReLU())
    ]
    dense_layers = dense(prod(grids(event, channels)[-1]), hidden_units, n_outputs)
    network = nn.Sequential(*convolutions, nn.Flatten(), *dense_layers)
    return nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)  # faster on a CPU


def conv_decoder(
    event: Event, hidden_units: Sequence[int], n_latent: int, channels: Sequence[int] = (16,)
) -> nn.Sequential:
    """Dense layers, then up-sampling transposed convolutions: the mirror of `conv_encoder`.

    Parameters
    ----------
    event : sequence of int
        ``(channels, height, width)`` of one sample, as for `conv_encoder`.
    hidden_units : sequence of int
        Widths of the dense hidden layers, in the order of the encoder; may be empty.
    n_latent : int
        Width of the input: the latent dimensions, plus K where the decoder sees y.
    channels : sequence of int, default=(16,)
        Channels of each convolution, in the order of the encoder.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import conv_decoder
    >>> conv_decoder((1, 7, 9), [32], 2, channels=(8, 16))(torch.zeros(5, 2)).shape
    torch.Size([5, 1, 7, 9])
    """
    shapes = grids(event, channels)
    layers = [*dense(n_latent, hidden_units[::-1], prod(shapes[-1])), nn.Unflatten(1, shapes[-1])]
    for (n_inputs, *_), (n, height, width) in pairwise(shapes[::-1]):
        odd = (height % 2, width % 2)
        up = nn.ConvTranspose2d(n_inputs, n, kernel_size=4, stride=2, padding=1, output_padding=odd)
        layers += [nn.ReLU(), up]
    return nn.Sequential(*layers)


def grids(event: Event, channels: Sequence[int]) -> list[tuple[int, int, int]]:
    """Shape of an image, and of its maps after each convolution that halves them."""
    _, height, width = event
    halved = [(n, height >> i, width >> i) for i, n in enumerate(channels, start=1)]
    return [(event[0], height, width), *halved]
