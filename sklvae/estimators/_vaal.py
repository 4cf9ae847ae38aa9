"""A model and a discriminator that chooses what to ask."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from ..labeling import Answer, Oracle, QueryBatch
from ..objectives import classified_loss, m2_loss, vaal_loss
from ..training import WithLabeled, choose_augment, in_blocks
from ._active_learning import ActiveLearningClassifier, check_asking, check_classes
from ._active_run import ActiveRun
from ._base import LatentEstimator
from ._class_vae import ClassVAEClassifier
from ._classifier import known_labels, labels_and_confidence
from ._constraints import Constraint, at_least, check_parameters, instance_of, labels_like, none, one_of
from ._discriminated import DiscriminatedClassifier
from ._input import check_rows
from ._run import OracleDriven
from ._session import fit_in_session

__all__ = ["VAALClassifier"]

OF_A_FIT = ("classes_", "labels_", "label_confidence_", "separability_", "rounds_", "stopped_by_")
OF_ROUNDS = ("rounds_", "labels_", "label_confidence_", "stopped_by_")
ACQUISITIONS = {"joint": "discriminator", "refit": "discriminative"}
"""What chooses the questions."""


class VAALClassifier(OracleDriven, DiscriminatedClassifier):
    """A VAE or M2 whose latents a discriminator compares: it asks about what looks least labeled.

    Two networks take turns. The model minimizes its own loss ``- adversarial_weight (log D(mu_L) + log D(mu_U))``, the
    discriminator ``- log D(mu_L) - log (1 - D(mu_U))``, where mu_L and mu_U are the latents of as many labeled and
    unlabeled rows: the model hides which are labeled, the discriminator finds out.

    Parameters
    ----------
    latent : {"vae", "m2"}, default="vae"
        "vae": a VAE with a softmax layer, mu is the mean of q(z|x). "m2": M2, mu is E[z|x] beside q(y|x).
    adversarial_weight : float, default=1.0
        Weight of the adversarial terms, per sample; 0 is the discriminator alone. On an M2 latent they work against
        the classifier (slides).
    discriminator : {"joint", "refit"}, default="joint"
        "joint" is trained along. "refit" trains none: questions are chosen by the acquisition "discriminative", a new
        discriminator of the latents for each tenth of a batch, and `adversarial_weight` is not used.
    n_rounds : int, default=5
        Rounds of asking, where there is an oracle.
    budget : int, default=150
        Questions in all, of which a round asks ``budget / n_rounds``, rounded up.
    classes : array-like, default=None
        All labels there are, where y may lack some; None takes those that occur.
    alpha : float, default=50.0
        Weight of the classification term, in nats per sample.
    n_latent : int, default=50
        Latent dimensions.
    beta : float, default=1.0
        Weight of the KL, per sample.
    augment : None, "auto" or callable, default="auto"
        What is classified in training, as in `M2Classifier`.
    likelihood : {"auto", "bernoulli", "gaussian"}, default="auto"
        As in `VariationalAutoencoder`.
    encoder : {"auto", "mlp", "conv", "conv2", "conv3"} or callable, default="mlp"
        As in `M2Classifier`.
    hidden_units : tuple of int or "auto", default=(500, 500)
        Widths of the dense hidden layers, as in `VariationalAutoencoder`; those of the discriminator are 512 and 512.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=256
        Samples per step, and as many labeled ones, drawn with replacement.
    max_epochs : int or "auto", default="auto"
        Passes over the data; "auto" is about 6000 steps, at most 300 epochs.
    lr : float, default=1e-3
        Learning rate of both at the start; that of the model falls to zero along a cosine.
    optimizer : {"adam", "adamw", "sgd"} or optimizer class, default="adam"
        From torch; one for each.
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
        Go on from both networks of the last fit, or of the last round, if the classes are the same. A session goes
        on from the last round only.
    session_dir : str or path-like, default=None
        A folder that keeps questions, answers and training as they come, so that a fit that broke off goes on
        from there when it is repeated. See `LabelingSession`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    labels_ : ndarray of shape (n_samples,)
        A label for every training row: the known one, or else the most probable one; -1 for one that is INVALID.
    label_confidence_ : ndarray of shape (n_samples,)
        Its probability; 1 for one of y, the confidence of an answer, 0 where there is none.
    separability_ : float
        Area under the ROC curve by which latents tell labeled training rows from the others, of rows held out
        (`acquisition.separability`); 0.5 is chance. A warning says where that is all (`acquisition.indistinguishable`).
        nan for "refit", and where all are labeled.
    answers_, n_queries_, rounds_, stopped_by_
        With an oracle, as in `ActiveLearningClassifier`.
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
    Sinha, Ebrahimi and Darrell, 2019, "Variational adversarial active learning"; active learning slides; for "refit",
    Gissin and Shalev-Shwartz, 2019, "Discriminative active learning".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import VAALClassifier
    >>> X, truth = make_blobs(n_samples=200, centers=3, n_features=5, random_state=0)
    >>> y = np.where(np.arange(200) < 15, truth, -1)
    >>> classifier = VAALClassifier(latent="m2", n_latent=2, hidden_units=(32,), max_epochs=80, random_state=0)
    >>> classifier.fit(X, y).score(X, truth) > 0.9
    True
    >>> classifier.predict_labeled(X).shape
    (200,)
    """

    _warm_from_last_fit: ClassVar = False  # with a session, from the round before alone

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "alpha": ClassVAEClassifier._constraints["alpha"],
        "augment": ClassVAEClassifier._constraints["augment"],
        "latent": one_of("vae", "m2"),
        "adversarial_weight": at_least(0.0),
        "discriminator": one_of(*ACQUISITIONS),
        "n_rounds": at_least(1, int),
        "budget": at_least(1, int),
        "classes": none | labels_like,
        "session_dir": none | instance_of((str, os.PathLike), "a path"),
    }

    def __init__(
        self,
        *,
        latent: str = "vae",
        adversarial_weight: float = 1.0,
        discriminator: str = "joint",
        n_rounds: int = 5,
        budget: int = 150,
        classes: Any = None,
        alpha: float = 50.0,
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
        session_dir: Any = None,
    ) -> None:
        self.latent = latent
        self.adversarial_weight = adversarial_weight
        self.discriminator = discriminator
        self.n_rounds = n_rounds
        self.budget = budget
        self.classes = classes
        self.alpha = alpha
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
        self.session_dir = session_dir

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, oracle: Oracle | None = None) -> Self:
        """Train on X, partly labeled by y; with an oracle, ask about what looks least labeled and train again.

        With an oracle, rounds and questions are those of `ActiveLearningClassifier`, on a new network each (without
        `warm_start`); the questions before there are labels of two classes are typical rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            float, or uint8 pixels, which count as fractions of 255.
        y : array-like of shape (n_samples,), default=None
            Labels: -1 for unlabeled rows, or an object array with -1, None or nan for them.
        oracle : callable, default=None
            ``answers = oracle(queries)``, see `sklvae.labeling`. `fit` needs y, an oracle, or both.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X, y or an answer is wrong, labels of fewer than two classes are known, or there are fewer
            unlabeled rows than `budget`. A fit that is refused before it asks leaves the last one as it is.
        OracleError
            If the oracle raises. What it answered before is in `answers_`.
        SessionError
            If the session in `session_dir` is in use, damaged, or cannot be written.
        NonFiniteLossError
            A ValueError: if the loss becomes infinite or nan.
        """
        if oracle is not None or self.session_dir is not None:
            return fit_in_session(self, X, y, oracle)
        if y is None:
            raise self._no_labels()
        last = (self.net_.module_.model, self.classes_) if self.warm_start and hasattr(self, "classes_") else None
        rows, rng = self._start(X)
        classes, codes = self._all_classes(y, len(rows))
        n_found = len(np.unique(codes[codes >= 0]))
        if len(classes) < 2 or n_found < 1:
            raise ValueError(
                f"{type(self).__name__}: y must have labels of at least 2 classes, got {n_found} class(es) among "
                f"{np.sum(codes >= 0)} labeled of {len(rows)} rows. Label more rows, or pass an oracle."
            )
        for name in OF_A_FIT:
            self.__dict__.pop(name, None)
        self.answers_: list[Answer] = []
        if last is not None and np.array_equal(last[1], classes) and self._fits(last[0]):
            network = last[0]
        else:
            network = self._build_network(rows, rng, len(classes))
            self.history_ = []
        labeled = codes >= 0
        # With a mean of 1 over the rows, so that the mean over a batch estimates the mean over unlabeled rows.
        unlabeled = (~labeled * len(rows) / max(int(np.sum(~labeled)), 1)).astype(np.float32)
        columns = {"unlabeled": unlabeled} if self.discriminator == "joint" else {}
        data = WithLabeled(rows, self._event, codes, **columns)
        self._train_phase(network, "train", self._objective(rows), data, rng)
        self.classes_ = classes
        probability = in_blocks(self._own_model(network), self._classify(), rows, self._event)
        self.labels_, self.label_confidence_ = labels_and_confidence(classes, codes, probability)
        self.separability_ = self._separability(rows, labeled)
        return self

    def _begin(self, X: ArrayLike, y: ArrayLike | None, *, asks: bool) -> VAALRun:
        check_parameters(self, self._constraints)
        name, n_labeled = type(self).__name__, 0
        model = clone(self).set_params(session_dir=None)  # what is checked on it leaves the last fit as it is
        n_samples = len(check_rows(model, X, reset=True, image_shape=self.image_shape))
        if y is not None:
            classes, codes = known_labels(model, y, n_samples)
            n_labeled = int(np.sum(codes >= 0))
        if asks:
            way_out = "Lower the budget, or give more unlabeled rows"
            check_asking(name, n_samples, n_labeled, self.budget, way_out)
        elif y is None:
            raise self._no_labels()
        else:
            check_classes(name, len(classes), n_labeled, n_samples)
        learner = ActiveLearningClassifier(
            model,
            acquisition=ACQUISITIONS[self.discriminator],
            batch_size=-(-self.budget // self.n_rounds),
            n_rounds=self.n_rounds,
            budget=self.budget,
            classes=self.classes,
            warm_start=self.warm_start,
            random_state=self.random_state,
        )
        run = VAALRun(self, learner, X, y, asks=asks)
        for name in OF_A_FIT:
            self.__dict__.pop(name, None)
        self.answers_ = []
        self._x_shape = learner._x_shape
        return run

    def _no_labels(self) -> ValueError:
        return ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")

    def _objective(self, rows: NDArray[Any]) -> Any:
        """The loss of the model alone, or of both."""
        loss: Any = {"vae": classified_loss, "m2": m2_loss}[self.latent]
        augment = choose_augment(self.augment, self._event, rows)
        own_loss = partial(loss, beta=self.beta, alpha=self.alpha, augment=augment)
        if self.discriminator == "refit":
            return own_loss
        return partial(vaal_loss, own_loss=own_loss, adversarial_weight=self.adversarial_weight)


class VAALRun(ActiveRun):
    """Asks and trains in rounds, as `learner` does; the results of the last are those of `estimator`."""

    def __init__(
        self,
        estimator: VAALClassifier,
        learner: ActiveLearningClassifier,
        X: ArrayLike,
        y: ArrayLike | None,
        *,
        asks: bool,
    ) -> None:
        super().__init__(learner, *learner._checked(X, y, asks=asks), asks=asks)
        self.estimator, self.owner = estimator, type(estimator).__name__

    def steps(self) -> Generator[QueryBatch, list[Answer], None]:
        """The whole fit, or what is left of it: yields questions and is sent their answers."""
        try:
            yield from super().steps()
        finally:
            self._adopt()

    def trained(self) -> None:
        """A round has come to its end."""
        self._adopt()
        super().trained()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where `state` was taken."""
        super().restore(state)
        self._adopt()

    def _adopt(self) -> None:
        """Give the estimator what the classifier of the last round learned, and what came of the rounds."""
        last, parameters = {} if self.model is None else vars(self.model), self.estimator.get_params(deep=False)
        fitted = {name: value for name, value in last.items() if name not in {*parameters, "answers_"}}
        fitted |= {name: value for name, value in vars(self.settings).items() if name in OF_ROUNDS}
        self.estimator.__dict__.update(fitted)
