"""One fit of ActiveLearningClassifier, as a conversation."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from .._labels import UNLABELED, join_labels, label_kind, split_labels
from ..acquisition import Progress, as_acquisition, query
from ..labeling import INVALID, SKIP, Answer, Query, QueryBatch
from ._codec import Arrays
from ._input import event_shape
from ._points import input_points
from ._propagation import Known
from ._run import N_MEMBERS, Run
from ._trainer import Trainer
from ._wrapped import draws_of, labeled_by, seed_where_none, was_interrupted

if TYPE_CHECKING:
    from ._active_learning import ActiveLearningClassifier

__all__ = ["SOURCES", "ActiveRun"]

SOURCES: dict[str, Callable[[Any], NDArray[Any]]] = {
    "proba": lambda run: run.proba,
    "embedding": lambda run: run.embedding(),
    "sampled_proba": lambda run: draws_of(run.model, run.X),
    "discriminator": lambda run: labeled_by(run.model, run.X),
}
"""Where the arrays that an acquisition may need come from, once there is a classifier."""


class ActiveRun(Run):
    """Train where that is possible; then, each round: choose rows, ask, train.

    Parameters
    ----------
    settings : ActiveLearningClassifier
        Whose parameters decide, and which gets the fitted attributes.
    X : array-like of shape (n_samples, ...)
        The data as the classifier is to see it.
    rows : ndarray of shape (n_samples, n_features)
        The data as flat numbers.
    known : Known
        Labels known at the start.
    rng : RandomState
        Decides everything random.
    asks : bool
        Whether there is anybody to ask.
    """

    def __init__(
        self,
        settings: ActiveLearningClassifier,
        X: Any,
        rows: NDArray[Any],
        known: Known,
        rng: np.random.RandomState,
        *,
        asks: bool,
    ) -> None:
        super().__init__(settings, rows, rng)
        self.settings, self.X, self.known, self.asks = settings, X, known, asks
        self.kinds = {label_kind(label) for label, _ in known.labels.values()}
        self.inner, self.owner = settings._inner(), type(settings).__name__
        self.trainer = Trainer(
            self.inner, X, len(rows), fit_on=settings.fit_on, warm_start=settings.warm_start, owner=self.owner
        )
        self.number = 0
        self.invalid: set[int] = set()
        self.embedding_seeds: dict[str, int] | None = None
        self.proba: NDArray[Any] = np.empty((len(rows), 0))
        self.predicted: NDArray[Any] | None = None

    def state(self) -> dict[str, Any]:
        """What `steps` goes on from."""
        return {
            "number": self.number,
            "known": self.known.packed(),
            "invalid": sorted(self.invalid),
            "rounds": self.settings.rounds_,
            "embedding_seeds": self.embedding_seeds,
            "trainer": self.trainer.state(),
        }

    def packed(self) -> tuple[dict[str, Any], Arrays]:
        """The classifier, if it is one of ours; any other is fitted again."""
        return self.trainer.packed()

    def unpack(self, fitted: Mapping[str, Any], arrays: Arrays) -> None:
        """Take up what `packed` gave."""
        self.trainer.unpack(fitted, arrays)

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where `state` was taken; what was not kept is fitted again, as it was fitted then."""
        self.number, self.invalid, self.settings.rounds_ = state["number"], set(state["invalid"]), state["rounds"]
        self.known = Known.unpacked(state["known"])
        self.embedding_seeds = state["embedding_seeds"]
        if self.embedding_seeds is not None:
            _ = self.fixed_embedding
        self.trainer.restore(state["trainer"], self.known.labels)
        self._take_up()

    def interrupted(self) -> bool:
        """Whether somebody cut the last training short."""
        return was_interrupted(self.model)

    @property
    def model(self) -> Any:
        """The classifier of the round before, or None."""
        return self.trainer.model

    def steps(self) -> Generator[QueryBatch, list[Answer], None]:
        """The whole fit, or what is left of it: yields questions and is sent their answers."""
        settings, clock = self.settings, perf_counter()
        if self.model is None and self._train():
            self.trained()
        if self.asks and settings.embedding is not None and self._needs_embedding():
            _ = self.fixed_embedding  # if it fails, it does so before anybody is asked
        while self.asks:
            reason = self._reason_to_stop()
            if reason is not None:
                settings.stopped_by_ = reason
                break
            queries = self._queries()
            asked = perf_counter()
            answers = yield queries
            waited = perf_counter() - asked
            before = self.predicted
            self._learn(queries, answers)
            trained = self._train()
            self._record(answers, before, {"seconds": perf_counter() - clock, "seconds_asking": waited})
            self.number += 1
            if trained:
                self.trained()
            clock = perf_counter()
        if self.model is None:
            found = self.trainer.split(self.known.labels)[0].tolist()
            raise ValueError(
                f"{self.owner}: labels of at least 2 classes are needed, but {len(self.known.asked)} "
                f"answers gave {len(found)} class(es), {found}. The answers are kept in answers_."
            )

    def embedding(self) -> NDArray[Any]:
        """Points of all rows: by the parameter `embedding`, by the classifier, or principal components before it."""
        if self.settings.embedding is None and hasattr(self.model, "transform"):
            return np.asarray(self.model.transform(self.X))
        return self.fixed_embedding

    def _needs_embedding(self) -> bool:
        """Whether any part that is still to choose, or to stop, compares points."""
        needs = [needs for _, _, needs in self.settings._parts_with_needs()]
        if self.model is None:
            needs.append(as_acquisition(self.settings.initial).needs)
        return any("embedding" in names for names in needs)

    @cached_property
    def fixed_embedding(self) -> NDArray[Any]:
        """Points of all rows that need no label."""
        if self.settings.embedding is None:
            return self.components
        self.settings.embedding_ = clone(self.settings.embedding)
        if self.embedding_seeds is None:
            self.embedding_seeds = seed_where_none(self.settings.embedding_, self.rng)
        self.settings.embedding_.set_params(**self.embedding_seeds)
        return np.asarray(self.settings.embedding_.fit_transform(self.rows))

    @cached_property
    def components(self) -> NDArray[Any]:
        """Principal components of all rows."""
        return input_points(self.rows, event_shape(self._sample_shape()))

    def _sample_shape(self) -> tuple[int, ...]:
        """That of X, or the one that the classifier gives to flat rows."""
        image_shape = getattr(self.inner, "image_shape", None)
        return tuple(image_shape) if isinstance(image_shape, (tuple, list)) else self.settings._x_shape

    def _candidates(self) -> NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.rows)), [*self.known.labels, *self.known.asked])

    def _n_questions(self) -> int:
        """As many as a batch, the budget and the pool allow."""
        settings = self.settings
        left = len(self.rows) if settings.budget is None else settings.budget - len(self.known.asked)
        return min(settings.batch_size, left, len(self._candidates()))

    def _reason_to_stop(self) -> Any:
        settings = self.settings
        if self.model is not None and self.interrupted():
            return "interrupt"  # what would be asked next is not what a fit in full asks
        if settings.n_rounds is not None and self.number >= settings.n_rounds:
            return "n_rounds"
        if settings.budget is not None and len(self.known.asked) >= settings.budget:
            return "budget"
        if not len(self._candidates()):
            return "pool"
        if not self.number:
            return None
        labeled = np.zeros(len(self.rows), dtype=bool)
        labeled[list(self.known.labels)] = True
        progress = Progress(settings.rounds_, labeled, self.embedding)
        return next((rule for rule in settings._rules() if rule(progress)), None)

    def _queries(self) -> QueryBatch:
        """The questions of a round."""
        first = len(self.known.asked)
        chosen, points = self._choose(self._n_questions())
        if points is None:  # an embedding is not fitted, and draws no seed, only to show rows
            points = self.fixed_embedding if "fixed_embedding" in vars(self) else self.components
        nearest = rows_nearest(chosen, points)
        queries = []
        for place, row in enumerate(chosen.tolist()):
            suggestion = None
            if self.predicted is not None:
                suggestion = self.predicted[row].item(), float(self.proba[row].max())
            queries.append(
                Query(
                    id=first + place,
                    x=np.array(self.rows[row]).reshape(self.settings._x_shape),
                    kind="sample",
                    index=row,
                    cluster=place,
                    level=0,
                    round=self.number,
                    members=nearest[place],
                    suggestion=suggestion,
                )
            )
        return QueryBatch(queries)

    def _choose(self, n: int) -> tuple[NDArray[np.int64], NDArray[Any] | None]:
        """Rows to ask about, and the points that the acquisition compared, where it did."""
        classes, codes = self.trainer.split(self.known.labels)
        acquisition = self.settings.initial if self.model is None else self.settings.acquisition
        needs = as_acquisition(acquisition).needs
        arrays: dict[str, Any] = {name: source(self) for name, source in SOURCES.items() if name in needs}
        if self.model is not None:
            if callable(acquisition) and not hasattr(acquisition, "needs"):
                arrays["proba"] = self.proba  # it does not say what it reads
            column = {label: k for k, label in enumerate(self.settings.classes_.tolist())}
            of_class = np.array([column.get(label, UNLABELED) for label in classes.tolist()] + [UNLABELED])
            arrays["classes"], codes = np.arange(len(column)), of_class[codes]
        chosen = query(acquisition, n, labels=codes, candidates=self._candidates(), random_state=self.rng, **arrays)
        return chosen, arrays.get("embedding")

    def _learn(self, queries: QueryBatch, answers: list[Answer]) -> None:
        """Take note of answers; SKIP says nothing, but is not asked again."""
        for one, answer in zip(queries, answers, strict=True):
            row = int(one.index)  # type: ignore[arg-type]
            self.known.asked.add(row)
            if answer.is_label:
                self.known.labels[row] = answer.label, answer.confidence
            elif answer.label is INVALID:
                self.invalid.add(row)

    def _train(self) -> bool:
        """Fit the classifier if there are two classes, and say whether there are."""
        try:
            trained = self.trainer.train(self.known.labels, self.rng)
            if trained:
                self._take_up()
        except Exception as error:
            error.add_note(
                f"{self.owner}: {type(self.inner).__name__} failed on {len(self.known.labels)} labels, in round "
                f"{self.number}. The answers are kept in answers_."
            )
            raise
        return trained

    def _take_up(self) -> None:
        """Set the fitted attributes: the estimator is usable whatever comes next."""
        model, fitted = self.model, self.settings
        proba = np.asarray(model.predict_proba(self.X))
        silent = ~np.isfinite(proba).all(axis=1, keepdims=True)  # LabelSpreading, of rows that no label reaches
        self.proba = np.where(silent, 1 / proba.shape[1], proba)
        fitted._names, fitted.estimator_ = self.trainer.names, model
        fitted.classes_ = fitted._named(model.classes_)
        self.predicted = fitted.classes_[self.proba.argmax(axis=1)]
        self._keep(*self.trainer.split(self.known.labels))

    def _keep(self, classes: NDArray[Any], codes: NDArray[np.int64]) -> None:
        """Labels of all rows: what is known, then what is predicted; none for what shows no valid class."""
        fitted, predicted = self.settings, split_labels(self.predicted)  # type: ignore[arg-type]
        every, spread = split_labels([*classes.tolist(), *predicted[0].tolist()])
        code = np.where(codes >= 0, spread[codes], spread[len(classes) + predicted[1]])
        confidence = self.proba.max(axis=1).astype(np.float64)
        for row, (_, sure) in self.known.labels.items():
            confidence[row] = sure
        nothing = list(self.invalid)
        code[nothing], confidence[nothing] = UNLABELED, 0.0
        fitted.labels_, fitted.label_confidence_ = join_labels(every, code), np.clip(confidence, 0.0, 1.0)

    def _record(self, answers: list[Answer], before: NDArray[Any] | None, seconds: dict[str, float]) -> None:
        """What a round asked, what it cost and what came of it."""
        seen = [(a.label, a.query.suggestion[0]) for a in answers if a.is_label and a.query and a.query.suggestion]
        self.settings.rounds_.append(
            {
                "round": self.number,
                "n_queries": len(answers),
                "n_invalid": sum(answer.label is INVALID for answer in answers),
                "n_skipped": sum(answer.label is SKIP for answer in answers),
                "n_labeled": len(self.known.labels),
                "n_classes": len({label for label, _ in self.known.labels.values()}),
                "seen_accuracy": float(np.mean([label == guess for label, guess in seen])) if seen else float("nan"),
                "agreement": float("nan") if before is None else float(np.mean(self.predicted == before)),
                **seconds,
            }
        )


def rows_nearest(rows: NDArray[np.int64], points: NDArray[Any]) -> list[NDArray[np.int64]]:
    """The `N_MEMBERS` rows nearest to each of some, itself first; exhaustively, a block of distances at a time."""
    neighbors = NearestNeighbors(n_neighbors=min(N_MEMBERS, len(points)), algorithm="brute").fit(points)
    found = neighbors.kneighbors(points[rows], return_distance=False)
    return [
        np.array([row, *near[near != row]])[: len(near)] for row, near in zip(rows, found, strict=True)
    ]  # a row that has many copies need not be found among them
