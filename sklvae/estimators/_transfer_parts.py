"""Where an encoder is cut and what is put on it: choices of a user, resolved and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..nn import convolutional_head, feedforward_head, weighted_layers

__all__ = ["HEADS", "Parts"]

HEADS: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {
    "feedforward": feedforward_head,
    "convolutional": convolutional_head,
}


@dataclass(frozen=True)
class Parts:
    """The parameters `cut` and `head` of an estimator, whose name its errors begin with."""

    name: str
    cut: str | int
    head: Any

    def n_layers(self, encoder: nn.Module) -> int | None:
        """How many layers of the encoder are kept; None is the means of q(z|x).

        Raises
        ------
        ValueError
            If the encoder has no such layers.
        """
        layers = weighted_layers(encoder)
        if self.cut == "latent" or (self.cut == "auto" and self.head != "convolutional" and len(layers) < 2):
            return None
        if self.cut == "auto" and self.head == "convolutional":
            return self._n_convolutions(layers)
        kept = len(layers) - 1 if self.cut in ("auto", "hidden") else int(self.cut)
        if not 1 <= kept < len(layers):
            raise ValueError(
                f"{self.name}: cut must leave at least one of the {len(layers)} layers with weights of the encoder "
                f"(0 for one that is no nn.Sequential), got {self.cut!r}. "
                'Use cut="latent" for the whole encoder.'
            )
        return kept

    def _n_convolutions(self, layers: list[nn.Module]) -> int:
        n = sum(isinstance(layer, nn.Conv2d) for layer in layers)
        if not n:
            raise ValueError(
                f'{self.name}: head="convolutional" needs an encoder that is an nn.Sequential with convolutions. Give '
                'X as images or image_shape, and encoder="conv2"; or use head="feedforward".'
            )
        return n

    def make_head(self, feature_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The head, tried on features of zeros.

        Raises
        ------
        ValueError
            If it is not one from such features to so many classes.
        """
        if self.head == "convolutional" and len(feature_shape) != 3:
            raise ValueError(
                f'{self.name}: head="convolutional" needs maps (channels, height, width), but cut={self.cut!r} gives '
                f'features of shape {feature_shape}. Use cut="auto", or head="feedforward".'
            )
        wanted = (
            f"{self.name}: head must make a module that gives {n_classes} numbers, one a class, for each sample of "
            f"features, which cut={self.cut!r} gives the shape {feature_shape}"
        )
        make = HEADS[self.head] if isinstance(self.head, str) else self.head
        try:
            head = make(feature_shape, n_classes)
            with torch.no_grad():
                came = tuple(head.eval()(torch.zeros(2, *feature_shape)).shape)
            learns = any(parameter.requires_grad for parameter in head.train().parameters())
        except Exception as error:  # of the user's code, or of torch in it
            raise ValueError(f"{wanted}; it raised {type(error).__name__}: {error}") from error
        if came != (2, n_classes):
            raise ValueError(f"{wanted}; it gave shape {came} for 2 samples.")
        if not learns:
            raise ValueError(f"{wanted}, and has something to learn; it has no parameters.")
        return head
