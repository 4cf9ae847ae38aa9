"""Any network, regularized by centroids of its activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length
from torch import Tensor

from .._labels import split_labels
from ..nn import CentroidNetwork
from ..training import (
    Net,
    Options,
    WithLabeled,
    choose_device,
    choose_precision,
    fresh_seed,
    in_blocks,
    make_net,
    no_objective,
    seeded,
    train,
)
from ._base import LatentEstimator, auto_epochs, warn_if_interrupted
from ._centroid_inference import CentroidInference
from ._centroid_networks import build_network, n_features_seen, n_of_each
from ._centroid_schedule import RAMPS, CentroidObjective, CentroidSchedule
from ._classifier import class_probabilities, labels_and_confidence
from ._constraints import (
    Constraint,
    at_least,
    check_parameters,
    instance_of,
    module_factory,
    none,
    one_of,
    sequence_of_positive_int,
)
from ._input import check_rows, constant, event_shape, sample_shape
from ._module_params import ModuleParamsMixin
from ._moments import input_moments

__all__ = ["CentroidRegularizedClassifier"]

STEPS = 3000
LEAST_EPOCHS, MOST_EPOCHS = 20, 200
RAMP_SHARE, REINIT_SHARE = 0.5, 0.25
"""Of all epochs: for how long the penalty grows, and centroids are redrawn, where that is "auto"."""

CENTROIDS_PER_CLASS = 2

VAE_ONLY = ("n_latent", "beta", "likelihood", "encoder", "hidden_units")
TERMS = ("train_loss", "cross_entropy", "centroid_penalty", "beta", "centroid_usage", "dur")

probability = Constraint(lambda p: at_least(0.0).allows(p) and p < 1, "a number in [0, 1)")
names = Constraint(
    lambda v: isinstance(v, (list, tuple)) and len(v) > 0 and all(isinstance(n, str) for n in v),
    "a list of names of submodules",
)


class CentroidRegularizedClassifier(ModuleParamsMixin, CentroidInference):
    """Semi-supervised classification with any network, whose activations are pulled to learned centroids.

    Minimizes ``mean -log q(y_l|x_l) + beta (mean penalty(x_l) + mean penalty(x))``, the last mean over all rows. The
    penalty of a sample is its activation's squared distance to the nearest centroid, for each layer as a share of the
    variance of the layer, less what shrinking all activations would save (`objectives.centroid_penalty`).

    Parameters
    ----------
    module : {"mlp", "resnet"}, callable or None, default=None
        The network. "mlp" has dense layers (parameter `hidden_units`), "resnet" is a residual network for images
        (`width` and `n_blocks`; ``width=64`` is ResNet-18); None takes "resnet" for images, "mlp" for tables. A factory
        ``f(event_shape, n_classes, **module_params)`` makes a module from (batch, ...) to logits (batch, n_classes).
    module_params : dict, default=None
        Further arguments of the factory. Each is a parameter of its own too: ``set_params(module__width=32)``, and
        ``module__width`` in a search.
    layers : list of str, default=None
        Names of the submodules whose activations are pulled, as in ``named_modules``. None takes the layer below the
        logits: the last hidden one of "mlp", "pool" of "resnet" (the paper's are "stage2", "stage3" and "pool"). A
        factory needs them named.
    n_centroids : int, list of int or "auto", default="auto"
        Centroids of a layer: one number for all layers, or a list with one for each; "auto" is twice the number of
        classes.
    beta_max : float, default=0.1
        Weight of the penalty once it has grown, in nats per sample; 0 trains on the labels alone.
    ramp : {"linear", "cosine"}, default="linear"
        How the weight grows from 0, epoch by epoch.
    ramp_epochs : int or "auto", default="auto"
        For how many epochs it grows; "auto" is half of them, 0 begins with `beta_max`.
    reinit_epochs : int or "auto", default="auto"
        In how many epochs, from the first, the centroids are drawn anew from activations of labeled rows, evenly over
        the classes; "auto" is a quarter of them. The first always does.
    assignment : {"hard", "soft"}, default="hard"
        The nearest centroid counts, as in k-means, or all of them as Gaussians of the variance that an activation has
        on average over features, as in EM.
    pool : {"average", "flatten"}, default="average"
        What makes a vector of an activation with places (batch, channels, ...).
    weight_decay : float, default=1e-4
        Of the optimizer; centroids are spared.
    input_dropout, output_dropout : float, default=0.0
        Probability to drop a standardized input, or an activation that leaves the last of `layers`.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=128
        Samples per step, and as many labeled ones, drawn with replacement.
    max_epochs : int or "auto", default="auto"
        Passes over the data; "auto" is about 3000 steps, at least 20 and at most 200 epochs.
    lr : float, default=1e-3
        Learning rate at the start; it falls to zero along a cosine.
    optimizer : {"adam", "adamw", "sgd"} or optimizer class, default="adamw"
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
        Go on from the network, the centroids and the weight of the last fit, if classes and samples are the same.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    labels_ : ndarray of shape (n_samples,)
        A label for every training row: the known one, or else the most probable one.
    label_confidence_ : ndarray of shape (n_samples,)
        q(y|x) of each label; 1 for a known one.
    layers_ : list of str
        The layers that were pulled.
    centroids_ : dict of str to ndarray of shape (n_centroids, n_layer_features)
        Centroids of each layer, in the units of its pooled activations.
    centroid_usage_ : dict of str to ndarray of shape (n_centroids,)
        Share of the training rows (of at most 2048 labeled and 2048 others) that each centroid had as the nearest one,
        or its mean responsibility if `assignment` is "soft", when the centers took their last step.
    history_ : list of dict
        A record an epoch: terms in nats per sample, beta, and the share of the centroids in use, by layer.
    net_ : skorch.NeuralNet
        The net that was trained.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    References
    ----------
    Karakulak, Gupta and Martuscello, "Clustering latent representations for semi-supervised learning".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import CentroidRegularizedClassifier
    >>> X, truth = make_blobs(n_samples=200, centers=3, n_features=5, random_state=0)
    >>> y = np.where(np.arange(200) < 15, truth, -1)
    >>> classifier = CentroidRegularizedClassifier(batch_size=16, max_epochs=20, random_state=0)
    >>> classifier = classifier.set_params(module__hidden_units=(32,))
    >>> classifier.fit(X, y).score(X, truth) > 0.9, classifier.centroids_["2"].shape
    (True, (6, 32))
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        "module": none | one_of("mlp", "resnet") | module_factory,
        "module_params": none | instance_of(dict, "a dict"),
        "layers": none | names,
        "n_centroids": at_least(1, int)
        | one_of("auto")
        | sequence_of_positive_int(1, np.inf, "a list of positive integers"),
        "beta_max": at_least(0.0),
        "ramp": one_of(*RAMPS),
        "ramp_epochs": at_least(0, int) | one_of("auto"),
        "reinit_epochs": at_least(0, int) | one_of("auto"),
        "assignment": one_of("hard", "soft"),
        "pool": one_of("average", "flatten"),
        "weight_decay": at_least(0.0),
        "input_dropout": probability,
        "output_dropout": probability,
        **{name: c for name, c in LatentEstimator._constraints.items() if name not in VAE_ONLY},
    }

    def __init__(
        self,
        *,
        module: Any = None,
        module_params: dict[str, Any] | None = None,
        layers: Sequence[str] | None = None,
        n_centroids: int | Sequence[int] | str = "auto",
        beta_max: float = 0.1,
        ramp: str = "linear",
        ramp_epochs: int | str = "auto",
        reinit_epochs: int | str = "auto",
        assignment: str = "hard",
        pool: str = "average",
        weight_decay: float = 1e-4,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        image_shape: tuple[int, ...] | None = None,
        batch_size: int = 128,
        max_epochs: int | str = "auto",
        lr: float = 1e-3,
        optimizer: Any = "adamw",
        device: Any = "auto",
        precision: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.module = module
        self.module_params = module_params
        self.layers = layers
        self.n_centroids = n_centroids
        self.beta_max = beta_max
        self.ramp = ramp
        self.ramp_epochs = ramp_epochs
        self.reinit_epochs = reinit_epochs
        self.assignment = assignment
        self.pool = pool
        self.weight_decay = weight_decay
        self.input_dropout = input_dropout
        self.output_dropout = output_dropout
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

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Train on X, partly labeled by y.

        An interruption from the keyboard ends training early, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            float, or uint8 pixels, which count as fractions of 255; standardized inside, columns
            that PCA made of these rows by one standard deviation.
        y : array-like of shape (n_samples,)
            Labels: -1 for unlabeled rows, or an object array with -1, None or nan for them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X or y is wrong, y has labels of fewer than two classes, the module cannot be made or
            does not take the samples, or has no such layers.
        NonFiniteLossError
            A ValueError: if the loss becomes infinite or nan.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_parameters(self, self._constraints)
        self._device, rng = choose_device(self.device), check_random_state(self.random_state)
        last = self._last()
        rows = check_rows(self, X, reset=True, image_shape=self.image_shape)
        if constant(rows):
            raise ValueError(
                f"{type(self).__name__}: X must vary, but all its {len(rows)} rows are the same (constant features)."
            )
        classes, codes = split_labels(y)
        check_consistent_length(codes, rows)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__}: y must have labels of at least 2 classes, got {len(classes)} class(es) among "
                f"{np.sum(codes >= 0)} labeled of {len(rows)} rows. Label more rows."
            )
        self._event = event_shape(self.image_shape or sample_shape(X, rows))
        model = self._go_on(last, classes)
        if model is None:
            with seeded(fresh_seed(rng), self._device):
                model = self._build(rows, len(classes))
        schedule = self._train(model, rows, codes, rng)
        self.classes_ = classes
        with seeded(fresh_seed(rng), self._device):
            self.centroid_usage_ = schedule.settle()
        self.layers_ = list(model.layers)
        self.centroids_ = {
            name: c.centers.detach().cpu().numpy().copy() for name, c in zip(model.layers, model.centroids, strict=True)
        }
        self._n_features_out = model.centroids[-1].centers.shape[1]
        found = in_blocks(model, class_probabilities, rows, self._event)
        self.labels_, self.label_confidence_ = labels_and_confidence(classes, codes, found)
        return self

    def _last(self) -> tuple[CentroidNetwork, NDArray[Any], tuple[int, ...]] | None:
        """The network of the last fit that came to its end, its classes and the shape of its samples."""
        if not self.warm_start or not hasattr(self, "classes_"):
            return None
        return self._model, self.classes_, self._event

    def _go_on(
        self, last: tuple[CentroidNetwork, NDArray[Any], tuple[int, ...]] | None, classes: NDArray[Any]
    ) -> CentroidNetwork | None:
        """The last network, if it has these classes and samples; otherwise nothing is left of the last fit."""
        if last is not None and np.array_equal(last[1], classes) and last[2] == self._event:
            described = self._require_same_network()
            for name in ("layers", "average", "input_dropout", "output_dropout"):
                setattr(last[0], name, getattr(described, name))
            return last[0]
        for name in ("net_", "classes_", "labels_", "label_confidence_", "layers_", "centroids_", "centroid_usage_"):
            self.__dict__.pop(name, None)
        self.history_: list[dict[str, Any]] = []
        return None

    def _build(self, rows: NDArray[Any] | None, n_classes: int) -> CentroidNetwork:
        """A new network for these rows; without rows, for inputs that are standardized already."""
        owner = type(self).__name__
        network, layers = build_network(
            owner, self.module, self.module_params or {}, self.layers, self._event, n_classes
        )
        model = CentroidNetwork(
            network,
            *input_moments(rows, self._event),
            layers,
            average=self.pool == "average",
            input_dropout=self.input_dropout,
            output_dropout=self.output_dropout,
        ).to(self._device)
        n = CENTROIDS_PER_CLASS * n_classes if self.n_centroids == "auto" else self.n_centroids
        model.add_centroids(n_of_each(owner, n, layers), n_features_seen(owner, model, self._event, n_classes))
        return model

    def _train(
        self, model: CentroidNetwork, rows: NDArray[Any], codes: NDArray[np.int64], rng: np.random.RandomState
    ) -> CentroidSchedule:
        auto = max(LEAST_EPOCHS, auto_epochs(len(rows), self.batch_size, STEPS, MOST_EPOCHS))
        epochs = auto if self.max_epochs == "auto" else int(self.max_epochs)
        objective = CentroidObjective(soft=self.assignment == "soft")
        schedule = CentroidSchedule(
            model, objective, rows, self._event, codes,
            beta_max=self.beta_max, ramp=self.ramp, before=len(self.history_),
            ramp_epochs=round(RAMP_SHARE * epochs) if self.ramp_epochs == "auto" else int(self.ramp_epochs),
            reinit_epochs=round(REINIT_SHARE * epochs) if self.reinit_epochs == "auto" else int(self.reinit_epochs),
        )  # fmt: skip
        batches, seed = WithLabeled(rows, self._event, codes), fresh_seed(rng)
        self.net_ = train(
            model, objective, batches, max_epochs=epochs, seed=seed, options=self._options(), each_epoch=schedule
        )
        for epoch in self.net_.completed:
            record = {name: value for name, value in epoch.items() if name in TERMS}
            self.history_.append({"phase": "train", "epoch": len(self.history_) + 1, **record})
        warn_if_interrupted(self.net_, epochs)
        return schedule

    def _options(self) -> Options:
        return Options(
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer=self.optimizer,
            device=self._device,
            precision=choose_precision(self.precision, self._device),
            verbose=int(self.verbose),
            callbacks=self.callbacks,
            anneal=True,
            weight_decay=self.weight_decay,
            undecayed="*.centers",
        )

    def _untrained_net(self, state: Mapping[str, Tensor]) -> Net:
        self._device = choose_device(self.device)
        with seeded(0, self._device):
            model = self._build(None, len(self.classes_))
        return make_net(model, no_objective, max_epochs=1, options=self._options()).initialize()
