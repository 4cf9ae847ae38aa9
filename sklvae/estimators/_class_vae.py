"""What M2 and GM-DGM share: a joint model of x, y and z behind the scikit-learn interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..nn import ClassVAE
from ..objectives import classless_loss, m2_loss, started_loss
from ..training import Augment, Rows, WithLabeled, choose_augment, fresh_seed, in_blocks, seeded
from ._base import LatentEstimator, auto_epochs, warn_if_interrupted
from ._classifier import LatentClassifier, class_probabilities
from ._constraints import Constraint, at_least, augment_like, instance_of, none, one_of

__all__ = ["ClassVAEClassifier"]

N_EXACT = {"exact": None, "truncated": 3}
"""Classes of each sample that are summed exactly."""

OF_A_FIT = ("net_", "classes_", "known_classes_", "slots_", "slot_sizes_", "labels_", "label_confidence_", "answers_")
"""What a network that is built anew no longer fits."""


class ClassVAEClassifier(LatentClassifier, ABC):
    """A `ClassVAE`, whose classes are slots, behind the scikit-learn interface."""

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "alpha": at_least(0.0),
        "class_prior": none | instance_of((list, tuple, np.ndarray), "a list of probabilities"),
        "marginalization": one_of(*N_EXACT),
        "augment": augment_like,
    }
    _network: ClassVar[type[ClassVAE]]
    _trained_on: ClassVar[str]
    """Attribute that holds the classes which had labels; it is set when a fit has come to its end."""
    _anneal: ClassVar = True
    _phases: ClassVar[dict[str, tuple[int, int]]]

    @property
    def _model(self) -> ClassVAE:
        model: ClassVAE = self.net_.module_.model
        return model

    @property
    @abstractmethod
    def _slot_classes(self) -> NDArray[np.int64]:
        """Index into `classes_` of each slot, -1 for one that is of no class, (n_slots,)."""

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities q(y|x), summed over the slots of a class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self, "classes_")
        return self._summed(self._apply(class_probabilities, X))

    def _summed(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Class probabilities of slot probabilities (n, n_slots); uniform where slots without a class have it all."""
        member = np.arange(len(self.classes_)) == self._slot_classes[:, None]
        of_class = np.asarray(probability @ member.astype(probability.dtype))
        total, uniform = of_class.sum(axis=1, keepdims=True), np.full_like(of_class, 1 / len(self.classes_))
        return np.divide(of_class, total, out=uniform, where=total > 0)

    def sample(self, n_samples: int = 1, label: Any = None) -> NDArray[Any]:
        """Decode draws from the model.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        label : object, default=None
            A class; None draws classes from their prior.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
        """
        check_is_fitted(self, "classes_")
        slot_classes = self._slot_classes
        drawn_from = slot_classes >= 0 if label is None else slot_classes == self._code_of(label)
        prior = self._model.class_probs.cpu().numpy().astype(float) * drawn_from
        rng = check_random_state(self.random_state)
        codes = rng.choice(len(prior), size=self._count(n_samples), p=prior / prior.sum())
        return self._decode(codes, rng.standard_normal((len(codes), self._model.n_latent)))

    def _decode(self, codes: NDArray[np.int64], noise: NDArray[Any]) -> NDArray[Any]:
        """Decode z = mu_y + sigma_y noise of the slots `codes`, (n, ...)."""
        n_slots = len(self._model.class_probs)
        inputs = np.concatenate([np.eye(n_slots)[codes], noise], axis=1)

        def decode(model: ClassVAE, given: Tensor) -> Tensor:
            y, draw = given.split([n_slots, model.n_latent], dim=1)
            prior = model.prior(y)
            mean: Tensor = model.likelihood(prior.mean + prior.stddev * draw, y).mean
            return mean

        return self._as_data(in_blocks(self._model, decode, self._as_floats(inputs), inputs.shape[1:]))

    def sample_proba(self, X: ArrayLike, n_draws: int = 16) -> NDArray[Any]:
        """Class probabilities by the generative model, for several draws of z: their disagreement is doubt.

        Each is ``p(y|x) ~ exp L(x, y)`` with the expectation in L(x, y) taken at one draw of z, of which the noise is
        the same for every sample.

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
        check_is_fitted(self, "classes_")
        rng = check_random_state(self.random_state)
        draws = torch.from_numpy(rng.standard_normal((self._count(n_draws, "n_draws"), self._model.n_latent)))

        def classify(model: ClassVAE, x: Tensor) -> Tensor:
            return joint_bounds(model, x, draws).softmax(dim=1).permute(2, 0, 1)  # (B, n_draws, K)

        probability = self._apply(classify, X)
        return np.stack([self._summed(draw) for draw in probability.swapaxes(0, 1)])

    @staticmethod
    def _bound(model: ClassVAE, x: Tensor, draws: Tensor) -> Tensor:
        """L(x), summed over y; the expectation over z a mean over `draws`, (N_DRAWS, n_latent)."""
        q = model.classify(x)
        return (q.probs.T * joint_bounds(model, x, draws).mean(dim=0)).sum(dim=0) + q.entropy()

    def _last(self) -> tuple[ClassVAE, NDArray[Any]] | None:
        """The network of the last fit that came to its end, and the classes it had labels of."""
        if not self.warm_start or not hasattr(self, self._trained_on):
            return None
        return self._model, getattr(self, self._trained_on)

    def _go_on(
        self, last: tuple[ClassVAE, NDArray[Any]] | None, classes: NDArray[Any], prior: NDArray[np.float32]
    ) -> ClassVAE | None:
        """The last network, if it has these classes; otherwise nothing is left of the last fit."""
        if last is not None and np.array_equal(last[1], classes) and len(last[0].class_probs) == len(prior):
            self._require_same_network()
            last[0].class_probs.copy_(torch.from_numpy(prior))
            return last[0]
        for name in OF_A_FIT:
            self.__dict__.pop(name, None)
        self.history_: list[dict[str, Any]] = []
        return None

    def _augmentation(self, rows: NDArray[Any]) -> Augment | None:
        return choose_augment(self.augment, self._event, rows)

    def _slot_probabilities(self, rows: NDArray[Any]) -> NDArray[Any]:
        """q(y|x) of checked rows, (n, n_slots)."""
        probability: NDArray[Any] = in_blocks(self._model, class_probabilities, rows, self._event)
        return probability

    def _checked_prior(self, default: NDArray[Any], slots: str) -> NDArray[np.float32]:
        """The parameter `class_prior`, or else `default`."""
        if self.class_prior is None:
            return default.astype(np.float32)
        try:
            prior = np.asarray(self.class_prior, dtype=float)
        except (TypeError, ValueError):
            prior = np.zeros(0)
        if prior.shape != default.shape or not (prior > 0).all() or not np.isclose(prior.sum(), 1):
            raise ValueError(
                f"{type(self).__name__}: class_prior must be {len(default)} positive probabilities that sum to "
                f"1, one for each of {slots}; got {self.class_prior!r} (sum {prior.sum():g})."
            )
        return prior.astype(np.float32)

    def _build_class_vae(
        self, rows: NDArray[Any] | None, rng: np.random.RandomState, class_prior: NDArray[np.float32]
    ) -> ClassVAE:
        """A new network for these rows; without rows, for inputs that are standardized already."""
        n_slots, hidden = len(class_prior), self._widths
        n_hidden = hidden[-1] if hidden else 2 * self.n_latent
        with seeded(fresh_seed(rng), self._device):
            return self._network(
                self._build_encoder(hidden, n_slots),
                self._build_encoder(hidden[:-1], n_hidden),
                self._build_decoder(self._n_decoder_inputs(n_slots)),
                self._build_observation(rows),
                torch.from_numpy(class_prior),
                n_hidden=n_hidden,
                n_latent=self.n_latent,
            ).to(self._device)

    @abstractmethod
    def _n_decoder_inputs(self, n_slots: int) -> int:
        """Width of what the decoder sees."""

    def _steps(self, phase: str) -> tuple[int, int]:
        """Steps of a phase, and the most epochs they may take."""
        return self._phases[phase]

    def _epochs(self, phase: str, n_samples: int) -> int:
        auto = auto_epochs(n_samples, self.batch_size, *self._steps(phase))
        return auto if self.max_epochs == "auto" else min(auto, int(self.max_epochs))

    def _train_phase(self, model: ClassVAE, phase: str, objective: Any, rows: Rows, rng: np.random.RandomState) -> None:
        epochs = self._epochs(phase, len(rows))
        warn_if_interrupted(self._train(model, objective, rows, max_epochs=epochs, rng=rng, phase=phase), epochs)

    def _pretrain(self, model: ClassVAE, rows: NDArray[Any], rng: np.random.RandomState) -> NDArray[Any]:
        """Train a plain VAE, without classes, and encode: means of q(z|x), (n, n_latent)."""
        self._train_phase(model, "pretrain", partial(classless_loss, beta=self.beta), Rows(rows, self._event), rng)
        return self._latents(model, rows)

    def _latents(self, model: ClassVAE, rows: NDArray[Any]) -> NDArray[Any]:
        """Means of q(z|x) of the plain VAE, (n, n_latent)."""
        z: NDArray[Any] = in_blocks(model, encode_without_class, rows, self._event)
        return z

    def _teach(self, model: ClassVAE, rows: NDArray[Any], codes: NDArray[np.int64], rng: np.random.RandomState) -> None:
        """Start with rows in the classes `codes`, -1 for none."""
        loss = partial(started_loss, beta=self.beta, alpha=self.alpha, augment=self._augmentation(rows))
        self._train_phase(model, "start", loss, Rows(rows, self._event, **started_in(codes)), rng)

    def _train_bounds(
        self,
        model: ClassVAE,
        rows: NDArray[Any],
        codes: NDArray[np.int64],
        rng: np.random.RandomState,
        **started: NDArray[Any],
    ) -> None:
        """Train on Equation 2; rows may be held to the classes that they started in."""
        n_exact, augment = N_EXACT[self.marginalization], self._augmentation(rows)
        loss = partial(m2_loss, beta=self.beta, alpha=self.alpha, n_exact=n_exact, augment=augment)
        self._train_phase(model, "train", loss, WithLabeled(rows, self._event, codes, **started), rng)

    def _untrained_module(self, state: Mapping[str, Tensor]) -> nn.Module:
        prior = np.asarray(state["class_probs"], dtype=np.float32)
        return self._build_class_vae(None, np.random.RandomState(0), prior)


def started_in(codes: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Columns of rows that start in the classes `codes`, -1 for none."""
    return {"code": np.maximum(codes, 0), "weight": (codes >= 0).astype(np.float32)}


def encode_without_class(model: ClassVAE, x: Tensor) -> Tensor:
    """Posterior means of the plain VAE, (B, n_latent)."""
    mean: Tensor = model.posterior(model.features(x), torch.zeros_like(model.class_probs)).mean
    return mean


def joint_bounds(model: ClassVAE, x: Tensor, draws: Tensor) -> Tensor:
    """L(x, y) of every class at each of `draws` of N(0, I), (n_draws, n_latent): (n_draws, K, B), in nats."""
    every_y = model.every_y()
    posterior = model.posterior(model.features(x), every_y)  # (K, B)
    z = posterior.mean + posterior.stddev * draws.to(x)[:, None, None, :]  # (n_draws, K, B, n_latent)
    log_likelihood = torch.stack([model.likelihood(draw, every_y).log_prob(x) for draw in z])
    kl = torch.distributions.kl_divergence(posterior, model.prior(every_y))
    return log_likelihood - kl + model.class_probs.log()[:, None]
