"""What happens between the epochs of a fit with centroids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..nn import CentroidNetwork
from ..objectives import centroid_loss, draw_evenly, settle
from ..training import in_blocks

__all__ = ["RAMPS", "CentroidObjective", "CentroidSchedule"]

RAMPS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "cosine": lambda t: (1 - math.cos(math.pi * t)) / 2,
}
"""From 0 at t = 0 to 1 at t = 1."""

N_SETTLED = 2048
"""Most labeled rows, and most other rows, that centroids are settled on."""


@dataclass
class CentroidObjective:
    """`centroid_loss` with a weight that the schedule changes."""

    soft: bool
    beta: float = 0.0

    def __call__(self, model: CentroidNetwork, **batch: Tensor) -> dict[str, Tensor]:
        """Terms of a batch."""
        return centroid_loss(model, **batch, beta=self.beta, soft=self.soft)


@dataclass
class CentroidSchedule:
    """Called as an epoch begins: sets the weight of the penalty, redraws and settles the centroids.

    Centroids are redrawn, evenly over the classes, in the first `reinit_epochs` epochs; the weight rises from 0 in the
    first epoch to `beta_max` after `ramp_epochs` (latent-centroids paper, Section 2.2).
    """

    model: CentroidNetwork
    objective: CentroidObjective
    rows: NDArray[Any]
    event: tuple[int, ...]
    codes: NDArray[np.int64]
    beta_max: float
    ramp: str
    ramp_epochs: int
    reinit_epochs: int
    before: int = 0
    """Epochs of the fits before this one that it goes on from."""

    def __call__(self, epoch: int) -> dict[str, Any]:
        """Begin an epoch, counted from 0, and return its record."""
        epoch += self.before
        done = min(1.0, epoch / self.ramp_epochs) if self.ramp_epochs else 1.0
        self.objective.beta = self.beta_max * RAMPS[self.ramp](done)
        if not self.beta_max:
            return {"beta": 0.0}
        usage = self.settle(redraw=epoch < max(self.reinit_epochs, 1))
        in_use = {name: float((share > 0).mean()) for name, share in usage.items()}
        return {"beta": self.objective.beta, "centroid_usage": in_use}

    def settle(self, *, redraw: bool = False) -> dict[str, NDArray[Any]]:
        """Settle the centroids of each layer on some rows, and give the share of these rows that each centroid has."""
        rows = np.concatenate([some(np.flatnonzero(self.codes >= 0)), some(np.flatnonzero(self.codes < 0))])
        widths = [c.centers.shape[1] for c in self.model.centroids]
        x = self.rows[np.sort(rows)]
        x = x if x.dtype == np.uint8 else x.astype(np.float32)
        seen = in_blocks(self.model, all_activations, x, self.event)
        code = torch.from_numpy(self.codes[np.sort(rows)])
        labeled = torch.nonzero(code >= 0).flatten()
        usage = {}
        activations = torch.from_numpy(seen).to(self.model.shift).split(widths, dim=1)
        for name, centroids, f in zip(self.model.layers, self.model.centroids, activations, strict=True):
            if redraw:
                drawn = labeled[draw_evenly(code[labeled], len(centroids.centers))]
                with torch.no_grad():
                    centroids.centers.copy_(f[drawn.to(f.device)])
            usage[name] = settle(centroids, f, soft=self.objective.soft).cpu().numpy()
        return usage


def some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `N_SETTLED` of these rows, at random."""
    return rows[torch.randperm(len(rows))[:N_SETTLED].numpy()]


def all_activations(model: CentroidNetwork, x: Tensor) -> Tensor:
    """Activations of all layers, side by side."""
    return torch.cat(model(x)[1], dim=1)
