"""Checking X: flat rows, their units, and the shape of the image they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

__all__ = [
    "check_rows",
    "chunks",
    "constant",
    "event_shape",
    "sample_shape",
    "warn_of_another_scale",
    "within_unit",
]

DTYPES = (np.float64, np.float32, np.uint8)
CHUNK = 1024

CHANNELS = (1, 3, 4)
"""How many an image may have, by which one is told whose channels are last."""


def check_rows(
    estimator: BaseEstimator, X: Any, *, reset: bool, image_shape: Sequence[int] | None = None
) -> NDArray[Any]:
    """Give X as flat rows (n_samples, n_features), float64, float32 or uint8, without a copy where it can be.

    Raises
    ------
    ValueError
        If X holds what is no number, is not finite, has one sample or feature (when fitting), does not have the image
        shape, or is one image.
    """
    X = as_array(X)
    seen = () if reset else getattr(estimator, "_event", ())
    if isinstance(X, np.ndarray) and _is_one_image(X, seen):
        raise ValueError(
            f"{type(estimator).__name__}: X must hold images, got one of shape {X.shape}. Give X[np.newaxis]."
        )
    if isinstance(X, np.ndarray) and X.ndim > 2:
        if X.ndim > 4:
            raise ValueError(
                f"{type(estimator).__name__}: X must be a table (n, features), or images (n, height, width) or (n, "
                f"channels, height, width), got shape {X.shape}. Reshape it."
            )
        if len(seen) == 3 and event_shape(X.shape[1:]) != seen:
            raise ValueError(
                f"{type(estimator).__name__}: images must have the shape {seen} of those it was fitted on, got "
                f"{event_shape(X.shape[1:])}. Give X as in fit, or as flat rows."
            )
        if image_shape is not None and prod(image_shape) != prod(X.shape[1:]):
            raise ValueError(_mismatch(estimator, tuple(image_shape), X.shape))
        if reset and X.ndim == 4 and min(X.shape[1:3]) >= 8 and X.shape[3] in CHANNELS:
            warnings.warn(
                f"{type(estimator).__name__}: X of shape {X.shape} is taken as (n, channels, height, width). If its "
                "channels are last, give X.transpose(0, 3, 1, 2).",
                stacklevel=3,
            )
        X = X.reshape(len(X), -1)
    least = 2 if reset else 1
    try:
        rows: NDArray[Any] = validate_data(
            estimator, X, reset=reset, dtype=DTYPES, ensure_min_samples=least, ensure_min_features=least
        )
    except (ValueError, np.exceptions.DTypePromotionError) as error:
        if columns := _without_numbers(X):
            raise ValueError(
                f"{type(estimator).__name__}: X must hold numbers, but columns {columns} do not: {error}. Drop "
                "them, or encode them, for instance by sklearn.preprocessing.OneHotEncoder."
            ) from error
        raise
    if image_shape is not None and prod(image_shape) != rows.shape[1]:
        raise ValueError(_mismatch(estimator, tuple(image_shape), rows.shape))
    return rows


def as_array(X: Any) -> Any:
    """Tensors and lists as arrays; what scikit-learn knows better stays as it is."""
    if isinstance(X, torch.Tensor):
        return X.detach().cpu().numpy()
    return np.asarray(X) if isinstance(X, (list, tuple)) else X


def sample_shape(X: Any, rows: NDArray[Any]) -> tuple[int, ...]:
    """Shape of one sample of X, whose flat rows are `rows`."""
    X = as_array(X)
    return X.shape[1:] if isinstance(X, np.ndarray) and X.ndim > 2 else rows.shape[1:]


def event_shape(sample: Sequence[int]) -> tuple[int, ...]:
    """Shape of one sample in a network: (channels, height, width), or (n_features,) for a table."""
    return (1, *sample) if len(sample) == 2 else tuple(sample)


def within_unit(rows: NDArray[Any]) -> bool:
    """Whether all values are in [0, 1], once uint8 pixels are fractions of 255."""
    return rows.dtype == np.uint8 or (rows.min() >= 0 and rows.max() <= 1)


def warn_of_another_scale(estimator: Any, rows: NDArray[Any]) -> None:
    """Warn where a Bernoulli likelihood was fitted on values in [0, 1], and new rows lie far outside."""
    if estimator.likelihood_ == "bernoulli" and rows.dtype != np.uint8 and (rows.min() < -1 or rows.max() > 2):
        warnings.warn(
            f"{type(estimator).__name__}: fitted on values in [0, 1] (uint8 counts as fractions of 255), got values "
            f"from {rows.min():g} to {rows.max():g}. Give X on the scale of the training data.",
            stacklevel=4,
        )


def constant(rows: NDArray[Any]) -> bool:
    """Whether every row is the same."""
    return not any((chunk != rows[:1]).any() for chunk in chunks(rows))


def chunks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Some rows at a time, so that no float copy of all is made."""
    return (rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK))


def _without_numbers(X: Any) -> list[Any]:
    """Names, or indices, of the columns of a table in which something is no number."""
    if len(getattr(X, "shape", ())) != 2:
        return []
    columns = [(name, X[name]) for name in X.columns] if hasattr(X, "columns") else list(enumerate(np.asarray(X).T))
    return [name for name, column in columns if not _holds_numbers(column)]


def _holds_numbers(column: Any) -> bool:
    values = np.asarray(column)
    if values.dtype.kind not in "OUS":
        return values.dtype.kind not in "mM"
    try:
        values.astype(np.float64)
    except (ValueError, TypeError):
        return False
    return True


def _is_one_image(X: NDArray[Any], event: tuple[int, ...]) -> bool:
    """Whether X is an image; (1, height, width) are images, of which there is one, and so is a row of an image."""
    return X.ndim > 1 and event_shape(X.shape) == event and X[:1].size != prod(event)


def _mismatch(estimator: BaseEstimator, image_shape: tuple[int, ...], came: tuple[int, ...]) -> str:
    return (
        f"{type(estimator).__name__}: image_shape {image_shape} has {prod(image_shape)} values a sample, but X "
        f"has shape {came}. Give the (height, width) or (channels, height, width) that the rows of X have."
    )
