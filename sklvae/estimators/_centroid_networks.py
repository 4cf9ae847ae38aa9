"""Our own networks for `CentroidRegularizedClassifier`, those of others, and what is asked of either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

import torch
from torch import nn

from ..nn import CentroidNetwork, ResNet, mlp_encoder
from ._constraints import sequence_of_positive_int
from ._module_params import make_module

__all__ = ["build_network", "n_features_seen", "n_of_each"]

Event = Sequence[int]


def mlp(event: Event, n_outputs: int, hidden_units: Sequence[int] = (256, 256)) -> nn.Sequential:
    """Dense layers, at least one of them hidden."""
    if not sequence_of_positive_int(1, inf, "").allows(hidden_units):
        raise ValueError(f"hidden_units must be a tuple of integers >= 1, at least one, got {hidden_units!r}.")
    return mlp_encoder(event, hidden_units, n_outputs)


NETWORKS: dict[str, tuple[Callable[..., nn.Module], Callable[[nn.Module], list[str]]]] = {
    "mlp": (mlp, lambda network: [str(len(list(network.children())) - 2)]),
    "resnet": (ResNet, lambda network: ["pool"]),
}
"""Our factories, and the layers that each pulls by default: the one below the logits."""


def build_network(
    owner: str,
    module: str | Callable[..., nn.Module] | None,
    params: Mapping[str, Any],
    layers: Sequence[str] | None,
    event: Event,
    n_classes: int,
) -> tuple[nn.Module, list[str]]:
    """Make the network, and choose or check the names of its layers.

    Raises
    ------
    ValueError
        If the network cannot be made, does not suit the samples, or has no such layers.
    """
    if module is None:
        module = "resnet" if len(event) == 3 else "mlp"
    if module == "resnet" and len(event) != 3:
        raise ValueError(
            f'{owner}: module="resnet" needs images, got samples of shape {tuple(event)}. Give image_shape, or use '
            'module="mlp".'
        )
    factory, default = NETWORKS[module] if isinstance(module, str) else (module, None)
    network = make_module(owner, factory, tuple(event), n_classes, **params)
    known = [name for name, _ in network.named_modules() if name]
    if layers is None and default is None:
        raise ValueError(
            f"{owner}: layers must name the submodules of your module whose activations are pulled. It has {known}."
        )
    chosen = list(default(network) if layers is None and default is not None else layers or [])
    wrong = [name for name in chosen if name not in known]
    if wrong or len(set(chosen)) < len(chosen):
        unknown = f", of which {wrong} are none" if wrong else ""
        raise ValueError(
            f"{owner}: layers must be different submodules of the module, got {chosen}{unknown}. It has {known}."
        )
    return network, chosen


@torch.no_grad()
def n_features_seen(owner: str, model: CentroidNetwork, event: Event, n_classes: int) -> list[int]:
    """Width of the pooled activations of each layer, found by trying two samples.

    Raises
    ------
    ValueError
        If the network fails on them, or does not give one logit for each class.
    """
    x = torch.zeros(2, *event, device=model.shift.device)
    try:
        q, activations = model.eval()(x)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from error
    except (RuntimeError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{owner}: the module must take a batch of shape (n, {', '.join(map(str, event))}) and give a tensor of "
            f"logits, but failed on two samples: {error}."
        ) from error
    if tuple(q.logits.shape) != (2, n_classes):
        raise ValueError(
            f"{owner}: the module must give logits of shape (n, {n_classes}), got {tuple(q.logits.shape)} for two "
            "samples. Its second argument is the number of classes."
        )
    return [f.shape[1] for f in activations]


def n_of_each(owner: str, n: Any, layers: Sequence[str]) -> list[int]:
    """Centroids of each layer, from one number for all or one for each.

    Raises
    ------
    ValueError
        If there are not as many numbers as layers.
    """
    each = list(n) if isinstance(n, (list, tuple)) else [n] * len(layers)
    if len(each) != len(layers):
        raise ValueError(
            f"{owner}: n_centroids must be one number, or one for each of the {len(layers)} layers {list(layers)}, "
            f"got {n!r}."
        )
    return each
