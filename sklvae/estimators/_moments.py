"""Means and standard deviations of features, and which features have one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._input import chunks

__all__ = ["feature_moments", "input_moments"]

RIGHT_ANGLE = 0.005
"""Largest root mean square of the cosines between components. Those of PCA on the same rows are rounding, those of
methods that approximate it small; of columns that have nothing to do with each other it is 1 / sqrt(n)."""

IN_ORDER = 1.2
"""How many times as long as the one before a component may be: approximate ones are not quite in order."""

LEAST = 1e-6
"""Components shorter than this part of the longest are rounding, and have no angle."""

MOST = 0.95
"""Above this share of the variance, the first component has a large unit, and a scale for all would hide the others."""


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
    mean = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in chunks(rows)) / len(rows) / unit
    mean = np.full_like(mean, mean.mean()) if shared else mean
    square = sum(((chunk / unit - mean) ** 2).sum(axis=0, dtype=np.float64) for chunk in chunks(rows))
    variance = square / len(rows)
    if shared or are_components(rows, mean, variance):
        variance = np.full_like(variance, variance.mean())
    scale = np.sqrt(variance)
    # A constant column keeps a rounding error of its mean as its scale.
    return mean, np.where(scale > 1e-7 * np.maximum(np.abs(mean), 1e-30), scale, 1.0)


def are_components(rows: NDArray[Any], mean: NDArray[Any], variance: NDArray[Any]) -> bool:
    """Whether columns are at right angles to each other, the longest first: what PCA and TruncatedSVD make of rows.

    Lengths and angles are about zero, not about the means, since TruncatedSVD centers nothing.
    """
    if rows.shape[1] > len(rows) or variance.max() >= MOST * variance.sum():
        return False
    length = np.sqrt(variance + mean**2)
    least = LEAST * length.max()
    n_long = np.count_nonzero(length > least)
    if n_long < 2 or np.any(length[1:] > IN_ORDER * length[:-1] + least):
        return False
    long = (chunk[:, :n_long].astype(np.float64) for chunk in chunks(rows))
    products = sum(chunk.T @ chunk for chunk in long)
    cosines = products / np.sqrt(np.outer(np.diag(products), np.diag(products)))
    np.fill_diagonal(cosines, 0)
    return bool(np.linalg.norm(cosines) < RIGHT_ANGLE * np.sqrt(n_long * (n_long - 1)))
