import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklvae import (
    INVALID,
    SKIP,
    ActiveLearningClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    M2Classifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)
from sklvae.acquisition import StopAfter, StopWhenIndistinguishable, StopWhenStable, query, strategy
from sklvae.labeling import MemoizingOracle, OracleError, SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


class Spy(ClassifierMixin, BaseEstimator):
    """A nearest-neighbor classifier that keeps what it is fitted on."""

    def __init__(self, warm_start=False, random_state=None):
        self.warm_start, self.random_state = warm_start, random_state

    def fit(self, X, y):
        self.fits_ = [*(self.fits_ if self.warm_start else []), (X, y)]
        self.model_ = KNeighborsClassifier(1).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def learner(estimator=None, **parameters):
    defaults = {"batch_size": 4, "n_rounds": 3, "random_state": 0}
    estimator = LogisticRegression() if estimator is None else estimator
    return ActiveLearningClassifier(estimator, **{**defaults, **parameters})


def tiny(kind=M2Classifier, **parameters):
    return kind(max_epochs=2, hidden_units=(8,), n_latent=2, batch_size=64, **parameters)


def test_it_learns_blobs_from_nothing(blobs, truth):
    X, y = blobs
    oracle = truth(y)
    fitted = learner().fit(X, oracle=oracle)
    assert [len(batch) for batch in oracle.batches] == [4, 4, 4]
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, y) > 0.95
    assert fitted.n_queries_ == len(fitted.answers_) == 12
    assert fitted.stopped_by_ == "n_rounds"
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.estimator_.predict_proba(X))


def test_the_default_is_m2(blobs, truth):
    X, y = blobs
    assert isinstance(ActiveLearningClassifier()._inner(), M2Classifier)
    assert isinstance(learner(tiny()).fit(X, oracle=truth(y)).estimator_, M2Classifier)


def test_questions_are_rows_asked_once_with_the_suggestion_of_the_round_before(blobs, truth):
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
def test_the_rows_asked_are_those_that_the_acquisition_chooses(name, blobs):
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


def test_the_transform_of_the_classifier_is_the_embedding_where_none_is_given(blobs, truth):
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
def test_the_first_points_are_images_as_they_are_and_tables_in_standard_deviations(kind, digits, truth):
    X, y = digits
    X = X * np.linspace(0.1, 1, 64)
    pixels = np.rint(X * 255).astype(np.uint8)
    given = {"table": 3 * X, "images": 3 * X.reshape(-1, 8, 8), "uint8": pixels.reshape(-1, 8, 8)}.get(kind, X)
    inner = tiny(image_shape=(8, 8) if kind == "image_shape" else None)
    oracle, rows = truth(y), given.reshape(200, -1).astype(float)
    learner(inner, initial="coreset", n_rounds=1, batch_size=12).fit(given, oracle=oracle)
    as_table = make_pipeline(StandardScaler(), PCA(50)) if "table" in kind else PCA(50)
    points = as_table.fit_transform(rows)
    expected = query("coreset", 12, embedding=points, labels=np.full(200, -1), random_state=0)
    assert [q.index for q in oracle.batches[0]] == expected.tolist()


@pytest.mark.parametrize("case", ["embedding", "transform", "components", "not needed"])
def test_a_question_shows_the_rows_nearest_to_it(case, blobs):
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


def test_a_question_of_few_rows_shows_them_all(blobs):
    X, y = blobs
    seen = []

    def oracle(queries):
        seen.extend(sorted(q.members.tolist()) for q in queries)
        return y[[q.index for q in queries]]

    learner(n_rounds=1).fit(X[:9], oracle=oracle)
    assert seen == [list(range(9))] * 4


def test_it_asks_on_until_there_are_two_classes(blobs):
    X, _ = blobs
    fitted = learner(Spy(), initial="random", n_rounds=5)
    fitted.fit(X, oracle=lambda queries: ["a" if q.round < 2 else "b" for q in queries])
    assert [record["n_classes"] for record in fitted.rounds_] == [1, 1, 2, 2, 2]
    assert np.isnan([record["seen_accuracy"] for record in fitted.rounds_[:3]]).all()
    assert fitted.rounds_[3]["seen_accuracy"] == 1 or fitted.rounds_[3]["seen_accuracy"] < 1
    assert fitted.classes_.tolist() == ["a", "b"]


def test_without_two_classes_the_answers_are_kept(blobs):
    fitted = learner()
    with pytest.raises(ValueError, match=r"at least 2 classes are needed, but 12 answers gave 1 class\(es\), \[7\]"):
        fitted.fit(blobs[0], oracle=lambda queries: [7] * len(queries))
    assert fitted.n_queries_ == 12
    assert len(fitted.rounds_) == 3


def test_invalid_costs_a_question_and_is_out_skip_is_not_asked_again(blobs):
    X, y = blobs
    asked = []

    def oracle(queries):
        asked.extend(q.index for q in queries)
        return [INVALID if q.id % 4 == 0 else SKIP if q.id % 4 == 1 else y[q.index] for q in queries]

    fitted = learner(Spy(), n_rounds=None, budget=40).fit(X, oracle=oracle)
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


def test_labels_are_those_known_and_else_those_predicted(blobs, truth):
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


def test_rounds_keep_seen_accuracy_agreement_and_cost(blobs):
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


def fitted_on(estimator, X, y, **parameters):
    """The X and y of the last fit of a spy."""
    return learner(estimator, n_rounds=1, **parameters).fit(X, y, oracle=lambda q: [0] * len(q))


def test_plain_classifiers_see_labeled_rows_only(blobs):
    X, y = blobs
    known = np.where(np.arange(120) % 20 == 0, y, -1)
    seen, labels = fitted_on(Spy(), X, known).estimator_.fits_[-1]
    assert len(seen) == len(labels) == 10
    assert (labels >= 0).all()
    seen, labels = fitted_on(Spy(), X, known, fit_on="all").estimator_.fits_[-1]
    assert len(seen) == 120
    assert np.sum(labels == -1) == 110


@pytest.mark.parametrize(
    "estimator",
    [
        tiny(),
        tiny(GMDGMClassifier, n_extra=0),
        tiny(ClusterLabelVAEClassifier),
        LabelSpreading(gamma=0.1),
        SelfTrainingClassifier(GaussianNB()),
        make_pipeline(StandardScaler(), tiny()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_semi_supervised_classifiers_see_all_rows(estimator, blobs, truth, monkeypatch):
    X, y = blobs
    kind = type(estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator)
    lengths, fit = [], kind.fit

    def spy(self, X, y, **arguments):
        lengths.append((len(X), int(np.sum(np.asarray(y) == -1))))
        return fit(self, X, y, **arguments)

    monkeypatch.setattr(kind, "fit", spy)
    known = np.where(np.arange(120) % 20 == 0, y, -1)
    learner(estimator, n_rounds=1).fit(X, known, oracle=truth(y))
    assert lengths == [(120, 114), (120, 110)]
    lengths.clear()
    if kind is M2Classifier:
        learner(estimator, n_rounds=1, fit_on="labeled").fit(X, known, oracle=truth(y))
        assert lengths == [(6, 0), (10, 0)]


def test_warm_start_goes_on_while_the_classes_are_the_same(blobs):
    X, y = blobs

    def oracle(queries):
        return ["c" if q.round == 2 and q.id % 4 == 0 else "ab"[y[q.index] % 2] for q in queries]

    cold, warm = (
        learner(Spy(), n_rounds=5, warm_start=w, initial="random").fit(X, oracle=oracle) for w in (0 > 1, True)
    )
    assert len(cold.estimator_.fits_) == 1
    assert len(warm.estimator_.fits_) == 3  # begun anew in round 2, when c came, then gone on with
    in_pipeline = learner(make_pipeline(StandardScaler(), Spy()), n_rounds=5, warm_start=True, initial="random")
    assert len(in_pipeline.fit(X, oracle=oracle).estimator_[-1].fits_) == 3


class Silent(Spy):
    """Says nothing of rows it has not seen, as LabelSpreading where no label arrives."""

    def predict_proba(self, X):
        seen = (X[:, None] == self.fits_[-1][0][None]).all(axis=2).any(axis=1)
        return np.where(seen[:, None], super().predict_proba(X), np.nan)


def test_a_row_of_which_the_classifier_says_nothing_is_undecided(blobs, truth):
    X, y = blobs
    oracle = truth(y)
    fitted = learner(Silent()).fit(X, oracle=oracle)
    assert {q.suggestion[1] for q in oracle.batches[2]} == {1 / 3}
    asked = [a.query.index for a in fitted.answers_]
    np.testing.assert_array_equal(fitted.label_confidence_[asked], 1)
    np.testing.assert_allclose(np.delete(fitted.label_confidence_, asked), 1 / 3)


def test_the_budget_cuts_the_last_round_short(blobs, truth):
    X, y = blobs
    oracle = truth(y)
    fitted = learner(budget=6).fit(X, oracle=oracle)
    assert [len(batch) for batch in oracle.batches] == [4, 2]
    assert fitted.stopped_by_ == "budget"


def test_without_limits_it_asks_about_every_row(blobs, truth):
    X, y = blobs
    fitted = learner(n_rounds=None, batch_size=50).fit(X, oracle=truth(y))
    assert fitted.stopped_by_ == "pool"
    assert fitted.n_queries_ == 120
    np.testing.assert_array_equal(fitted.labels_, y)


def test_stopping_rules_end_the_asking(blobs, truth):
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acquisition", "random"),
        ("acquisition", strategy("margin")),
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
def test_a_parameter_changes_the_result(name, value, digits, truth):
    X, y = digits
    inner = LabelSpreading(gamma=0.1) if name == "fit_on" else LogisticRegression()
    settings = {"estimator": inner, "initial": "typiclust", "fit_on": "labeled"}
    first, second = (learner(**{**settings, **change}).fit(X, oracle=truth(y)) for change in ({}, {name: value}))
    asked = [[a.query.index for a in fitted.answers_] for fitted in (first, second)]
    assert asked[0] != asked[1]


def test_classes_restricts_answers_and_y(blobs, truth):
    X, y = blobs
    with pytest.raises(ValueError, match=r"query \d+ must be one of the classes \[0, 1\]"):
        learner(classes=[0, 1]).fit(X, oracle=truth(y))
    with pytest.raises(ValueError, match=r"y holds \[2\]"):
        learner(classes=[0, 1]).fit(X, y)


def test_an_estimator_of_a_random_state_of_its_own_keeps_it(blobs, truth):
    X, y = blobs
    seeds = [learner(Spy(random_state=s)).fit(X, oracle=truth(y)).estimator_.random_state for s in (7, None, None)]
    assert seeds[0] == 7
    assert isinstance(seeds[1], int)
    assert seeds[1] == seeds[2]


def test_a_part_that_is_fitted_already_is_left_as_it_is(blobs, truth):
    X, y = blobs
    fitted = tiny(VariationalAutoencoder).fit(X)
    learned = learner(tiny(VAETransferClassifier, vae=fitted), n_rounds=1).fit(X, oracle=truth(y))
    assert fitted.random_state is None
    assert learned.estimator_.random_state is not None
    forest = learner(BaggingClassifier(DecisionTreeClassifier()), n_rounds=1).fit(X, oracle=truth(y)).estimator_
    assert forest.estimator.random_state is not None


def votes_of(members, X, n_classes, features=None):
    """Slowly, a row of each member's own probabilities at a time."""
    draws = np.zeros((len(members), len(X), n_classes))
    for m, member in enumerate(members):
        columns = range(X.shape[1]) if features is None else features[m]
        for k, code in enumerate(member.classes_):
            draws[m, :, int(code)] = member.predict_proba(X[:, list(columns)])[:, k]
    return draws


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(4),
        BaggingClassifier(DecisionTreeClassifier(), 4, max_features=3),
        VotingClassifier([("nb", GaussianNB()), ("tree", DecisionTreeClassifier())], voting="soft"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_members_of_an_ensemble_are_draws(estimator, blobs):
    X, y = blobs
    names = np.array(["ant", "bee", "cat"])[y]
    known = np.where(np.arange(120) % 15 == 0, names, None)
    fitted = learner(estimator, acquisition="bald", n_rounds=1)

    def oracle(queries):
        inner = fitted.estimator_
        draws = votes_of(inner.estimators_, X, 3, getattr(inner, "estimators_features_", None))
        expected = query("bald", 4, sampled_proba=draws, labels=known)
        np.testing.assert_array_equal([q.index for q in queries], expected)
        return names[expected]

    assert fitted.fit(X, known, oracle=oracle).n_queries_ == 4


@pytest.mark.parametrize("kind", [M2Classifier, GMDGMClassifier, ClusterLabelVAEClassifier])
def test_draws_of_z_are_probabilities_that_disagree(kind, digits):
    X, y = digits
    more = {"n_extra": 0} if kind is GMDGMClassifier else {}
    model = tiny(kind, random_state=0, **more).fit(X, np.where(np.arange(200) < 100, y, -1))
    draws = model.sample_proba(X, n_draws=5)
    assert draws.shape == (5, 200, 10)
    np.testing.assert_allclose(draws.sum(axis=2), 1, rtol=1e-4)
    assert np.ptp(draws, axis=0).max() > 1e-3
    np.testing.assert_array_equal(draws, model.sample_proba(X, n_draws=5))
    np.testing.assert_allclose(model.sample_proba(X[7:9], n_draws=5), draws[:, 7:9], atol=1e-6)
    with pytest.raises(ValueError, match="n_draws, an integer >= 1, got 0"):
        model.sample_proba(X, n_draws=0)


def test_draws_of_m2_are_the_classes_in_proportion_to_the_bound(digits):
    """By Bayes' rule, a class and a row at a time."""
    X, y = digits
    fitted = tiny(random_state=0).fit(X, y)
    model, noise = fitted._model.double(), np.random.RandomState(0).standard_normal((2, 2))
    x = torch.from_numpy(X[:3])
    draws = fitted.sample_proba(X[:3], n_draws=2)
    with torch.no_grad():
        for d, eps in enumerate(noise):
            for i in range(3):
                weights = []
                for k in range(10):
                    one = torch.eye(10, dtype=torch.float64)[[k]]
                    posterior = model.posterior(model.features(x[[i]]), one)
                    z = posterior.mean + posterior.stddev * torch.from_numpy(eps)
                    kl = torch.distributions.kl_divergence(posterior, model.prior(one))
                    weights.append(float(model.likelihood(z, one).log_prob(x[[i]]) - kl + np.log(0.1)))
                expected = np.exp(np.array(weights) - np.logaddexp.reduce(weights))
                np.testing.assert_allclose(draws[d, i], expected, atol=1e-6)
    model.float()


@pytest.mark.parametrize("estimator", [tiny(), make_pipeline(StandardScaler(), RandomForestClassifier(3))])
def test_batch_bald_works_on_what_gives_draws(estimator, blobs, truth):
    X, y = blobs
    assert learner(estimator, acquisition="batch_bald").fit(X, oracle=truth(y)).n_queries_ == 12


class Last:
    """Stands for a pool strategy of scikit-activeml."""

    missing_label, random_state = np.nan, None

    def query(self, X, y, candidates, batch_size):
        return candidates[-batch_size:]


def test_a_strategy_of_scikit_activeml_is_an_acquisition(blobs, truth):
    X, y = blobs
    fitted = learner(acquisition=Last(), initial=Last(), embedding=PCA(2)).fit(X, oracle=truth(y))
    assert sorted(a.query.index for a in fitted.answers_) == list(range(108, 120))


def cases():
    y = np.where(np.arange(120) % 2, np.arange(120) % 3, -1)
    return {
        "budget": ({"budget": 61}, y, "budget must be at most the number of unlabeled rows, 60; got 61"),
        "nothing to ask": ({}, np.arange(120) % 3, "no unlabeled row is left to ask about: y labels all 120"),
        "no probabilities": ({"estimator": LinearSVC()}, y, "must have predict_proba, LinearSVC has none. Wrap it"),
        "embedding": ({"acquisition": "badge"}, y, r"'badge' needs embedding, for which LogisticRegression lacks"),
        "draws": ({"acquisition": "bald"}, y, "needs sampled_proba, for which LogisticRegression lacks sample_proba"),
        "discriminator": (
            {"acquisition": "discriminator"}, y, r'lacks predict_labeled. Use VAALClassifier\(discriminator="joint"\)'
        ),
        "rule": ({"stopping": [StopWhenIndistinguishable()]}, y, "stopping=.* needs embedding"),
        "name": ({"acquisition": "entropi"}, y, "acquisition must be one of random, least_confident, .*'entropi'"),
        "initial": ({"initial": "margin"}, y, r"'margin' needs proba. Use one of random, .*coreset, typiclust"),
        "warm start": (
            {"estimator": GaussianNB(), "warm_start": True}, y, "needs an estimator with a parameter warm_start"
        ),
        "estimator": ({"estimator": 3}, y, "estimator must be None or a classifier"),
        "a transformer": ({"embedding": 3}, y, "embedding must be None or a transformer, got 3"),
        "batch_size": ({"batch_size": 0}, y, "batch_size must be an integer >= 1, got 0"),
        "n_rounds": ({"n_rounds": 0}, y, "n_rounds must be None or an integer >= 1"),
        "fit_on": ({"fit_on": "some"}, y, "fit_on must be one of 'auto', 'labeled', 'all'"),
        "stopping": ({"stopping": [3]}, y, "stopping must be None or a callable or a list of callables"),
        "length": ({}, y[:5], "inconsistent numbers of samples"),
    }  # fmt: skip


@pytest.mark.parametrize("case", cases())
def test_a_fit_that_cannot_start_says_why_and_asks_nothing(case, blobs, truth):
    parameters, y, message = cases()[case]
    oracle = truth(blobs[1])
    with pytest.raises(ValueError, match=message):
        learner(**parameters).fit(blobs[0], y, oracle=oracle)
    assert oracle.batches == []


def test_a_fit_needs_y_or_an_oracle(blobs):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        learner().fit(blobs[0])
    with pytest.raises(ValueError, match="y must have labels of at least 2 classes, got 1"):
        learner().fit(blobs[0], np.where(np.arange(120) < 5, 1, -1))
    with pytest.raises(ValueError, match="oracle must be callable, got 3"):
        learner().fit(blobs[0], oracle=3)
    fitted = learner().fit(*blobs)
    assert (fitted.n_queries_, fitted.rounds_) == (0, [])
    assert not hasattr(fitted, "stopped_by_")


def test_a_wrong_reply_names_the_query_and_keeps_the_answers_before(blobs, truth):
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


def test_an_oracle_that_raises_costs_no_answer(blobs, truth):
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


def test_a_failed_second_fit_leaves_nothing_of_the_first(blobs):
    fitted = learner().fit(*blobs)
    with pytest.raises(ValueError, match="0 class"):
        fitted.fit(blobs[0], oracle=lambda q: [SKIP] * len(q))
    assert not hasattr(fitted, "estimator_")


def test_string_classes_and_bool_classes(blobs):
    X, y = blobs
    for names in (np.array(["ant", "bee", "cat"]), np.array([True, False, True])):
        for inner in (LogisticRegression(), tiny()):
            fitted = learner(inner).fit(X, oracle=lambda q, names=names: names[y[[one.index for one in q]]])
            np.testing.assert_array_equal(fitted.classes_, np.unique(names))
            assert set(fitted.predict(X)) <= set(names)
            assert set(fitted.labels_) <= set(names)


@pytest.mark.parametrize(
    "inner",
    [
        LabelSpreading(gamma=0.1),
        SelfTrainingClassifier(GaussianNB()),
        make_pipeline(StandardScaler(), LabelSpreading(gamma=0.1)),
    ],
    ids=lambda inner: type(inner).__name__,
)
@pytest.mark.parametrize("names", [["cat", "ant", "bee"], [True, False, True]], ids=["str", "bool"])
def test_classifiers_that_take_integers_beside_minus_one_learn_other_classes(inner, names, blobs):
    """As they learn integers in the same order."""
    X, y = blobs
    names = np.array(names)
    classes, codes = np.unique(names[y], return_inverse=True)
    few = np.arange(120) % 15 == 0
    suggested = {}

    def oracle(labels):
        def expert(queries):
            suggested.setdefault(labels.dtype.kind, []).extend(q.suggestion[0] for q in queries)
            return labels[[q.index for q in queries]]

        return expert

    named = learner(inner).fit(X, np.where(few, names[y], None), oracle=oracle(names[y]))
    coded = learner(inner).fit(X, np.where(few, codes, -1), oracle=oracle(codes))
    np.testing.assert_array_equal(named.classes_, classes)
    np.testing.assert_array_equal(named.predict_proba(X), coded.predict_proba(X))
    np.testing.assert_array_equal(named.predict(X), classes[coded.predict(X)])
    np.testing.assert_array_equal(named.labels_, classes[coded.labels_.astype(int)])
    assert suggested[names.dtype.kind] == classes[suggested["i"]].tolist()
    assert named.score(X, names[y]) == coded.score(X, codes)


def test_a_classifier_to_which_minus_one_is_a_class_is_named(blobs):
    X, y = blobs
    some = np.where(np.arange(120) % 20 == 0, np.array(["ant", "bee", "cat"])[y], None)
    with pytest.raises(ValueError, match=r'Spy takes it for a class\. Use fit_on="labeled"'):
        learner(Spy(), fit_on="all").fit(X, some)


def test_images_frames_and_tensors(digits, truth):
    X, y = digits
    pixels = np.rint(X * 255).astype(np.uint8).reshape(-1, 8, 8)
    oracle = truth(y)
    fitted = learner(tiny()).fit(pixels, oracle=oracle)
    assert np.asarray(oracle.batches[0]).shape == (4, 8, 8)
    assert np.asarray(oracle.batches[0]).dtype == np.uint8
    assert fitted.predict_proba(pixels).shape[0] == 200
    plain = learner().fit(X, oracle=truth(y)).predict_proba(X)
    tensor = torch.from_numpy(X)
    np.testing.assert_array_equal(learner().fit(tensor, oracle=truth(y)).predict_proba(tensor), plain)
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    fitted = learner().fit(frame, oracle=truth(y))
    np.testing.assert_array_equal(fitted.predict_proba(frame), plain)
    assert fitted.estimator_.feature_names_in_.tolist() == fitted.feature_names_in_.tolist() == list(frame)


def test_same_seed_same_questions_and_the_caller_is_left_as_it_was(digits, truth):
    X, y = digits
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (learner(tiny(), acquisition="power_bald").fit(X, oracle=truth(y)) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_clone_and_pickle(blobs, truth):
    X, y = blobs
    fitted = learner(embedding=PCA(2), stopping=StopWhenStable()).fit(X, oracle=truth(y))
    copy = clone(fitted)
    assert not hasattr(copy, "estimator_")
    assert copy.stopping == fitted.stopping
    assert copy.get_params()["estimator__C"] == 1.0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), fitted.predict_proba(X))


SETTINGS = {"cv": SemiSupervisedSplit(n_splits=2), "scoring": masked_scorer(), "error_score": "raise"}


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_search_passes_the_oracle_on(routing, in_pipeline, blobs):
    X, y = blobs
    known = np.where(np.arange(120) % 2, y, -1)
    grid = {"acquisition": ["entropy", "margin"], "estimator__C": [0.01, 1.0]}
    searched, argument, oracle = learner(), "oracle", SimulatedOracle(X, y)
    if in_pipeline:
        searched, argument = Pipeline([("scale", StandardScaler()), ("learner", learner())]), "learner__oracle"
        grid = {f"learner__{name}": values for name, values in grid.items()}
        oracle = SimulatedOracle(StandardScaler().fit_transform(X), y)
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(searched, grid, **SETTINGS).fit(X, known, **{"oracle" if routing else argument: oracle})
    assert len(search.cv_results_["params"]) == 4
    best = search.best_estimator_[-1] if in_pipeline else search.best_estimator_
    assert best.n_queries_ == 12


def test_a_pipeline_passes_the_oracle_on_in_both_ways(blobs):
    X, y = blobs
    oracle = SimulatedOracle(StandardScaler().fit_transform(X), y)
    pipeline = Pipeline([("scale", StandardScaler()), ("learner", learner())])
    plain = clone(pipeline).fit(X, learner__oracle=oracle).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        routed = clone(pipeline).fit(X, oracle=oracle).predict_proba(X)
    np.testing.assert_array_equal(plain, routed)


def test_parameters_of_the_classifier_are_searched(blobs):
    X, y = blobs
    known = np.where(np.arange(120) % 2, y, -1)
    search = GridSearchCV(learner(tiny(), n_rounds=1), {"estimator__beta": [0.5, 2.0]}, **SETTINGS)
    search.fit(X, known, oracle=SimulatedOracle(X, y))
    assert search.best_estimator_.estimator_.beta == search.best_params_["estimator__beta"]
