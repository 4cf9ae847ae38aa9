"""What a fitted network with centroids gives."""

from __future__ import annotations

from abc import ABC
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..nn import CentroidNetwork
from ..training import fresh_seed, in_blocks, seeded
from ._classifier import class_probabilities
from ._constraints import at_least
from ._input import check_rows
from ._persistence import PersistenceMixin

__all__ = ["CentroidInference"]


def may_drop(estimator: Any) -> bool:
    """Whether units can be dropped: a module of the user's may do so, the library's own does not."""
    if estimator.module is None and not estimator.input_dropout and not estimator.output_dropout:
        raise AttributeError(f"{type(estimator).__name__}: draws need dropout. Use output_dropout=0.5.")
    return True


class CentroidInference(
    ClassifierMixin, PersistenceMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC
):
    """A classifier with a `CentroidNetwork`: classes, activations and distances of samples."""

    classes_: NDArray[Any]
    layers_: list[str]
    _event: tuple[int, ...]

    @property
    def _model(self) -> CentroidNetwork:
        model: CentroidNetwork = self.net_.module_.model
        return model

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities q(y|x), (n_samples, n_classes)."""
        return self._apply(class_probabilities, X)

    @available_if(may_drop)
    def sample_proba(self, X: ArrayLike, n_draws: int = 16) -> NDArray[Any]:
        """Class probabilities under several draws of dropout, such as BALD compares.

        Each row drops units of its own in a draw, so draws tell nothing about two rows together, as BatchBALD asks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.
        n_draws : int, default=16
            How many draws.

        Returns
        -------
        ndarray of shape (n_draws, n_samples, n_classes)

        Raises
        ------
        ValueError
            If the module has no dropout, and `input_dropout` and `output_dropout` are 0.
        AttributeError
            If they are, and the module is the library's own.

        References
        ----------
        Gal and Ghahramani, 2016, "Dropout as a Bayesian approximation"; Gal, Islam and Ghahramani, 2017, "Deep Bayesian
        active learning with image data".
        """
        check_is_fitted(self, "classes_")
        name, model = type(self).__name__, self._model
        if not at_least(1, int).allows(n_draws):
            raise ValueError(f"{name}: sampling needs n_draws, an integer >= 1, got {n_draws!r}.")
        if not model.drops:
            raise ValueError(
                f"{name}: draws need dropout, and this network has none. Use output_dropout=0.5, or nn.Dropout in the "
                "module."
            )
        seed = fresh_seed(check_random_state(self.random_state))
        with seeded(seed, next(model.parameters()).device):
            return self._apply(partial(dropped_out, n_draws=n_draws), X).swapaxes(0, 1)

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

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Activations of the last of `layers_`, pooled.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_layer_features)
        """
        return self._apply(last_activations, X)

    def centroid_distances(self, X: ArrayLike, layer: str | None = None) -> NDArray[Any]:
        """Squared distances to the centroids of a layer, as shares of the variance of its activations.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.
        layer : str, default=None
            One of `layers_`; None is the last one.

        Returns
        -------
        ndarray of shape (n_samples, n_centroids)
        """
        check_is_fitted(self, "classes_")
        layer = self.layers_[-1] if layer is None else layer
        if layer not in self.layers_:
            raise ValueError(f"{type(self).__name__}: layer must be one of {self.layers_}, got {layer!r}.")
        place = self.layers_.index(layer)

        def distances(model: CentroidNetwork, x: Tensor) -> Tensor:
            found: Tensor = model.centroids[place].distances(model(x)[1][place])
            return found

        return self._apply(distances, X)

    def _apply(self, function: Any, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self, "classes_")
        rows = check_rows(self, X, reset=False)
        return np.asarray(in_blocks(self._model, function, rows, self._event))


def dropped_out(model: CentroidNetwork, x: Tensor, n_draws: int) -> Tensor:
    """q(y|x) under draws of dropout, (B, n_draws, K)."""
    with model.dropping():
        return torch.stack([class_probabilities(model, x) for _ in range(n_draws)], dim=1)


def last_activations(model: CentroidNetwork, x: Tensor) -> Tensor:
    """Activations of the last layer, (B, D)."""
    return model(x)[1][-1]
