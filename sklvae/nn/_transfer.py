"""A classifier on the first layers of a VAE's encoder."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from math import prod
from typing import Self

import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from ._networks import Event, dense
from ._vae import VAE

__all__ = ["TransferNet", "convolutional_head", "cut_encoder", "feedforward_head", "weighted_layers"]

OF_MAPS = (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)
"""Normalizations that belong to the convolution before them, though they have weights."""

Head = Callable[[tuple[int, ...], int], nn.Module]


class TransferNet(nn.Module):
    """p(y|x) = softmax(head(features(x))), the features those of a VAE's encoder (VAE-transfer paper, Section 3).

    The VAE is copied, so that training this network leaves it as it is.

    Parameters
    ----------
    vae : VAE
        Gives the features and the standardization of x.
    event : sequence of int
        Shape of one sample.
    n_layers : int or None
        Layers of the encoder that are kept, see `cut_encoder`; None takes the means of q(z|x).
    head : callable
        ``f(feature_shape, n_classes)`` makes a module from ``(B, *feature_shape)`` to ``(B, n_classes)``.
    n_classes : int
        Number of classes.
    freeze : bool
        Whether the features stay as they are, also where they have layers that behave otherwise in training.

    Attributes
    ----------
    feature_shape : tuple of int
        What the head sees of one sample.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import VAE, BernoulliLikelihood, TransferNet, feedforward_head, mlp_decoder, mlp_encoder
    >>> vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    >>> net = TransferNet(vae, (6,), n_layers=1, head=feedforward_head, n_classes=3, freeze=True)
    >>> net.feature_shape, net.classify(torch.rand(5, 6)).probs.shape
    ((8,), torch.Size([5, 3]))
    """

    def __init__(
        self, vae: VAE, event: Event, *, n_layers: int | None, head: Head, n_classes: int, freeze: bool
    ) -> None:
        super().__init__()
        self.observation = copy.deepcopy(vae.observation).requires_grad_(False)
        encoder = Means(vae.encoder, vae.n_latent) if n_layers is None else cut_encoder(vae.encoder, n_layers)
        self.features = copy.deepcopy(encoder).requires_grad_(not freeze)
        self.freeze = freeze
        with torch.no_grad():
            self.eval()
            self.feature_shape = tuple(self.features(torch.zeros(1, *event, device=vae.zero.device)).shape[1:])
            self.train()
        self.head = head(self.feature_shape, n_classes)

    def train(self, mode: bool = True) -> Self:
        """Switch to training, or out of it; frozen features never are in it."""
        super().train(mode)
        self.features.train(mode and not self.freeze)
        return self

    def classify(self, x: Tensor) -> Categorical:
        """p(y|x), batch (B,), over ``n_classes`` codes."""
        logits = self.head(self.features(self.observation.standardize(x)))
        return Categorical(logits=logits.to(next(self.features.parameters()).dtype), validate_args=False)


class Means(nn.Module):
    """The part of an encoder's output that is the mean of q(z|x)."""

    def __init__(self, encoder: nn.Module, n_latent: int) -> None:
        super().__init__()
        self.encoder, self.n_latent = encoder, n_latent

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, n_latent)."""
        mean: Tensor = self.encoder(x)[..., : self.n_latent]
        return mean


def weighted_layers(encoder: nn.Module) -> list[nn.Module]:
    """The layers of an ``nn.Sequential`` that have weights, normalizations of maps aside; none of any other module.

    Examples
    --------
    >>> from sklvae.nn import conv_encoder, weighted_layers
    >>> [type(layer).__name__ for layer in weighted_layers(conv_encoder((1, 8, 8), [32], 4, channels=(8, 16)))]
    ['Conv2d', 'Conv2d', 'Linear', 'Linear']
    """
    layers = list(encoder) if isinstance(encoder, nn.Sequential) else []
    return [layer for layer in layers if any(True for _ in layer.parameters()) and not isinstance(layer, OF_MAPS)]


def cut_encoder(encoder: nn.Module, n_layers: int) -> nn.Sequential:
    """Keep the first layers with weights, and what follows them up to the next; not an ``nn.Flatten`` at the end.

    Parameters
    ----------
    encoder : nn.Sequential
        It stays as it is, and shares its layers with what is returned.
    n_layers : int
        From 1 to the number of `weighted_layers`, less one.

    Raises
    ------
    ValueError
        If the encoder has no such layers.

    Examples
    --------
    >>> from sklvae.nn import conv_encoder, cut_encoder
    >>> cut_encoder(conv_encoder((1, 8, 8), [32], 4), 1)
    Sequential(
      (0): Conv2d(1, 16, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
      (1): ReLU()
    )
    """
    weighted = weighted_layers(encoder)
    if not isinstance(encoder, nn.Sequential) or not 1 <= n_layers < len(weighted):
        raise ValueError(
            f"cut_encoder: n_layers must be from 1 to {len(weighted) - 1} for an nn.Sequential with {len(weighted)} "
            f"layers that have weights, got {n_layers} for a {type(encoder).__name__}."
        )
    kept = list(itertools.takewhile(lambda layer: layer is not weighted[n_layers], encoder))
    return nn.Sequential(*(kept[:-1] if isinstance(kept[-1], nn.Flatten) else kept))


def feedforward_head(
    feature_shape: Sequence[int], n_classes: int, n_hidden: int = 128, dropout: float = 0.5
) -> nn.Sequential:
    """Two dense layers (VAE-transfer paper, Section 4) with dropout before each.

    Parameters
    ----------
    feature_shape : sequence of int
        Shape of the features of one sample.
    n_classes : int
        Width of the output.
    n_hidden : int, default=128
        Width of the hidden layer.
    dropout : float, default=0.5
        Probability with which a number is dropped in training.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import feedforward_head
    >>> feedforward_head((16, 4, 4), 10)(torch.zeros(5, 16, 4, 4)).shape
    torch.Size([5, 10])
    """
    first, relu, second = dense(prod(feature_shape), [n_hidden], n_classes)
    return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), first, relu, nn.Dropout(dropout), second)


def convolutional_head(
    feature_shape: Event, n_classes: int, n_channels: int = 64, dropout: float = 0.5
) -> nn.Sequential:
    """Convolution, max-pooling, convolution and a dense layer (VAE-transfer paper, Section 4), with dropout before it.

    Parameters
    ----------
    feature_shape : sequence of int
        ``(channels, height, width)`` of the maps of one sample.
    n_classes : int
        Width of the output.
    n_channels : int, default=64
        Channels of each convolution.
    dropout : float, default=0.5
        Probability with which a number is dropped in training.

    Examples
    --------
    >>> import torch
    >>> from sklvae.nn import convolutional_head
    >>> convolutional_head((16, 7, 5), 10)(torch.zeros(5, 16, 7, 5)).shape
    torch.Size([5, 10])
    """
    channels, height, width = feature_shape
    half_height, half_width = -(-height // 2), -(-width // 2)
    return nn.Sequential(
        nn.Conv2d(channels, n_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(n_channels, n_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(n_channels * half_height * half_width, n_classes),
    )
