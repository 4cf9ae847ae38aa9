"""Kingma's M2."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from .._labels import UNLABELED
from ..graph import spread_labels, with_latents
from ..nn import M2, ClassVAE
from ..training import fresh_seed
from ._class_vae import ClassVAEClassifier, started_in
from ._classifier import labels_and_confidence
from ._constraints import Constraint, labels_like, none, one_of
from ._points import inputs_graph
from ._slots import Remedies, collapse_symptom, find_slots

__all__ = ["M2Classifier"]


REMEDIES = Remedies(train="raise alpha, lower beta, or scale X", fewer="leave them out of classes")


class M2Classifier(ClassVAEClassifier):
    """Semi-supervised classification with a generative model of x, a class y and a style z.

    Maximizes ``mean L(x) + mean L(x_l, y_l) + alpha mean log q(y_l|x_l)``, the first mean over all rows, with
    ``L(x, y) = E_q[log p(x|y,z)] - beta KL(q(z|x,y) || p(z)) + log p(y)`` and
    ``L(x) = sum_y q(y|x) L(x, y) + H(q(y|x))``. Every class needs a label or a place in `classes`; for classes
    without any label, `GMDGMClassifier` is the model.

    Parameters
    ----------
    alpha : float, default=50.0
        Weight of the classification term, in nats per sample.
    class_prior : array-like of shape (n_classes,), default=None
        p(y) of the sorted classes; None is uniform.
    classes : array-like, default=None
        All labels there are, where y may lack some; None takes those of y.
    start : {"graph", "clusters"} or None, default="graph"
        "graph" trains a VAE first, spreads the labels over the neighbors among its latents and the inputs, and
        starts from what they say; no row starts in a class without labels. "clusters" starts those classes, too, from
        clusters in which the labels of the others are sparse, as `GMDGMClassifier` does, and holds rows to where they
        start; which cluster gets which of their names is arbitrary. None starts from a random network.
    marginalization : {"exact", "truncated"}, default="exact"
        How y is summed out: over all classes, or over the three most probable ones of each sample and one drawn
        from the rest (unbiased; for many classes).
    n_latent : int, default=50
        Latent dimensions.
    beta : float, default=1.0
        Weight of the KL, per sample.
    augment : {"auto"}, callable or None, default="auto"
        What q(y|x) sees instead of an image that it is taught the class of, anew every time, so that it learns what
        does not matter: "auto" moves images by up to a tenth of their size, turns (by 15 degrees at most), scales and
        shears them (10 and 15%) as far as they still lie among the images of X, and does nothing to a table; a
        callable takes a batch (B, channels, height, width) or (B, n_features), float32, uint8 pixels as fractions of
        255, and returns one of the same shape; None is nothing.
    likelihood : {"auto", "bernoulli", "gaussian"}, default="auto"
        As in `VariationalAutoencoder`.
    encoder : {"auto", "mlp", "conv", "conv2", "conv3"} or callable, default="mlp"
        As in `VariationalAutoencoder`; "auto" is "conv" for images, which took three times as long and was less
        accurate on MNIST and the digits. A callable makes q(y|x) and the part of q(z|x,y) that sees x.
    hidden_units : tuple of int or "auto", default=(500, 500)
        Widths of the dense hidden layers, as in `VariationalAutoencoder`.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=256
        Samples per step, and as many labeled ones, drawn with replacement.
    max_epochs : int or "auto", default="auto"
        At most so many epochs in any one phase; "auto" sets no such limit.
    lr : float, default=1e-3
        Learning rate at the start of each phase; it falls to zero along a cosine.
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
        Go on from the network of the last fit, if the classes are the same; name them in `classes` so that
        they are.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    labels_ : ndarray of shape (n_samples,)
        A label for every training row: the known one, or else the most probable one.
    label_confidence_ : ndarray of shape (n_samples,)
        q(y|x) of each label; 1 for a known one.
    history_ : list of dict
        A record an epoch; terms in nats per sample.
    net_ : skorch.NeuralNet
        The net that was trained.
    likelihood_ : str
        The likelihood in use.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    References
    ----------
    Kingma et al., 2014, "Semi-supervised learning with deep generative models", Equations 6 to 9; GM-DGM paper,
    Equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import M2Classifier
    >>> X, truth = make_blobs(n_samples=200, centers=3, n_features=5, random_state=0)
    >>> y = np.where(np.arange(200) < 15, truth, -1)
    >>> classifier = M2Classifier(n_latent=2, hidden_units=(32,), max_epochs=200, random_state=0)
    >>> classifier.fit(X, y).score(X, truth) > 0.9
    True
    """

    _network: ClassVar = M2
    _trained_on: ClassVar = "classes_"
    _phases: ClassVar = {"pretrain": (4000, 200), "start": (3000, 150), "train": (1000, 50)}
    _constraints: ClassVar[dict[str, Constraint]] = {
        **ClassVAEClassifier._constraints,
        "classes": none | labels_like,
        "start": one_of("graph", "clusters") | none,
    }

    def __init__(
        self,
        *,
        alpha: float = 50.0,
        class_prior: Any = None,
        classes: Any = None,
        start: str | None = "graph",
        marginalization: str = "exact",
        n_latent: int = 50,
        beta: float = 1.0,
        augment: Any = "auto",
        likelihood: str = "auto",
        encoder: Any = "mlp",
        hidden_units: tuple[int, ...] | str = (500, 500),
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
        self.alpha = alpha
        self.class_prior = class_prior
        self.classes = classes
        self.start = start
        self.marginalization = marginalization
        self.n_latent = n_latent
        self.beta = beta
        self.augment = augment
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

    @property
    def _slot_classes(self) -> NDArray[np.int64]:
        return np.arange(len(self.classes_))

    def _n_decoder_inputs(self, n_slots: int) -> int:
        return n_slots + self.n_latent

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Train on X, partly labeled by y.

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
            If a parameter, X or y is wrong, y has no label, or y and `classes` name fewer than two classes.
        NonFiniteLossError
            A ValueError: if the loss becomes infinite or nan.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        last = self._last()
        rows, rng = self._start(X)
        classes, codes = self._all_classes(y, len(rows))
        n_found = len(np.unique(codes[codes >= 0]))
        if len(classes) < 2 or n_found < 1:
            raise ValueError(
                f"M2Classifier: y must have labels of at least 2 classes, got {n_found} class(es) among "
                f"{np.sum(codes >= 0)} labeled of {len(rows)} rows. Label more rows; for classes that have no "
                "labels use GMDGMClassifier."
            )
        prior = self._checked_prior(np.full(len(classes), 1 / len(classes)), f"the classes {classes.tolist()}")
        model, held = self._go_on(last, classes, prior), {}
        started = None
        if model is None:
            model = self._build_class_vae(rows, rng, prior)
            started = None if self.start is None else self._start_classes(model, rows, codes, rng)
        if self.start == "clusters":
            found = self._slot_probabilities(rows).argmax(axis=1) if started is None else started
            held = started_in(np.where(codes >= 0, codes, found))
        self._train_bounds(model, rows, codes, rng, **held)
        self.classes_ = classes
        probability = self._slot_probabilities(rows)
        self.labels_, self.label_confidence_ = labels_and_confidence(classes, codes, probability)
        self._warn_if_collapsed(probability, codes)
        return self

    def _warn_if_collapsed(self, probability: NDArray[Any], codes: NDArray[np.int64]) -> None:
        """Say so where classes get no unlabeled rows, or one of them nearly all.

        Where labels are what training starts from, classes without any are to stay empty.
        """
        known = np.unique(codes[codes >= 0])
        others = np.setdiff1d(np.arange(probability.shape[1]), known) if self.start != "graph" else known[:0]
        watched = np.concatenate([known, others])
        sizes = np.bincount(probability[codes < 0].argmax(axis=1), minlength=probability.shape[1])[watched]
        prior = self._model.class_probs.cpu().numpy()[watched]
        if symptom := collapse_symptom(sizes, prior / prior.sum(), len(known), REMEDIES):
            warnings.warn(f"{type(self).__name__}: {symptom}", stacklevel=3)

    def _steps(self, phase: str) -> tuple[int, int]:
        return (6000, 300) if self.start is None else super()._steps(phase)

    def _start_classes(
        self, model: ClassVAE, rows: NDArray[Any], codes: NDArray[np.int64], rng: np.random.RandomState
    ) -> NDArray[np.int64]:
        """Pretrain a plain VAE, find a class for every row, teach them to the network, and give them."""
        z = self._pretrain(model, rows, rng)
        graph = with_latents(inputs_graph(rows, self._event), z)
        if self.start == "clusters":
            found = self._clustered(graph, z, codes, len(model.class_probs), fresh_seed(rng))
        else:
            found = spread_codes(graph, codes, len(model.class_probs))
        started = np.where(codes >= 0, codes, found)
        self._teach(model, rows, started, rng)
        return started

    @staticmethod
    def _clustered(
        graph: csr_array, z: NDArray[Any], codes: NDArray[np.int64], n_classes: int, seed: int
    ) -> NDArray[np.int64]:
        """Classes by clusters, those without labels too; -1 where there are none of these."""
        known = np.unique(codes[codes >= 0])
        class_of = np.concatenate([known, np.setdiff1d(np.arange(n_classes), known)])  # slots of known classes first
        slot_of = np.append(np.argsort(class_of), UNLABELED)
        slots = find_slots(graph, z, slot_of[codes], len(known), n_classes, seed)
        return np.append(class_of, UNLABELED)[slots]


def spread_codes(graph: csr_array, codes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Classes by neighbors; -1 where no label comes."""
    seeds = np.eye(n_classes + 1)[codes, :-1]  # -1 is the last one, which is no class
    probability = spread_labels(graph, seeds)
    return np.where(probability.any(axis=1), probability.argmax(axis=1), UNLABELED)
