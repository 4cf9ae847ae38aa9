"""Strategies of scikit-activeml as acquisitions: neither package needs the other to be imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from ._pool import Pool

__all__ = ["FromSkactiveml", "from_skactiveml"]

GIVEN = {"clf": "proba", "ensemble": "sampled_proba"}
"""Arguments of a strategy's `query` that are made of what the pool has, where the user gives none."""


def from_skactiveml(strategy: Any, **arguments: Any) -> FromSkactiveml:
    """Let a pool strategy of scikit-activeml choose the batch.

    It sees the embedding as its X, and as y the positions of the labels among the sorted classes. Where its `query`
    takes a classifier `clf`, it gets one that predicts the `proba` of the rows; where it takes an `ensemble`, one for
    each draw of `sampled_proba`. Neither can be fitted: a strategy that fits needs a classifier of your own, among
    the arguments.

    Parameters
    ----------
    strategy : object
        Has ``query(X, y, candidates, batch_size, ...)``, and attributes `missing_label` and `random_state`. If its
        `random_state` is None, that of `query` decides.
    **arguments
        Further arguments of its `query`, such as ``discriminator=`` or ``clf=``.

    Returns
    -------
    FromSkactiveml
        An acquisition.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import from_skactiveml, query
    >>> class Last:  # stands for skactiveml.pool.CoreSet() and the like
    ...     missing_label, random_state = np.nan, None
    ...     def query(self, X, y, candidates, batch_size):
    ...         return candidates[-batch_size:]
    >>> query(from_skactiveml(Last()), 2, embedding=np.eye(4), labels=[-1, -1, -1, 0])
    array([1, 2])
    """
    return FromSkactiveml(strategy, arguments)


@dataclass(frozen=True)
class FromSkactiveml:
    """A pool strategy of scikit-activeml as an acquisition; `from_skactiveml` makes it.

    Attributes
    ----------
    strategy : object
        The strategy; each batch is chosen by a copy.
    arguments : mapping
        Further arguments of its `query`.
    """

    strategy: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def _taken(self) -> Mapping[str, Any]:
        """Arguments of the strategy's `query`."""
        return inspect.signature(self.strategy.query).parameters

    @property
    def _made(self) -> list[str]:
        """Those of them that are made of what the pool has."""
        return [name for name in GIVEN if name in self._taken and name not in self.arguments]

    @property
    def needs(self) -> tuple[str, ...]:
        """Arguments of `query` that it cannot do without."""
        return ("embedding", *(GIVEN[name] for name in self._made))

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Positions that the strategy chooses."""
        strategy = clone(self.strategy, safe=False)
        missing = getattr(strategy, "missing_label", np.nan)
        if not isinstance(missing, (int, float)) or missing in range(len(pool.classes)):
            raise ValueError(
                f"from_skactiveml: missing_label must be nan, or a number that is no class code, got {missing!r}. "
                "Make the strategy with missing_label=np.nan."
            )
        if getattr(strategy, "random_state", 0) is None:
            strategy.random_state = random_state.randint(np.iinfo(np.int32).max)
        y = np.full(pool.n_rows, missing, dtype=float)
        y[pool.labeled_rows] = pool.labeled_codes
        X = pool.arrays["embedding"]
        made: dict[str, Any] = {}
        if self._made:
            told = _told_classifiers(strategy, X, missing)
            if "clf" in self._made:
                made["clf"] = told(pool.arrays["proba"])
            if "ensemble" in self._made:
                made["ensemble"] = [told(proba) for proba in pool.arrays["sampled_proba"]]
            made |= {f"fit_{name}": False for name in self._made if f"fit_{name}" in self._taken}
        try:
            rows = strategy.query(X=X, y=y, candidates=pool.rows, batch_size=n, **made, **self.arguments)
        except Exception as error:
            error.add_note(
                f"from_skactiveml: query of {type(strategy).__name__} failed. Name what it needs beside X, y, "
                "candidates and predictions: from_skactiveml(strategy, clf=...)."
            )
            raise
        return np.searchsorted(pool.rows, np.asarray(rows))


def _told_classifiers(strategy: Any, X: NDArray[Any], missing: float) -> Callable[[NDArray[Any]], Any]:
    """Make classifiers of the kind that the strategy accepts, which predict the probabilities they are told."""
    theirs = any(kind.__module__.split(".")[0] == "skactiveml" for kind in type(strategy).__mro__)
    base = import_module("skactiveml.base").SkactivemlClassifier if theirs else BaseEstimator
    row_of = {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(X))}

    class Told(base):  # type: ignore[misc, valid-type]
        def __init__(self, proba: NDArray[Any], missing_label: float = missing) -> None:
            self.proba = proba
            self.missing_label = missing_label
            self.classes_ = np.arange(proba.shape[1], dtype=float)

        def fit(self, *_: Any) -> Any:
            raise ValueError(f"from_skactiveml: the strategy fits its classifier, or asks it about rows {WAY_OUT}")

        def predict_proba(self, some: Any) -> NDArray[Any]:
            rows = [row_of.get(row.tobytes(), -1) for row in np.ascontiguousarray(some, dtype=X.dtype)]
            return self.fit() if -1 in rows else self.proba[rows]

        def predict(self, some: Any) -> NDArray[Any]:
            return self.classes_[self.predict_proba(some).argmax(axis=1)]

    return Told


WAY_OUT = (
    "that the embedding does not have; probabilities given to query can do neither. Give it a classifier that can: "
    "from_skactiveml(strategy, clf=SklearnClassifier(GaussianNB()))."
)
