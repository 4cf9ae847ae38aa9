"""Options of acquisitions."""

from __future__ import annotations

from typing import Any

__all__ = ["require"]


def require(holds: Any, option: str, required: str, value: Any) -> None:
    """Raise a ValueError that says what an option must be, and what came, unless it holds."""
    if not holds:
        raise ValueError(f"{option} must be {required}, got {value!r}.")
