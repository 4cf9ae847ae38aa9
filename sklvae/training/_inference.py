"""Applying a trained network to many rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ._data import to_batch

__all__ = ["in_blocks"]

BLOCK = 256


@torch.inference_mode()
def in_blocks(
    module: nn.Module, function: Callable[[Any, Tensor], Tensor], x: NDArray[Any], event: Sequence[int]
) -> NDArray[Any]:
    """Apply ``function(module, batch)`` to the rows of `x`, in the precision of `x`.

    What a row gives does not depend, but for rounding, on the rows beside it: float64 rows are computed in
    float64, where rounding is far below any tolerance; others in blocks of one fixed size, the last one padded.
    """
    device = next(module.parameters()).device
    double = x.dtype == np.float64
    dtype = torch.float64 if double else torch.float32
    module = (copy.deepcopy(module).double() if double else module).eval()
    parts = []
    for start in range(0, len(x), BLOCK):
        batch = to_batch(x[start : start + BLOCK], event, dtype).to(device)
        n_rows = len(batch)
        if n_rows < BLOCK and not double:
            batch = torch.cat([batch, batch[:1].expand(BLOCK - n_rows, *batch.shape[1:])])
        parts.append(function(module, batch)[:n_rows].cpu().numpy())
    return np.concatenate(parts)
