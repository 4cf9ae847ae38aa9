"""What classifiers of scikit-learn make of known labels, as an opinion on all rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression

from ._cross_fitting import evenly

__all__ = ["forest_opinion", "kernel_opinion"]

MOST_LEARNED, BLOCK = 10_000, 10_000
"""Labels, evenly spaced, that are learned from, and rows that are inferred at a time."""

MOST_LANDMARKS, C = 1000, 10.0
"""Labeled rows that span the features of the kernel, and how little the regression on these is penalized."""


def forest_opinion(
    X: NDArray[Any],
    n_classes: int,
    rows: NDArray[np.int64],
    code: NDArray[np.int64],
    confidence: NDArray[Any],
    at: NDArray[np.int64],
    *,
    random_state: Any = None,
) -> NDArray[np.float64]:
    """Class probabilities of the rows `at` by scikit-learn's random forest, which learns from known labels alone.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The table.
    n_classes : int
        Columns of what is returned.
    rows, code, confidence : ndarray of shape (n_known,)
        Known labels: their rows, classes and weights. At most 10,000, evenly spaced, are learned from.
    at : ndarray of shape (n,)
        Rows of X.
    random_state : int, RandomState or None, default=None
        Of the forest.

    Returns
    -------
    ndarray of shape (n, n_classes)

    References
    ----------
    Breiman, 2001, "Random forests".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import forest_opinion
    >>> X = np.arange(8.0)[:, None]
    >>> known = np.array([0, 1, 6, 7]), np.array([0, 0, 2, 2]), np.ones(4)
    >>> forest_opinion(X, 3, *known, np.array([1, 6]), random_state=0).argmax(axis=1)
    array([0, 2])
    """
    some = evenly(len(rows), MOST_LEARNED)
    forest = RandomForestClassifier(n_jobs=1, random_state=random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")  # few labels may have many
        forest.fit(X[rows[some]], code[some], sample_weight=confidence[some])
    return _said(forest.predict_proba, forest.classes_, X, n_classes, at)


def kernel_opinion(
    X: NDArray[Any],
    n_classes: int,
    rows: NDArray[np.int64],
    code: NDArray[np.int64],
    confidence: NDArray[Any],
    at: NDArray[np.int64],
    *,
    random_state: Any = None,
) -> NDArray[np.float64]:
    """Class probabilities of the rows `at` by a logistic regression with a Gaussian kernel, from known labels alone.

    The kernel is ``exp(-|x - x'|^2 / v)``, where v is the sum of the variances of the columns (scikit-learn's
    ``gamma="scale"``). Up to 1000 labeled rows are its landmarks: with fewer labels it is exact.

    Parameters
    ----------
    X : ndarray of shape (n_samples, d)
        Points whose distances mean something.
    n_classes : int
        Columns of what is returned.
    rows, code, confidence : ndarray of shape (n_known,)
        Known labels: their rows, classes and weights. At most 10,000, evenly spaced, are learned from.
    at : ndarray of shape (n,)
        Rows of X.
    random_state : int, RandomState or None, default=None
        Decides the landmarks.

    Returns
    -------
    ndarray of shape (n, n_classes)

    References
    ----------
    Zhu and Hastie, 2005, "Kernel logistic regression and the import vector machine"; Williams and Seeger, 2000, "Using
    the Nystroem method to speed up kernel machines".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import kernel_opinion
    >>> X = np.arange(8.0)[:, None]
    >>> known = np.array([0, 1, 6, 7]), np.array([0, 0, 2, 2]), np.ones(4)
    >>> kernel_opinion(X, 3, *known, np.array([2, 5]), random_state=0).argmax(axis=1)
    array([0, 2])
    """
    some = evenly(len(rows), MOST_LEARNED)
    learned, code = X[rows[some]], code[some]
    if len(np.unique(code)) == 1:
        return np.tile(np.eye(n_classes)[code[0]], (len(at), 1))
    variance = X.var(axis=0).sum()
    kernel = Nystroem(
        gamma=1 / variance if variance > 0 else 1.0,
        n_components=min(len(some), MOST_LANDMARKS),
        random_state=random_state,
    )
    regression = LogisticRegression(C=C, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to the best weights
        regression.fit(kernel.fit_transform(learned), code, sample_weight=confidence[some])
    return _said(lambda x: regression.predict_proba(kernel.transform(x)), regression.classes_, X, n_classes, at)


def _said(
    predict_proba: Callable[[NDArray[Any]], NDArray[Any]],
    classes: NDArray[np.int64],
    X: NDArray[Any],
    n_classes: int,
    at: NDArray[np.int64],
) -> NDArray[np.float64]:
    """A column for each class, block by block."""
    probability = np.zeros((len(at), n_classes))
    for start in range(0, len(at), BLOCK):
        block = slice(start, start + BLOCK)
        probability[block, classes] = predict_proba(X[at[block]])
    return probability
