"""A VAE trained on all rows, whose encoder becomes a classifier of the labeled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from torch import Tensor, nn

from .._labels import join_labels, split_labels
from ..nn import VAE, TransferNet, convolutional_head, feedforward_head, weighted_layers
from ..objectives import transfer_loss
from ..training import Options, SomeRows, fresh_seed, in_blocks, seeded
from ._base import LatentEstimator, auto_epochs, warn_if_interrupted
from ._classifier import LatentClassifier
from ._constraints import Constraint, at_least, instance_of, none, one_of
from ._vae import VariationalAutoencoder

__all__ = ["VAETransferClassifier"]

HEADS = {"feedforward": feedforward_head, "convolutional": convolutional_head}
OF_VAE = (
    "n_latent beta likelihood hidden_units image_shape batch_size max_epochs lr optimizer device precision verbose "
    "callbacks"
).split()
"""Parameters that are those of the VAE, too."""

ENOUGH, PATIENCE = 10, 20
"""Labels that every class must have for early stopping to be automatic; epochs without improvement that end it."""

STEPS, MOST_EPOCHS = 1000, 200


class VAETransferClassifier(LatentClassifier):
    """Docs."""

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "vae": none | instance_of(VariationalAutoencoder, "a fitted VariationalAutoencoder"),
        "cut": one_of("auto", "hidden", "latent") | at_least(1, int),
        "head": one_of(*HEADS)
        | Constraint(lambda v: callable(v) and not isinstance(v, nn.Module), "a module factory"),
        "freeze": instance_of(bool, "a bool"),
        "encoder_lr": at_least(0.0, above=True),
        "early_stopping": one_of("auto") | instance_of(bool, "a bool"),
        "validation_fraction": Constraint(lambda v: at_least(0.0, above=True).allows(v) and v < 1, "a number in (0, 1)"),
    }
    _for_fit_only: ClassVar = ("callbacks", "vae")
    _parts: ClassVar = {"vae_": VariationalAutoencoder}
    _for_images: ClassVar = "conv2"
    _anneal: ClassVar = True

    def __init__(
        self,
        *,
        vae: VariationalAutoencoder | None = None,
        cut: str | int = "auto",
        head: Any = "feedforward",
        freeze: bool = False,
        encoder_lr: float = 1e-3,
        early_stopping: str | bool = "auto",
        validation_fraction: float = 0.2,
        n_latent: int = 50,
        beta: float = 1.0,
        likelihood: str = "auto",
        encoder: Any = "auto",
        hidden_units: tuple[int, ...] = (256,),
        image_shape: tuple[int, ...] | None = None,
        batch_size: int = 256,
        max_epochs: int | str = "auto",
        lr: float = 1e-3,
        optimizer: Any = "adam",
        device: Any = "auto",
        precision: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.vae = vae
        self.cut = cut
        self.head = head
        self.freeze = freeze
        self.encoder_lr = encoder_lr
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_latent = n_latent
        self.beta = beta
        self.likelihood = likelihood
        self.encoder = encoder
        self.hidden_units = hidden_units
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.lr = lr
        self.optimizer = optimizer
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.warm_start = warm_start

    def __sklearn_clone__(self) -> Self:
        """A clone keeps the fitted `vae`, which no fit changes."""
        copy: Self = super().__sklearn_clone__()
        copy.vae = self.vae
        return copy

    @property
    def _model(self) -> VAE:
        return self.vae_._model

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        name = type(self).__name__
        if y is None:
            raise ValueError(f"{name} requires y to be passed, but the target y is None.")
        rows, rng = self._start(X)
        classes, codes = split_labels(y)
        check_consistent_length(codes, rows)
        labeled = np.flatnonzero(codes >= 0)
        if len(classes) < 2:
            raise ValueError(
                f"{name}: y must have labels of at least 2 classes, got {len(classes)} class(es) among "
                f"{len(labeled)} labeled of {len(rows)} rows. Label more rows."
            )
        held_out = self._held_out(codes[labeled], rng)
        last = self._last(classes)
        if last is None and self.vae is None:
            self._build_classifier(self._build_vae(None, np.random.RandomState(0)), len(classes), 0)  # refused now
        if last is None:
            self.vae_ = self.vae or self._pretrained(X, rng)
            self.history_: list[dict[str, Any]] = list(self.vae_.history_) if self.vae is None else []
        model = last or self._build_classifier(self._model, len(classes), fresh_seed(rng))
        parts = [
            SomeRows(rows, self._event, labeled[part], code=codes[labeled[part]]) for part in (~held_out, held_out)
        ]
        auto = auto_epochs(len(parts[0]), self.batch_size, STEPS, MOST_EPOCHS)
        epochs = auto if self.max_epochs == "auto" else min(auto, int(self.max_epochs))
        early = {"held_out": parts[1], "patience": PATIENCE} if held_out.any() else {}
        net = self._train(model, transfer_loss, parts[0], max_epochs=epochs, rng=rng, phase="train", **early)
        warn_if_interrupted(net, epochs)
        self.classes_ = classes
        probability = in_blocks(model, class_probabilities, rows, self._event)
        self.labels_ = join_labels(classes, np.where(codes >= 0, codes, probability.argmax(axis=1)))
        self.label_confidence_ = np.where(codes >= 0, 1.0, probability.max(axis=1)).astype(np.float64)
        return self

    def _last(self, classes):
        return None

    def _pretrained(self, X, rng):
        parameters = {name: getattr(self, name) for name in OF_VAE}
        encoder = self.encoder if callable(self.encoder) else self._network_kind()
        return VariationalAutoencoder(**parameters, encoder=encoder, random_state=fresh_seed(rng)).fit(X)

    def _held_out(self, codes, rng):
        counts = np.bincount(codes)
        out = np.zeros(len(codes), dtype=bool)
        if self.early_stopping is False or (self.early_stopping == "auto" and counts.min() < ENOUGH):
            return out
        _, chosen = train_test_split(np.arange(len(codes)), test_size=self.validation_fraction, stratify=codes, random_state=fresh_seed(rng))
        out[chosen] = True
        return out

    def _build_classifier(self, vae, n_classes, seed):
        head = HEADS.get(self.head) if isinstance(self.head, str) else self.head
        with seeded(seed, self._device):
            return TransferNet(vae, self._event, n_layers=self._n_layers(vae.encoder), head=head, n_classes=n_classes, freeze=self.freeze).to(self._device)

    def _n_layers(self, encoder):
        positions = weighted_layers(encoder)
        if self.cut == "latent":
            return None
        if self.cut == "auto" and self.head == "convolutional":
            return sum(isinstance(encoder[i], nn.Conv2d) for i in positions)
        if self.cut in ("auto", "hidden"):
            return len(positions) - 1 or None
        return self.cut

    def _choose_network(self, rows):
        if self.vae is None:
            return super()._choose_network(rows)
        return self.vae._event, self.vae.likelihood_, self.vae._model.n_latent

    def _options(self) -> Options:
        return replace(super()._options(), rates={"features": self.encoder_lr})

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities."""
        check_is_fitted(self, "classes_")
        return self._apply(class_probabilities, X, self.net_.module_.model)

    def _untrained_module(self, state: Mapping[str, Tensor]) -> nn.Module:
        return self._build_classifier(self._model, len(self.classes_), 0)


def class_probabilities(model: TransferNet, x: Tensor) -> Tensor:
    """p(y|x), (B, K)."""
    probability: Tensor = model.classify(x).probs
    return probability
