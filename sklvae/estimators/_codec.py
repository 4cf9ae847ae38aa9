"""Values taken apart into JSON and arrays, and put together again: no code, no pickle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..labeling import INVALID, Answer, Query

__all__ = ["Arrays", "CannotPackError", "pack", "unpack"]

Arrays = dict[str, NDArray[Any]]

OURS = __name__.rpartition(".")[0]
"""The package of our estimators."""


class CannotPackError(ValueError):
    """A value holds something that is neither data nor an estimator of scikit-learn."""


def pack(value: Any, name: str, arrays: Arrays) -> Any:
    """Take `value` apart into JSON, which is returned, and numeric arrays, which go to `arrays`.

    What JSON does not know becomes an object with one key, ``{"$kind": parts}``.

    Parameters
    ----------
    value : object
        What to take apart.
    name : str
        Where it stands; the names of its arrays begin with it.
    arrays : dict of str to ndarray
        Receives the arrays.

    Raises
    ------
    CannotPackError
        If the value holds something else than data.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.estimators._codec import pack, unpack
    >>> arrays = {}
    >>> packed = pack({"shape": (2, 3), "mean": np.zeros(2)}, "moments", arrays)
    >>> packed, arrays
    ({'shape': {'$tuple': [2, 3]}, 'mean': {'$array': 'moments.mean'}}, {'moments.mean': array([0., 0.])})
    >>> unpack(packed, arrays)
    {'shape': (2, 3), 'mean': array([0., 0.])}
    """
    if type(value) in (type(None), bool, int, float, str):
        return value
    if isinstance(value, list):
        return [pack(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, dict) and all(type(key) is str and key[:1] != "$" for key in value):
        return {key: pack(item, f"{name}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        arrays[name] = np.ascontiguousarray(value).reshape(value.shape)
        return {"$array": name}
    for tag, kind in KINDS.items():
        if isinstance(value, kind.type):
            return {tag: pack(kind.take_apart(value), name, arrays)}
    raise CannotPackError(f"{value!r} is neither data nor an estimator of scikit-learn")


def unpack(packed: Any, arrays: Arrays) -> Any:
    """Put together what `pack` took apart."""
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    tag, parts = next(iter(packed.items()), ("", ""))
    if tag == "$array":
        return arrays[parts]
    if tag in KINDS:
        return KINDS[tag].put_together(unpack(parts, arrays))
    return {key: unpack(item, arrays) for key, item in packed.items()}


@dataclass(frozen=True)
class Kind:
    """How one kind of value becomes simpler values, and how they become it again."""

    type: type
    take_apart: Callable[[Any], Any]
    put_together: Callable[[Any], Any]


def _distinct(array: NDArray[Any]) -> dict[str, Any]:
    """Strings and objects: few of them repeat many times, as labels do."""
    if array.dtype.kind not in "OSU":
        raise CannotPackError(f"an array of dtype {array.dtype} has no place in such a file")
    codes: dict[Any, int] = {}
    try:
        code = [codes.setdefault((type(value), value), len(codes)) for value in array.ravel().tolist()]
    except TypeError as error:
        raise CannotPackError(f"an array of objects must hold single values ({error})") from error
    return {
        "dtype": array.dtype,
        "values": [value for _, value in codes],
        "code": np.array(code, dtype=np.int64).reshape(array.shape),
    }


def _repeated(parts: dict[str, Any]) -> NDArray[Any]:
    values = np.empty(len(parts["values"]), dtype=parts["dtype"])
    for i, value in enumerate(parts["values"]):
        values[i] = value
    return values[parts["code"]]


def _described(estimator: Any) -> dict[str, Any]:
    """An estimator of scikit-learn or of this library as its public name and its parameters."""
    kind = type(estimator)
    module = kind.__module__.partition("._")[0]
    if not _is_known(module) or getattr(import_module(module), kind.__name__, None) is not kind:
        raise CannotPackError(f"{estimator!r} is not one of scikit-learn's own estimators")
    if any(name.endswith("_") and not name.startswith("_") for name in vars(estimator)):
        raise CannotPackError(f"{estimator!r} is fitted, and only its parameters could be kept: pass a clone of it")
    params = estimator.get_params(deep=False) if _is_sklearn(module) else estimator._saved_params()
    return {"module": module, "class": kind.__name__, "params": params}


def _constructed(parts: dict[str, Any]) -> BaseEstimator:
    module, name = parts["module"], parts["class"]
    kind = getattr(import_module(module), name, None) if _is_known(module) else None
    if not (isinstance(kind, type) and issubclass(kind, BaseEstimator)):
        raise ValueError(f"The file asks for {module}.{name}, but only estimators of scikit-learn are loaded.")
    return kind(**parts["params"])


def _is_known(module: str) -> bool:
    return _is_sklearn(module) or module == OURS


def _is_sklearn(module: str) -> bool:
    return module.startswith("sklearn.")


KINDS = {
    # A numpy scalar may be a Python number too: here before anything else.
    "$scalar": Kind(np.generic, lambda s: [s.dtype, s.item()], lambda parts: parts[0].type(parts[1])),
    "$tuple": Kind(tuple, list, tuple),
    "$dict": Kind(dict, lambda d: [list(item) for item in d.items()], dict),
    "$bytes": Kind(bytes, bytes.hex, bytes.fromhex),
    "$values": Kind(np.ndarray, _distinct, _repeated),
    "$dtype": Kind(np.dtype, lambda dtype: dtype.str, np.dtype),
    "$device": Kind(torch.device, str, torch.device),
    "$reply": Kind(type(INVALID), lambda reply: reply.name, lambda name: type(INVALID)[name]),
    "$answer": Kind(Answer, lambda answer: dict(vars(answer)), lambda parts: Answer(**parts)),
    "$query": Kind(Query, lambda query: dict(vars(query)), lambda parts: Query(**parts)),
    "$estimator": Kind(BaseEstimator, _described, _constructed),
}
