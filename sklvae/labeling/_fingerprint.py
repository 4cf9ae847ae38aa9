"""Whether two fits are the same one: parameters and data as short digests, equal on every machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["array_digest", "described", "digest"]

CHUNK_BYTES = 2**24


def described(value: Any) -> Any:
    """A value as JSON, the same for equal values; arrays and generators by a digest, code by its name.

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
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return described(value.tolist()) if value.dtype.hasobject else array_digest(value)
    if isinstance(value, np.random.RandomState):
        return described(list(value.get_state(legacy=True)))
    if hasattr(value, "get_params") and not isinstance(value, type):
        return {"class": _name(type(value)), **described(value.get_params(deep=False))}
    if hasattr(value, "__qualname__"):
        return _name(value)
    text = repr(value)
    return _name(type(value)) if " at 0x" in text else text


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


def _name(code: Any) -> str:
    return f"{code.__module__}.{code.__qualname__}"
