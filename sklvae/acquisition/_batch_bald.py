"""What the labels of a batch tell about the model together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._checks import check_n
from ._distances import chunks
from ._scores import bald, entropy, top

__all__ = ["batch_bald"]

MOST_LABELINGS = 1024
"""Labelings of the batch up to which all are enumerated, and so many are drawn beyond."""

MOST_CANDIDATES = 10_000
"""Rows with the highest BALD that a batch is chosen among."""

ALL_TOLD = 1e-3
"""Nats left to learn about the draws at which the batch is taken to tell all."""

BLOCK = 64
"""Candidates that are looked at again together."""


def batch_bald(sampled_proba: NDArray[Any], *, n: int, random_state: Any = None) -> NDArray[np.int64]:
    """Choose, n times, the row whose label adds most to what the labels of the batch tell about the model.

    Greedy in ``I(y_1, ..., y_b; w)``. A step adds ``I(y_i; w | y_1, ..., y_b)``, the mean over the labelings of
    the batch of the BALD of row i under the draws reweighted by ``p(w | y_1, ..., y_b)``. What a row adds never
    grows with the batch, so only the rows that had most to add are looked at again.

    Parameters
    ----------
    sampled_proba : ndarray of shape (n_draws, n_candidates, n_classes)
        Class probabilities of each draw w of the model.
    n : int
        How many to choose.
    random_state : int, RandomState or None, default=None
        Decides the labelings drawn where there are more than 1024; up to that the choice is exact.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice; of equal ones, up to rounding, the lowest first. Only the
        10,000 rows with the highest BALD are looked at. A batch can tell no more than which draw it is, ``ln n_draws``
        nats: when all but 0.001 of them are told, rows follow in the order of their own BALD. So take many draws for
        a large batch.

    References
    ----------
    Kirsch, van Amersfoort and Gal, 2019, "BatchBALD: efficient and diverse batch acquisition for deep Bayesian
    active learning", Section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import batch_bald
    >>> first, copy, second = [1, 1, 0, 0], [1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1]  # p(y = 1) under four draws
    >>> p = np.array([first, copy, second]).T
    >>> batch_bald(np.stack([1 - p, p], axis=2), n=2)  # a copy tells nothing new
    array([0, 2])
    """
    check_n(n, sampled_proba.shape[1], "batch_bald")
    rng = check_random_state(random_state)
    n_draws, n_candidates, n_classes = sampled_proba.shape
    alone = np.empty(n_candidates)
    for some in chunks(n_candidates, n_draws * n_classes):
        alone[some] = bald(sampled_proba[:, some])
    rows = np.sort(top(alone, min(max(MOST_CANDIDATES, n), n_candidates)))
    sampled_proba, alone = sampled_proba[:, rows], alone[rows]
    gain, left = alone.copy(), np.log(n_draws)
    asked_at = np.zeros(len(rows), dtype=np.int64)  # size of the batch that the gain was computed for
    share, posterior = np.ones(1), np.full((1, n_draws), 1 / n_draws)
    chosen: list[int] = []
    while True:
        pick = int(gain.argmax())
        if asked_at[pick] == len(chosen):
            chosen.append(pick)
            left -= gain[pick]
            gain[pick] = alone[pick] = -np.inf
            if len(chosen) == n or left < ALL_TOLD:
                return rows[np.concatenate([chosen, top(alone, n)[: n - len(chosen)]])]
            share, posterior = _told(share, posterior, sampled_proba[:, pick], rng)
        stale = np.flatnonzero((asked_at < len(chosen)) & (gain > -np.inf))
        block = stale[np.argpartition(-gain[stale], min(BLOCK, len(stale)) - 1)[:BLOCK]]
        gain[block] = _conditional_bald(share, posterior, sampled_proba[:, block])
        asked_at[block] = len(chosen)


def _conditional_bald(share: NDArray[Any], posterior: NDArray[Any], sampled_proba: NDArray[Any]) -> NDArray[Any]:
    """``I(y_i; w | batch) = sum_l p(l) H[sum_w p(w|l) p(y_i|w)] - E_w H[p(y_i|w)]``, l the labelings, (n,)."""
    n_draws, n, n_classes = sampled_proba.shape
    given = (posterior @ sampled_proba.reshape(n_draws, n * n_classes)).reshape(len(share), n, n_classes)
    return np.asarray(share @ entropy(given) - entropy(sampled_proba).mean(axis=0))


def _told(
    share: NDArray[Any], posterior: NDArray[Any], proba: NDArray[Any], rng: np.random.RandomState
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labelings with one more label: their probability, (L,), and that of the draws given each, (L, n_draws)."""
    given = posterior @ proba  # p(y | l), (L, n_classes)
    joint = (share[:, None] * given).ravel()
    if np.count_nonzero(joint) <= MOST_LABELINGS:
        kept = np.flatnonzero(joint)
        share = joint[kept]
    else:  # one draw from each of as many equal parts of the probability
        cumulative = np.cumsum(joint)
        at = (np.arange(MOST_LABELINGS) + rng.uniform()) / MOST_LABELINGS * cumulative[-1]
        kept = np.minimum(np.searchsorted(cumulative, at, side="right"), np.flatnonzero(joint)[-1])
        share = np.full(MOST_LABELINGS, 1 / MOST_LABELINGS)
    labeling, y = np.divmod(kept, proba.shape[1])
    posterior = posterior[labeling] * proba.T[y]
    return share, posterior / posterior.sum(axis=1, keepdims=True)
