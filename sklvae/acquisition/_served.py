"""Acquisitions as pool strategies of scikit-activeml."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone

from .._labels import UNLABELED
from ._pool import Pool
from ._query import as_acquisition, query

__all__ = ["PoolStrategy", "to_skactiveml"]


def to_skactiveml(acquisition: Any, *, missing_label: Any = np.nan, random_state: Any = None) -> PoolStrategy:
    """Let an acquisition serve where scikit-activeml expects a pool strategy.

    Parameters
    ----------
    acquisition : str, Acquisition or callable
        As in `query`.
    missing_label : object, default=nan
        Marks an unlabeled row in y, as there; -1 may be a class.
    random_state : int, RandomState or None, default=None
        Decides everything random.

    Returns
    -------
    PoolStrategy
        An estimator with scikit-activeml's method `query`. Where scikit-activeml is imported, its wrappers take it
        for one of theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import to_skactiveml
    >>> X, y = np.array([[0.0], [1.0], [5.0], [9.0]]), np.array([1.0, np.nan, np.nan, np.nan])
    >>> to_skactiveml("coreset").query(X, y, batch_size=2)
    array([3, 2])
    """
    theirs = sys.modules.get("skactiveml.base")
    if theirs is not None:
        theirs.SingleAnnotatorPoolQueryStrategy.register(PoolStrategy)
    return PoolStrategy(acquisition, missing_label=missing_label, random_state=random_state)


class PoolStrategy(BaseEstimator):
    """An acquisition with scikit-activeml's method `query`; `to_skactiveml` makes it.

    Parameters
    ----------
    acquisition : str, Acquisition or callable
        As in `query`.
    missing_label : object, default=nan
        Marks an unlabeled row in y.
    random_state : int, RandomState or None, default=None
        Decides everything random.
    """

    def __init__(self, acquisition: Any, *, missing_label: Any = np.nan, random_state: Any = None) -> None:
        self.acquisition = acquisition
        self.missing_label = missing_label
        self.random_state = random_state

    def query(
        self,
        X: ArrayLike,
        y: ArrayLike,
        clf: Any = None,
        fit_clf: bool = True,
        ensemble: Any = None,
        fit_ensemble: bool = True,
        candidates: ArrayLike | None = None,
        batch_size: int = 1,
        return_utilities: bool = False,
    ) -> Any:
        """Choose rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embedding.
        y : array-like of shape (n_samples,)
            Labels, `missing_label` where a row is unlabeled.
        clf : classifier, default=None
            Gives `proba`, where the acquisition needs it.
        fit_clf : bool, default=True
            Whether a copy of `clf` is fitted on X and y first.
        ensemble : sequence of classifiers, default=None
            Give `sampled_proba`, where the acquisition needs it.
        fit_ensemble : bool, default=True
            Whether copies of them are fitted first.
        candidates : array-like of shape (n_candidates,) or (n_candidates, n_features), default=None
            Rows of X, or further samples; None is every unlabeled row.
        batch_size : int, default=1
            How many rows to choose.
        return_utilities : bool, default=False
            Whether to return utilities too.

        Returns
        -------
        query_indices : ndarray of shape (batch_size,)
            Rows of X, or positions in `candidates` if those are samples.
        utilities : ndarray of shape (batch_size, n_samples) or (batch_size, n_candidates)
            With `return_utilities`: the score before each choice; of an acquisition that has none, 1 at the choice and
            0 elsewhere. nan where nothing could be chosen, or no more.
        """
        X, y = np.asarray(X), np.asarray(y)
        classifier = [] if clf is None else _fitted([clf], X, y, fit_clf)
        members = [] if ensemble is None else _fitted(getattr(ensemble, "estimators_", ensemble), X, y, fit_ensemble)
        codes, classes = self._codes(y, [*classifier, *members])
        new_from = 0
        if candidates is not None and np.ndim(candidates) == 2:
            new_from, samples = len(X), np.asarray(candidates)
            X, codes = np.concatenate([X, samples]), np.concatenate([codes, np.full(len(samples), UNLABELED)])
            candidates = np.arange(new_from, len(X))
        arrays: dict[str, Any] = {
            "embedding": X,
            "proba": classifier[0].predict_proba(X) if classifier else None,
            "sampled_proba": np.stack([member.predict_proba(X) for member in members]) if members else None,
            "labels": codes,
            "classes": np.arange(len(classes)),
            "candidates": candidates,
        }
        chosen = query(self.acquisition, batch_size, random_state=self.random_state, **arrays)
        if not return_utilities:
            return chosen - new_from
        return chosen - new_from, self._utilities(Pool.of(**arrays), chosen)[:, new_from:]

    def _codes(self, y: NDArray[Any], models: list[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Labels as indices into the classes, and the classes: those of the models, where there are any."""
        if self.missing_label != self.missing_label:
            unlabeled = np.asarray(y != y, dtype=bool)
        else:
            unlabeled = np.array([label == self.missing_label for label in y.tolist()], dtype=bool)
        classes = np.asarray(models[0].classes_) if models else np.unique(y[~unlabeled])
        column = {label: k for k, label in enumerate(classes.tolist())}
        codes = np.full(len(y), UNLABELED)
        for row in np.flatnonzero(~unlabeled):
            if y[row] not in column:
                raise ValueError(
                    f"to_skactiveml: y holds {y[row]!r}, which is not one of the classes {classes.tolist()} of the "
                    "classifier. Fit it on all classes, or say what marks an unlabeled row: missing_label=."
                )
            codes[row] = column[y[row]]
        return codes, classes

    def _utilities(self, pool: Pool, chosen: NDArray[np.int64]) -> NDArray[Any]:
        acquisition = as_acquisition(self.acquisition)
        utilities = np.full((len(chosen), pool.n_rows), np.nan)
        utilities[:, pool.rows] = acquisition.score(pool) if hasattr(acquisition, "score") else 0.0
        for step, row in enumerate(chosen):
            if not hasattr(acquisition, "score"):
                utilities[step, row] = 1
            utilities[step + 1 :, row] = np.nan
        return utilities


def _fitted(models: Iterable[Any], X: NDArray[Any], y: NDArray[Any], fit: bool) -> list[Any]:
    return [clone(model).fit(X, y) if fit else model for model in models]
