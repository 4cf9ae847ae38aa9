"""Arrays in an .npz file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._labels import is_unlabeled
from ._terminal import Terminal

__all__ = ["read_arrays"]

INPUTS, LABELS = ("x", "X", "x_train", "X_train"), ("y", "Y", "y_train", "Y_train")


def read_arrays(path: Path, reader: dict[str, Any], terminal: Terminal, *, for_people: bool) -> dict[str, Any]:
    """An array named x, X, x_train or X_train, or the only one, and the labels beside it, y or the like.

    Parameters
    ----------
    path : Path
        An .npz file.
    reader : dict
        `shape`, that of a row; None takes any.
    terminal, for_people
        Unused: arrays are as they are.

    Returns
    -------
    dict
        The fields of `Data`.

    Raises
    ------
    ValueError
        If it cannot be read, holds no such array, or one of another shape.
    """
    files, arrays = _loaded(path)
    named = [name for name in INPUTS if name in arrays] or (files if len(files) == 1 else [])
    if not named:
        raise ValueError(f"{path} must hold an array named {', '.join(INPUTS)}, or a single one; got {files}.")
    X = arrays[named[0]]
    if X.ndim not in (2, 3, 4) or not len(X) or X.dtype.kind not in "buif":
        raise ValueError(
            f"{path}: {named[0]} must be numbers, (n, columns), (n, height, width) or (n, channels, height, width), "
            f"got {X.dtype} of shape {X.shape}."
        )
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise ValueError(
            f"{path}: {named[0]} must be finite, but holds nan or infinity. Leave such rows out, or fill them."
        )
    if X.ndim == 4 and X.shape[-1] in (1, 3) and X.shape[1] not in (1, 3):
        X = np.moveaxis(X, -1, 1)
    if reader["shape"] not in (None, list(X.shape[1:])):
        raise ValueError(f"{path}: rows of {named[0]} must be of the shape {reader['shape']}, got {list(X.shape[1:])}.")
    return {
        "X": np.ascontiguousarray(X if X.dtype == np.uint8 else X.astype(np.float32)),
        "names": [str(row) for row in range(len(X))],
        "reader": {**reader, "shape": list(X.shape[1:])},
        "labels": _labels(path, arrays, len(X)),
    }


def _loaded(path: Path) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """The names of all arrays, and those that may be inputs or labels."""
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("it is one array, not a file of several")
            wanted = arrays.files if len(arrays.files) == 1 else [*INPUTS, *LABELS]
            return arrays.files, {name: arrays[name] for name in wanted if name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error):  # numpy would advise to load it unsafely
            raise ValueError(
                f"{path} cannot be read as numpy arrays: it holds objects, or was not written by numpy. Write numbers "
                "with numpy.savez(path, x=X), and labels as numbers or texts, -1 or an empty text where there is none."
            ) from error
        raise ValueError(f"{path} cannot be read as numpy arrays: {error}") from error


def _labels(path: Path, arrays: dict[str, NDArray[Any]], n_rows: int) -> dict[str, str]:
    named = [name for name in LABELS if name in arrays]
    if not named:
        return {}
    y = arrays[named[0]]
    if y.shape != (n_rows,):
        raise ValueError(f"{path}: {named[0]} must have a label for each of {n_rows} rows, got shape {y.shape}.")
    if y.dtype.kind == "S":
        y = y.astype(str)
    labels = {str(row): label for row, label in enumerate(y.tolist()) if not is_unlabeled(label) and label != ""}
    return {row: str(int(x) if isinstance(x, float) and x.is_integer() else x) for row, x in labels.items()}
