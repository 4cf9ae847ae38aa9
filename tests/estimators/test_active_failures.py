"""What ActiveLearningClassifier refuses, and what a failure leaves."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from sklvae import (
    SKIP,
    CentroidRegularizedClassifier,
)
from sklvae.acquisition import StopWhenIndistinguishable, StopWhenStable
from sklvae.labeling import MemoizingOracle, OracleError


def reads(what):
    """A function that says what it needs, and not in a tuple."""

    def function(pool):
        raise AssertionError("it must not be called")

    function.needs = what
    return function


def cases():
    y = np.where(np.arange(120) % 2, np.arange(120) % 3, -1)
    return {
        "budget": ({"budget": 61}, y, "budget must be at most the number of unlabeled rows, 60; got 61"),
        "nothing to ask": ({}, np.arange(120) % 3, "no unlabeled row is left to ask about: y labels all 120"),
        "no probabilities": ({"estimator": LinearSVC()}, y, "with predict_proba, LinearSVC has none. Use one"),
        "embedding": ({"acquisition": "badge"}, y, r"'badge' needs embedding, for which LogisticRegression lacks"),
        "draws": ({"acquisition": "bald"}, y, "needs sampled_proba, for which LogisticRegression lacks sample_proba"),
        "discriminator": (
            {"acquisition": "discriminator"}, y, r'lacks predict_labeled. Use VAALClassifier\(discriminator="joint"\)'
        ),
        "draws of dropout": (
            {"estimator": CentroidRegularizedClassifier(), "acquisition": "bald"}, y, "lacks sample_proba"
        ),
        "needs": ({"acquisition": reads("latents")}, y, "needs 'latents', which is none of proba, labels, embedding"),
        "one need": ({"acquisition": reads("embedding")}, y, "acquisition=.* needs embedding, for which Logistic"),
        "need of a rule": ({"stopping": reads("embedding")}, y, "stopping=.* needs embedding, for which Logistic"),
        "rule": ({"stopping": [StopWhenIndistinguishable()]}, y, "stopping=.* needs embedding"),
        "name": ({"acquisition": "entropi"}, y, "acquisition must be one of random, least_confident, .*'entropi'"),
        "unknown initial": (
            {"initial": "typiclusts"}, y, "initial must be one of random, discriminative, .*; got 'typiclusts'"
        ),
        "an embedding's class": ({"embedding": PCA}, y, "a transformer, an instance, got <class"),
        "initial": ({"initial": "margin"}, y, r"'margin' needs proba. Use one of random, .*coreset, typiclust"),
        "warm start": (
            {"estimator": GaussianNB(), "warm_start": True}, y, "needs an estimator with a parameter warm_start"
        ),
        "estimator": ({"estimator": 3}, y, "estimator must be None or a classifier"),
        "a transformer": ({"embedding": 3}, y, "embedding must be None or a transformer, an instance, got 3"),
        "batch_size": ({"batch_size": 0}, y, "batch_size must be an integer >= 1, got 0"),
        "n_rounds": ({"n_rounds": 0}, y, "n_rounds must be None or an integer >= 1"),
        "fit_on": ({"fit_on": "some"}, y, "fit_on must be one of 'auto', 'labeled', 'all'"),
        "stopping": ({"stopping": [3]}, y, r"stopping must be None or a stopping rule.* or a list of them, got \[3\]"),
        "a rule's class": ({"stopping": StopWhenStable}, y, r"a stopping rule like StopWhenStable\(\) .*got <class"),
        "members": (
            {"estimator": BaggingClassifier(LinearSVC()), "acquisition": "bald"}, y,
            "needs sampled_proba, for which BaggingClassifier lacks sample_proba",
        ),
        "too many components": ({"initial": "random", "acquisition": "coreset", "embedding": PCA(500)}, None, "n_comp"),
        "length": ({}, y[:5], "inconsistent numbers of samples"),
    }  # fmt: skip


@pytest.mark.parametrize("case", cases())
def test_a_fit_that_cannot_start_says_why_and_asks_nothing(case, blobs, truth, learner):
    parameters, y, message = cases()[case]
    oracle = truth(blobs[1])
    with pytest.raises(ValueError, match=message):
        learner(**parameters).fit(blobs[0], y, oracle=oracle)
    assert oracle.batches == []


def test_a_fit_needs_y_or_an_oracle(blobs, learner):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        learner().fit(blobs[0])
    with pytest.raises(ValueError, match="y must have labels of at least 2 classes, got 1"):
        learner().fit(blobs[0], np.where(np.arange(120) < 5, 1, -1))
    with pytest.raises(ValueError, match=r"y must be labels, got a function. Give it as oracle="):
        learner().fit(blobs[0], lambda queries: [0] * len(queries))
    with pytest.raises(ValueError, match="oracle must be callable, got 3"):
        learner().fit(blobs[0], oracle=3)
    fitted = learner().fit(*blobs)
    assert (fitted.n_queries_, fitted.rounds_) == (0, [])
    assert not hasattr(fitted, "stopped_by_")


def test_classes_restricts_answers_and_y(blobs, truth, learner):
    X, y = blobs
    with pytest.raises(ValueError, match=r"query \d+ must be one of the classes \[0, 1\]"):
        learner(classes=[0, 1]).fit(X, oracle=truth(y))
    with pytest.raises(ValueError, match=r"y holds \[2\]"):
        learner(classes=[0, 1]).fit(X, y)


def test_without_two_classes_the_answers_are_kept(blobs, learner):
    fitted = learner()
    with pytest.raises(ValueError, match=r"at least 2 classes are needed, but 12 answers gave 1 class\(es\), \[7\]"):
        fitted.fit(blobs[0], oracle=lambda queries: [7] * len(queries))
    assert fitted.n_queries_ == 12
    assert len(fitted.rounds_) == 3


def test_a_wrong_reply_names_the_query_and_keeps_the_answers_before(blobs, truth, learner):
    X, y = blobs
    expert = truth(y)
    fitted = learner()
    with pytest.raises(
        ValueError, match=r"query 6 must be a label of the same kind .* The 6 answers before it are kept"
    ):
        fitted.fit(X, oracle=lambda q: ["six" if one.id == 6 else y[one.index] for one in q])
    assert [a.label for a in fitted.answers_] == [y[a.query.index] for a in fitted.answers_]
    assert fitted.n_queries_ == 6
    assert fitted.predict(X).shape == (120,)  # of the round before
    with pytest.raises(ValueError, match="query 0 must be a label of the same kind"):
        learner().fit(X, np.where(np.arange(120) < 9, y, -1), oracle=lambda q: [str(label) for label in expert(q)])


def test_an_oracle_that_raises_costs_no_answer(blobs, truth, learner):
    X, y = blobs
    asked = []

    def tired(queries):
        for one in queries:
            asked.append(one.id)
            if len(asked) == 7:
                raise ConnectionError("gone")
            yield y[one.index]

    fitted = learner()
    with pytest.raises(OracleError, match=r"ConnectionError: gone \(after 6 answers"):
        fitted.fit(X, oracle=tired)
    again = learner().fit(X, oracle=MemoizingOracle(tired, answers=fitted.answers_))
    assert asked == [*range(7), *range(6, 12)]
    np.testing.assert_array_equal(again.predict_proba(X), learner().fit(X, oracle=truth(y)).predict_proba(X))


def test_a_classifier_that_fails_says_when_and_costs_no_answer(blobs, truth, learner):
    X, y = blobs
    fitted = learner(CalibratedClassifierCV(LinearSVC()))
    with pytest.raises(ValueError, match="n_splits=5") as error:
        fitted.fit(X, oracle=truth(y))
    (note,) = error.value.__notes__
    assert note.startswith("ActiveLearningClassifier: CalibratedClassifierCV failed on 4 labels, in round 0.")
    assert len(fitted.answers_) == 4


def test_a_function_that_reads_what_it_does_not_name_is_told_how_to(blobs, truth, learner):
    X, y = blobs
    fitted = learner(acquisition=lambda pool: pool.embedding[:, 0])
    with pytest.raises(ValueError, match=r'reads embedding: points .*function.needs = \("embedding",\)'):
        fitted.fit(X, oracle=truth(y))
    assert fitted.n_queries_ == 4


def test_a_seed_that_is_none_leaves_the_last_fit(blobs, learner):
    fitted = learner().fit(*blobs)
    with pytest.raises(ValueError, match="cannot be used to seed"):
        fitted.set_params(random_state="x").fit(*blobs)
    assert hasattr(fitted, "estimator_")


def test_a_failed_second_fit_leaves_nothing_of_the_first(blobs, learner):
    fitted = learner().fit(*blobs)
    with pytest.raises(ValueError, match="0 class"):
        fitted.fit(blobs[0], oracle=lambda q: [SKIP] * len(q))
    assert not hasattr(fitted, "estimator_")
