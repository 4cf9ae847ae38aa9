"""Ways to infer labels, judged by known labels that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import KFold

from ._opinions import Foretold, fit_log_pool, log_pool

__all__ = ["forest_opinion", "judged_pool"]

N_FOLDS = 5

Infer = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[Any], Any], NDArray[Any]]


def judged_pool(
    ways: Sequence[Infer],
    rows: NDArray[np.int64],
    code: NDArray[np.int64],
    confidence: NDArray[Any],
    prior: Sequence[float],
    *,
    random_state: Any = None,
) -> NDArray[np.float64]:
    """Class probabilities of all rows: what each way says, weighed by how well it foretells known labels.

    The known labels are split into five folds, and each is foretold from the four others (`fit_log_pool`).

    Parameters
    ----------
    ways : sequence of callable
        ``way(rows, code, confidence, where)`` infers class probabilities, (n, n_classes), of the rows `where` from
        known labels.
    rows : ndarray of shape (n_known,)
        Rows whose label is known.
    code : ndarray of shape (n_known,)
        Their classes.
    confidence : ndarray of shape (n_known,)
        Weights of these labels, in [0, 1].
    prior : sequence of float, one for each way
        As in `fit_log_pool`.
    random_state : int, RandomState or None, default=None
        Decides the folds.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import judged_pool
    >>> def by_sign(rows, code, confidence, where):
    ...     return np.where((np.arange(-20, 20) < 0)[:, None], [0.9, 0.1], [0.1, 0.9])[where]
    >>> def nothing(rows, code, confidence, where):
    ...     return np.full((40, 2), 0.5)[where]
    >>> known = np.arange(0, 40, 2)
    >>> pool = judged_pool([nothing, by_sign], known, (known >= 20).astype(int), np.ones(20), [1, 0], random_state=0)
    >>> pool[[0, -1]].argmax(axis=1)
    array([0, 1])
    """
    foretold = []
    if len(rows) > 1:
        folds = KFold(min(N_FOLDS, len(rows)), shuffle=True, random_state=random_state)
        for learned, held in folds.split(rows):
            held = held[np.isin(code[held], code[learned])]
            known = rows[learned], code[learned], confidence[learned]
            opinions = np.stack([way(*known, rows[held]) for way in ways])
            foretold.append(Foretold(opinions, code[held], confidence[held]))
    weight = fit_log_pool(foretold, prior)
    return log_pool([way(rows, code, confidence, slice(None)) for way in ways], weight)


def forest_opinion(
    X: NDArray[Any],
    n_classes: int,
    rows: NDArray[np.int64],
    code: NDArray[np.int64],
    confidence: NDArray[Any],
    where: Any,
    *,
    random_state: Any = None,
) -> NDArray[np.float64]:
    """Class probabilities of the rows `where` by scikit-learn's random forest, which learns from known labels alone.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The table.
    n_classes : int
        Columns of what is returned.
    rows, code, confidence : ndarray of shape (n_known,)
        Known labels: their rows, classes and weights.
    where : index of an array
        Rows of X.
    random_state : int, RandomState or None, default=None
        Of the forest.

    Returns
    -------
    ndarray of shape (n, n_classes)

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import forest_opinion
    >>> X = np.arange(8.0)[:, None]
    >>> known = np.array([0, 1, 6, 7]), np.array([0, 0, 2, 2]), np.ones(4)
    >>> forest_opinion(X, 3, *known, [1, 6], random_state=0).argmax(axis=1)
    array([0, 2])
    """
    forest = RandomForestClassifier(random_state=random_state).fit(X[rows], code, sample_weight=confidence)
    probability = np.zeros((len(X[where]), n_classes))
    probability[:, forest.classes_] = forest.predict_proba(X[where]) if len(probability) else 0
    return probability
