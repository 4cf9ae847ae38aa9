"""One fit of ClusterLabelVAEClassifier, as a conversation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .._labels import UNLABELED, join_labels, label_kind
from ..graph import knn_graph, with_latents
from ..labeling import (
    INVALID,
    SKIP,
    Answer,
    Cluster,
    Query,
    QueryBatch,
    forest_opinion,
    kernel_opinion,
    temperature_between,
)
from ..nn import VAE, ClassifiedVAE, NeighborVAE
from ..training import fresh_seed, in_blocks, seeded
from ._opinions import classify_latent, classify_moved, directions, encode
from ._points import input_points, side_by_side
from ._propagation import PROPAGATIONS, Known, Plan, Round, Spread
from ._run import N_MEMBERS, Run
from ._teaching import teaching_of

if TYPE_CHECKING:
    from ._cluster_label import ClusterLabelVAEClassifier

__all__ = ["LabelingRun"]


class LabelingRun(Run):
    """Pretrain; then, each round: cluster, ask, spread, train on.

    Parameters
    ----------
    estimator : ClusterLabelVAEClassifier
        Whose parameters decide, and which gets the fitted attributes.
    rows : ndarray of shape (n_samples, n_features)
        The data.
    known : Known
        Labels known at the start.
    rng : RandomState
        Decides everything random.
    vae : VAE or None
        A trained network to start from.
    asks : bool
        Whether there is anybody to ask.
    """

    attributes = (
        "classes_",
        "labels_",
        "label_confidence_",
        "temperature_",
        "_class_latents",
        "_moves",
        "rounds_",
        "history_",
    )

    def __init__(
        self,
        estimator: ClusterLabelVAEClassifier,
        rows: NDArray[Any],
        known: Known,
        rng: np.random.RandomState,
        vae: VAE | None,
        *,
        asks: bool,
    ) -> None:
        super().__init__(estimator, rows, rng)
        self.known, self.vae, self.asks = known, vae, asks
        self.kinds = {label_kind(label) for label, _ in known.labels.values()}
        self.model: ClassifiedVAE | None = None
        self.number, self.spread = 0, Spread.nothing(len(rows))
        self.event = estimator._event
        self.teaching = teaching_of(estimator, rows)
        estimator._moves = self.teaching.moves
        self.input_points = cache(partial(input_points, rows, self.event))
        self.inputs_graph = cache(lambda: knn_graph(self.input_points()))
        self._set_directions(None)

    def state(self) -> dict[str, Any]:
        """What `steps` goes on from."""
        return {
            "number": self.number,
            "spread": dict(vars(self.spread)),
            "known": self.known.packed(),
            "directions": self.directions,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where `state` was taken."""
        model = self.estimator.net_.module_.model
        self.number, self.spread = state["number"], Spread(**state["spread"])
        self.known = Known.unpacked(state["known"])
        self._set_directions(state["directions"])
        self.model = model if isinstance(model, ClassifiedVAE) else None
        self.vae = self.estimator._model

    def steps(self) -> Generator[QueryBatch, list[Answer], None]:
        """The whole fit, or what is left of it: yields questions and is sent their answers."""
        settings = self.estimator
        if self.vae is None:
            self.vae = self._pretrained()
            self._find_directions()
            self.trained()
        elif self.directions is None:
            self._find_directions()
        vae = self.vae
        z = in_blocks(vae, encode, self.rows, self.event)
        while self.number < settings.n_rounds:
            number = self.number
            if self.model is not None and len(self.known.rows) == len(self.rows):
                break
            plan = self._plan(number) if self.asks else None
            if self.asks and plan is None and number > 0:
                break
            before = len(settings.answers_)
            round_ = self._round(number, z)
            spread = yield from PROPAGATIONS[settings.propagation](round_, self.known, plan, settings)
            self.spread, self.number = spread, number + 1
            if not len(spread.classes):
                self._record(spread, number, before)
                continue
            model = self._with_head(vae, len(spread.classes))
            last = self._is_last(number)
            interrupted = self._train(model, spread, number, last=last)
            settings.classes_, settings.temperature_ = spread.classes, 1.0  # what the network predicts from now on
            z = in_blocks(vae, encode, self.rows, self.event)
            spread.predicted = self._opinion(model, z, last=interrupted or last)
            self._keep(spread, z, number, before)
            self.trained()
            if interrupted:
                warnings.warn(f"Interrupted while training round {number}; later rounds are left out.", stacklevel=6)
                break
        if len(self.spread.classes) < 2:
            n_none = sum(not answer.is_label for answer in settings.answers_)
            raise ValueError(
                f"{type(settings).__name__}: labels of at least 2 classes are needed, but "
                f"{len(settings.answers_)} answers gave {len(self.spread.classes)} class(es), "
                f"{self.spread.classes.tolist()}; {n_none} were INVALID or SKIP. Ask about more rows (budget), or "
                "give labels of another class in y. The answers are kept in answers_."
            )

    def _round(self, number: int, z: NDArray[Any]) -> Round:
        """What a round works on."""
        previous = self.spread if self.model is not None else None
        points, clusterer = z, self.estimator.clusterer
        if self.estimator.propagation == "graph":
            points, clusterer = self._places(z, first=previous is None), "kmeans"
        graph, seed = cache(partial(self._graph, z)), fresh_seed(self.rng)
        unjudged = self.teaching.unjudged
        return Round(points, clusterer, graph, previous, unjudged, self._query_maker(number, z), seed, self._learned)

    def _learned(self, *labels: Any, random_state: int) -> NDArray[np.float64]:
        """What is made of known labels without the graph: of a table by a forest, of images by what their edges are."""
        if len(self.event) == 3:
            return kernel_opinion(self.input_points(), *labels, random_state=random_state)
        return forest_opinion(self.rows, *labels, random_state=random_state)

    def _places(self, z: NDArray[Any], *, first: bool) -> NDArray[Any]:
        """Among which points questions are found: first the directions, if there are any, then also the inputs."""
        if self.directions is None:
            return z
        return self.directions if first else side_by_side(self.input_points(), self.directions)

    def _plan(self, number: int) -> Plan | None:
        """Share what is left of the budget: clusters of this round first, then splits, then later rounds.

        With a graph, the first round has half of them, at least `n_clusters`, and later ones have equal shares.
        """
        settings = self.estimator
        left, later = settings.budget - settings.n_queries_, settings.n_rounds - number - 1
        n_questions = settings.n_clusters
        if settings.propagation == "graph":
            n_questions = ceil(left / (later + 1))
            if self.model is None and later:
                n_questions = min(max(settings.n_clusters, left // 2), left)
        n_questions = min(n_questions, len(self.rows) - len(self.known.rows))
        return Plan(n_questions, left - n_questions) if 0 < n_questions <= left else None

    def _pretrained(self) -> VAE:
        """A VAE trained without labels."""
        settings = self.estimator
        objective, rows = self.teaching.before_labels(self.inputs_graph)
        vae = settings._build_vae(self.rows, self.rng, self.teaching.vae)
        epochs = self.teaching.epochs("pretrain")
        net = settings._train(vae, objective, rows, max_epochs=epochs, rng=self.rng, phase="pretrain")
        if net.interrupted_:
            raise KeyboardInterrupt(
                "Interrupted while pretraining, before the first question: transform and inverse_transform work."
            )
        return vae

    def _find_directions(self) -> None:
        """Where the rows lie for a network that has seen views of neighbors, before labels tell it what to see."""
        if self.teaching.vae is NeighborVAE and isinstance(self.vae, NeighborVAE):
            self._set_directions(in_blocks(self.vae, directions, self.rows, self.event))

    def _set_directions(self, found: NDArray[Any] | None) -> None:
        """The directions of the rows, if there are any, and who is whose neighbor there."""
        self.directions = found
        if found is not None:
            self.directions_graph = cache(partial(knn_graph, found))

    def _graph(self, z: NDArray[Any]) -> csr_array:
        """Neighbors among the inputs, among the directions, and in the latent space."""
        graph = self.inputs_graph()
        if self.directions is not None:
            graph = graph + self.directions_graph()
            graph.sort_indices()  # sums over edges are taken in their order: a run that is taken up has the same one
            if self.model is None:  # the latents say less than the directions until labels have shaped them
                return graph
        return with_latents(graph, z)

    def _train(self, model: ClassifiedVAE, spread: Spread, number: int, *, last: bool) -> bool:
        """Train on with labels (Equation 4); says whether that was interrupted."""
        settings, earlier = self.estimator, deepcopy(model.state_dict())
        objective, rows = self.teaching.with_labels(spread, self.known)
        epochs = self.teaching.epochs("last" if last else "round")
        try:
            net = settings._train(model, objective, rows, max_epochs=epochs, rng=self.rng, phase=f"round {number}")
        except Exception:
            model.load_state_dict(earlier)  # what the rounds before have learned stays usable
            raise
        return bool(net.interrupted_)

    def _is_last(self, number: int) -> bool:
        """Whether no round comes after this one, whose questions are answered."""
        settings, nothing_left = self.estimator, len(self.known.rows) == len(self.rows)
        return nothing_left or number == settings.n_rounds - 1 or settings.n_queries_ >= settings.budget

    def _opinion(self, model: ClassifiedVAE, z: NDArray[Any], *, last: bool) -> NDArray[Any]:
        """What the classifier says of each row; in the last round as `predict_proba` does, which may take longer."""
        if last and self.estimator._moves:
            return in_blocks(model, classify_moved, self.rows, self.event)
        return in_blocks(model, classify_latent, z, z.shape[1:])

    def _with_head(self, vae: VAE, n_classes: int) -> ClassifiedVAE:
        """The VAE with a softmax layer; a new layer where the number of classes has changed."""
        if self.model is None or self.model.head.out_features != n_classes:
            with seeded(fresh_seed(self.rng), self.estimator._device):
                self.model = ClassifiedVAE(vae, n_classes).to(self.estimator._device)
        return self.model

    def _query_maker(self, number: int, z: NDArray[Any]) -> Callable[[Cluster, int | None], Query]:
        """A function that makes the questions of a round."""
        first, ids = len(self.estimator.answers_), count()

        def make_query(cluster: Cluster, index: int | None) -> Query:
            """A question about a row, or about the decoded center."""
            n = next(ids)
            latent = cluster.center[None].astype(np.float32) if index is None else z[[index]]
            x = self.estimator.inverse_transform(latent)[0] if index is None else self.rows[index]
            return Query(
                id=first + n,
                x=np.array(x).reshape(self.estimator._x_shape),
                kind="center" if index is None else "sample",
                index=index,
                cluster=n,
                level=cluster.level,
                round=number,
                members=cluster.rows[np.argsort(cluster.euclidean(), kind="stable")][:N_MEMBERS],
                suggestion=self._suggestion(latent),
            )

        return make_query

    def _suggestion(self, latent: NDArray[Any]) -> tuple[Any, float] | None:
        if self.model is None:
            return None
        function = partial(classify_latent, temperature=self.estimator.temperature_)
        probability = in_blocks(self.model, function, latent, latent.shape[1:])[0]
        return self.estimator.classes_[probability.argmax()].item(), float(probability.max())

    def _keep(self, spread: Spread, z: NDArray[Any], number: int, before: int) -> None:
        """Set the fitted attributes after a round: the estimator is usable whatever comes next."""
        fitted, code, confidence = self.estimator, spread.code, spread.weight
        unheard = self.teaching.unjudged[0] == 0  # until answers have judged it, the classifier has no say
        if self.known.foretold or not unheard:
            pool = spread.pool(self.known.foretold, self.teaching.unjudged)
            inferred = self.known.codes(spread)[0] == UNLABELED
            if unheard:
                inferred &= code >= 0
            code = np.where(inferred, pool.argmax(axis=1), code)
            confidence = np.where(inferred, pool.max(axis=1), confidence)
            if self.known.foretold:
                fitted.temperature_ = temperature_between(spread.predicted, pool)
        fitted.labels_ = join_labels(spread.classes, code)
        fitted.label_confidence_ = confidence.astype(np.float64)
        fitted._class_latents = [moments(z[code == k]) for k in range(len(spread.classes))]
        self._record(replace(spread, code=code, weight=confidence), number, before)

    def _record(self, spread: Spread, number: int, before: int) -> None:
        """What a round asked and what came of it."""
        fitted = self.estimator
        answers = fitted.answers_[before:]
        fitted.rounds_.append(
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


def moments(z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and covariance of latent vectors; of none, 0."""
    mean = z.mean(axis=0) if len(z) else np.zeros(z.shape[1])
    centered = z - mean
    return mean, centered.T @ centered / max(len(z), 1)
