"""How well found slots agree with true classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_consistent_length, column_or_1d

from ._labels import is_unlabeled, label_kind, split_labels

__all__ = ["SlotConfusion", "hungarian_accuracy", "named_accuracy", "purity", "slot_confusion"]


NO_NAME = object()


class SlotConfusion(NamedTuple):
    """Counts of true classes by slots.

    Attributes
    ----------
    matrix : ndarray of shape (n_classes, n_slots), int64
        How many samples of a class are in a slot.
    classes : ndarray of shape (n_classes,)
        The rows, sorted.
    slots : ndarray of shape (n_slots,)
        The columns, sorted.
    """

    matrix: NDArray[np.int64]
    classes: NDArray[np.generic]
    slots: NDArray[np.generic]


def slot_confusion(y_true: ArrayLike, slots: ArrayLike) -> SlotConfusion:
    """Count the true classes in each slot.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes.
    slots : array-like of shape (n_samples,)
        Slots, clusters or predicted classes, under any names.

    Returns
    -------
    SlotConfusion

    Raises
    ------
    ValueError
        If the two differ in length or are empty, or a true class is the mark of an unlabeled sample.

    Examples
    --------
    >>> from sklvae.metrics import slot_confusion
    >>> slot_confusion(["a", "a", "b"], [7, 3, 3]).matrix
    array([[1, 1],
           [1, 0]])
    """
    true, found = column_or_1d(y_true), column_or_1d(slots)
    check_consistent_length(true, found)
    _require_classes("slot_confusion", true)
    matrix = contingency_matrix(true, found, dtype=np.int64)
    return SlotConfusion(matrix, np.unique(true), np.unique(found))


def purity(y_true: ArrayLike, slots: ArrayLike) -> float:
    """Share of the samples that are of the class most common in their slot.

    The GM-DGM paper's accuracy: slots are named by the very samples that are scored, so that more slots are
    never worse. `named_accuracy` names them beforehand, `hungarian_accuracy` gives each class one slot.

    Parameters
    ----------
    y_true, slots : array-like of shape (n_samples,)
        True classes, and slots under any names.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ValueError
        As `slot_confusion`.

    Examples
    --------
    >>> from sklvae.metrics import purity
    >>> purity(["a", "a", "b", "b"], [0, 0, 0, 1])
    0.75
    """
    matrix = slot_confusion(y_true, slots).matrix
    return float(matrix.max(axis=0).sum() / matrix.sum())


def hungarian_accuracy(y_true: ArrayLike, slots: ArrayLike) -> float:
    """Accuracy under the best one-to-one naming of slots by classes; what is left over counts as wrong.

    Parameters
    ----------
    y_true, slots : array-like of shape (n_samples,)
        True classes, and slots under any names.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        As `slot_confusion`.

    References
    ----------
    Kuhn, 1955, "The Hungarian method for the assignment problem".

    Examples
    --------
    >>> from sklvae.metrics import hungarian_accuracy
    >>> hungarian_accuracy(["a", "a", "b", "b"], [1, 1, 0, 2])
    0.75
    """
    matrix = slot_confusion(y_true, slots).matrix
    return float(matrix[linear_sum_assignment(matrix, maximize=True)].sum() / matrix.sum())


def named_accuracy(y_true: ArrayLike, slots: ArrayLike, y_train: ArrayLike, slots_train: ArrayLike) -> float:
    """Accuracy where each slot has the class most common among its labeled training samples.

    Parameters
    ----------
    y_true, slots : array-like of shape (n_samples,)
        True classes and slots of the samples that are scored.
    y_train : array-like of shape (n_train,)
        Training labels, unlabeled ones as in `fit`.
    slots_train : array-like of shape (n_train,)
        Slots of the training samples.

    Returns
    -------
    float
        In [0, 1]. A slot that holds no labeled training sample has no name, and its samples count as wrong.

    Raises
    ------
    ValueError
        As `slot_confusion`; and if no training sample is labeled, or the training labels are of another kind than the
        true classes.

    Examples
    --------
    >>> from sklvae.metrics import named_accuracy
    >>> named_accuracy([5, 5, 6, 6], [0, 0, 1, 2], y_train=[5, 6, -1], slots_train=[0, 1, 2])
    0.75
    """
    classes, codes = split_labels(y_train)
    trained, true, found = column_or_1d(slots_train), column_or_1d(y_true), column_or_1d(slots)
    check_consistent_length(codes, trained)
    check_consistent_length(true, found)
    _require_classes("named_accuracy", true)
    labeled = codes >= 0
    if not labeled.any():
        raise ValueError("named_accuracy: y_train must have at least one label, got none.")
    if label_kind(classes[0]) != label_kind(true[0]):
        raise ValueError(
            f"named_accuracy: y_true and y_train must name classes alike, got {true.tolist()[0]!r} and "
            f"{classes.tolist()[0]!r}. Convert one of them."
        )
    matrix, _, columns = slot_confusion(codes[labeled], trained[labeled])
    name_of = dict(zip(columns.tolist(), classes[matrix.argmax(axis=0)].tolist(), strict=True))
    right = [name_of.get(slot, NO_NAME) == label for slot, label in zip(found.tolist(), true.tolist(), strict=True)]
    return float(np.mean(right))


def _require_classes(name: str, true: NDArray[Any]) -> None:
    """Refuse true classes of which there are none, or some are unknown."""
    if not len(true):
        raise ValueError(f"{name}: at least one sample is required, got none.")
    unknown = sum(map(is_unlabeled, true.tolist()))
    if unknown:
        raise ValueError(
            f"{name}: every sample needs a true class, got {unknown} unlabeled of {len(true)}. Leave them out of both."
        )
