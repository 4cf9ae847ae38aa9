"""A round of questions and the labels it spreads: by cluster, as in the paper, or over a graph."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator

from .._labels import UNLABELED, plain_classes
from ..acquisition import margin, partition
from ..graph import spread_labels
from ..labeling import (
    Answer,
    Cluster,
    Foretold,
    Query,
    QueryBatch,
    ask_clusters,
    confidence_of,
    doubtful_clusters,
    find_clusters,
    fit_log_pool,
    judged_pool,
    log_pool,
)

__all__ = ["PROPAGATIONS", "Known", "Plan", "Round", "Spread"]

GRAPH_ALONE = (1.0, 0.0)
"""Weights of the graph and of a classifier before labels have judged them."""

CLUSTERS_PER_LABEL, MOST_PARTS = 4, 5000
"""Clusters among which later rounds choose, for each label and question; and how many any round chooses among at most,
unless it asks more questions."""

N_STARTS = 4
"""Starts of k-means, where it is exact: which of ten classes are met by the first questions hangs on the start."""


@dataclass
class Known:
    """What has been said so far.

    Attributes
    ----------
    labels : dict
        Label and confidence of single rows, by row: from y, and from answers about rows.
    asked : set
        Rows asked about, whatever came of it.
    votes : list of dict
        For each round of answers about clusters, the confidence of each label in each row, (n_samples,).
    foretold : list of Foretold
        For each round of answers about rows, what the classifier had said of them, and what was spread to them.
    """

    labels: dict[int, tuple[Any, float]]
    asked: set[int] = field(default_factory=set)
    votes: list[dict[Any, NDArray[np.float32]]] = field(default_factory=list)
    foretold: list[Foretold] = field(default_factory=list)

    @property
    def rows(self) -> set[int]:
        """Rows of which there is nothing to ask: asked about, or with a known label."""
        return self.asked.union(self.labels)

    def packed(self) -> dict[str, Any]:
        """The same in columns: there may be a million known rows."""
        said = list(self.labels.values())
        labels = np.empty(len(said), dtype=object)
        labels[:] = [label for label, _ in said]
        return {
            "rows": np.array(list(self.labels), dtype=np.int64),
            "labels": labels,
            "confidences": np.array([confidence for _, confidence in said], dtype=np.float64),
            "asked": np.array(sorted(self.asked), dtype=np.int64),
            "votes": self.votes,
            "foretold": [dict(vars(answers)) for answers in self.foretold],
        }

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Known:
        """What `packed` took apart."""
        said = zip(packed["labels"].tolist(), packed["confidences"].tolist(), strict=True)
        labels = dict(zip(packed["rows"].tolist(), said, strict=True))
        foretold = [Foretold(**answers) for answers in packed["foretold"]]
        return cls(labels, set(packed["asked"].tolist()), packed["votes"], foretold)

    def codes(self, spread: Spread) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes of the labels known by row, -1 for all others, and how sure they are, (n_samples,) each."""
        codes, weights = np.full(len(spread.code), UNLABELED), np.zeros(len(spread.code), dtype=np.float32)
        rows = np.fromiter(self.labels, dtype=np.int64)
        codes[rows], weights[rows] = spread.code[rows], spread.weight[rows]
        return codes, weights


@dataclass(frozen=True)
class Plan:
    """How many questions a round may ask: about `n_questions` clusters, and `spare` ones about splits."""

    n_questions: int
    spare: int


@dataclass
class Spread:
    """A label and a confidence for every row, and two opinions on them.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    code : ndarray of shape (n_samples,)
        Index into `classes`, -1 where there is no label.
    weight : ndarray of shape (n_samples,)
        Confidence in [0, 1], 0 where there is no label.
    probability : ndarray of shape (n_samples, n_classes)
        What is spread over the graph, pooled with what is learned from known labels alone; no columns without a graph.
    predicted : ndarray of shape (n_samples, n_classes)
        What the classifier says, once it has been trained on these labels.
    """

    classes: NDArray[Any]
    code: NDArray[np.int64]
    weight: NDArray[np.float32]
    probability: NDArray[Any]
    predicted: NDArray[Any]

    @classmethod
    def nothing(cls, n: int) -> Spread:
        """No label at all."""
        none = np.zeros((n, 0))
        return cls(np.empty(0), np.full(n, UNLABELED), np.zeros(n, dtype=np.float32), none, none)

    def pool(self, foretold: list[Foretold], unjudged: tuple[float, float]) -> NDArray[np.float64]:
        """Class probabilities by classifier and graph together, weighed by how well they foretold answers."""
        return log_pool([self.predicted, self.probability], fit_log_pool(foretold, unjudged))


@dataclass(frozen=True)
class Round:
    """What a round works on.

    Attributes
    ----------
    points : ndarray of shape (n_samples, d)
        Where the rows lie: what is clustered.
    clusterer : {"gmm", "kmeans"} or estimator
        Finds clusters, and parts of an invalid one.
    graph : callable
        Gives the neighbor graph, when a propagation needs it.
    previous : Spread or None
        What the round before spread, once a classifier has been trained.
    unjudged : tuple of float
        Weights of classifier and graph where no answers have judged them.
    make_query : callable
        ``make_query(cluster, index)`` makes the question about a row, or about the decoded center if None.
    seed : int
        Seed of the clusterer.
    learned : callable
        ``learned(n_classes, rows, code, confidence, at, random_state=)``: what a classifier makes of known labels.
    """

    points: NDArray[Any]
    clusterer: str | BaseEstimator
    graph: Callable[[], csr_array]
    previous: Spread | None
    unjudged: tuple[float, float]
    make_query: Callable[[Cluster, int | None], Query]
    seed: int
    learned: Callable[..., NDArray[np.float64]]

    def clusters(self, rows: NDArray[np.int64], n_clusters: int, level: int = 0) -> list[Cluster]:
        """Cluster some rows."""
        return find_clusters(self.points[rows], rows, self.clusterer, n_clusters, seed=self.seed, level=level)

    def candidates(self, known: Known, plan: Plan) -> list[Cluster]:
        """Of clusters of all rows, the largest without a label, and later the most doubtful.

        There are as many as labels known and asked for, and later four times as many, 5000 at most: first no part of
        the data is to be left out, then questions go where classes touch. Where all have labels, those with the fewest.
        """
        answered = np.array(sorted(known.rows), dtype=np.int64)
        n_all, doubt = len(answered) + plan.n_questions, np.ones(len(self.points))
        if self.previous is not None:
            n_all = CLUSTERS_PER_LABEL * n_all
            doubt = 1 + margin(self.previous.pool(known.foretold, self.unjudged))
        n_all = max(min(n_all, MOST_PARTS), plan.n_questions)
        cluster = partition(self.points, n_all, self.seed, n_init=N_STARTS)
        return doubtful_clusters(self.points, cluster, answered, doubt, plan.n_questions)

    def ask(
        self, clusters: list[Cluster], index_of: Callable[[Cluster], int | None], plan: Plan, settings: Any
    ) -> Generator[QueryBatch, list[Answer], list[tuple[Cluster, Answer]]]:
        """Ask about clusters, splitting the invalid ones."""

        def split(cluster: Cluster, k: int) -> list[Cluster]:
            return self.clusters(cluster.rows, k, cluster.level + 1)

        def query_for(cluster: Cluster) -> Query | None:
            index = index_of(cluster)
            return None if index == NOTHING_LEFT else self.make_query(cluster, index)

        return ask_clusters(
            clusters,
            query_for,
            split,
            n_clusters=settings.n_clusters,
            max_depth=settings.max_depth,
            spare=plan.spare,
        )


Propagation = Generator[QueryBatch, list[Answer], Spread]
NOTHING_LEFT = -1


def by_cluster(round_: Round, known: Known, plan: Plan | None, settings: Any) -> Propagation:
    """Ask what each decoded center is; its members get the label (cluster-label paper, Section 3.3).

    A cluster whose labeled rows agree is not asked about. A label known for a row stands. Clusters change from
    round to round, answers do not: a row gets the label that its clusters of all rounds give it with the most
    confidence, and the lead over the runner-up, a mean over rounds, as its confidence.
    """
    n_samples = len(round_.points)
    clusters = round_.clusters(np.arange(n_samples), plan.n_questions if plan else settings.n_clusters)
    said = [(cluster, _vote(cluster, known)) for cluster in clusters]
    settled = [(c, answer) for c, answer in said if answer and (answer.confidence == 1 or plan is None)]
    if plan is not None:
        done = {id(cluster) for cluster, _ in settled}
        open_ = [cluster for cluster in clusters if id(cluster) not in done]
        settled += yield from round_.ask(open_, lambda cluster: None, plan, settings)
    votes: dict[Any, NDArray[np.float32]] = {}
    for cluster, answer in settled:
        if answer.is_label:
            trust = confidence_of(cluster, settings.confidence, settings.distance, settings.decay)
            vote = votes.setdefault(answer.label, np.zeros(n_samples, dtype=np.float32))
            vote[cluster.rows] = answer.confidence * trust
    known.votes.append(votes)
    labels = {label for label, _ in known.labels.values()}.union(*known.votes)
    if not labels:
        return Spread.nothing(n_samples)
    classes, code_of = _classes(list(labels))
    mass = np.zeros((n_samples, len(classes) + 1), dtype=np.float32)  # one class has a runner-up of no mass
    for earlier in known.votes:
        for label, vote in earlier.items():
            mass[:, code_of[label]] += vote
    mass = np.minimum(mass / len(known.votes), 1)
    second, first = np.partition(mass, (-2, -1), axis=1)[:, -2:].T
    code = np.where(first > second, mass.argmax(axis=1), UNLABELED)
    none = np.zeros((n_samples, 0))
    return _with_known(Spread(classes, code, first - second, none, none), known, code_of)


def by_graph(round_: Round, known: Known, plan: Plan | None, settings: Any) -> Propagation:
    """Ask about typical rows; all labels known spread over a graph of neighbors, pooled with what is learned from them.

    Neighbors are taken both among the inputs and in the latent space: the first keep what an encoder that
    trains on its own labels forgets, the second carry what it has learned.

    Every round asks about the rows nearest to the means of clusters, those with the fewest answers: the largest of them
    before there is a classifier, then those in which there is most doubt. What the graph spreads is pooled
    with what a random forest of a table, or a kernel of the edges in images, learns, as known labels judge both.
    """
    graph = round_.graph()
    if plan is not None:
        clusters = round_.candidates(known, plan)
        asked = yield from round_.ask(clusters, partial(_typical_row, known=known), plan, settings)
        said: dict[Any, tuple[Any, float]] = {
            a.query.index: (a.label, a.confidence) for _, a in asked if a.is_label and a.query is not None
        }
        known.labels |= said
        if round_.previous is not None:
            known.foretold += _foretold(round_.previous, said)
    if not known.labels:
        return Spread.nothing(len(round_.points))
    classes, code_of = _classes([label for label, _ in known.labels.values()])
    probability = _inferred(round_, graph, len(classes), _arrays(known, code_of))
    weight = probability.max(axis=1).astype(np.float32)
    code = np.where(weight > 0, probability.argmax(axis=1), UNLABELED)
    return _with_known(Spread(classes, code, weight, probability, probability), known, code_of)


PROPAGATIONS = {"cluster": by_cluster, "graph": by_graph}


def _vote(cluster: Cluster, known: Known) -> Answer | None:
    """The labeled rows of a cluster vote; their agreement is the confidence."""
    mass: dict[Any, float] = {}
    for row in cluster.rows.tolist():
        if row in known.labels:
            label, confidence = known.labels[row]
            mass[label] = mass.get(label, 0.0) + confidence
    if not sum(mass.values()):
        return None
    winner = max(mass, key=mass.__getitem__)
    return Answer(winner, mass[winner] / sum(mass.values()))


def _typical_row(cluster: Cluster, known: Known) -> int:
    """The member nearest to the center that nothing is known of."""
    for row in cluster.rows[np.argsort(cluster.euclidean(), kind="stable")].tolist():
        if row not in known.labels and row not in known.asked:
            known.asked.add(row)
            return row
    return NOTHING_LEFT


def _foretold(previous: Spread, said: Mapping[Any, tuple[Any, float]]) -> list[Foretold]:
    """Answers about rows, by row, of the classes that there were before, if any, and the opinions on these rows."""
    code_of = {label: code for code, label in enumerate(previous.classes.tolist())}
    rows = [row for row, (label, confidence) in said.items() if label in code_of and confidence > 0]
    if not rows or len(code_of) < 2:
        return []
    codes, confidences = np.array([(code_of[said[row][0]], said[row][1]) for row in rows]).T
    return [Foretold(np.stack([previous.predicted[rows], previous.probability[rows]]), codes.astype(int), confidences)]


def _inferred(round_: Round, graph: csr_array, n_classes: int, labels: tuple[Any, Any, Any]) -> NDArray[np.float64]:
    """Class probabilities of all rows from known rows, their codes and confidences; 0 where the graph leads to none."""

    def spread(rows: Any, code: Any, confidence: Any, at: Any) -> NDArray[np.float64]:
        seeds = np.zeros((graph.shape[0], n_classes))
        seeds[rows, code] = confidence
        return spread_labels(graph, seeds)[at]

    n_samples, seed = len(round_.points), round_.seed
    if len(np.unique(labels[1])) < 2:
        return spread(*labels, slice(None))
    learned = partial(round_.learned, n_classes, random_state=seed)
    pool = judged_pool([spread, learned], n_samples, *labels, GRAPH_ALONE, random_state=seed)
    _, part = connected_components(graph, directed=False)
    pool[~np.isin(part, part[labels[0]])] = 0
    return pool


def _arrays(
    known: Known, code_of: Mapping[Any, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows whose label has any weight, in their order, its code and its weight."""
    rows = np.array(sorted(row for row, (_, trust) in known.labels.items() if trust > 0), dtype=np.int64)
    said = [known.labels[row] for row in rows.tolist()]
    code = np.array([code_of[label] for label, _ in said], dtype=np.int64)
    return rows, code, np.array([trust for _, trust in said], dtype=np.float64)


def _classes(labels: list[Any]) -> tuple[NDArray[Any], dict[Any, int]]:
    values = np.empty(len(labels), dtype=object)
    values[:] = labels
    classes = np.unique(plain_classes(values))
    return classes, {label: code for code, label in enumerate(classes.tolist())}


def _with_known(spread: Spread, known: Known, code_of: dict[Any, int]) -> Spread:
    for row, (label, confidence) in known.labels.items():
        spread.code[row], spread.weight[row] = code_of[label], confidence
    return spread
