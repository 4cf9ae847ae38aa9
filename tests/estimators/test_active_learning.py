"""What ActiveLearningClassifier asks, round after round."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, scale
from sklearn.semi_supervised import LabelSpreading

from sklvae import (
    INVALID,
    SKIP,
    ActiveLearningClassifier,
    M2Classifier,
)
from sklvae.acquisition import StopAfter, StopWhenIndistinguishable, StopWhenStable, query, strategy
from sklvae.graph import gradient_histograms


def tiny(kind=M2Classifier, **parameters):
    return kind(max_epochs=2, hidden_units=(8,), n_latent=2, batch_size=64, **parameters)


def test_it_learns_blobs_from_nothing(blobs, truth, learner):
    X, y = blobs
    oracle = truth(y)
    fitted = learner().fit(X, oracle=oracle)
    assert [len(batch) for batch in oracle.batches] == [4, 4, 4]
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, y) > 0.95
    assert fitted.n_queries_ == len(fitted.answers_) == 12
    assert fitted.stopped_by_ == "n_rounds"
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.estimator_.predict_proba(X))


def test_the_default_is_m2(blobs, truth, learner):
    X, y = blobs
    assert isinstance(ActiveLearningClassifier()._inner(), M2Classifier)
    assert isinstance(learner(tiny()).fit(X, oracle=truth(y)).estimator_, M2Classifier)


def test_questions_are_rows_asked_once_with_the_suggestion_of_the_round_before(blobs, truth, learner):
    X, y = blobs
    oracle, seen = truth(y), []
    fitted = learner()

    def expert(queries):
        proba = fitted.predict_proba(X) if queries[0].round else None
        for q in queries:
            np.testing.assert_array_equal(q.x, X[q.index])
            assert (q.kind, q.level) == ("sample", 0)
            if proba is None:
                assert q.suggestion is None
            else:
                assert q.suggestion == (fitted.classes_[proba[q.index].argmax()], proba[q.index].max())
            seen.append((q.id, q.index))
        return oracle(queries)

    fitted.fit(X, oracle=expert)
    assert [number for number, _ in seen] == list(range(12))
    assert len({row for _, row in seen}) == 12


@pytest.mark.parametrize("name", ["margin", "badge", "coreset", "typiclust", "distant_least_confident"])
def test_the_rows_asked_are_those_that_the_acquisition_chooses(name, blobs, learner):
    """Round by round, by `query` on the classifier's own arrays."""
    X, y = blobs
    pca = PCA(2, random_state=0)
    known = np.where(np.arange(120) % 15 == 0, y, -1)
    fitted = learner(acquisition=name, embedding=pca)

    def oracle(queries):
        arrays = {"labels": labels, "classes": fitted.classes_, "embedding": pca.fit_transform(X),
                  "proba": fitted.predict_proba(X)}  # fmt: skip
        if name not in ("badge", "typiclust"):  # those draw
            np.testing.assert_array_equal([q.index for q in queries], query(name, 4, **arrays))
        labels[[q.index for q in queries]] = y[[q.index for q in queries]]
        return y[[q.index for q in queries]]

    labels = known.copy()
    fitted.fit(X, known, oracle=oracle)
    assert fitted.n_queries_ == 12


def test_the_transform_of_the_classifier_is_the_embedding_where_none_is_given(blobs, truth, learner):
    X, y = blobs
    known = np.where(np.arange(120) % 15 == 0, y, -1)
    fitted = learner(tiny(random_state=3), acquisition="coreset", n_rounds=1)

    def oracle(queries):
        expected = query("coreset", 4, labels=known, embedding=fitted.estimator_.transform(X))
        np.testing.assert_array_equal([q.index for q in queries], expected)
        return y[expected]

    assert fitted.fit(X, known, oracle=oracle).n_queries_ == 4
    assert not hasattr(fitted, "embedding_")


@pytest.mark.parametrize("kind", ["table", "unit table", "images", "image_shape", "uint8"])
def test_the_first_points_are_edges_of_images_and_tables_in_standard_deviations(kind, digits, truth, learner):
    X, y = digits
    X = X * np.linspace(0.1, 1, 64)
    pixels = np.rint(X * 255).astype(np.uint8)
    given = {"table": 3 * X, "images": 3 * X.reshape(-1, 8, 8), "uint8": pixels.reshape(-1, 8, 8)}.get(kind, X)
    inner = tiny(image_shape=(8, 8) if kind == "image_shape" else None)
    oracle, rows = truth(y), given.reshape(200, -1).astype(float)
    learner(inner, initial="coreset", n_rounds=1, batch_size=12).fit(given, oracle=oracle)
    points = PCA(50).fit_transform(scale(rows))
    if "table" not in kind:
        points = PCA(100).fit_transform(scale(gradient_histograms(rows, (1, 8, 8)).astype(float), axis=1))
    expected = query("coreset", 12, embedding=points, labels=np.full(200, -1), random_state=0)
    assert [q.index for q in oracle.batches[0]] == expected.tolist()


@pytest.mark.parametrize("case", ["embedding", "transform", "components", "not needed"])
def test_a_question_shows_the_rows_nearest_to_it(case, blobs, learner):
    """In the points that the acquisition compares, or else in an embedding that is fitted, or in the components."""
    X, y = blobs
    X = np.concatenate([X, np.repeat(X[:1], 20, axis=0)])  # a row that has more copies than are shown
    y = np.concatenate([y, np.repeat(y[:1], 20)])
    known = np.where(np.arange(140) % 15 == 0, y, -1)
    asked = []

    def last_odd(pool):
        return pool.rows % 2 + pool.rows / 140

    fitted = {
        "embedding": learner(acquisition=last_odd, initial="typiclust", embedding=PCA(2)),
        "transform": learner(tiny(), acquisition="coreset"),
        "components": learner(tiny(), acquisition=last_odd),
        "not needed": learner(acquisition=last_odd, embedding=PCA(2)),
    }[case]

    def oracle(queries):
        points = {
            "embedding": lambda: PCA(2).fit_transform(X),
            "transform": lambda: fitted.estimator_.transform(X),
        }.get(case, lambda: StandardScaler().fit_transform(X))()
        for q in queries:
            distances = np.linalg.norm(points - points[q.index], axis=1)
            assert q.members[0] == q.index
            assert len(set(q.members.tolist())) == 16
            np.testing.assert_allclose(distances[q.members], np.sort(distances)[:16], atol=1e-3)
            asked.append(q.index)
        return y[[q.index for q in queries]]

    fitted.fit(X, None if case == "embedding" else known, oracle=oracle)
    assert len(asked) == 12
    assert case == "transform" or max(asked) == 139
    assert hasattr(fitted, "embedding_") == (case == "embedding")


def test_a_question_of_few_rows_shows_them_all(blobs, learner):
    X, y = blobs
    seen = []

    def oracle(queries):
        seen.extend(sorted(q.members.tolist()) for q in queries)
        return y[[q.index for q in queries]]

    learner(n_rounds=1).fit(X[:9], oracle=oracle)
    assert seen == [list(range(9))] * 4


def test_it_asks_on_until_there_are_two_classes(blobs, learner):
    X, _ = blobs
    fitted = learner(KNeighborsClassifier(1), initial="random", n_rounds=5)
    fitted.fit(X, oracle=lambda queries: ["a" if q.round < 2 else "b" for q in queries])
    assert [record["n_classes"] for record in fitted.rounds_] == [1, 1, 2, 2, 2]
    assert np.isnan([record["seen_accuracy"] for record in fitted.rounds_[:3]]).all()
    assert fitted.rounds_[3]["seen_accuracy"] == 1 or fitted.rounds_[3]["seen_accuracy"] < 1
    assert fitted.classes_.tolist() == ["a", "b"]


def test_invalid_costs_a_question_and_is_out_skip_is_not_asked_again(blobs, learner):
    X, y = blobs
    asked = []

    def oracle(queries):
        asked.extend(q.index for q in queries)
        return [INVALID if q.id % 4 == 0 else SKIP if q.id % 4 == 1 else y[q.index] for q in queries]

    fitted = learner(KNeighborsClassifier(1), n_rounds=None, budget=40).fit(X, oracle=oracle)
    assert fitted.stopped_by_ == "budget"
    assert fitted.n_queries_ == 40 == len(set(asked))
    assert fitted.rounds_[-1]["n_labeled"] == 20
    for total, name in ((10, "n_invalid"), (10, "n_skipped")):
        assert sum(record[name] for record in fitted.rounds_) == total
    invalid = [a.query.index for a in fitted.answers_ if a.label is INVALID]
    np.testing.assert_array_equal(fitted.labels_[invalid], -1)
    np.testing.assert_array_equal(fitted.label_confidence_[invalid], 0)
    skipped = [a.query.index for a in fitted.answers_ if a.label is SKIP]
    np.testing.assert_array_equal(fitted.labels_[skipped], fitted.predict(X[skipped]))


def test_labels_are_those_known_and_else_those_predicted(blobs, truth, learner):
    X, y = blobs
    expert = truth(y)
    known = np.where(np.arange(120) % 20 == 0, 2 - y, -1)  # wrong on purpose: they stand
    fitted = learner().fit(X, known, oracle=lambda q: (expert(q), np.full(len(q), 0.6)))
    asked = [a.query.index for a in fitted.answers_]
    rest = np.setdiff1d(np.arange(120), [*asked, *np.flatnonzero(known >= 0)])
    np.testing.assert_array_equal(fitted.labels_[known >= 0], known[known >= 0])
    np.testing.assert_array_equal(fitted.label_confidence_[known >= 0], 1)
    np.testing.assert_array_equal(fitted.labels_[asked], y[asked])
    np.testing.assert_array_equal(fitted.label_confidence_[asked], 0.6)
    np.testing.assert_array_equal(fitted.labels_[rest], fitted.predict(X[rest]))
    np.testing.assert_allclose(fitted.label_confidence_[rest], fitted.predict_proba(X[rest]).max(axis=1))


def test_rounds_keep_seen_accuracy_agreement_and_cost(blobs, learner):
    X, y = blobs
    known = np.where(np.arange(120) % 20 == 0, y, -1)
    guesses, predictions = [], []
    fitted = learner(GaussianNB())

    def oracle(queries):
        predictions.append(fitted.predict(X))
        guesses.append(np.mean([q.suggestion[0] == y[q.index] for q in queries]))
        return [y[q.index] for q in queries]

    fitted.fit(X, known, oracle=oracle)
    predictions.append(fitted.predict(X))
    assert [record["seen_accuracy"] for record in fitted.rounds_] == guesses
    agreement = [np.mean(a == b) for a, b in pairwise(predictions)]
    assert [record["agreement"] for record in fitted.rounds_] == agreement
    assert [record["n_queries"] for record in fitted.rounds_] == [4, 4, 4]
    for record in fitted.rounds_:
        assert 0 <= record["seconds_asking"] <= record["seconds"]


def test_the_budget_cuts_the_last_round_short(blobs, truth, learner):
    X, y = blobs
    oracle = truth(y)
    fitted = learner(budget=6).fit(X, oracle=oracle)
    assert [len(batch) for batch in oracle.batches] == [4, 2]
    assert fitted.stopped_by_ == "budget"


def test_without_limits_it_asks_about_every_row(blobs, truth, learner):
    X, y = blobs
    fitted = learner(n_rounds=None, batch_size=50).fit(X, oracle=truth(y))
    assert fitted.stopped_by_ == "pool"
    assert fitted.n_queries_ == 120
    np.testing.assert_array_equal(fitted.labels_, y)


def test_stopping_rules_end_the_asking(blobs, truth, learner):
    X, y = blobs
    rule = StopAfter(n_queries=8)
    fitted = learner(n_rounds=None, stopping=rule).fit(X, oracle=truth(y))
    assert (fitted.n_queries_, fitted.stopped_by_) == (8, rule)
    rules = [StopAfter(n_queries=100), StopWhenStable(agreement=0.9, n_rounds=2)]
    fitted = learner(n_rounds=None, stopping=rules).fit(X, oracle=truth(y))
    assert fitted.stopped_by_ == rules[1]
    assert min(record["agreement"] for record in fitted.rounds_[-2:]) >= 0.9
    seen = []
    assert learner(stopping=seen.append).fit(X, oracle=truth(y)).n_queries_ == 12
    assert [int(progress.labeled.sum()) for progress in seen] == [4, 8]
    rule = StopWhenIndistinguishable(0.9)
    fitted = learner(initial="random", acquisition="random", n_rounds=None, stopping=rule, embedding=PCA(2))
    assert fitted.fit(X, oracle=truth(y)).stopped_by_ == rule


def test_a_stopping_rule_spares_an_expert_who_says_nothing(blobs, learner):
    fitted = learner(n_rounds=None, stopping=StopAfter(n_queries=8))
    with pytest.raises(ValueError, match="8 answers gave 0 class"):
        fitted.fit(blobs[0], oracle=lambda queries: [SKIP] * len(queries))
    assert fitted.n_queries_ == 8


def test_labels_do_not_cover_the_digits_after_one_round(truth, learner):
    """A few labels cannot show that they do."""
    X, y = load_digits(return_X_y=True)
    rule = StopWhenIndistinguishable()
    fitted = learner(
        LogisticRegression(C=0.1), acquisition="typiclust", embedding=PCA(10), batch_size=10, stopping=rule
    )
    assert fitted.fit(X / 16, oracle=truth(y)).stopped_by_ == "n_rounds"


def test_an_arbitrary_function_of_the_predictions_is_an_acquisition(blobs, truth, learner):
    X, y = blobs

    def unsure(pool):
        return 1 - pool.proba.max(axis=1)

    def near(pool):
        return -np.linalg.norm(pool.embedding, axis=1)

    near.needs = ("embedding",)
    asked = {}
    for acquisition in (unsure, "least_confident", near):
        oracle = truth(y)
        learner(acquisition=acquisition, embedding=PCA(2)).fit(X, oracle=oracle)
        asked[acquisition] = [query.index for batch in oracle.batches for query in batch]
    assert asked[unsure] == asked["least_confident"]
    rest = np.setdiff1d(np.arange(120), asked[near][:4])
    points = PCA(2).fit_transform(X)
    np.testing.assert_array_equal(asked[near][4:], rest[np.argsort(np.linalg.norm(points[rest], axis=1))][:8])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acquisition", "random"),
        ("acquisition", strategy("entropy")),
        ("acquisition", lambda pool: -pool.rows),
        ("initial", "random"),
        ("initial", "coreset"),
        ("embedding", PCA(1)),
        ("batch_size", 3),
        ("n_rounds", 2),
        ("budget", 5),
        ("fit_on", "all"),
        ("random_state", 1),
        ("estimator", GaussianNB()),
    ],
)
def test_a_parameter_changes_the_result(name, value, digits, truth, learner):
    X, y = digits
    inner = LabelSpreading(gamma=0.1) if name == "fit_on" else LogisticRegression()
    settings = {"estimator": inner, "initial": "typiclust", "fit_on": "labeled"}
    first, second = (learner(**{**settings, **change}).fit(X, oracle=truth(y)) for change in ({}, {name: value}))
    asked = [[a.query.index for a in fitted.answers_] for fitted in (first, second)]
    assert asked[0] != asked[1]


class Last:
    """Stands for a pool strategy of scikit-activeml."""

    missing_label, random_state = np.nan, None

    def query(self, X, y, candidates, batch_size):
        return candidates[-batch_size:]


def test_a_strategy_of_scikit_activeml_is_an_acquisition(blobs, truth, learner):
    X, y = blobs
    fitted = learner(acquisition=Last(), initial=Last(), embedding=PCA(2)).fit(X, oracle=truth(y))
    assert sorted(a.query.index for a in fitted.answers_) == list(range(108, 120))


def test_same_seed_same_questions_and_the_caller_is_left_as_it_was(digits, truth, learner):
    X, y = digits
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (learner(tiny(), acquisition="power_bald").fit(X, oracle=truth(y)) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
