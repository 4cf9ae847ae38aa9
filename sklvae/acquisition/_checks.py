"""Options of acquisitions, and how many rows there are to choose."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

__all__ = ["check_n", "is_number", "is_whole", "needs_of", "require"]


def require(holds: Any, option: str, required: str, value: Any) -> None:
    """Raise a ValueError that says what an option must be, and what came, unless it holds."""
    if not holds:
        raise ValueError(f"{option} must be {required}, got {value!r}.")


def is_whole(value: Any) -> bool:
    """Whether it is an integer >= 1."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def is_number(value: Any) -> bool:
    """Whether it is one real number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def needs_of(function: Any) -> tuple[str, ...]:
    """What a function says that it cannot do without: its attribute `needs`, one name or several."""
    needs = getattr(function, "needs", ())
    return (needs,) if isinstance(needs, str) else tuple(needs)


def check_n(n: Any, n_candidates: int, function: str) -> None:
    """Refuse to choose more rows than there are, or none."""
    required = f"an integer from 1 to the number of candidates, {n_candidates}"
    require(is_whole(n) and n <= n_candidates, f"{function}: n", required, n)
