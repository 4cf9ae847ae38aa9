"""What every estimator with a latent space shares."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats.qmc import Sobol
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..nn import (
    VAE,
    BernoulliLikelihood,
    GaussianLikelihood,
    conv_decoder,
    conv_encoder,
    mlp_decoder,
    mlp_encoder,
    pooled_encoder,
)
from ..training import (
    Net,
    Options,
    Rows,
    choose_device,
    choose_precision,
    fresh_seed,
    in_blocks,
    make_net,
    no_objective,
    seeded,
    train,
    try_augment,
)
from ._constraints import (
    Constraint,
    anything,
    at_least,
    check_parameters,
    instance_of,
    module_factory,
    none,
    one_of,
    sequence_of_positive_int,
)
from ._input import check_rows, constant, event_shape, sample_shape, warn_of_another_scale, within_unit
from ._module_params import make_tried
from ._moments import input_moments
from ._persistence import PersistenceMixin

__all__ = ["LatentEstimator", "auto_epochs", "warn_if_interrupted"]

NETWORKS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "mlp": (mlp_encoder, mlp_decoder),
    "conv": (conv_encoder, conv_decoder),
    "conv2": (partial(conv_encoder, channels=(16, 32)), partial(conv_decoder, channels=(16, 32))),
    "conv3": (pooled_encoder, mlp_decoder),  # a mirror is slow
}
LEAST_SIDE = {"conv": 2, "conv2": 4, "conv3": 8}
POOLED_UNITS, DENSE_UNITS = (128,), (500, 500)
"""Widths of the dense hidden layers: behind "conv3", and elsewhere."""

N_DRAWS = 16
"""Draws of z behind one value of `score_samples`."""


def auto_epochs(n_samples: int, batch_size: int, steps: int, most: int) -> int:
    """As many epochs as make about `steps` optimizer steps, at least 1 and at most `most`."""
    return int(np.clip(round(steps * batch_size / n_samples), 1, most))


def warn_if_interrupted(net: Net, epochs: int) -> None:
    """Tell the caller of `fit` that Ctrl-C ended its training early."""
    if net.interrupted_:
        warnings.warn(f"Training was interrupted after {len(net.completed)} of {epochs} epochs.", stacklevel=3)


class LatentEstimator(PersistenceMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """A VAE behind the scikit-learn interface; a subclass says what it trains on."""

    _constraints: ClassVar[dict[str, Constraint]] = {
        "n_latent": at_least(1, int),
        "beta": at_least(0.0),
        "likelihood": one_of("auto", "bernoulli", "gaussian"),
        "encoder": one_of("auto", *NETWORKS) | module_factory,
        "hidden_units": sequence_of_positive_int(0, np.inf, "a tuple of positive integers") | one_of("auto"),
        "image_shape": none
        | sequence_of_positive_int(2, 3, "(height, width) or (channels, height, width) of positive integers"),
        "batch_size": at_least(1, int),
        "max_epochs": at_least(1, int) | one_of("auto"),
        "lr": at_least(0.0, above=True),
        "optimizer": one_of("adam", "adamw", "sgd") | instance_of(type, "a torch optimizer class"),
        "device": instance_of((str, torch.device), "a device"),
        "precision": one_of("auto", "float32", "bfloat16"),
        "random_state": anything,
        "verbose": at_least(0, int) | instance_of(bool, "a bool"),
        "callbacks": none | instance_of((list, tuple), "a list of skorch callbacks"),
        "warm_start": instance_of(bool, "a bool"),
    }

    _interrupted: bool = False
    """Whether somebody cut a phase of the last fit short."""

    @property
    @abstractmethod
    def _model(self) -> Any:
        """The trained network, which can `encode` and `decode`."""

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Encode: means of q(z|x).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_latent)
        """
        return self._apply(lambda model, x: model.encode(x), X)

    def inverse_transform(self, Z: ArrayLike) -> NDArray[Any]:
        """Decode: means of p(x|z), in the shape, the units and the dtype of the training data.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_latent)
            Latent vectors.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
        """
        check_is_fitted(self, "net_")
        Z = np.asarray(Z)
        if Z.ndim != 2 or Z.shape[1] != self._model.n_latent:
            raise ValueError(
                f"{type(self).__name__}: inverse_transform needs latent vectors of shape (n_samples, "
                f"{self._model.n_latent}), got shape {Z.shape}."
            )
        return self._as_data(in_blocks(self._model, lambda model, z: model.decode(z), self._as_floats(Z), Z.shape[1:]))

    def _as_floats(self, values: NDArray[Any]) -> NDArray[Any]:
        """In the precision that results are computed in."""
        return values.astype(np.float64 if self._dtype == np.float64 else np.float32)

    def _as_data(self, x: NDArray[Any]) -> NDArray[Any]:
        """Means of p(x|z) in the shape, the units and the dtype of the training data."""
        if self._dtype == np.uint8:
            x = np.rint(x * 255)
        return x.reshape(len(x), *self._x_shape).astype(self._dtype)

    def sample(self, n_samples: int = 1, label: None = None) -> NDArray[Any]:
        """Decode draws from the prior p(z).

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        label : None
            What knows p(x|y) draws from a class here; a plain VAE has none.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
        """
        check_is_fitted(self, "net_")
        if label is not None:
            raise ValueError(
                f"{type(self).__name__}: p(z) is the same for all classes, label must be None, got {label!r}."
            )
        rng = check_random_state(self.random_state)
        return self.inverse_transform(rng.standard_normal((self._count(n_samples), self._model.n_latent)))

    def _count(self, n: int, name: str = "n_samples") -> int:
        if not at_least(1, int).allows(n):
            raise ValueError(f"{type(self).__name__}: sampling needs {name}, an integer >= 1, got {n!r}.")
        return n

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """ELBO of each sample: a lower bound on log p(x), in nats.

        The expectation over z is a mean over 16 quasi-random draws, the same ones for every sample. uint8
        pixels count as fractions of 255.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If the likelihood is Bernoulli and a value is outside [0, 1].
        """
        check_is_fitted(self, "net_")
        rows = check_rows(self, X, reset=False)
        if self.likelihood_ == "bernoulli":
            self._require_unit(rows)
        draws = torch.from_numpy(standard_draws(self._model.n_latent))
        return in_blocks(self._model, partial(self._bound, draws=draws), rows, self._event)

    @staticmethod
    def _bound(model: Any, x: Tensor, draws: Tensor) -> Tensor:
        """The ELBO of a VAE, its expectation a mean over `draws` of N(0, I), (N_DRAWS, n_latent)."""
        posterior = model.posterior(x)
        z = posterior.mean + posterior.stddev * draws.to(x)[:, None, :]  # (N_DRAWS, B, n_latent)
        log_likelihood = torch.stack([model.likelihood(draw).log_prob(x) for draw in z]).mean(dim=0)
        return log_likelihood - torch.distributions.kl_divergence(posterior, model.prior())

    def _apply(self, function: Callable[[Any, Tensor], Tensor], X: Any, module: nn.Module | None = None) -> Any:
        check_is_fitted(self, "net_")
        rows = check_rows(self, X, reset=False)
        warn_of_another_scale(self, rows)
        return in_blocks(module or self._model, function, rows, self._event)

    def _start(self, X: Any) -> tuple[NDArray[Any], np.random.RandomState]:
        """Check parameters and X, and settle what depends on them."""
        check_parameters(self, self._constraints)
        self._device, rng = choose_device(self.device), check_random_state(self.random_state)
        before = dict(vars(self))
        self._interrupted = False
        rows = check_rows(self, X, reset=True, image_shape=self.image_shape)
        if constant(rows):
            raise ValueError(
                f"{type(self).__name__}: X must vary, but all its {len(rows)} rows are the same (constant features)."
            )
        previous = self._network_shape() if self.warm_start and hasattr(self, "net_") else None
        self._x_shape = sample_shape(X, rows)
        self._dtype = rows.dtype
        asked = self._choose_network(rows)
        self._event, self.likelihood_, self._n_features_out = asked
        if previous not in (None, asked):
            self.__dict__ = before  # the network stays usable
            raise ValueError(
                f"{type(self).__name__}: warm_start=True goes on from a network for (sample shape, likelihood, "
                f"n_latent) = {previous}, got {asked}. Use warm_start=False."
            )
        if callable(augment := getattr(self, "augment", None)):
            try_augment(type(self).__name__, augment, self._event, self._device)
        return rows, rng

    def _choose_network(self, rows: NDArray[Any]) -> tuple[tuple[int, ...], str, int]:
        """Sample shape, likelihood and latent dimensions of a network for these rows."""
        return event_shape(self.image_shape or self._x_shape), self._choose_likelihood(rows), self.n_latent

    def _network_shape(self) -> tuple[tuple[int, ...], str, int]:
        return self._event, self.likelihood_, self._model.n_latent

    def _choose_likelihood(self, rows: NDArray[Any]) -> str:
        if self.likelihood == "auto":
            return "bernoulli" if within_unit(rows) else "gaussian"
        if self.likelihood == "bernoulli":
            self._require_unit(rows)
        return self.likelihood

    def _require_unit(self, rows: NDArray[Any]) -> None:
        if not within_unit(rows):
            raise ValueError(
                f"{type(self).__name__}: a Bernoulli likelihood needs values in [0, 1], got values from "
                f'{rows.min():g} to {rows.max():g}. Scale X, or use likelihood="gaussian".'
            )

    def _build_vae(self, rows: NDArray[Any] | None, rng: np.random.RandomState, kind: type[VAE] = VAE) -> VAE:
        """A new network for these rows; without rows, for inputs that are standardized already."""
        with seeded(fresh_seed(rng), self._device):
            encoder = self._build_encoder(self._widths, kind.encoder_outputs(self.n_latent))
            decoder = self._build_decoder(self.n_latent)
            return kind(encoder, decoder, self._build_observation(rows), self.n_latent).to(self._device)

    def _build_encoder(self, hidden_units: Sequence[int], n_outputs: int) -> nn.Module:
        """(B, ...) -> (B, n_outputs)."""
        if callable(self.encoder):
            wanted = (
                f"{type(self).__name__}: encoder must be a factory f(event_shape, n_outputs) of a module that gives "
                f"{n_outputs} numbers for each sample of shape {self._event}"
            )
            return make_tried(wanted, self.encoder, self._event, n_outputs)
        encoder, _ = NETWORKS[self._network_kind()]
        return encoder(self._event, hidden_units, n_outputs)

    def _build_decoder(self, n_inputs: int) -> nn.Module:
        """(B, n_inputs) -> (B, ...)."""
        _, decoder = NETWORKS[self._network_kind()]
        return decoder(self._event, self._widths, n_inputs)

    @property
    def _widths(self) -> tuple[int, ...]:
        if isinstance(self.hidden_units, str):
            return POOLED_UNITS if self._network_kind() == "conv3" else DENSE_UNITS
        return tuple(self.hidden_units)

    _for_images: ClassVar[str] = "conv"
    """What the encoder "auto" is for images that are large enough."""

    def _network_kind(self) -> str:
        """The name of the networks in use: a key of `NETWORKS`."""
        event, kind = self._event, self.encoder
        if callable(kind) or kind == "mlp":
            return "mlp"
        wanted = self._for_images if kind == "auto" else kind
        if len(event) == 3 and min(event[1:]) >= LEAST_SIDE[wanted]:
            return str(wanted)
        if kind != "auto":
            raise ValueError(
                f'{type(self).__name__}: encoder="{kind}" needs images of at least {LEAST_SIDE[kind]} x '
                f'{LEAST_SIDE[kind]}, got samples of shape {event}. Give image_shape, or use encoder="mlp".'
            )
        return "mlp"

    def _build_observation(self, rows: NDArray[Any] | None) -> BernoulliLikelihood | GaussianLikelihood:
        if self.likelihood_ == "bernoulli":
            return BernoulliLikelihood(self._event)
        return GaussianLikelihood(*input_moments(rows, self._event))

    def _train(
        self,
        model: nn.Module,
        objective: Any,
        rows: Rows,
        *,
        max_epochs: int,
        rng: np.random.RandomState,
        phase: str,
        **early: Any,
    ) -> Net:
        """Train a phase; record its epochs in `history_` and its net in `net_`. `early` may stop it, see `train`."""
        seed, options = fresh_seed(rng), self._options()
        self.net_ = train(model, objective, rows, max_epochs=max_epochs, seed=seed, options=options, **early)
        self._interrupted = self._interrupted or self.net_.interrupted_
        for epoch in self.net_.completed:
            record = {name: value for name, value in epoch.items() if name in TERMS}
            self.history_.append({"phase": phase, "epoch": len(self.history_) + 1, **record})
        return self.net_

    _anneal: ClassVar = False

    def _options(self) -> Options:
        return Options(
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer=self.optimizer,
            device=self._device,
            precision=choose_precision(self.precision, self._device),
            verbose=int(self.verbose),
            callbacks=self.callbacks,
            anneal=self._anneal,
        )

    def _untrained_net(self, state: Mapping[str, Tensor]) -> Net:
        self._device = choose_device(self.device)
        model = self._untrained_module(state)
        return make_net(model, no_objective, max_epochs=1, options=self._options()).initialize()

    def _untrained_module(self, state: Mapping[str, Tensor]) -> nn.Module:
        """A module for `state`, the parameters and buffers of one that was saved."""
        return self._build_vae(None, np.random.RandomState(0))


def standard_draws(n_latent: int) -> NDArray[np.float64]:
    """Quasi-random draws of N(0, I), (N_DRAWS, n_latent), in pairs of opposite sign and with variance 1."""
    points = Sobol(n_latent, rng=0).random(N_DRAWS // 2)
    half = ndtri(np.clip(points, 1e-6, 1 - 1e-6))
    return np.concatenate([half, -half]) / np.sqrt((half**2).mean(axis=0))


TERMS = (
    "train_loss",
    "reconstruction",
    "kl",
    "bound",
    "cross_entropy",
    "held",
    "contrast",
    "guessed",
    "known",
    "missed",
    "adversarial",
    "discriminator",
    "valid_loss",
    "valid_missed",
    "dur",
)
