"""The one place that knows what an unlabeled row looks like."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

__all__ = ["UNLABELED", "is_unlabeled", "join_labels", "label_kind", "plain_classes", "split_labels"]

UNLABELED = -1
"""Marks an unlabeled row, in `y` and in codes."""


def split_labels(y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Split `y` into sorted classes and one code per row.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Integer labels with -1 for unlabeled rows, or a list or object array that holds -1, ``None`` or
        ``nan`` for them.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The labels that occur, sorted.
    codes : ndarray of shape (n_samples,), int64
        Index into `classes`, or -1 for an unlabeled row.

    Raises
    ------
    ValueError
        If `y` is continuous, mixes kinds of labels, or writes -1 as a string.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae._labels import split_labels
    >>> split_labels(np.array(["cat", None, "ant"], dtype=object))
    (array(['ant', 'cat'], dtype='<U3'), array([ 1, -1,  0]))
    """
    if isinstance(y, (list, tuple)) or not isinstance(getattr(y, "dtype", np.dtype(object)), np.dtype):
        y = np.asarray(y, dtype=object)  # a string array would spell out -1 and nan; integers with NA become floats
    labels: NDArray[Any] = column_or_1d(y, dtype=None, warn=True)
    if labels.dtype == object:
        unlabeled = np.fromiter((is_unlabeled(label) for label in labels), np.bool_, len(labels))
    else:
        unlabeled = _unlabeled_numbers(labels)
    labeled = plain_classes(labels[~unlabeled])
    if labeled.dtype.kind == "f" and np.isinf(labeled).any():
        raise ValueError("Input y contains infinity or a value too large for a label. Write -1 or nan where unlabeled.")
    check_classification_targets(labeled)
    codes = np.full(len(labels), UNLABELED, dtype=np.int64)
    classes, codes[~unlabeled] = np.unique(labeled, return_inverse=True)
    return classes, codes


def join_labels(classes: NDArray[Any], codes: NDArray[np.int64]) -> NDArray[Any]:
    """Turn codes back into labels: the inverse of `split_labels`.

    Classes of signed numbers keep their dtype, unsigned ones become int64; any other kind gives an object
    array, so that -1 can stand beside them.
    """
    if np.issubdtype(classes.dtype, np.unsignedinteger):
        classes = classes.astype(np.int64)
    if np.issubdtype(classes.dtype, np.signedinteger) or np.issubdtype(classes.dtype, np.floating):
        labels = np.full(len(codes), UNLABELED, dtype=classes.dtype)
    else:
        labels = np.full(len(codes), UNLABELED, dtype=object)
    labels[codes >= 0] = classes[codes[codes >= 0]]
    return labels


def plain_classes(labels: NDArray[Any]) -> NDArray[Any]:
    """Give labels of one kind the plain dtype of that kind, and refuse those that have none."""
    if labels.dtype == object:
        kinds = {label_kind(label) for label in labels}
        if len(kinds) > 1:
            raise ValueError(
                f"The labels must be all of one kind, got a mix of {', '.join(sorted(kinds))}. "
                "Convert them to one type."
            )
        labels = np.asarray(labels.tolist())
    if labels.dtype.kind in "US" and np.isin(labels, [str(UNLABELED)]).any():
        raise ValueError(
            'The labels hold the string "-1", which is not the mark of an unlabeled row. '
            "Use an object array with the number -1, None or nan instead: "
            'np.array(["cat", -1, None], dtype=object).'
        )
    return labels


def _unlabeled_numbers(y: NDArray[Any]) -> NDArray[np.bool_]:
    if np.issubdtype(y.dtype, np.floating):
        return np.isnan(y) | (y == UNLABELED)
    if np.issubdtype(y.dtype, np.signedinteger):
        return np.asarray(y == UNLABELED)
    if y.dtype.kind == "u" and np.mean(y == np.iinfo(y.dtype).max) > 0.5:
        warnings.warn(
            f"Most labels are {np.iinfo(y.dtype).max}, which is a class here, and what -1 becomes in {y.dtype}. Mark "
            "unlabeled rows by -1 in y.astype(int).",
            stacklevel=3,
        )
    return np.zeros(len(y), dtype=bool)


def is_unlabeled(label: Any) -> bool:
    """Whether a single label says that there is none: -1, ``None``, ``nan`` or pandas' marks of the missing."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, (int, float, np.number)) and (label != label or label == UNLABELED)


def label_kind(label: Any) -> str:
    """Name the kind of a label: classes of one fit must be of one kind."""
    if isinstance(label, (bool, np.bool_)):
        return "bool"
    if isinstance(label, (int, float, np.number)):
        return "number"
    return "str" if isinstance(label, str) else type(label).__name__
