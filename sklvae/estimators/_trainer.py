"""The classifier of an active learner: fitted round after round, kept, and taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .._labels import UNLABELED, join_labels, split_labels
from ._codec import Arrays
from ._persistence import NOT_SAVED, PersistenceMixin, named
from ._wrapped import (
    generators_of,
    learns_from_unlabeled,
    seed_where_none,
    takes_any_labels,
    warm_start_parameter,
    weight_argument,
)

__all__ = ["Labels", "Trainer"]

LEAST_WEIGHT = 1e-6
"""Weight of an answer without confidence: its class stays one, which some classifiers cannot fit at weight 0."""

Labels = Mapping[int, tuple[Any, float]]
"""Label and confidence of single rows, by row, in the order in which they became known."""


class Trainer:
    """Fits a classifier on the labels known so far: anew, or going on from the fit before.

    Parameters
    ----------
    inner : classifier
        Not fitted; it is cloned.
    X : array-like of shape (n_samples, ...)
        The data as the classifier is to see it.
    n_samples : int
        Rows of X.
    fit_on, warm_start
        As in `ActiveLearningClassifier`.
    owner : str
        Who is to be named in an error.

    Attributes
    ----------
    model : classifier or None
        The fitted classifier.
    names : ndarray or None
        The classes, where the classifier knows them as integers.
    """

    def __init__(self, inner: Any, X: Any, n_samples: int, *, fit_on: str, warm_start: bool, owner: str) -> None:
        self.inner, self.X, self.n_samples, self.owner = inner, X, n_samples, owner
        self.warm_start = warm_start
        self.takes_all = fit_on == "all" or (fit_on == "auto" and learns_from_unlabeled(inner))
        self.model: Any = None
        self.names: NDArray[Any] | None = None
        self.classes: NDArray[Any] = np.empty(0)  # when it was begun anew
        self.seeds: dict[str, int] = {}
        self.n_labels: list[int] = []  # known at each fit since then
        self._kept: tuple[Mapping[str, Any], Arrays] | None = None

    def train(self, labels: Labels, rng: np.random.RandomState) -> bool:
        """Fit, if there are two classes; says whether there are."""
        classes, _ = self.split(labels)
        if len(classes) < 2:
            return False
        if self.warm_start and self.model is not None and np.array_equal(self.classes, classes):
            model = self._go_on(self.model)
        else:
            model = clone(self.inner)
            self.seeds, self.classes, self.n_labels = seed_where_none(model, rng), classes, []
        self._fit(model, labels)
        self.n_labels.append(len(labels))
        return True

    def split(self, labels: Labels) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Classes of the labels, and a code for each row, -1 where there is none."""
        y: list[Any] = [None] * self.n_samples
        for row, (label, _) in labels.items():
            y[row] = label
        return split_labels(y)

    def state(self) -> dict[str, Any]:
        """What the classifier comes from, beside the labels."""
        generators = {name: rng.get_state(legacy=True) for name, rng in generators_of(self.model).items()}
        return {"classes": self.classes, "seeds": self.seeds, "n_labels": self.n_labels, "generators": generators}

    def packed(self) -> tuple[dict[str, Any], Arrays]:
        """The fitted classifier as JSON and arrays, if it is one of ours; nothing of any other.

        Its parameters are left out: they are those of `inner`, and may be code.
        """
        model = self.model
        if isinstance(model, PersistenceMixin):
            known = {*model.get_params(deep=False), *model._parts, *NOT_SAVED}  # type: ignore[attr-defined]
            with suppress(ValueError):  # it holds what is no data
                fitted, arrays = model._packed_fit(name for name in vars(model) if name not in known)
                parts = {}
                for name in model._parts:
                    parts[name], part = getattr(model, name)._packed()
                    arrays |= {f"{name}.{key}": array for key, array in part.items()}
                return {"fitted": fitted, "parts": parts}, arrays
        return {}, {}

    def unpack(self, packed: Mapping[str, Any], arrays: Arrays) -> None:
        """Hold what `packed` gave until `restore` has the rest."""
        self._kept = (packed, arrays) if packed else None

    def restore(self, state: Mapping[str, Any], labels: Labels) -> None:
        """The classifier as it was: as it was kept, or fitted again as it was fitted then."""
        self.classes, self.seeds, self.n_labels = state["classes"], state["seeds"], list(state["n_labels"])
        model = clone(self.inner).set_params(**self.seeds)
        if self._kept is None:
            for fits, n in enumerate(self.n_labels):
                self._fit(self._go_on(model) if fits else model, dict(islice(labels.items(), n)))
            return
        (packed, arrays), self._kept = self._kept, None
        for name, header in packed["parts"].items():
            part = {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}
            setattr(model, name, named(header)._unpacked(header, part))
        model._restore_fit(packed["fitted"], arrays)
        for name, rng in generators_of(model).items():
            rng.set_state(state["generators"][name])
        self.model = self._go_on(model) if len(self.n_labels) > 1 else model

    @staticmethod
    def _go_on(model: Any) -> Any:
        return model.set_params(**{str(warm_start_parameter(model)): True})

    def _fit(self, model: Any, labels: Labels) -> None:
        classes, codes = self.split(labels)
        names = None
        if self.takes_all:
            y = join_labels(classes, codes)
            if y.dtype == object and not takes_any_labels(model):  # it would not know -1 beside strings
                y, names = codes, classes
            model.fit(self.X, y)
            if UNLABELED in model.classes_.tolist():
                raise ValueError(
                    f'{self.owner}: fit_on="all" needs an estimator that takes -1 for an unlabeled '
                    f'row, {type(model).__name__} takes it for a class. Use fit_on="labeled".'
                )
        else:
            labeled = np.flatnonzero(codes >= 0)
            weight, name = np.array([labels[row][1] for row in labeled.tolist()]), weight_argument(model)
            weights = {name: np.maximum(weight, LEAST_WEIGHT)} if name and (weight < 1).any() else {}
            model.fit(_safe_indexing(self.X, labeled), classes[codes[labeled]], **weights)
        self.model, self.names = model, names
