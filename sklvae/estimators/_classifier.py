"""What every classifier with a latent space shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from torch import Tensor

from .._labels import UNLABELED, join_labels, split_labels
from ._base import LatentEstimator

__all__ = ["LatentClassifier", "class_probabilities", "known_labels", "labels_and_confidence"]


class LatentClassifier(ClassifierMixin, LatentEstimator, ABC):
    """A `LatentEstimator` with `classes_` and `predict_proba`."""

    classes_: NDArray[Any]
    classes: Any
    """All labels allowed, or None: a parameter of most classifiers."""

    @abstractmethod
    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities, (n_samples, n_classes)."""

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        probability = self.predict_proba(X)
        return np.asarray(self.classes_[probability.argmax(axis=1)])

    def _code_of(self, label: Any) -> int:
        """Index of a class, or the error of a method that was given none."""
        check_is_fitted(self, "classes_")
        if label not in self.classes_.tolist():
            raise ValueError(
                f"{type(self).__name__}: label must be one of the classes {self.classes_.tolist()}, got {label!r}."
            )
        return int(self.classes_.tolist().index(label))

    def _known_labels(self, y: ArrayLike, n_samples: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return known_labels(self, y, n_samples)

    def _all_classes(self, y: ArrayLike, n_samples: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Classes, those of the parameter `classes` where it is given, and codes."""
        found, codes = self._known_labels(y, n_samples)
        if self.classes is None:
            return found, codes
        classes, _ = split_labels(self.classes)
        return classes, np.append(np.searchsorted(classes, found), UNLABELED)[codes]


def known_labels(estimator: Any, y: ArrayLike, n_samples: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Classes that occur in y, and codes; all of them must be among the parameter `classes`."""
    found, codes = split_labels(y)
    check_consistent_length(codes, range(n_samples))
    if estimator.classes is None:
        return found, codes
    allowed, marks = split_labels(estimator.classes)
    if (marks < 0).any():
        raise ValueError(
            f"{type(estimator).__name__}: classes must be labels, got {estimator.classes!r}, which holds the mark of "
            "an unlabeled row (-1, None or nan). Leave it out."
        )
    unknown = np.setdiff1d(found, allowed).tolist()
    if unknown:
        raise ValueError(
            f"{type(estimator).__name__}: y holds {unknown}, which classes={estimator.classes!r} does not. "
            "Name every class there."
        )
    return found, codes


def labels_and_confidence(
    classes: NDArray[Any], codes: NDArray[np.int64], probability: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """A label for every row: the known one, with confidence 1, or else the most probable one."""
    known = codes >= 0
    labels = join_labels(classes, np.where(known, codes, probability.argmax(axis=1)))
    return labels, np.where(known, 1.0, probability.max(axis=1)).astype(np.float64)


def class_probabilities(model: Any, x: Tensor) -> Tensor:
    """p(y|x) of a network that can `classify`, (B, K)."""
    probability: Tensor = model.classify(x).probs
    return probability
