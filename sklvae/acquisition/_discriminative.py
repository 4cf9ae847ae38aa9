"""A batch by discriminators that are fitted for it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ._checks import check_n, is_whole, require
from ._distances import chunks, spaced
from ._farthest import farthest_first

__all__ = ["discriminative"]

MOST_COMPARED = 2000
"""Unlabeled points, evenly spaced, that a discriminator is fitted on."""

N_STEPS = 300
"""Of 200 points each, about: enough for an order."""


def discriminative(
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    *,
    n: int,
    random_state: Any = None,
    n_batches: int = 10,
    hidden_units: tuple[int, ...] = (100,),
) -> NDArray[np.int64]:
    """Choose the points that look least like labeled ones, in parts: what one part chose is labeled for the next.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled. Of nothing, the point nearest to the mean is chosen first.
    n : int
        How many to choose.
    random_state : int, RandomState or None, default=None
        Decides where the networks start.
    n_batches : int, default=10
        Parts of the batch; each fits a new discriminator.
    hidden_units : tuple of int, default=(100,)
        Widths of its hidden layers.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice.

    References
    ----------
    Gissin and Shalev-Shwartz, 2019, "Discriminative active learning", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import discriminative
    >>> points = np.random.default_rng(0).normal(size=(200, 2))
    >>> right = points[:, 0] > 0
    >>> chosen = discriminative(points, points[right], n=10, random_state=0)
    >>> bool((~right[chosen]).all())
    True
    """
    require(is_whole(n_batches), "discriminative: n_batches", "an integer >= 1", n_batches)
    check_n(n, len(embedding), "discriminative")
    rng = check_random_state(random_state)
    chosen = np.empty(0, dtype=np.int64)
    if not len(labeled_embedding):
        chosen = farthest_first(embedding, labeled_embedding, n=1)
    for part in np.array_split(np.arange(n - len(chosen)), min(n_batches, max(n - len(chosen), 1))):
        if not len(part):
            break
        left = np.setdiff1d(np.arange(len(embedding)), chosen)
        some = left[spaced(len(left), MOST_COMPARED)]
        known = np.concatenate([labeled_embedding, embedding[chosen]])
        n_epochs = min(max(200 * N_STEPS // (len(known) + len(some)), 1), N_STEPS)
        network = MLPClassifier(
            hidden_units, learning_rate_init=0.01, max_iter=n_epochs, random_state=rng.randint(np.iinfo(np.int32).max)
        )
        model = make_pipeline(StandardScaler(), network)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(np.concatenate([known, embedding[some]]), np.arange(len(known) + len(some)) < len(known))
        labeled = np.concatenate(
            [model.predict_proba(embedding[left[rows]])[:, 1] for rows in chunks(len(left), 2 * sum(hidden_units))]
        )
        chosen = np.concatenate([chosen, left[np.argsort(labeled, kind="stable")[: len(part)]]])
    return chosen
