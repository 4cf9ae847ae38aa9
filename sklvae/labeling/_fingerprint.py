"""Whether two fits are the same one: parameters and data as short digests, equal on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import ModuleType, NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["array_digest", "described", "digest"]

CHUNK_BYTES = 2**24


def described(value: Any) -> Any:
    """A value as JSON, the same for equal values; arrays and generators by a digest, code by its name.

    Estimators are told by their parameters, and those of ours that are fitted by their network as well.

    Raises
    ------
    ValueError
        If nothing tells the value from others: a function without a name of its own, an object without a `repr`.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklvae.labeling._fingerprint import described
    >>> described({"lr": 0.1, "units": (5, 5), "callable": len})
    {'lr': 0.1, 'units': [5, 5], 'callable': 'builtins.len'}
    >>> described(KMeans(n_clusters=3))["n_clusters"]
    3
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return described(value.tolist()) if value.dtype.hasobject else array_digest(value)
    if isinstance(value, np.random.RandomState):
        return described(list(value.get_state(legacy=True)))
    if hasattr(value, "get_params") and not isinstance(value, type):
        network = {"network": described(value.net_.module_)} if hasattr(value, "net_") else {}
        return {"class": _name(type(value)), **described(value.get_params(deep=False)), **network}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return {"class": _name(type(value)), **described(parts)}
    if isinstance(value, partial):
        return described({"partial": value.func, "args": value.args, "keywords": value.keywords})
    if not isinstance(getattr(value, "__self__", None), (ModuleType, NoneType)):
        return described({"method": value.__name__, "of": value.__self__})
    if hasattr(value, "__qualname__"):
        return _told(_name(value), value, "<lambda>", "<locals>")
    if hasattr(value, "state_dict"):  # a torch module; its repr leaves the weights out
        state = {name: weights.cpu() for name, weights in value.state_dict().items()}
        return {"module": _told(repr(value), value, " at 0x"), "state": described(state)}
    if hasattr(value, "__array__"):  # tensors and data frames; their repr is cut short
        return described(np.asarray(value))
    return _told(repr(value), value, " at 0x")


def digest(value: Any) -> str:
    """Twelve hexadecimal digits of what `described` says."""
    return hashlib.sha256(json.dumps(described(value), sort_keys=True).encode()).hexdigest()[:12]


def array_digest(array: NDArray[Any]) -> str:
    """Digest of shape, dtype and values; a mapped file is read forwards, piece by piece."""
    hashed = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    rows = np.atleast_1d(array)
    step = max(1, CHUNK_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        hashed.update(np.ascontiguousarray(rows[start : start + step]).data)
    return hashed.hexdigest()


def _told(text: str, value: Any, *marks: str) -> str:
    """The text, unless a mark in it says that others have the same, or that the next process has another."""
    if any(mark in text for mark in marks):
        raise ValueError(f"nothing tells {value!r} from another of its kind")
    return text


def _name(code: Any) -> str:
    return f"{code.__module__}.{code.__qualname__}"
