"""A table: a CSV file with a row of names."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._terminal import Terminal

__all__ = ["read_table"]

SEPARATORS = ",;\t|"

MOST_VALUES = 50
"""A column with more different texts than this says nothing of most rows, and is left out."""


def read_table(path: Path, reader: dict[str, Any], terminal: Terminal, *, for_people: bool) -> dict[str, Any]:
    """Columns of numbers as they are, columns of texts as one column of 0 and 1 for each text.

    A missing number is the median of its column, and a further column of 0 and 1 says where; a missing text is a text
    of its own. Texts that further data have and the first did not are 0 everywhere.

    Parameters
    ----------
    path : Path
        A CSV file, separated by commas, semicolons, tabs or bars.
    reader : dict
        `label`, the column of known labels or None; `ignored`, columns that are left out; `columns`, the columns that
        are read and how, or None for all.
    terminal : Terminal
        Where columns are named that are left out.
    for_people
        Unused.

    Returns
    -------
    dict
        The fields of `Data`.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If the file cannot be read, lacks a column, or a number is none.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError('A table needs pandas: pip install "sklvae[tables]"') from error
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        separator = max(SEPARATORS, key=first.count)
        parse = partial(pd.read_csv, path, encoding="utf-8-sig", sep=separator, index_col=False)
        texts = [column["name"] for column in reader["columns"] or () if "texts" in column]
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # values beyond the names would be dropped
            frame = parse(dtype=dict.fromkeys(texts, str))
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path} must have as many names in its first line as values in the others, got fewer names. Name every "
            "column."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    if not len(frame):
        raise ValueError(f"{path} holds no row below its names.")
    frame.columns = [str(name) for name in frame.columns]
    labels = {}
    if reader["label"] is not None:
        _require(path, frame, [reader["label"]])
        plain = parse(usecols=[reader["label"]], dtype=str, keep_default_na=False)  # a class may be named NA or null
        labels = {str(row): label for row, label in enumerate(plain[reader["label"]].fillna("")) if label}
    columns = reader["columns"]
    if columns is None:
        _require(path, frame, reader["ignored"])
        kept = [name for name in frame if name not in {*reader["ignored"], reader["label"]}]
        columns = [column for name in kept if (column := _settled(frame[name], terminal)) is not None]
    if not columns:
        raise ValueError(f"{path} has no column of numbers or of few texts.")
    _require(path, frame, [column["name"] for column in columns])
    encoded = {name: x for column in columns for name, x in _encoded(path, frame[column["name"]], column).items()}
    return {
        "X": np.column_stack(list(encoded.values())),
        "names": [str(row) for row in range(len(frame))],
        "reader": {**reader, "label": None, "ignored": [], "columns": columns},
        "labels": labels,
        "columns": list(encoded),
    }


def _require(path: Path, frame: Any, names: list[str]) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(map(repr, missing))}; it has {list(frame.columns)}.")


def _settled(column: Any, terminal: Terminal) -> dict[str, Any] | None:
    """How a column is read: ``{"name", "fill", "flag"}`` or ``{"name", "texts"}``; None leaves it out."""
    if column.isna().all():
        terminal.say(f"column {column.name!r} is left out: it is empty")
        return None
    if column.dtype.kind in "buif":
        return {"name": column.name, "fill": float(column.median()), "flag": bool(column.isna().any())}
    texts = sorted(set(_texts(column)))
    if len(texts) > MOST_VALUES:
        terminal.say(f"column {column.name!r} is left out: it has {len(texts)} different texts")
        return None
    return {"name": column.name, "texts": texts}


def _texts(column: Any) -> list[str]:
    return ["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]


def _encoded(path: Path, column: Any, how: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """The columns of numbers that a column becomes, by name."""
    name = how["name"]
    if "texts" in how:
        found = np.array(_texts(column), dtype=object)
        return {f"{name}={text or '(missing)'}": (found == text).astype(float) for text in how["texts"]}
    try:
        x = column.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: column {name!r} must hold numbers: {error}.") from error
    if np.isinf(x).any():
        row = int(np.flatnonzero(np.isinf(x))[0])
        raise ValueError(
            f"{path}: column {name!r} must hold finite numbers, got {x[row]} in row {row}. Leave it empty."
        )
    missing = np.isnan(x)
    numbers = {name: np.where(missing, how["fill"], x)}
    return numbers | ({f"{name} is missing": missing.astype(float)} if how["flag"] else {})
