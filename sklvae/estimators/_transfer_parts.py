"""A VAE that is given, where its encoder is cut and what is put on it: choices of a user, resolved and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from torch import nn

from ..nn import convolutional_head, feedforward_head, weighted_layers
from ._input import event_shape, within_unit
from ._module_params import make_tried

if TYPE_CHECKING:
    from ._vae import VariationalAutoencoder

__all__ = ["HEADS", "Parts", "check_vae"]

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
                f"{self.name}: cut must be 'latent', or keep from 1 to {len(layers) - 1} of the {len(layers)} layers "
                f"with weights of the encoder (an nn.Sequential), got {self.cut!r}."
                if len(layers) > 1
                else f"{self.name}: cut must be 'latent' for an encoder that is no nn.Sequential of at least 2 layers "
                f"with weights, got {self.cut!r}."
            )
        return kept

    def _n_convolutions(self, layers: list[nn.Module]) -> int:
        n = sum(isinstance(layer, nn.Conv2d) for layer in layers)
        if not n:
            raise ValueError(
                f'{self.name}: head="convolutional" needs an encoder that is an nn.Sequential with convolutions. Give '
                'X as images of at least 4 x 4, or image_shape, and encoder="conv2", to the vae if one is given; or '
                'use head="feedforward".'
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
            f"{self.name}: head must be a factory f(feature_shape, n_classes) of a module that gives {n_classes} "
            f"numbers, one a class, for each sample of features, which cut={self.cut!r} gives the shape {feature_shape}"
        )
        make = HEADS[self.head] if isinstance(self.head, str) else self.head
        head = make_tried(wanted, make, feature_shape, n_classes)
        if not any(parameter.requires_grad for parameter in head.parameters()):
            raise ValueError(f"{wanted}, and has something to learn; it has no parameters.")
        return head


def check_vae(estimator: Any, vae: VariationalAutoencoder, rows: NDArray[Any]) -> None:
    """Refuse a VAE that does not know the rows that an estimator is fitted to.

    Raises
    ------
    ValueError
        If it is not fitted, or was fitted on other features, images of another shape, or values of another range.
    """
    name, sample = type(estimator).__name__, estimator._x_shape
    if not hasattr(vae, "net_"):
        raise ValueError(f"{name}: vae must be fitted, got {vae!r}. Call its fit, or use vae=None.")
    if vae.n_features_in_ != rows.shape[1]:
        raise ValueError(
            f"{name}: vae must have been fitted on the features of X, got one fitted on {vae.n_features_in_} "
            f"features, and X with {rows.shape[1]}. Fit it on such rows, or use vae=None."
        )
    known, given = (getattr(e, "feature_names_in_", None) for e in (vae, estimator))
    if known is not None and given is not None and known.tolist() != given.tolist():
        raise ValueError(
            f"{name}: vae must have been fitted on the features of X, in their order, got one fitted on "
            f"{known.tolist()}, and X with {given.tolist()}. Fit it on such rows, or use vae=None."
        )
    if len(sample) > 1 and len(vae._event) == 3 and event_shape(sample) != vae._event:
        raise ValueError(
            f"{name}: vae must have been fitted on images of the shape of those in X, got one fitted on "
            f"{vae._event}, and X with {event_shape(sample)}. Fit it on such images, or use vae=None."
        )
    if vae.likelihood_ == "bernoulli" and not within_unit(rows):
        raise ValueError(
            f"{name}: vae has a Bernoulli likelihood, which needs values in [0, 1], got values from "
            f"{rows.min():g} to {rows.max():g}. Scale X as what vae was fitted on, or fit it on X as it is."
        )
