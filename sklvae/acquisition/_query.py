"""One call for every acquisition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from ._acquisitions import Acquisition, Score, Scored, Selection
from ._pool import Pool
from ._skactiveml import from_skactiveml
from ._strategies import STRATEGIES, strategy

__all__ = ["as_acquisition", "query"]


def query(
    acquisition: Any,
    n: int = 1,
    *,
    labels: ArrayLike | None = None,
    proba: ArrayLike | None = None,
    embedding: ArrayLike | None = None,
    sampled_proba: ArrayLike | None = None,
    discriminator: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    candidates: ArrayLike | None = None,
    random_state: Any = None,
) -> NDArray[np.int64]:
    """Choose the rows to ask about next.

    All arrays are about all rows of the data set, labeled and unlabeled, and so is the answer: nobody has to
    count positions in a pool. Which of them an acquisition needs is in its `needs`, and in the table of
    `sklvae.acquisition`.

    Parameters
    ----------
    acquisition : str, Acquisition, callable or strategy of scikit-activeml
        A name, or the function of that name; what `strategy` gives; an object with `needs` and `select`; a function of
        a `Pool` that gives a number for each candidate, the highest asked first; or an object with scikit-activeml's
        method `query`.
    n : int, default=1
        How many rows to choose.
    labels : array-like of shape (n_rows,), default=None
        What is known: -1, None or nan where a row is unlabeled. None is nothing.
    proba : array-like of shape (n_rows, n_classes), default=None
        Class probabilities.
    embedding : array-like of shape (n_rows, d), default=None
        Points whose distances mean something, such as posterior means. float32 stays float32.
    sampled_proba : array-like of shape (n_draws, n_rows, n_classes), default=None
        Class probabilities of several draws of the model: of z, of dropout, of an ensemble.
    discriminator : array-like of shape (n_rows,), default=None
        Probability that a row is a labeled one, by a discriminator.
    classes : array-like of shape (n_classes,), default=None
        Labels that the columns of `proba` are about; None is the sorted labels that occur.
    candidates : array-like of int, default=None
        Rows that may be asked about; None is every unlabeled row.
    random_state : int, RandomState or None, default=None
        Decides everything random.

    Returns
    -------
    ndarray of shape (n,), int64
        Rows, in the order in which to ask.

    Raises
    ------
    ValueError
        If an array that the acquisition needs is missing or has the wrong shape, there are fewer candidates than
        `n`, there is no acquisition of that name, or an acquisition chooses what it may not.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import query
    >>> proba = np.array([[0.5, 0.5], [0.9, 0.1], [0.6, 0.4], [0.8, 0.2]])
    >>> query("entropy", 2, proba=proba, labels=[1, -1, -1, -1])
    array([2, 3])
    >>> query(lambda pool: -pool.rows, 2, labels=[1, -1, -1, -1])
    array([1, 2])
    """
    chooser = as_acquisition(acquisition)
    pool = Pool.of(
        labels=labels,
        classes=classes,
        candidates=candidates,
        proba=proba,
        embedding=embedding,
        sampled_proba=sampled_proba,
        discriminator=discriminator,
    )
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ValueError(f"query: n must be an integer >= 1, got {n!r}.")
    if n > len(pool):
        raise ValueError(f"query: n must be at most the number of candidates, {len(pool)}; got {n}.")
    name = repr(acquisition) if isinstance(acquisition, str) else type(chooser).__name__
    pool.require(chooser.needs, name)
    chosen = np.asarray(chooser.select(pool, int(n), check_random_state(random_state)))
    if chosen.shape != (n,) or len(np.unique(chosen)) < n or chosen.min() < 0 or chosen.max() >= len(pool):
        raise ValueError(
            f"query: {name} must choose {n} different positions from 0 to {len(pool) - 1}; got {chosen.tolist()}."
        )
    return pool.rows[chosen]


def as_acquisition(acquisition: Any) -> Acquisition:
    """Read a name, the function behind it, an acquisition, a callable or a strategy of scikit-activeml.

    Raises
    ------
    ValueError
        If it is none of these, or a name that nothing has.

    Examples
    --------
    >>> from sklvae.acquisition import as_acquisition
    >>> as_acquisition("badge").needs
    ('proba', 'embedding')
    """
    if isinstance(acquisition, str):
        return strategy(acquisition)
    for named in STRATEGIES.values():
        if isinstance(named, (Score, Selection)) and acquisition is named.function:
            return named
    if not isinstance(acquisition, type):
        if hasattr(acquisition, "select") and hasattr(acquisition, "needs"):
            chooser: Acquisition = acquisition
            return chooser
        if hasattr(acquisition, "query"):
            return from_skactiveml(acquisition)
        if callable(acquisition):
            return Scored(acquisition)
    raise ValueError(
        f"acquisition must be one of {', '.join(STRATEGIES)}, a function of a Pool, an object with needs and "
        f"select, or one with query; got {acquisition!r}."
    )
