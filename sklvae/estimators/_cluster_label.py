"""Clusters the latent space, asks, spreads the answers, trains on, repeats."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._labels import join_labels, split_labels
from torch import Tensor

from ..labeling import INVALID, SKIP, Answer, Cluster, Oracle, Query, QueryBatch, consult
from ..nn import VAE, ClassifiedVAE
from ..objectives import beta_vae_loss, cluster_label_loss
from ..training import Rows, fresh_seed, in_blocks, seeded
from ._base import LatentEstimator, auto_epochs
from ._constraints import Constraint, at_least, instance_of, none, one_of
from ._propagation import N_MEMBERS, PROPAGATIONS, Known, Plan, Round, Spread

__all__ = ["ClusterLabelVAEClassifier"]

PRETRAIN_STEPS, MOST_PRETRAIN_EPOCHS = 4000, 200
ROUND_STEPS, MOST_ROUND_EPOCHS = 1000, 50


class ClusterLabelVAEClassifier(ClassifierMixin, LatentEstimator):
    """Labels a data set from a few questions about clusters of a beta-VAE's latent space.

    Parameters
    ----------
    n_clusters : int, default=10
    """

    __metadata_request__fit: ClassVar = {"oracle": True}

    _constraints: ClassVar[dict[str, Constraint]] = {
        **LatentEstimator._constraints,
        "n_clusters": at_least(2, int),
        "clusterer": one_of("gmm", "kmeans") | instance_of(BaseEstimator, "a scikit-learn clusterer"),
        "distance": one_of("euclidean", "mahalanobis"),
        "confidence": one_of("gaussian", "exponential", "posterior") | Constraint(callable, "a callable"),
        "decay": at_least(0.0),
        "gamma": at_least(0.0),
        "pretrain_epochs": at_least(1, int) | one_of("auto"),
        "round_epochs": at_least(1, int) | one_of("auto"),
        "n_rounds": at_least(1, int),
        "budget": at_least(1, int),
        "max_depth": at_least(0, int),
        "propagation": one_of(*PROPAGATIONS),
        "classes": none | instance_of((list, tuple, np.ndarray), "a list of labels"),
    }

    def __init__(
        self,
        *,
        n_clusters: int = 10,
        clusterer: Any = "gmm",
        distance: str = "euclidean",
        confidence: Any = "gaussian",
        decay: float = 0.1,
        gamma: float = 50.0,
        pretrain_epochs: int | str = "auto",
        round_epochs: int | str = "auto",
        n_rounds: int = 5,
        budget: int = 150,
        max_depth: int = 2,
        propagation: str = "graph",
        classes: Any = None,
        n_latent: int = 10,
        beta: float = 1.0,
        likelihood: str = "auto",
        encoder: Any = "auto",
        hidden_units: tuple[int, ...] = (500, 500),
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

    @property
    def n_queries_(self) -> int:
        """Questions asked; an answer INVALID or SKIP costs one too."""
        return len(self.answers_)

    @property
    def _vae(self) -> VAE:
        model = self.net_.module_.model
        vae: VAE = model.vae if isinstance(model, ClassifiedVAE) else model
        return vae

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, oracle: Oracle | None = None) -> Self:
        """Train, ask and spread."""
        previous = self._vae if self.warm_start and hasattr(self, "net_") else None
        rows, rng = self._start(X)
        known = self._check_labels(y, oracle, len(rows))
        self.answers_: list[Answer] = []
        self.rounds_: list[dict[str, Any]] = []
        self.history_: list[dict[str, Any]] = []
        steps = self._steps(rows, known, rng, previous, asks=oracle is not None)
        answers = None
        while True:
            try:
                queries = steps.send(answers)  # type: ignore[arg-type]
            except StopIteration:
                break
            answers = consult(oracle, queries, self.answers_, self.classes)  # type: ignore[arg-type]
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class of each sample, (n_samples,)."""
        probability = self.predict_proba(X)
        return np.asarray(self.classes_[probability.argmax(axis=1)])

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities softmax(W mu + b) at the posterior mean, (n_samples, n_classes)."""
        check_is_fitted(self, "classes_")
        return self._apply(_classify, X, self.net_.module_.model)

    def sample(self, n_samples: int = 1, label: Any = None) -> NDArray[Any]:
        """Decode draws from the prior, or from the Gaussian of a class's latents."""
        if label is None:
            return super().sample(n_samples)
        check_is_fitted(self, "classes_")
        if label not in self.classes_.tolist():
            raise ValueError(f"sample: label must be one of {self.classes_.tolist()}, got {label!r}.")
        mean, covariance = self._class_latents[self.classes_.tolist().index(label)]
        rng = check_random_state(self.random_state)
        return self.inverse_transform(rng.multivariate_normal(mean, covariance, size=n_samples))

    def _check_labels(self, y: ArrayLike | None, oracle: Oracle | None, n_samples: int) -> Known:
        """Labels known by row, and the errors of a fit that cannot start."""
        name = type(self).__name__
        if y is None and oracle is None:
            raise ValueError(
                f"{name} requires y to be passed, but the target y is None. Pass labels as y (-1 where "
                "unlabeled), an oracle, or both."
            )
        if oracle is not None and not callable(oracle):
            raise ValueError(f"{name}: oracle must be callable, got {oracle!r}.")
        labels: dict[int, tuple[Any, float]] = {}
        if y is not None:
            classes, codes = split_labels(y)
            check_consistent_length(codes, range(n_samples))
            unknown = [] if self.classes is None else np.setdiff1d(classes, self.classes).tolist()
            if unknown:
                raise ValueError(f"{name}: y holds {unknown}, which classes={self.classes!r} does not.")
            labels = {int(row): (classes[codes[row]].item(), 1.0) for row in np.flatnonzero(codes >= 0)}
            if oracle is None and len(classes) < 2:
                raise ValueError(
                    f"{name}: y must have labels of at least 2 classes, got {len(classes)} class(es) among "
                    f"{len(labels)} labeled of {n_samples} rows. Label more rows, or pass an oracle."
                )
        if oracle is not None:
            self._check_budget(n_samples)
        return Known(labels)

    def _check_budget(self, n_samples: int) -> None:
        name = type(self).__name__
        if self.budget < self.n_clusters:
            raise ValueError(
                f"{name}: budget must cover the clusters of the first round, n_clusters={self.n_clusters}; got "
                f"budget={self.budget}. Raise budget or lower n_clusters."
            )
        if n_samples < self.n_clusters:
            raise ValueError(
                f"{name}: X must have at least n_clusters={self.n_clusters} samples, got {n_samples}. "
                "Lower n_clusters."
            )

    def _steps(
        self, rows: NDArray[Any], known: Known, rng: np.random.RandomState, previous: VAE | None, *, asks: bool
    ) -> Generator[QueryBatch, list[Answer], None]:
        """The whole fit, as a generator of questions that is sent the answers."""
        vae = previous or self._pretrained(rows, rng)
        model: ClassifiedVAE | None = None
        spread = Spread.nothing(len(rows))
        z = in_blocks(vae, _encode, rows, self._event)
        for number in range(self.n_rounds):
            plan = self._plan(number, len(rows) - len(known.labels)) if asks else None
            if asks and plan is None:
                break
            before = len(self.answers_)
            round_ = Round(z, model and spread, self._query_maker(number, rows, z, model), fresh_seed(rng))
            spread = yield from PROPAGATIONS[self.propagation](round_, known, plan, self)
            if not len(spread.classes):
                continue
            model = self._with_head(vae, model, len(spread.classes), rng)
            interrupted = self._train_round(model, rows, spread, rng, f"round {number}")
            z = in_blocks(vae, _encode, rows, self._event)
            spread.predicted = in_blocks(model, _classify_latent, z, z.shape[1:])
            self._keep(spread, z, number, before)
            if interrupted:
                warnings.warn(f"Interrupted while training round {number}; later rounds are left out.", stacklevel=3)
                break
            if len(known.labels) == len(rows):
                break
        if len(spread.classes) < 2:
            raise ValueError(
                f"{type(self).__name__}: labels of at least 2 classes are needed, but {len(self.answers_)} answers "
                f"gave {len(spread.classes)} class(es) ({spread.classes.tolist()}). The answers are kept in answers_."
            )

    def _pretrained(self, rows: NDArray[Any], rng: np.random.RandomState) -> VAE:
        """A VAE trained without labels (cluster-label paper, Equation 1)."""
        vae = self._build_vae(rows, rng)
        epochs = self._epochs(self.pretrain_epochs, len(rows), PRETRAIN_STEPS, MOST_PRETRAIN_EPOCHS)
        objective = partial(beta_vae_loss, beta=self.beta)
        net = self._train(vae, objective, Rows(rows, self._event), max_epochs=epochs, rng=rng, phase="pretrain")
        if net.interrupted_:
            raise KeyboardInterrupt(
                "Interrupted while pretraining, before the first question: transform and inverse_transform work."
            )
        return vae

    def _train_round(
        self, model: ClassifiedVAE, rows: NDArray[Any], spread: Spread, rng: np.random.RandomState, phase: str
    ) -> bool:
        """Train on with labels (Equation 4); says whether that was interrupted."""
        data = Rows(rows, self._event, code=np.maximum(spread.code, 0), weight=spread.weight)
        epochs = self._epochs(self.round_epochs, len(rows), ROUND_STEPS, MOST_ROUND_EPOCHS)
        objective = partial(cluster_label_loss, beta=self.beta, gamma=self.gamma)
        return bool(self._train(model, objective, data, max_epochs=epochs, rng=rng, phase=phase).interrupted_)

    def _epochs(self, epochs: int | str, n_samples: int, steps: int, most: int) -> int:
        if epochs == "auto":
            epochs = auto_epochs(n_samples, self.batch_size, steps, most)
        return int(epochs if self.max_epochs == "auto" else min(epochs, self.max_epochs))

    def _plan(self, number: int, n_unlabeled: int) -> Plan | None:
        """Share what is left of the budget: the later rounds keep `n_clusters` questions each."""
        left, later = self.budget - self.n_queries_, self.n_rounds - number - 1
        n_questions = self.n_clusters
        if self.propagation == "graph":
            n_questions = max(n_questions, left // (later + 1))
        n_questions = min(n_questions, n_unlabeled)
        if left < n_questions or n_questions < 1:
            return None
        return Plan(n_questions, max(0, left - n_questions - later * self.n_clusters))

    def _with_head(
        self, vae: VAE, model: ClassifiedVAE | None, n_classes: int, rng: np.random.RandomState
    ) -> ClassifiedVAE:
        """The VAE with a softmax layer; a new layer where the number of classes has changed."""
        if model is not None and model.head.out_features == n_classes:
            return model
        with seeded(fresh_seed(rng), self._device):
            return ClassifiedVAE(vae, n_classes).to(self._device)

    def _query_maker(
        self, number: int, rows: NDArray[Any], z: NDArray[Any], model: ClassifiedVAE | None
    ) -> Callable[[Cluster, int | None], Query]:
        """A function that makes the questions of a round."""
        first, ids = len(self.answers_), count()

        def make_query(cluster: Cluster, index: int | None) -> Query:
            """A question about a row, or about the decoded center."""
            n = next(ids)
            latent = cluster.center[None].astype(np.float32) if index is None else z[[index]]
            x = self.inverse_transform(latent)[0] if index is None else rows[index]
            suggestion = None
            if model is not None:
                probability = in_blocks(model, _classify_latent, latent, latent.shape[1:])[0]
                suggestion = (self.classes_[probability.argmax()].item(), float(probability.max()))
            return Query(
                id=first + n,
                x=np.array(x).reshape(self._x_shape),
                kind="center" if index is None else "sample",
                index=index,
                cluster=n,
                level=cluster.level,
                round=number,
                members=cluster.rows[np.argsort(cluster.euclidean(), kind="stable")][:N_MEMBERS],
                suggestion=suggestion,
            )

        return make_query

    def _keep(self, spread: Spread, z: NDArray[Any], number: int, before: int) -> None:
        """Set the fitted attributes after a round: the estimator is usable whatever comes next."""
        self.classes_ = spread.classes
        self.labels_ = join_labels(spread.classes, spread.code)
        self.label_confidence_ = spread.weight.astype(np.float64)
        self._class_latents = [_moments(z[spread.code == k]) for k in range(len(spread.classes))]
        answers = self.answers_[before:]
        self.rounds_.append(
            {
                "round": number,
                "n_queries": len(answers),
                "n_invalid": sum(answer.label is INVALID for answer in answers),
                "n_skipped": sum(answer.label is SKIP for answer in answers),
                "n_classes": len(spread.classes),
                "coverage": float(np.mean(spread.code >= 0)),
                "mean_confidence": float(spread.weight.mean()),
            }
        )


def _encode(vae: VAE, x: Tensor) -> Tensor:
    mean: Tensor = vae.posterior(x).mean
    return mean


def _classify(model: ClassifiedVAE, x: Tensor) -> Tensor:
    return _classify_latent(model, _encode(model.vae, x))


def _classify_latent(model: ClassifiedVAE, z: Tensor) -> Tensor:
    probability: Tensor = model.classify(z).probs
    return probability


def _moments(z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    mean = z.mean(axis=0) if len(z) else np.zeros(z.shape[1])
    centered = z - mean
    return mean, centered.T @ centered / max(len(z), 1)
