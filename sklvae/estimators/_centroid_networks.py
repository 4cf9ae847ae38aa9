"""Our own networks for `CentroidRegularizedClassifier`, those of others, and what is asked of either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..nn import CentroidNetwork, ResNet, mlp_encoder
from ._module_params import make_module

__all__ = ["build_network", "n_features_seen"]

Event = Sequence[int]


def mlp(event: Event, n_outputs: int, hidden_units: Sequence[int] = (256, 256)) -> nn.Sequential:
    """Dense layers."""
    return mlp_encoder(event, hidden_units, n_outputs)


NETWORKS: dict[str, tuple[Callable[..., nn.Module], Callable[[nn.Module], list[str]]]] = {
    "mlp": (mlp, lambda network: [str(len(list(network.children())) - 2)]),
    "resnet": (ResNet, lambda network: ["stage2", "stage3", "pool"]),
}
"""Our factories, and the layers that each pulls by default: the paper's for "resnet"."""


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
        raise ValueError(f"{owner}: layers must be different submodules of the module, got {chosen}. It has {known}.")
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
