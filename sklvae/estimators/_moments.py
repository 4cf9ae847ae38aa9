"""Means and standard deviations of features, and which features have one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["feature_moments", "input_moments"]

CHUNK = 1024

RIGHT_ANGLE, IN_ORDER = 0.1, 1.2
"""The cosines between components have a smaller root mean square, and none is so many times as long as the one before:
of other rows than those of which they are the components, they are not quite at right angles, nor in order."""

LEAST, MOST = 1e-6, 0.95
"""Components shorter than such a part of the first are rounding; where the first has more than such a share of all
squares, it has the largest unit and no more to say."""


def input_moments(rows: NDArray[Any] | None, event: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Shift and scale that standardize inputs: of each feature, or of an image as a whole; none without rows."""
    if rows is None:
        return torch.zeros(*event), torch.ones(*event)
    shift, scale = feature_moments(rows, shared=len(event) == 3)
    return torch.tensor(shift).float().view(*event), torch.tensor(scale).float().view(*event)


def feature_moments(rows: NDArray[Any], *, shared: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and standard deviation of each feature, or of all together; 1 for what does not vary.

    Principal components have one standard deviation and means of their own: how far each varies says what it is worth.
    Computed chunk by chunk, so that no float copy of X is made; uint8 counts as fractions of 255.
    """
    unit = 255 if rows.dtype == np.uint8 else 1
    chunks = range(0, len(rows), CHUNK)
    mean = sum(rows[i : i + CHUNK].sum(axis=0, dtype=np.float64) for i in chunks) / len(rows) / unit
    mean = np.full_like(mean, mean.mean()) if shared else mean
    square = sum(((rows[i : i + CHUNK] / unit - mean) ** 2).sum(axis=0, dtype=np.float64) for i in chunks)
    variance = square / len(rows)
    variance = np.full_like(variance, variance.mean()) if shared or are_components(rows) else variance
    scale = np.sqrt(variance)
    # A constant column keeps a rounding error of its mean as its scale.
    return mean, np.where(scale > 1e-7 * np.maximum(np.abs(mean), 1e-30), scale, 1.0)


def are_components(rows: NDArray[Any]) -> bool:
    """Whether columns are at right angles to each other, the longest first: what PCA and TruncatedSVD make."""
    chunks = range(0, len(rows), CHUNK)
    square = sum(np.square(rows[i : i + CHUNK], dtype=np.float64).sum(axis=0) for i in chunks)
    if square[0] >= MOST * square.sum():
        return False
    some = square > LEAST**2 * square[0]
    length = np.sqrt(square[some])
    if np.any(length[1:] > IN_ORDER * length[:-1]):
        return False
    gram = sum(unit.T @ unit for unit in (rows[i : i + CHUNK, some] / length for i in chunks))
    cosines = gram[~np.eye(len(gram), dtype=bool)]
    return bool(np.sqrt(np.mean(cosines**2)) < RIGHT_ANGLE)
