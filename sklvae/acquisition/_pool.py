"""What is known about the rows that may be asked about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .._labels import UNLABELED, split_labels

__all__ = ["Pool"]

SOURCES = {
    "proba": "class probabilities (n_rows, n_classes), as predict_proba gives them",
    "embedding": "points (n_rows, d), as transform gives them",
    "sampled_proba": "class probabilities of several draws of the model, (n_draws, n_rows, n_classes)",
    "discriminator": 'the probability of "labeled" of every row, (n_rows,)',
    "labels": "the labels known so far, (n_rows,) with -1 where there is none; at least one",
}
N_AXES = {"proba": 2, "embedding": 2, "sampled_proba": 3, "discriminator": 1}


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates, the labeled rows, and what a model says about both; made by `Pool.of`.

    Attributes
    ----------
    rows : ndarray of shape (n_candidates,)
        The rows that may be asked about, ascending.
    labeled_rows : ndarray of shape (n_labeled,)
        The rows that have labels.
    labeled_codes : ndarray of shape (n_labeled,)
        Their labels, as indices into `classes`.
    classes : ndarray of shape (n_classes,)
        The labels; the columns of `proba`, where there are as many.
    n_rows : int
        Rows of the arrays: candidates, labeled ones and others.
    arrays : dict
        "proba", "embedding", "sampled_proba" and "discriminator" over all rows, where given.
    proba, embedding, sampled_proba, discriminator : ndarray
        Those of the candidates; axes as in `query`. A ValueError says where one was not given.
    labeled_proba, labeled_embedding : ndarray
        Those of the labeled rows.
    """

    rows: NDArray[np.int64]
    labeled_rows: NDArray[np.int64]
    labeled_codes: NDArray[np.int64]
    classes: NDArray[Any]
    n_rows: int
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def of(
        cls, *, labels: ArrayLike | None, classes: ArrayLike | None, candidates: ArrayLike | None, **arrays: Any
    ) -> Pool:
        """Check the arguments of `query` and make a pool of them."""
        given = {name: _checked(name, array) for name, array in arrays.items() if array is not None}
        lengths = {name: array.shape[1 if name == "sampled_proba" else 0] for name, array in given.items()}
        found, codes = (np.empty(0), None) if labels is None else split_labels(labels)
        if codes is not None:
            lengths["labels"] = len(codes)
        if not lengths:
            raise ValueError("query: no array was given. Give what the acquisition needs, or labels at least.")
        if len(set(lengths.values())) > 1:
            came = ", ".join(f"{n} in {name}" for name, n in lengths.items())
            raise ValueError(f"query: all arrays must be about the same rows, got {came}.")
        n_rows = next(iter(lengths.values()))
        if codes is None:
            codes = np.full(n_rows, UNLABELED)
        if classes is not None:
            found, codes = _in_classes(found, codes, np.asarray(classes))
        labeled = np.flatnonzero(codes >= 0)
        rows = np.flatnonzero(codes < 0) if candidates is None else _checked_candidates(candidates, codes)
        return cls(rows, labeled, codes[labeled], found, n_rows, given)

    def __len__(self) -> int:
        return len(self.rows)

    def require(self, needs: Iterable[str], name: str) -> None:
        """Raise a ValueError if something that an acquisition needs is not here."""
        for need in needs:
            if need not in SOURCES:
                raise ValueError(f"query: {name} needs {need!r}, which is none of {', '.join(SOURCES)}.")
            if need not in self.arrays and not (need == "labels" and len(self.labeled_rows)):
                raise ValueError(f"query: {name} needs {need}: {SOURCES[need]}. Got none.")

    def part(self, name: str, positions: slice = slice(None)) -> NDArray[Any]:
        """One of the arrays at some of the candidates; an array of all rows is not copied."""
        array = self._whole(name)
        rows = positions if len(self.rows) == self.n_rows else self.rows[positions]
        return array[:, rows] if name == "sampled_proba" else array[rows]

    @cached_property
    def proba(self) -> NDArray[Any]:
        """Class probabilities of the candidates, (n_candidates, n_classes)."""
        return self.part("proba")

    @cached_property
    def embedding(self) -> NDArray[Any]:
        """Points of the candidates, (n_candidates, d)."""
        return self.part("embedding")

    @cached_property
    def sampled_proba(self) -> NDArray[Any]:
        """Class probabilities of the candidates in every draw, (n_draws, n_candidates, n_classes)."""
        return self.part("sampled_proba")

    @cached_property
    def discriminator(self) -> NDArray[Any]:
        """Probability of "labeled" of the candidates, (n_candidates,)."""
        return self.part("discriminator")

    @cached_property
    def labeled_embedding(self) -> NDArray[Any]:
        """Points of the labeled rows, (n_labeled, d); none where nothing is labeled."""
        return self._whole("embedding")[self.labeled_rows]

    @cached_property
    def labeled_proba(self) -> NDArray[Any]:
        """Class probabilities of the labeled rows, (n_labeled, n_classes); their columns must be the classes."""
        proba = self._whole("proba")
        if len(self.classes) != proba.shape[1]:
            raise ValueError(
                f"query: proba has {proba.shape[1]} columns, but the labels name {len(self.classes)} classes, so that "
                "labels and predictions cannot be compared. Name the columns: classes=classifier.classes_."
            )
        return proba[self.labeled_rows]

    def _whole(self, name: str) -> NDArray[Any]:
        """One of the arrays, over all rows."""
        if name not in self.arrays:
            raise ValueError(
                f"query: the acquisition reads {name}: {SOURCES[name]}. Got none. Give query {name}=...; for "
                f'ActiveLearningClassifier, say that a function needs it: function.needs = ("{name}",).'
            )
        return self.arrays[name]


def _checked(name: str, array: ArrayLike) -> NDArray[Any]:
    checked: NDArray[Any] = check_array(
        array, dtype=[np.float64, np.float32], ensure_2d=False, allow_nd=True, input_name=name
    )
    if checked.ndim != N_AXES[name]:
        raise ValueError(f"query: {name} must be {SOURCES[name]}; got an array of shape {checked.shape}.")
    if name != "embedding":
        if checked.min() < -TOLERANCE or checked.max() > 1 + TOLERANCE:
            raise ValueError(f"query: {name} must be probabilities, got from {checked.min():g} to {checked.max():g}.")
        if checked.ndim > 1 and not np.allclose(sums := checked.sum(axis=-1), 1, atol=TOLERANCE):
            wrong = np.unravel_index(np.abs(sums - 1).argmax(), sums.shape)
            raise ValueError(f"query: each row of {name} must sum to 1, row {wrong[-1]} sums to {sums[wrong]:g}.")
        if checked.min() < 0 or checked.max() > 1:
            checked = np.clip(checked, 0, 1)
    return checked


TOLERANCE = 1e-3
"""How far from 1 the sum of probabilities may be rounded."""


def _in_classes(
    found: NDArray[Any], codes: NDArray[np.int64], classes: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Codes as indices into given classes."""
    column = {label: k for k, label in enumerate(classes.tolist())}
    unknown = [label for label in found.tolist() if label not in column]
    if unknown:
        raise ValueError(f"query: labels holds {unknown[0]!r}, which is not one of classes {classes.tolist()}.")
    columns = np.array([column[label] for label in found.tolist()] + [-1])
    return classes, columns[codes]


def _checked_candidates(candidates: ArrayLike, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    rows = np.asarray(candidates)
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"query: candidates must be row numbers, a list of integers; got {candidates!r}.")
    if len(rows) and (rows.min() < 0 or rows.max() >= len(codes)):
        raise ValueError(
            f"query: candidates must be rows from 0 to {len(codes) - 1}, got {rows.min()} to {rows.max()}."
        )
    unique = np.unique(rows)
    if len(unique) < len(rows):
        raise ValueError("query: candidates holds a row twice. Give each row once, as np.unique does.")
    labeled = unique[codes[unique] >= 0]
    if len(labeled):
        raise ValueError(f"query: candidate {labeled[0]} has a label already. Leave labeled rows out of candidates.")
    return unique
