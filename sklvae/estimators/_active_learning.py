"""Any classifier, an acquisition and an oracle."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..acquisition import STRATEGIES, StoppingRule, as_acquisition
from ..acquisition._checks import needs_of
from ..labeling import Answer, Oracle
from ._active_persistence import ActivePersistenceMixin
from ._active_run import ActiveRun
from ._classifier import known_labels
from ._constraints import Constraint, at_least, check_parameters, instance_of, labels_like, none, one_of
from ._input import check_rows, sample_shape
from ._m2 import M2Classifier
from ._propagation import Known
from ._run import OracleDriven
from ._session import fit_in_session
from ._wrapped import gives_draws, last_step, warm_start_parameter

__all__ = ["ActiveLearningClassifier", "check_asking", "check_classes"]

OF_A_FIT = ("classes_", "estimator_", "labels_", "label_confidence_", "stopped_by_", "embedding_")


class ActiveLearningClassifier(
    OracleDriven, ActivePersistenceMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    """Trains a classifier, asks about the rows that an acquisition chooses, trains again, and so on.

    Without labels of two classes there is no classifier yet: until then `initial` chooses, by what the data alone say.

    Parameters
    ----------
    estimator : classifier, default=None
        Any classifier with `predict_proba`; None is `M2Classifier`. It is cloned in each round.
    acquisition : str, Acquisition, callable or strategy of scikit-activeml, default="margin"
        Chooses the questions, see `sklvae.acquisition`. `sampled_proba` comes from the `sample_proba` of the
        classifier or from the members of a forest, of bagging or of a vote; `discriminator` from `predict_labeled`.
    initial : str, Acquisition, callable or strategy of scikit-activeml, default="typiclust"
        Chooses while there is no classifier; it may need an embedding and nothing else.
    embedding : transformer, default=None
        Gives the points that acquisitions compare; fitted once, on all rows, flat. None is the `transform` of the
        classifier, and before there is one the first principal components, of images those of their edges. `members` of
        a question are the rows nearest to it by these points; where the acquisition compares none, by the `embedding`
        if it was fitted, or else by the components.
    batch_size : int, default=10
        Questions of a round.
    n_rounds : int or None, default=10
        Rounds of asking at most; None sets no limit.
    budget : int or None, default=None
        Questions in all at most; the last round may be cut short by it. None sets no limit.
    fit_on : {"auto", "labeled", "all"}, default="auto"
        "labeled" fits the classifier on labeled rows, weighed by the confidence of their answers where its `fit` takes
        `sample_weight`; "all" on all rows with -1 in y for unlabeled ones; "auto" is
        "all" for classifiers of sklvae and of `sklearn.semi_supervised`, also as the last step of a pipeline.
    stopping : callable or list of callables, default=None
        Further reasons to stop, such as `StopAfter`, `StopWhenStable` and `StopWhenIndistinguishable` of
        `sklvae.acquisition`; the first that holds ends the asking.
    classes : array-like, default=None
        The only labels allowed; None allows any.
    warm_start : bool, default=False
        Whether the classifier goes on from the round before, while no class is added, instead of a new start. It
        needs a parameter of that name, and should train on when fitted again, as networks and linear models do.
    random_state : int, RandomState or None, default=None
        Decides everything random, also in the classifier wherever its own `random_state` is None.
    session_dir : str or path-like, default=None
        Keeps questions and answers there as they come, and what was trained: a fit that was broken off goes on from
        there, see `LabelingSession`. Of a classifier that is not of sklvae, and of a pipeline, the labels and seeds of
        its fits are kept and it is fitted again from them, so equal fits of it must give equal results.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimator_ : classifier
        The fitted classifier; usable after every round. One that is fitted on all rows, is not of sklvae and has
        classes that are no numbers knows them as integers, the positions in `classes_`.
    labels_ : ndarray of shape (n_samples,)
        A label for every training row: the known one, or else the predicted one; -1 for a row that is INVALID.
    label_confidence_ : ndarray of shape (n_samples,)
        1 for a label of y, the confidence of an answer, the probability of a prediction, 0 where there is no label.
    answers_ : list of Answer
        Every answer, in order, each with its query.
    n_queries_ : int
        Questions answered; INVALID and SKIP count.
    rounds_ : list of dict
        A record a round: questions, invalid and skipped ones, labels and classes so far; `seen_accuracy`, the share
        of answers that the classifier had guessed, before they were given; `agreement`, the share of rows
        predicted as a round before; both nan where there was no classifier; `seconds`, and those of them spent waiting
        for answers, `seconds_asking`.
    stopped_by_ : str or callable
        What ended the asking, where there was any: "n_rounds", "budget", "pool" (nothing is left to ask about), a
        stopping rule, or "interrupt" (Ctrl-C while a network of ours was trained).
    embedding_ : transformer
        The fitted `embedding`, if it was needed.
    n_features_in_ : int
        Values per sample.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, where X had them.

    References
    ----------
    Settles, 2009, "Active learning literature survey", Section 2.3 (pool-based sampling).

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklvae import ActiveLearningClassifier
    >>> X, truth = make_blobs(n_samples=120, centers=3, n_features=5, random_state=0)
    >>> learner = ActiveLearningClassifier(LogisticRegression(), batch_size=4, n_rounds=3, random_state=0)
    >>> learner.fit(X, oracle=lambda queries: [truth[query.index] for query in queries]).n_queries_
    12
    >>> learner.score(X, truth) > 0.9
    True
    """

    _warm_from_last_fit: ClassVar = False

    _constraints: ClassVar[dict[str, Constraint]] = {
        "estimator": none | instance_of(BaseEstimator, "a classifier of scikit-learn's kind, an instance"),
        "embedding": none
        | Constraint(lambda v: hasattr(v, "fit_transform") and not isinstance(v, type), "a transformer, an instance"),
        "batch_size": at_least(1, int),
        "n_rounds": none | at_least(1, int),
        "budget": none | at_least(1, int),
        "fit_on": one_of("auto", "labeled", "all"),
        "stopping": none
        | Constraint(lambda v: _is_rule(v), "a stopping rule like StopWhenStable()")
        | Constraint(lambda v: isinstance(v, (list, tuple)) and all(map(_is_rule, v)), "a list of them"),
        "classes": none | labels_like,
        "warm_start": instance_of(bool, "a bool"),
        "session_dir": none | instance_of((str, os.PathLike), "a path"),
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        acquisition: Any = "margin",
        initial: Any = "typiclust",
        embedding: Any = None,
        batch_size: int = 10,
        n_rounds: int | None = 10,
        budget: int | None = None,
        fit_on: str = "auto",
        stopping: Any = None,
        classes: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        session_dir: Any = None,
    ) -> None:
        self.estimator = estimator
        self.acquisition = acquisition
        self.initial = initial
        self.embedding = embedding
        self.batch_size = batch_size
        self.n_rounds = n_rounds
        self.budget = budget
        self.fit_on = fit_on
        self.stopping = stopping
        self.classes = classes
        self.warm_start = warm_start
        self.random_state = random_state
        self.session_dir = session_dir

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, oracle: Oracle | None = None) -> Self:
        """Train, ask the oracle, train on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Numbers without nan; the classifier gets them as they are. Encode text and fill gaps before.
        y : array-like of shape (n_samples,), default=None
            What is known already: -1 for unlabeled rows, or an object array with -1, None or nan for them.
        oracle : callable, default=None
            ``answers = oracle(queries)``, see `sklvae.labeling`. `fit` needs y, an oracle, or both; without an oracle
            the classifier is fitted once.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X, y or an answer is wrong, there are fewer unlabeled rows than `budget`, or none, or all
            answers together name fewer than two classes.
        OracleError
            If the oracle raises. What it answered before is in `answers_`.
        SessionError
            If the session in `session_dir` is in use, damaged, or cannot be written.
        """
        return fit_in_session(self, X, y, oracle)

    def _begin(self, X: ArrayLike, y: ArrayLike | None, *, asks: bool) -> ActiveRun:
        return ActiveRun(self, *self._checked(X, y, asks=asks), asks=asks)

    def _checked(
        self, X: ArrayLike, y: ArrayLike | None, *, asks: bool
    ) -> tuple[Any, NDArray[Any], Known, np.random.RandomState]:
        """Everything that a run begins with; nothing of an earlier fit is left then."""
        check_parameters(self, self._constraints)
        self._check_parts()
        rows = check_rows(self, X, reset=True)
        labels = self._check_labels(y, len(rows), asks=asks)
        rng = check_random_state(self.random_state)
        for name in OF_A_FIT:
            self.__dict__.pop(name, None)
        self._x_shape = sample_shape(X, rows)
        self._names: NDArray[Any] | None = None
        self.answers_: list[Answer] = []
        self.rounds_: list[dict[str, Any]] = []
        return self._as_given(X, rows), rows, Known(labels), rng

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class of each sample, by the fitted classifier, (n_samples,)."""
        check_is_fitted(self, "estimator_")
        return self._named(self.estimator_.predict(self._as_given(X, check_rows(self, X, reset=False))))

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities by the fitted classifier, (n_samples, n_classes)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict_proba(self._as_given(X, check_rows(self, X, reset=False))))

    def _named(self, predicted: Any) -> NDArray[Any]:
        """Labels as they are known here: the fitted classifier may speak of codes."""
        return np.asarray(predicted) if self._names is None else self._names[predicted]

    def _as_given(self, X: Any, rows: NDArray[Any]) -> Any:
        """X for the classifier: a frame as it is, anything else as an array in the shape of the training data."""
        return X if hasattr(X, "iloc") else rows.reshape(len(rows), *self._x_shape)

    def _inner(self) -> Any:
        """The classifier, not fitted."""
        return M2Classifier() if self.estimator is None else self.estimator

    def _rules(self) -> list[StoppingRule]:
        if self.stopping is None:
            return []
        return list(self.stopping) if isinstance(self.stopping, (list, tuple)) else [self.stopping]

    def _check_parts(self) -> None:
        """Refuse, before anything is asked, parts that do not fit each other."""
        name, inner = type(self).__name__, self._inner()
        kind = type(inner).__name__
        if not hasattr(inner, "predict_proba"):
            raise ValueError(
                f"{name}: estimator must be a classifier with predict_proba, {kind} has none. Use one that has it, "
                "as LogisticRegression; CalibratedClassifierCV gives it to any, but needs y with five labels a class."
            )
        if self.warm_start and warm_start_parameter(inner) is None:
            raise ValueError(
                f"{name}: warm_start=True needs an estimator with a parameter warm_start, {kind} has none. Use "
                "warm_start=False."
            )
        known = [key for key, value in STRATEGIES.items() if set(value.needs) <= {"embedding"}]
        if isinstance(self.initial, str) and self.initial not in STRATEGIES:
            raise ValueError(f"{name}: initial must be one of {', '.join(known)}; got {self.initial!r}.")
        more = set(as_acquisition(self.initial).needs) - {"embedding"}
        if more:
            raise ValueError(
                f"{name}: initial chooses before there is a classifier and may need an embedding only, but "
                f"{self.initial!r} needs {', '.join(sorted(more))}. Use one of {', '.join(known)}."
            )
        sources = {
            "embedding": (
                self.embedding is not None or hasattr(inner, "transform"),
                "transform",
                "Give embedding=StandardScaler(), PCA(n_components=10) or another transformer",
            ),
            "sampled_proba": (gives_draws(inner), "sample_proba", "Use a forest, BaggingClassifier or M2Classifier"),
            "discriminator": (
                hasattr(last_step(inner), "predict_labeled"),
                "predict_labeled",
                'Use VAALClassifier(discriminator="joint")',
            ),
        }
        known_needs = ["proba", "labels", *sources]
        for parameter, user, needs in self._parts_with_needs():
            for need in needs:
                if need not in known_needs:
                    raise ValueError(
                        f"{name}: {parameter}={user!r} needs {need!r}, which is none of {', '.join(known_needs)}."
                    )
                there, method, way_out = sources.get(need, (True, "", ""))
                if not there:
                    raise ValueError(
                        f"{name}: {parameter}={user!r} needs {need}, for which {kind} lacks {method}. {way_out}."
                    )

    def _parts_with_needs(self) -> list[tuple[str, Any, tuple[str, ...]]]:
        """The parameter, its value and what that needs, of all that sees a classifier."""
        acquisition = "acquisition", self.acquisition, as_acquisition(self.acquisition).needs
        return [acquisition, *(("stopping", rule, needs_of(rule)) for rule in self._rules())]

    def _check_labels(self, y: ArrayLike | None, n_samples: int, *, asks: bool) -> dict[int, tuple[Any, float]]:
        """Labels known by row, and the errors of a fit that cannot start."""
        name = type(self).__name__
        if y is None and not asks:
            raise ValueError(
                f"{name} requires y to be passed, but the target y is None. Pass labels as y (-1 where "
                "unlabeled), an oracle, or both."
            )
        labels: dict[int, tuple[Any, float]] = {}
        if y is not None:
            classes, codes = known_labels(self, y, n_samples)
            labels = {int(row): (classes[codes[row]].item(), 1.0) for row in np.flatnonzero(codes >= 0)}
            if not asks:
                check_classes(name, len(classes), len(labels), n_samples)
        if asks:
            check_asking(name, n_samples, len(labels), self.budget, "Lower it, or use budget=None")
        return labels


def _is_rule(value: Any) -> bool:
    """Whether it can be called, and is not a class that somebody forgot to call."""
    return callable(value) and not isinstance(value, type)


def check_classes(owner: str, n_classes: int, n_labeled: int, n_samples: int) -> None:
    """Refuse labels of fewer than two classes where nobody is asked."""
    if n_classes < 2:
        raise ValueError(
            f"{owner}: y must have labels of at least 2 classes, got {n_classes} class(es) among "
            f"{n_labeled} labeled of {n_samples} rows. Label more rows, or pass an oracle."
        )


def check_asking(owner: str, n_samples: int, n_labeled: int, budget: int | None, way_out: str) -> None:
    """Refuse to ask where there is nothing to ask about, or a budget that the unlabeled rows cannot use up."""
    n_unlabeled = n_samples - n_labeled
    if not n_unlabeled:
        raise ValueError(
            f"{owner}: no unlabeled row is left to ask about: y labels all {n_samples}. Leave the oracle out, or "
            "mark rows as unlabeled by -1."
        )
    if budget is not None and budget > n_unlabeled:
        raise ValueError(
            f"{owner}: budget must be at most the number of unlabeled rows, {n_unlabeled}; got {budget}. {way_out}."
        )
