"""Randomness that comes from `random_state` alone and leaves the caller's generators untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["fresh_seed", "seeded"]


def fresh_seed(random_state: np.random.RandomState) -> int:
    """Draw a seed for torch or for a scikit-learn estimator."""
    return int(random_state.randint(np.iinfo(np.int32).max))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run a block with torch seeded, then put the caller's generators back."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
