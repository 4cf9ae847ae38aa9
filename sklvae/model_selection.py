"""Cross-validation and scoring on partly labeled `y`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import check_scoring
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import _safe_indexing, check_random_state, indexable

from ._labels import UNLABELED, split_labels

__all__ = ["SemiSupervisedSplit", "masked_scorer"]

Scorer = Callable[[Any, Any, Any], float]


class SemiSupervisedSplit(BaseCrossValidator):
    """Cross-validator that tests labeled rows only, and trains on every unlabeled row.

    The labeled rows are dealt to `n_splits` folds, each class evenly. A training set holds the other folds
    and all unlabeled rows.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds. With 1, all labeled rows are held out at once: a model that asks an oracle trains on
        the unlabeled rows and is tested on the labeled ones.
    shuffle : bool, default=True
        Whether the rows of a class are shuffled before they are dealt. Otherwise they are dealt in order.
    random_state : int, RandomState instance or None, default=None
        Determines the shuffling; an int makes it the same at every call.

    See Also
    --------
    masked_scorer : Scores a model on labeled rows only.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.model_selection import SemiSupervisedSplit
    >>> y = np.array([0, 1, -1, 0, 1, -1])
    >>> for train, test in SemiSupervisedSplit(n_splits=2, shuffle=False).split(np.zeros((6, 1)), y):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1 2 5] [3 4]
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = True, random_state: int | RandomState | None = None
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object
            Ignored, present for the API.

        Returns
        -------
        int
            `n_splits`.
        """
        if isinstance(self.n_splits, bool) or not isinstance(self.n_splits, Integral) or self.n_splits < 1:
            raise ValueError(
                f"SemiSupervisedSplit: n_splits must be an integer >= 1, got {self.n_splits!r}. "
                "Use 1 to hold out all labeled rows at once."
            )
        return int(self.n_splits)

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the rows to train on and the rows to test, for each split.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples; only their number matters.
        y : array-like of shape (n_samples,)
            Labels, with -1 (for string classes: -1, ``None`` or ``nan``) for unlabeled rows.
        groups : object
            Ignored, present for the API.

        Yields
        ------
        train : ndarray of shape (n_train,), int64
            Every unlabeled row, and the labeled rows of the other folds, in order.
        test : ndarray of shape (n_test,), int64
            The labeled rows of one fold, in order.

        Raises
        ------
        ValueError
            If `y` is missing, too few rows are labeled, or nothing would be left to train on.

        Warns
        -----
        UserWarning
            If a class has a single labeled row: the split that tests it trains without it.
        """
        n_splits = self.get_n_splits()
        if y is None:
            raise ValueError("SemiSupervisedSplit: y is required, got None. Mark its unlabeled rows with -1.")
        X, y = indexable(X, y)
        classes, codes = split_labels(y)
        self._check_labeled(codes, n_splits)
        singletons = classes[np.bincount(codes[codes != UNLABELED]) == 1]
        if n_splits > 1 and len(singletons):
            warnings.warn(
                "SemiSupervisedSplit: a class needs two labeled rows to be in every training set, got one of "
                f"{_listed(singletons)}. The split that tests it trains without its class. Label another.",
                UserWarning,
                stacklevel=2,
            )
        fold = self._deal(codes, n_splits)
        for k in range(n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)

    def _deal(self, codes: NDArray[np.int64], n_splits: int) -> NDArray[np.int64]:
        """Give each labeled row a fold, as cards are dealt from a deck sorted by class; others keep -1."""
        deck = np.flatnonzero(codes != UNLABELED)
        if self.shuffle:
            check_random_state(self.random_state).shuffle(deck)
        deck = deck[np.argsort(codes[deck], kind="stable")]
        fold = np.full_like(codes, UNLABELED)
        fold[deck] = np.arange(len(deck)) % n_splits
        return fold

    @staticmethod
    def _check_labeled(codes: NDArray[np.int64], n_splits: int) -> None:
        n_labeled = np.count_nonzero(codes != UNLABELED)
        if n_labeled == 0:
            raise ValueError(
                f"SemiSupervisedSplit: some rows must be labeled to be tested, got {len(codes)} rows, all "
                "unlabeled. Keep the labels of a validation part in y."
            )
        if n_labeled < n_splits:
            raise ValueError(
                f"SemiSupervisedSplit: n_splits must be at most the number of labeled rows, {n_labeled}, "
                f"got {n_splits}. Lower n_splits or label more rows."
            )
        if n_splits == 1 and n_labeled == len(codes):
            raise ValueError(
                "SemiSupervisedSplit: n_splits=1 holds out every labeled row and needs unlabeled ones to "
                f"train on, got {len(codes)} rows, all labeled. Use n_splits >= 2."
            )


def masked_scorer(scoring: str | Scorer = "accuracy") -> Scorer:
    """Make a scorer that looks at labeled rows only.

    Parameters
    ----------
    scoring : str or callable, default="accuracy"
        Name of a scikit-learn scorer, or a scorer ``(estimator, X, y) -> float``.

    Returns
    -------
    callable
        A scorer ``(estimator, X, y) -> float`` for partly labeled `y`, which can be pickled. It raises a
        ``ValueError`` where no row is labeled.

    See Also
    --------
    SemiSupervisedSplit : Cross-validator for partly labeled `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklvae.model_selection import masked_scorer
    >>> model = DummyClassifier(strategy="constant", constant="cat").fit([[0], [0]], ["ant", "cat"])
    >>> y = np.array(["cat", None, "ant", -1], dtype=object)
    >>> masked_scorer("accuracy")(model, np.zeros((4, 1)), y)
    0.5
    """
    return _MaskedScorer(check_scoring(scoring=scoring))


class _MaskedScorer:
    """A class and not a closure, so that it can be pickled."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        classes, codes = split_labels(y)
        labeled = np.flatnonzero(codes != UNLABELED)
        if len(labeled) == 0:
            raise ValueError(
                f"masked_scorer: some rows must be labeled to be scored, got {len(codes)} rows, all "
                "unlabeled. Split with SemiSupervisedSplit, which tests labeled rows only."
            )
        return self.scorer(estimator, _safe_indexing(X, labeled), classes[codes[labeled]])

    def __repr__(self) -> str:
        return f"masked_scorer({self.scorer!r})"


def _listed(classes: NDArray[Any], n_shown: int = 5) -> str:
    """Write the first few classes for a message."""
    shown = ", ".join(repr(label) for label in classes[:n_shown].tolist())
    return f"{shown}, ..." if len(classes) > n_shown else shown
