"""Data of any kind as numbers, and how to read further data in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ._arrays import read_arrays
from ._images import read_images
from ._tables import read_table
from ._terminal import Terminal

__all__ = ["Data", "kind_of", "read"]


@dataclass(frozen=True)
class Data:
    """What a command has read.

    Attributes
    ----------
    X : ndarray of shape (n_rows, ...)
        Numbers, as an estimator takes them.
    names : list of str
        What the rows are called: the files of images, or numbers from 0.
    reader : dict
        How further data are read in the same way, as JSON: the kind and what it needs.
    labels : dict of str to str
        Labels that the data come with, by name.
    columns : list of str or None
        Names of the columns of X.
    pictures : ndarray or None
        Larger images for people.
    """

    X: NDArray[Any]
    names: list[str]
    reader: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    columns: list[str] | None = None
    pictures: NDArray[Any] | None = None

    @property
    def heading(self) -> str:
        """What names are in a CSV file: "file" or "row"."""
        return "file" if self.reader["kind"] == "images" else "row"


READERS: dict[str, Callable[..., dict[str, Any]]] = {"images": read_images, "arrays": read_arrays, "table": read_table}

CALLED = {"images": "images", "arrays": "arrays", "table": "a table"}

SUFFIXES = {".npz": "arrays", ".csv": "table", ".tsv": "table"}


def kind_of(path: Path) -> str:
    """The kind of data that a path names.

    Raises
    ------
    ValueError
        If it is none that can be read.
    FileNotFoundError
        If there is nothing.
    """
    if path.is_dir():
        return "images"
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}. DATA is a folder of images, an .npz file or a .csv file.")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"DATA must be a folder of images, an .npz file or a .csv file, got {path}.")
    return SUFFIXES[path.suffix.lower()]


def read(path: Path, reader: dict[str, Any], terminal: Terminal, *, for_people: bool = False) -> Data:
    """Read data of the kind of `reader`, as it says; what it leaves open is settled by the data.

    Raises
    ------
    ValueError
        If the data are of another kind, or cannot be read.
    ImportError
        If a package is not installed that reads them.
    """
    if (kind := kind_of(path)) != reader["kind"]:
        made, found = CALLED[reader["kind"]], CALLED[kind]
        raise ValueError(f"The model was made from {made}, but {path} holds {found}. Give {made}.")
    return Data(**READERS[kind](path, reader, terminal, for_people=for_people))
