"""Clusters the latent space, asks, spreads the answers, trains on, repeats."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..labeling import Answer, Oracle, find_clusters
from ..nn import VAE, ClassifiedVAE, NeighborVAE
from ..training import Options, sees_views
from ._base import LatentEstimator
from ._classifier import LatentClassifier
from ._constraints import Constraint, at_least, augment_like, instance_of, labels_like, none, one_of
from ._labeling_run import LabelingRun
from ._opinions import classifier_of, classify_draws
from ._propagation import PROPAGATIONS, Known
from ._run import OracleDriven
from ._session import fit_in_session

__all__ = ["ClusterLabelVAEClassifier"]


class ClusterLabelVAEClassifier(OracleDriven, LatentClassifier):
    """Labels a data set from a few answers about clusters of a beta-VAE's latent space.

    A VAE is trained on all rows. In each round its latent space is clustered (of images in views what these share,
    later beside the inputs), the oracle is asked what the clusters are, the answers are spread with a confidence w, and
    training goes on with ``L_VAE - gamma w ln p(y|z)``. The parts of an INVALID cluster are asked about.

    Of the paper: ``propagation="cluster", confidence="posterior", encoder="conv", hidden_units=(256,)`` on images, with
    `n_clusters` from 10 to 30 (30 does better, see docs/results.md).

    Parameters
    ----------
    n_clusters : int, default=10
        Clusters of a round, and parts of a split. With ``propagation="graph"`` the first of several rounds asks
        about half of `budget` where that is more, and later ones share the rest.
    clusterer : {"gmm", "kmeans"} or estimator, default="gmm"
        A full-covariance Gaussian mixture, k-means, or a scikit-learn mixture or centroid clusterer; its size and seed
        are set here. For ``propagation="cluster"``; a graph takes k-means.
    distance : {"euclidean", "mahalanobis"}, default="euclidean"
        From a cluster's center, in the latent space; Mahalanobis by the cluster's own covariance. For
        ``propagation="cluster"``.
    confidence : {"gaussian", "exponential", "posterior"} or callable, default="gaussian"
        ``exp(-decay d^2)`` (Equation 3), ``exp(-decay d)`` (Equation 2), the probability of the cluster, or
        a function from distances to [0, 1]; times the oracle's confidence. For ``propagation="cluster"``.
    decay : float, default=0.1
        a in ``exp(-a d)`` and ``exp(-a d^2)``.
    gamma : float or "auto", default="auto"
        Weight of the confidence-weighted cross-entropy, per sample; "auto" is 50, and 2000 where there are views.
    pretrain_epochs : int or "auto", default="auto"
        Epochs without labels; "auto" is about 4000 steps (2000 where there are views), at most 200 epochs.
    round_epochs : int or "auto", default="auto"
        Epochs of a round; "auto" is about 1000 steps (with views 300, 1200 in the last round), at most 50 epochs.
    n_rounds : int, default=5
        Rounds of asking, spreading and training. Rounds that the budget does not cover are left out.
    budget : int, default=150
        Questions in all, at least `n_clusters`. Splits take theirs from the later rounds.
    max_depth : int, default=2
        How often a cluster may be split.
    propagation : {"graph", "cluster"}, default="graph"
        "cluster": a decoded center is asked about, and its members get the answer (the paper). "graph": the most
        typical row of each cluster is asked about, later of those with the fewest answers where doubt is most.
        Labels spread over neighbors; a forest of a table, a kernel of the edges in images has a say if it foretells.
    augment : callable, "auto" or None, default="auto"
        A function makes views of a batch, (B, C, H, W) or (B, n_features), to which labels are taught, and sure guesses
        while under 0.5% of rows have labels. "auto" moves, turns, scales, shears images as in `M2Classifier`, and
        predicts from small moves, too; it leaves tables as they are. None: no views. For ``propagation="graph"``.
    attraction : float, default=100.0
        Weight, per sample, of what makes views of neighbors alike before the first question; 0: latents are clustered.
    classes : array-like, default=None
        The only labels allowed; None allows any.
    n_latent : int, default=10
        Latent dimensions.
    beta : float, default=1.0
        Weight of the KL, per sample.
    likelihood : {"auto", "bernoulli", "gaussian"}, default="auto"
        As in `VariationalAutoencoder`.
    encoder : {"auto", "mlp", "conv", "conv2", "conv3"} or callable, default="auto"
        As in `VariationalAutoencoder`; "auto" is "conv3" for images of at least 8 x 8. Where there are views and
        `attraction`, a callable is asked for 16 outputs more.
    hidden_units : tuple of int or "auto", default="auto"
        Widths of the dense hidden layers of encoder and decoder: (128,) with "conv3", and otherwise (500, 500).
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    batch_size : int, default=256
        Samples per step.
    max_epochs : int or "auto", default="auto"
        At most so many epochs in any one phase (pretraining, or a round); "auto" sets no such limit.
    lr : float, default=1e-3
        Learning rate; where there are views it falls to zero along a cosine in each phase.
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
        Start from the network of the last fit, without pretraining.
    session_dir : str or path-like, default=None
        A folder that keeps questions, answers and training as they come, so that a fit that broke off goes on
        from there when it is repeated. See `LabelingSession`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    labels_ : ndarray of shape (n_samples,)
        A label for every training row: what is known of it, or else what was spread to it and the classifier, pooled
        as later answers have judged them. Before, it is what was spread or, where views are made, what the classifier
        says. -1 where nothing was spread, unless views are made.
    label_confidence_ : ndarray of shape (n_samples,)
        Confidence of each label, in [0, 1]; 0 where there is none.
    temperature_ : float
        What `predict_proba` divides logits by, to be as sure as the pool behind `labels_`; 1 if no answers judged it.
    answers_ : list of Answer
        Every answer, in order, each with its query.
    n_queries_ : int
        Questions answered; INVALID and SKIP count.
    rounds_ : list of dict
        A record a round: questions, invalid and skipped ones, classes, coverage, mean confidence.
    history_ : list of dict
        A record an epoch; losses in nats per sample.
    net_ : skorch.NeuralNet
        The net of the last phase.
    likelihood_ : str
        The likelihood in use.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    References
    ----------
    "Semi-supervised learning using variational autoencoder - a cluster based approach" (Sections 3.2 and
    3.3, Equations 1 to 4). Graph: Zhou et al., 2004, "Learning with local and global consistency".

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklvae import ClusterLabelVAEClassifier
    >>> from sklvae.labeling import SimulatedOracle
    >>> X, y = make_blobs(n_samples=120, centers=3, n_features=5, random_state=0)
    >>> classifier = ClusterLabelVAEClassifier(
    ...     n_clusters=6, n_rounds=1, budget=6, max_epochs=20, hidden_units=(32,), random_state=0
    ... )
    >>> classifier.fit(X, oracle=SimulatedOracle(X, y)).n_queries_
    6
    >>> classifier.score(X, y) > 0.9
    True
    """

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "n_clusters": at_least(1, int),
        "clusterer": one_of("gmm", "kmeans") | instance_of(BaseEstimator, "a scikit-learn clusterer"),
        "distance": one_of("euclidean", "mahalanobis"),
        "confidence": one_of("gaussian", "exponential", "posterior") | Constraint(callable, "a callable"),
        "decay": at_least(0.0),
        "gamma": at_least(0.0) | one_of("auto"),
        "pretrain_epochs": at_least(1, int) | one_of("auto"),
        "round_epochs": at_least(1, int) | one_of("auto"),
        "n_rounds": at_least(1, int),
        "budget": at_least(1, int),
        "max_depth": at_least(0, int),
        "propagation": one_of(*PROPAGATIONS),
        "augment": augment_like,
        "attraction": at_least(0.0),
        "classes": none | labels_like,
        "session_dir": none | instance_of((str, os.PathLike), "a path"),
    }

    def __init__(
        self,
        *,
        n_clusters: int = 10,
        clusterer: Any = "gmm",
        distance: str = "euclidean",
        confidence: Any = "gaussian",
        decay: float = 0.1,
        gamma: float | str = "auto",
        pretrain_epochs: int | str = "auto",
        round_epochs: int | str = "auto",
        n_rounds: int = 5,
        budget: int = 150,
        max_depth: int = 2,
        propagation: str = "graph",
        augment: Any = "auto",
        attraction: float = 100.0,
        classes: Any = None,
        n_latent: int = 10,
        beta: float = 1.0,
        likelihood: str = "auto",
        encoder: Any = "auto",
        hidden_units: tuple[int, ...] | str = "auto",
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
        self.n_clusters = n_clusters
        self.clusterer = clusterer
        self.distance = distance
        self.confidence = confidence
        self.decay = decay
        self.gamma = gamma
        self.pretrain_epochs = pretrain_epochs
        self.round_epochs = round_epochs
        self.n_rounds = n_rounds
        self.budget = budget
        self.max_depth = max_depth
        self.propagation = propagation
        self.augment = augment
        self.attraction = attraction
        self.classes = classes
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
        self.session_dir = session_dir

    _for_images: ClassVar = "conv3"
    _moves: bool = False  # whether `predict_proba` moves images, as the last fit decided

    def _options(self) -> Options:
        return replace(super()._options(), anneal=self.propagation == "graph" and sees_views(self.augment, self._event))

    @property
    def _model(self) -> VAE:
        model = self.net_.module_.model
        vae: VAE = model.vae if isinstance(model, ClassifiedVAE) else model
        return vae

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, oracle: Oracle | None = None) -> Self:
        """Train on X, ask the oracle, spread the answers.

        An interruption from the keyboard in a round ends the fit after that round, with a warning; one before
        the first question leaves a trained VAE.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            float, or uint8 pixels, which count as fractions of 255.
        y : array-like of shape (n_samples,), default=None
            What is known already: -1 for unlabeled rows, or an object array with -1, None or nan for them.
        oracle : callable, default=None
            ``answers = oracle(queries)``, see `sklvae.labeling`. `fit` needs y, an oracle, or both.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X, y or an answer is wrong, or all answers together name fewer than two classes.
        OracleError
            If the oracle raises. What it answered before is in `answers_`.
        SessionError
            If the session in `session_dir` is in use, damaged, or cannot be written.
        NonFiniteLossError
            A ValueError: if the loss becomes infinite or nan.
        """
        return fit_in_session(self, X, y, oracle)

    def _begin(self, X: ArrayLike, y: ArrayLike | None, *, asks: bool) -> LabelingRun:
        previous = self._model if self.warm_start and hasattr(self, "net_") else None
        rows, rng = self._start(X)
        if previous is not None:
            self._require_same_network()
        known = self._check_labels(y, len(rows), asks=asks)
        of_a_fit = ("classes_", "labels_", "label_confidence_", "temperature_", "_class_latents")
        for name in of_a_fit if previous is not None else ("net_", *of_a_fit):
            self.__dict__.pop(name, None)  # of an earlier fit
        self.answers_: list[Answer] = []
        self.rounds_: list[dict[str, Any]] = []
        self.history_: list[dict[str, Any]] = []
        return LabelingRun(self, rows, known, rng, previous, asks=asks)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """softmax((W mu + b) / T), (n, n_classes); mu: posterior mean, of images in "auto" views over `small_moves`."""
        check_is_fitted(self, "classes_")
        return self._apply(partial(classifier_of(self), temperature=self.temperature_), X, self.net_.module_.model)

    def sample_proba(self, X: ArrayLike, n_draws: int = 16) -> NDArray[Any]:
        """Class probabilities p(y|z) for draws of z from q(z|x), x as it is, never moved: their disagreement is doubt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in the units of the training data.
        n_draws : int, default=16
            How many draws; each has the same noise for every sample.

        Returns
        -------
        ndarray of shape (n_draws, n_samples, n_classes)
        """
        check_is_fitted(self, "classes_")
        noise = check_random_state(self.random_state).standard_normal((self._count(n_draws, "n_draws"), self.n_latent))
        function = partial(classify_draws, draws=torch.from_numpy(noise), temperature=self.temperature_)
        probability: NDArray[Any] = self._apply(function, X, self.net_.module_.model)
        return probability.swapaxes(0, 1)

    def sample(self, n_samples: int = 1, label: Any = None) -> NDArray[Any]:
        """Decode draws from the prior, or from the Gaussian around the latents of a class.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        label : object, default=None
            A class; None draws from the prior.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, ...)
        """
        if label is None:
            return super().sample(n_samples)
        mean, covariance = self._class_latents[self._code_of(label)]
        rng = check_random_state(self.random_state)
        return self.inverse_transform(rng.multivariate_normal(mean, covariance, size=self._count(n_samples)))

    def _check_labels(self, y: ArrayLike | None, n_samples: int, *, asks: bool) -> Known:
        """Labels known by row, and the errors of a fit that cannot start."""
        name = type(self).__name__
        if y is None and not asks:
            raise ValueError(
                f"{name} requires y to be passed, but the target y is None. Pass y (-1: unlabeled), an oracle, or both."
            )
        labels: dict[int, tuple[Any, float]] = {}
        if y is not None:
            classes, codes = self._known_labels(y, n_samples)
            labels = {int(row): (classes[codes[row]].item(), 1.0) for row in np.flatnonzero(codes >= 0)}
            if not asks and len(classes) < 2:
                raise ValueError(
                    f"{name}: y must have labels of at least 2 classes, got {len(classes)} class(es) among "
                    f"{len(labels)} labeled of {n_samples} rows. Label more rows, or pass an oracle."
                )
        if asks and self.budget < self.n_clusters:
            raise ValueError(
                f"{name}: budget must cover the clusters of the first round, n_clusters={self.n_clusters}; got "
                f"budget={self.budget}. Raise budget or lower n_clusters."
            )
        if asks and n_samples < self.n_clusters:
            raise ValueError(
                f"{name}: X must have at least n_clusters={self.n_clusters} samples, got {n_samples}. Lower n_clusters."
            )
        if isinstance(self.clusterer, BaseEstimator):  # refused early, if at all
            trial = np.random.RandomState(0).standard_normal((20 * self.n_latent, self.n_latent))
            find_clusters(trial, np.arange(len(trial)), self.clusterer, 2, seed=0)
        return Known(labels)

    def _restore_fit(self, fitted: Mapping[str, Any], arrays: Any) -> None:
        super()._restore_fit({"temperature_": 1.0, **fitted}, arrays)  # files of before have none

    def _untrained_module(self, state: Mapping[str, Tensor]) -> nn.Module:
        kind = NeighborVAE if any(name.endswith("n_directions") for name in state) else VAE
        vae = self._build_vae(None, np.random.RandomState(0), kind)
        if "head.bias" not in state:  # interrupted before the first question
            return vae
        return ClassifiedVAE(vae, len(state["head.bias"])).to(self._device)
