"""A VAE trained on all rows, whose encoder becomes a classifier of the labeled ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from torch import Tensor, nn

from .._labels import split_labels
from ..nn import VAE, TransferNet
from ..objectives import transfer_loss
from ..training import Options, SomeRows, fresh_seed, in_blocks, seeded
from ._base import LatentEstimator, auto_epochs, warn_if_interrupted
from ._classifier import LatentClassifier, class_probabilities, labels_and_confidence
from ._constraints import Constraint, at_least, instance_of, module_factory, none, one_of
from ._persistence import shapes
from ._transfer_parts import HEADS, Parts, check_vae
from ._vae import VariationalAutoencoder

__all__ = ["VAETransferClassifier"]

positive = at_least(0.0, above=True)

ENOUGH, PATIENCE = 100, 0.25
"""Labels that every class must have for early stopping to be automatic; share of all epochs without a better one that
ends it."""

STEPS = 1000


class VAETransferClassifier(LatentClassifier):
    """Transfer learning: a VAE is trained on all rows, and its encoder, with a head on it, on the labeled ones.

    The encoder is cut, a head is put on what is left, and both are trained to minimize the mean of ``-log p(y|x)``
    over the labeled rows, the encoder with a learning rate of its own. The VAE itself stays as it was trained:
    `transform`, `inverse_transform`, `sample` and `score_samples` are those of `vae_`, and fine-tuning works on a copy.

    Parameters
    ----------
    vae : VariationalAutoencoder, default=None
        A fitted one, which is neither trained nor changed, so that many classifiers can share it; a clone keeps it
        as it is. Then `n_latent`, `beta`, `likelihood`, `encoder`, `hidden_units` and `image_shape` say nothing. None
        trains one on all rows, `vae_`.
    cut : {"auto", "hidden", "latent"} or int, default="auto"
        What is kept of the encoder: its first ``cut`` layers that have weights, with the activations that follow
        them, and normalizations of maps, which do not count; "hidden" is all but the last one, which makes q(z|x) (the
        paper's cut: two convolutions and a dense layer); "latent" is the whole, up to the means of q(z|x). "auto" is
        the convolutions for a convolutional head, and otherwise "hidden", or "latent" for an encoder of one layer. An
        encoder that is no ``nn.Sequential`` has only "latent".
    head : {"feedforward", "convolutional"} or callable, default="feedforward"
        Two dense layers; or convolution, max-pooling, convolution and a dense layer, on maps. A callable
        ``f(feature_shape, n_classes)`` makes a module from ``(batch, *feature_shape)`` to ``(batch, n_classes)``.
        `sklvae.nn.feedforward_head` and `sklvae.nn.convolutional_head` are the two named ones.
    freeze : bool, default=False
        Whether the encoder stays as the VAE has it, and only the head is trained.
    encoder_lr : float, default=3e-4
        Learning rate of the encoder in fine-tuning; that of the head is `lr`.
    early_stopping : bool or "auto", default="auto"
        Whether a classifier is first trained with a part of the labels held out, until no fewer of that part have
        been missed for a quarter of all epochs; the classifier that is kept is then trained on all labels for as many
        epochs as were best. "auto" does so where every class has at least 100 labels: of fewer, too few are held out
        to tell. Without, it is trained for the whole number of epochs; so is a classifier that goes on from the last
        fit, which has seen the labels.
    validation_fraction : float, default=0.2
        Share of the labels of each class that early stopping holds out, at least one.
    n_latent : int, default=50
        Latent dimensions.
    beta : float, default=1.0
        Weight of the KL, per sample.
    likelihood : {"auto", "bernoulli", "gaussian"}, default="auto"
        As in `VariationalAutoencoder`.
    encoder : {"auto", "mlp", "conv", "conv2", "conv3"} or callable, default="auto"
        As in `VariationalAutoencoder`, but "auto" is "conv2" for images of at least 4 x 4.
    hidden_units : tuple of int or "auto", default=(256,)
        Widths of the dense hidden layers, as in `VariationalAutoencoder`.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=256
        Samples per step.
    max_epochs : int or "auto", default="auto"
        At most so many epochs in either phase; "auto" is about 4000 steps for the VAE, at most 200 epochs, and 1000
        for the classifier.
    lr : float, default=1e-3
        Learning rate of the VAE and, at its start, of the head; in the training of the classifier all rates fall to
        zero along a cosine.
    optimizer : {"adam", "adamw", "sgd"} or optimizer class, default="adam"
        From torch.
    device : str or torch.device, default="auto"
        "auto" is a GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the matrix products in training; "auto" is bfloat16 where the processor has it.
    random_state : int, RandomState or None, default=None
        Decides everything random.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, default=None
        Called in training.
    warm_start : bool, default=False
        Go on from the last fit: its VAE is not trained again, unless another `vae` is given, and if the classes, the
        cut and the head are the same, its classifier is trained on. So a head can be trained with ``freeze=True``
        first, then all of it with ``freeze=False``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    vae_ : VariationalAutoencoder
        The VAE: `vae`, or the one that was trained.
    labels_ : ndarray of shape (n_samples,)
        A label for every training row: the known one, or else the most probable one.
    label_confidence_ : ndarray of shape (n_samples,)
        p(y|x) of each label; 1 for a known one.
    history_ : list of dict
        A record an epoch, of the phases "pretrain", "stop" (early stopping) and "train"; losses in nats per sample,
        `missed` the share of labels that are not the most probable ones; `valid_*` of the labels held out.
    net_ : skorch.NeuralNet
        The net that trained the classifier.
    likelihood_ : str
        The likelihood in use.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    References
    ----------
    Mody, Panda and Nabila, "Exploring VAEs to empower self-supervised learning", Sections 3 and 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import VAETransferClassifier
    >>> X, truth = make_blobs(n_samples=200, centers=3, n_features=5, random_state=0)
    >>> y = np.where(np.arange(200) < 15, truth, -1)
    >>> classifier = VAETransferClassifier(n_latent=2, hidden_units=(32,), max_epochs=100, random_state=0)
    >>> classifier.fit(X, y).score(X, truth) > 0.9
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "vae": none | instance_of(VariationalAutoencoder, "a fitted VariationalAutoencoder"),
        "cut": one_of("auto", "hidden", "latent") | at_least(1, int),
        "head": one_of(*HEADS) | module_factory,
        "freeze": instance_of(bool, "a bool"),
        "encoder_lr": positive,
        "early_stopping": one_of("auto") | instance_of(bool, "a bool"),
        "validation_fraction": Constraint(
            lambda v: at_least(0.0, above=True).allows(v) and v < 1, "a number in (0, 1)"
        ),
    }
    _for_fit_only: ClassVar = ("callbacks", "vae")
    _parts: ClassVar = ("vae_",)
    _for_images: ClassVar = "conv2"
    _anneal: ClassVar = True

    def __init__(
        self,
        *,
        vae: VariationalAutoencoder | None = None,
        cut: str | int = "auto",
        head: Any = "feedforward",
        freeze: bool = False,
        encoder_lr: float = 3e-4,
        early_stopping: str | bool = "auto",
        validation_fraction: float = 0.2,
        n_latent: int = 50,
        beta: float = 1.0,
        likelihood: str = "auto",
        encoder: Any = "auto",
        hidden_units: tuple[int, ...] | str = (256,),
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
        """Train the VAE on X, unless `vae` was given, and the classifier on the rows that y labels.

        An interruption from the keyboard ends the phase it comes in early, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            float, or uint8 pixels, which count as fractions of 255.
        y : array-like of shape (n_samples,)
            Labels: -1 for unlabeled rows, or an object array with -1, None or nan for them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X or y is wrong, y has labels of fewer than two classes, `vae` is not fitted or was
            fitted on other features, or `cut` and `head` do not fit the encoder.
        NonFiniteLossError
            A ValueError: if the loss becomes infinite or nan.
        """
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
        held_out = self._choose_held_out(classes, codes[labeled], rng)
        last = self._last(classes)
        if last is None:
            self._forget()
        if not hasattr(self, "vae_"):
            if self.vae is None:  # what does not fit is refused before the pretraining, not after it
                self._build_classifier(self._build_vae(None, np.random.RandomState(0)), len(classes), seed=0)
            self.vae_ = self._pretrain(X, rng) if self.vae is None else self.vae
        seed = fresh_seed(rng)
        model = self._build_classifier(self._model, len(classes), seed)
        if last is not None and shapes(last) == shapes(model):
            model.load_state_dict(last.state_dict())
            held_out[:] = False  # it has seen them
        known = SomeRows(rows, self._event, labeled, code=codes[labeled])
        epochs = self._n_epochs(len(known))
        if held_out.any():
            taught, asked = (
                SomeRows(rows, self._event, i, code=codes[i]) for i in (labeled[~held_out], labeled[held_out])
            )
            stopped = self._build_classifier(self._model, len(classes), seed)
            epochs = self._best_epoch(stopped, taught, asked, epochs, rng)
        net = self._train(model, transfer_loss, known, max_epochs=epochs, rng=rng, phase="train")
        warn_if_interrupted(net, epochs)
        self.classes_ = classes
        probability = in_blocks(model, class_probabilities, rows, self._event)
        self.labels_, self.label_confidence_ = labels_and_confidence(classes, codes, probability)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities p(y|x), (n_samples, n_classes)."""
        check_is_fitted(self, "classes_")
        return self._apply(class_probabilities, X, self.net_.module_.model)

    def _choose_network(self, rows: NDArray[Any]) -> tuple[tuple[int, ...], str, int]:
        if self.vae is None:
            return super()._choose_network(rows)
        check_vae(self, self.vae, rows)
        return self.vae._network_shape()

    def _last(self, classes: NDArray[Any]) -> TransferNet | None:
        """The classifier of the last fit, if this one goes on from it."""
        if not (self._keeps_vae and hasattr(self, "classes_") and np.array_equal(self.classes_, classes)):
            return None
        model: TransferNet = self.net_.module_.model
        return model

    @property
    def _keeps_vae(self) -> bool:
        return self.warm_start and hasattr(self, "vae_") and (self.vae is None or self.vae is self.vae_)

    def _forget(self) -> None:
        """Leave nothing of the last fit but a VAE that serves this one, too."""
        self.history_: list[dict[str, Any]] = []
        attributes = ["net_", "classes_", "labels_", "label_confidence_"]
        if not self._keeps_vae:
            attributes.append("vae_")
        elif self.vae is None:
            self.history_ += self.vae_.history_
        for attribute in attributes:
            self.__dict__.pop(attribute, None)

    def _pretrain(self, X: ArrayLike, rng: np.random.RandomState) -> VariationalAutoencoder:
        """A VAE of all rows."""
        encoder = self.encoder if callable(self.encoder) else self._network_kind()
        shared = set(VariationalAutoencoder._get_param_names()) & set(self._get_param_names())
        same = {parameter: getattr(self, parameter) for parameter in shared}
        own = {"encoder": encoder, "random_state": fresh_seed(rng), "warm_start": False}
        vae = VariationalAutoencoder(**{**same, **own}).fit(X)
        self.history_ += vae.history_
        return vae

    def _choose_held_out(
        self, classes: NDArray[Any], codes: NDArray[np.int64], rng: np.random.RandomState
    ) -> NDArray[np.bool_]:
        """Labeled rows that early stopping looks at, the same share of each class, (n_labeled,)."""
        held_out = np.zeros(len(codes), dtype=bool)
        counts = np.bincount(codes)
        if self.early_stopping is False or (self.early_stopping == "auto" and counts.min() < ENOUGH):
            return held_out
        if counts.min() < 2:
            raise ValueError(
                f"{type(self).__name__}: early_stopping=True needs two labels of each class, one to hold out, got one "
                f'of {classes[counts < 2].tolist()}. Label more rows, or use early_stopping="auto".'
            )
        for code, count in enumerate(counts):
            n = int(np.clip(round(self.validation_fraction * count), 1, count - 1))
            held_out[rng.choice(np.flatnonzero(codes == code), n, replace=False)] = True
        return held_out

    def _build_classifier(self, vae: VAE, n_classes: int, seed: int) -> TransferNet:
        """A classifier with a new head on a copy of the encoder."""
        parts = Parts(type(self).__name__, self.cut, self.head)
        n_layers = parts.n_layers(vae.encoder)
        with seeded(seed, self._device):
            return TransferNet(
                vae, self._event, n_layers=n_layers, head=parts.make_head, n_classes=n_classes, freeze=self.freeze
            ).to(self._device)

    def _n_epochs(self, n_labeled: int) -> int:
        auto = auto_epochs(n_labeled, self.batch_size, STEPS, STEPS)
        return auto if self.max_epochs == "auto" else min(auto, int(self.max_epochs))

    def _best_epoch(
        self, model: TransferNet, known: SomeRows, held_out: SomeRows, epochs: int, rng: np.random.RandomState
    ) -> int:
        """The number of epochs after which the fewest of the labels held out are missed."""
        early = {"held_out": held_out, "monitor": "valid_missed", "patience": math.ceil(PATIENCE * epochs)}
        net = self._train(model, transfer_loss, known, max_epochs=epochs, rng=rng, phase="stop", **early)
        warn_if_interrupted(net, epochs)
        return 1 + int(np.argmin([record["valid_missed"] for record in net.completed] or [0.0]))

    def _options(self) -> Options:
        return replace(super()._options(), rates={"features": self.encoder_lr})

    def _untrained_module(self, state: Mapping[str, Tensor]) -> nn.Module:
        return self._build_classifier(self._model, len(self.classes_), seed=0)
