"""CSV files of labels: those of people are read, those of a command are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..estimators._persistence import write_whole

__all__ = ["csv_bytes", "read_labels", "write_csv"]

GIVEN = {"asked", "known"}
"""What the column `source` says of labels that people gave."""


def read_labels(path: Path, heading: str, names: Sequence[str], *, given_only: bool) -> dict[str, str]:
    """Labels by name, of a CSV file with the columns `heading` and ``label``; rows without a label are left out.

    Parameters
    ----------
    path : Path
        The file.
    heading : {"file", "row"}
        What names are called.
    names : sequence of str
        What the rows of the data are called; others in the file are ignored.
    given_only : bool
        Whether the labels that a command has inferred are left out, where a column ``source`` tells them apart.

    Returns
    -------
    dict of str to str

    Raises
    ------
    ValueError
        If the file cannot be read, lacks a column, or has no label of these rows.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as labels: {error}") from error
    columns = list(rows[0]) if rows else []
    if not {heading, "label"} <= set(columns):
        raise ValueError(f"{path} must have the columns {heading} and label, and rows; got the columns {columns}.")
    known = set(names)
    labels = {
        row[heading]: row["label"]
        for row in rows
        if row[heading] in known and row["label"] and not (given_only and row.get("source", "known") not in GIVEN)
    }
    if not labels:
        raise ValueError(
            f"{path} has no label for these data: its {heading}s are {[row[heading] for row in rows[:3]]} and so on, "
            f"those of the data {list(names[:3])}."
        )
    return labels


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file, its names of files as the system has them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode(errors="surrogateescape")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file as a whole, or leave the one that is there."""
    write_whole(path, csv_bytes(header, rows))
