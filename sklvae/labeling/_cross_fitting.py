"""Ways to infer labels, judged by known labels that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from ._opinions import Foretold, fit_log_pool, log_pool

__all__ = ["evenly", "judged_pool"]

N_FOLDS, MOST_JUDGES = 5, 1000
"""Folds of known labels, and labels, evenly spaced, that are in them."""

Infer = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[Any], NDArray[np.int64]], NDArray[Any]]
"""``infer(rows, code, confidence, at)``: class probabilities of the rows `at` from labels of others."""


def judged_pool(
    ways: Sequence[Infer],
    n_samples: int,
    rows: NDArray[np.int64],
    code: NDArray[np.int64],
    confidence: NDArray[Any],
    prior: Sequence[float],
    *,
    random_state: Any = None,
) -> NDArray[np.float64]:
    """Class probabilities of all rows: what each way says, weighed by how well it foretells known labels.

    Known labels, at most 1000, are split into five folds (or one for each label, if they are fewer), and each fold is
    foretold from the others. A label whose class is in no other fold judges nothing. `fit_log_pool` finds the weights.

    Parameters
    ----------
    ways : sequence of callable
        ``way(rows, code, confidence, at)`` infers class probabilities of the rows `at`, (n, n_classes), from known
        labels.
    n_samples : int
        How many rows there are.
    rows : ndarray of shape (n_known,)
        Rows whose label is known.
    code : ndarray of shape (n_known,)
        Their classes.
    confidence : ndarray of shape (n_known,)
        Weights of these labels, in (0, 1].
    prior : sequence of float, one for each way
        As in `fit_log_pool`.
    random_state : int, RandomState or None, default=None
        Decides the folds.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)

    References
    ----------
    Wolpert, 1992, "Stacked generalization": what was not learned from decides how much each has a say.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import judged_pool
    >>> def by_sign(rows, code, confidence, at):
    ...     return np.where((at < 20)[:, None], [0.9, 0.1], [0.1, 0.9])
    >>> def nothing(rows, code, confidence, at):
    ...     return np.full((len(at), 2), 0.5)
    >>> known = np.arange(0, 40, 2)
    >>> labels = known, (known >= 20).astype(int), np.ones(20)
    >>> pool = judged_pool([nothing, by_sign], 40, *labels, [1, 0], random_state=0)
    >>> pool[[0, -1]].argmax(axis=1)
    array([0, 1])
    """
    judges = evenly(len(rows), MOST_JUDGES)
    foretold = []
    if len(judges) > 1:
        folds = KFold(min(N_FOLDS, len(judges)), shuffle=True, random_state=random_state)
        for learned, held in folds.split(judges):
            learned, held = judges[learned], judges[held]
            held = held[np.isin(code[held], code[learned])]
            known = rows[learned], code[learned], confidence[learned]
            opinions = np.stack([way(*known, rows[held]) for way in ways])
            foretold.append(Foretold(opinions, code[held], confidence[held]))
    weight = fit_log_pool(foretold, prior)
    return log_pool([way(rows, code, confidence, np.arange(n_samples)) for way in ways], weight)


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of n, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)
