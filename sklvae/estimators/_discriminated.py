"""A classifier and its discriminator behind the scikit-learn interface."""

from __future__ import annotations

import warnings
from abc import ABC
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..acquisition import indistinguishable, separability
from ..nn import M2, VAE, ClassifiedVAE, Discriminated
from ..training import Options, fresh_seed, in_blocks, seeded
from ._base import LatentEstimator
from ._class_vae import ClassVAEClassifier
from ._classifier import class_probabilities
from ._opinions import classify, classify_draws

__all__ = ["DiscriminatedClassifier"]


class DiscriminatedClassifier(ClassVAEClassifier, ABC):
    """A VAE with a softmax layer, or M2, and what tells its labeled latents from the others."""

    _network: ClassVar = M2
    _trained_on: ClassVar = "classes_"
    _phases: ClassVar = {"train": (6000, 300)}
    latent: str
    discriminator: str
    adversarial_weight: float

    @property
    def _model(self) -> Any:
        """The VAE, or M2."""
        model = self._own_model(self.net_.module_.model)
        return model.vae if isinstance(model, ClassifiedVAE) else model

    @staticmethod
    def _own_model(network: nn.Module) -> Any:
        """The network without its discriminator."""
        return network.model if isinstance(network, Discriminated) else network

    @property
    def _slot_classes(self) -> NDArray[np.int64]:
        return np.arange(len(self.classes_))

    def _n_decoder_inputs(self, n_slots: int) -> int:
        return n_slots + self.n_latent

    def _options(self) -> Options:
        return replace(super()._options(), adversarial=self.discriminator == "joint")

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities, at the posterior mean of a VAE or by q(y|x) of M2, (n_samples, n_classes)."""
        check_is_fitted(self, "classes_")
        probability: NDArray[Any] = self._apply(self._classify(), X, self._own_model(self.net_.module_.model))
        return probability

    @available_if(lambda self: self.discriminator == "joint")
    def predict_labeled(self, X: ArrayLike) -> NDArray[Any]:
        """D: the probability that a sample is one of the labeled ones; only with ``discriminator="joint"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self, "classes_")
        probability: NDArray[Any] = self._apply(discriminate, X, self.net_.module_.model)
        return probability

    def sample_proba(self, X: ArrayLike, n_draws: int = 16) -> NDArray[Any]:
        """Class probabilities for several draws of z, as of `ClusterLabelVAEClassifier` and of `M2Classifier`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.
        n_draws : int, default=16
            How many draws.

        Returns
        -------
        ndarray of shape (n_draws, n_samples, n_classes)
        """
        if self.latent == "m2":
            return super().sample_proba(X, n_draws)
        check_is_fitted(self, "classes_")
        noise = check_random_state(self.random_state).standard_normal((self._count(n_draws, "n_draws"), self.n_latent))
        function = partial(classify_draws, draws=torch.from_numpy(noise))
        probability: NDArray[Any] = self._apply(function, X, self._own_model(self.net_.module_.model))
        return probability.swapaxes(0, 1)

    def sample(self, n_samples: int = 1, label: Any = None) -> NDArray[Any]:
        """Decode draws from the prior, or with ``latent="m2"`` from a class.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        label : object, default=None
            A class, with ``latent="m2"``; None draws from all.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
        """
        if self.latent == "m2":
            return super().sample(n_samples, label)
        if label is not None:
            raise ValueError(
                f'VAALClassifier: a VAE has no samples of a class, got label={label!r}. Use latent="m2", or label=None.'
            )
        return LatentEstimator.sample(self, n_samples)

    @staticmethod
    def _bound(model: Any, x: Tensor, draws: Tensor) -> Tensor:
        family: Any = LatentEstimator if isinstance(model, VAE) else ClassVAEClassifier
        bound: Tensor = family._bound(model, x, draws)
        return bound

    def _classify(self) -> Any:
        return {"vae": classify, "m2": class_probabilities}[self.latent]

    def _fits(self, network: nn.Module) -> bool:
        """Whether a network is of the kind that the parameters ask for."""
        kind = {"vae": ClassifiedVAE, "m2": M2}[self.latent]
        return isinstance(network, Discriminated) == (self.discriminator == "joint") and isinstance(
            self._own_model(network), kind
        )

    def _build_network(self, rows: NDArray[Any] | None, rng: np.random.RandomState, n_classes: int) -> nn.Module:
        model: Any
        if self.latent == "m2":
            model = self._build_class_vae(rows, rng, np.full(n_classes, 1 / n_classes, dtype=np.float32))
        else:
            vae = self._build_vae(rows, rng)
            with seeded(fresh_seed(rng), self._device):
                model = ClassifiedVAE(vae, n_classes).to(self._device)
        with seeded(fresh_seed(rng), self._device):
            return Discriminated(model).to(self._device) if self.discriminator == "joint" else model

    def _separability(self, rows: NDArray[Any], labeled: NDArray[np.bool_]) -> float:
        """How well latents tell labeled rows from others that were held out, with a warning where they do not.

        The discriminator itself has seen all rows, and knows labeled ones by heart.
        """
        if self.discriminator == "refit" or labeled.all():
            return float("nan")
        area = separability(in_blocks(self.net_.module_.model, compared, rows, self._event), labeled)
        if indistinguishable(area, labeled):
            warnings.warn(
                f"{type(self).__name__}: the discriminator cannot tell labeled from unlabeled rows (area under the ROC "
                f"curve {area:.2f} on latents of rows held out): asking by it is asking at random. Ask by another "
                f"acquisition, or lower adversarial_weight, now {self.adversarial_weight:g}.",
                stacklevel=3,
            )
        return area

    def _untrained_module(self, state: Mapping[str, Tensor]) -> nn.Module:
        n_classes = next(len(state[name]) for name in state if name.endswith(("head.bias", "class_probs")))
        return self._build_network(None, np.random.RandomState(0), n_classes)


def compared(network: Discriminated, x: Tensor) -> Tensor:
    """What the discriminator sees, (B, n_latent), and more of M2."""
    latent: Tensor = network.latent(x)
    return latent


def discriminate(network: Discriminated, x: Tensor) -> Tensor:
    """D, (B,)."""
    probability: Tensor = network.labeled(network.latent(x)).probs
    return probability
