"""What tells one fit from another: its parameters and its data."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from .._labels import split_labels
from ..labeling import array_digest, described
from ..training import fresh_seed
from ._run import Run

__all__ = ["about_fit"]

NOT_OF_THE_RESULT = {"session_dir", "verbose"}
"""Parameters that do not change what a fit gives."""


def about_fit(run: Run, y: ArrayLike | None, *, asks: bool) -> dict[str, Any]:
    """What a session is of: the parameters that are not the default, and the data.

    Raises
    ------
    ValueError
        If nothing tells a parameter from others.
    """
    estimator, rows = run.estimator, run.rows
    default = type(estimator)().get_params(deep=False)
    parameters = {}
    for name, value in estimator.get_params(deep=False).items():
        if name in NOT_OF_THE_RESULT:
            continue
        try:
            # What an estimator has been fitted to counts only where a clone keeps it.
            told = described(clone(value) if isinstance(value, BaseEstimator) else value)
        except ValueError as error:
            raise ValueError(
                f"{type(estimator).__name__}: with session_dir, {name} must be something that can be told from "
                f"others, but {error}. Use a function with a name at the top of a module, a functools.partial of "
                "one, or an object with get_params or a full repr; or leave session_dir out."
            ) from None
        if told != described(default[name]):
            parameters[name] = told
    known = None if y is None else [part.tolist() if part.dtype.hasobject else part for part in split_labels(y)]
    return {
        "estimator": type(estimator).__name__,
        "parameters": {**parameters, "asks": asks},
        "data": {
            "the number of samples": len(rows),
            "the shape of a sample": list(estimator._x_shape),
            "the dtype of X": rows.dtype.name,
            "values of X": array_digest(rows),
            "labels in y": described(known),
        },
        "clone": estimator._is_clone,
        "seed": fresh_seed(run.rng) if estimator.random_state is None else None,
    }
