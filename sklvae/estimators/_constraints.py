"""What a parameter may be, checked in `fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

__all__ = [
    "Constraint",
    "anything",
    "at_least",
    "augment_like",
    "check_parameters",
    "instance_of",
    "labels_like",
    "module_factory",
    "none",
    "one_of",
]


@dataclass(frozen=True)
class Constraint:
    """A test of a value and how the test reads in an error; ``a | b`` allows either."""

    allows: Callable[[Any], bool]
    text: str

    def __or__(self, other: Constraint) -> Constraint:
        return Constraint(lambda value: self.allows(value) or other.allows(value), f"{self.text} or {other.text}")


def at_least(minimum: float, kind: type = float, *, above: bool = False) -> Constraint:
    """A number, or an integer if `kind` is int, from `minimum` on (or above it)."""
    number = (int, np.integer) if kind is int else (int, float, np.integer, np.floating)

    def allows(value: Any) -> bool:
        if not isinstance(value, number) or isinstance(value, bool):
            return False
        return bool(value > minimum if above else value >= minimum) and bool(value < float("inf"))

    return Constraint(
        allows, f"{'an integer' if kind is int else 'a finite number'} {'>' if above else '>='} {minimum}"
    )


def one_of(*choices: Any) -> Constraint:
    """One of a few strings."""
    return Constraint(lambda v: isinstance(v, str) and v in choices, "one of " + ", ".join(map(repr, choices)))


def instance_of(kind: type | tuple[type, ...], text: str) -> Constraint:
    """An object of a kind."""
    return Constraint(lambda v: isinstance(v, kind), text)


none = Constraint(lambda v: v is None, "None")
labels_like = Constraint(lambda v: not isinstance(v, str) and np.ndim(v) == 1, "a list of labels")
module_factory = Constraint(lambda v: callable(v) and not isinstance(v, nn.Module), "a module factory (no module)")
augment_like = none | one_of("auto") | Constraint(callable, "a function of a batch")
anything = Constraint(lambda v: True, "anything")


def sequence_of_positive_int(least: int, most: float, text: str) -> Constraint:
    """A tuple or list of positive integers of a certain length."""
    return Constraint(
        lambda v: (
            isinstance(v, (tuple, list))
            and least <= len(v) <= most
            and all(isinstance(i, (int, np.integer)) and i >= 1 for i in v)
        ),
        text,
    )


def check_parameters(estimator: BaseEstimator, constraints: Mapping[str, Constraint]) -> None:
    """Check the constructor parameters of an estimator.

    Raises
    ------
    ValueError
        If one is not allowed; the message says what it must be and what came.
    """
    for name, constraint in constraints.items():
        value = getattr(estimator, name)
        if not constraint.allows(value):
            raise ValueError(f"{type(estimator).__name__}: {name} must be {constraint.text}, got {value!r}.")
