"""``sklvae predict``: a model of `sklvae label`, applied to further data."""

from __future__ import annotations

import sys
from typing import Any

from ..estimators import load
from ._data import read
from ._label_files import csv_bytes, write_csv
from ._terminal import Terminal

__all__ = ["predict"]


def predict(arguments: Any, terminal: Terminal) -> None:
    """Read, predict, and write name, label and confidence of every row.

    Raises
    ------
    ValueError, OSError, ImportError
        If something is wrong with the model or the data, or a package is missing.
    """
    if not arguments.model.is_file():
        raise ValueError(
            f"MODEL must be a file that `sklvae label` wrote, ending in .safetensors, got {arguments.model}."
        )
    _check_out(arguments)
    model = load(arguments.model)
    if not hasattr(model, "reader_"):
        raise ValueError(
            f"{arguments.model} does not say how its data are read: it was not made by `sklvae label`. Apply it in "
            "Python: sklvae.load(path).predict(X)."
        )
    data = read(arguments.data, model.reader_, terminal)
    probability = model.predict_proba(data.X)
    labels = model.classes_[probability.argmax(axis=1)]
    rows = [
        (name, label, f"{confidence:.4f}")
        for name, label, confidence in zip(data.names, labels, probability.max(axis=1), strict=True)
    ]
    header = [data.heading, "label", "confidence"]
    if arguments.out is None:
        sys.stdout.buffer.write(csv_bytes(header, rows))
        sys.stdout.flush()
    else:
        write_csv(arguments.out, header, rows)
        terminal.say(f"{arguments.out}: {len(rows)} rows")


def _check_out(arguments: Any) -> None:
    """Refuse a place for the results before anything is read."""
    if arguments.out is None:
        return
    if not arguments.out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {arguments.out.parent}. Make it first.")
    if arguments.out.is_dir():
        raise ValueError(f"--out must be a file, got the folder {arguments.out}.")
    for used in (arguments.model, arguments.data):
        if arguments.out.exists() and used.exists() and arguments.out.samefile(used):
            raise ValueError(f"--out must be another file than {used}.")
