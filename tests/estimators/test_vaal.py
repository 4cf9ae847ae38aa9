import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklvae import SKIP, ActiveLearningClassifier, VAALClassifier
from sklvae.acquisition import separability
from sklvae.labeling import OracleError, SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


def small(**parameters):
    defaults = {"n_latent": 2, "hidden_units": (16,), "max_epochs": 4, "batch_size": 64, "n_rounds": 2, "budget": 8}
    return VAALClassifier(**{**defaults, "precision": "float32", "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def partly(blobs):
    X, y = blobs
    return X, np.where(np.arange(120) % 12 == 0, y, -1), y


class Weights(Callback):
    """Keeps the parameters before and after."""

    def on_train_begin(self, net, **kwargs):
        Weights.before = {name: p.detach().clone() for name, p in net.module_.model.named_parameters()}

    def on_train_end(self, net, **kwargs):
        Weights.after = {name: p.detach().clone() for name, p in net.module_.model.named_parameters()}


@pytest.mark.parametrize("latent", ["vae", "m2"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_ten_labels_are_enough_for_both_networks_to_move(latent, weight, partly):
    X, y, _ = partly
    assert np.sum(y >= 0) == 10
    small(latent=latent, adversarial_weight=weight, callbacks=[Weights()]).fit(X, y)
    parts = {"discriminator": 0.0, "model": 0.0}
    for name, before in Weights.before.items():
        parts[name.split(".")[0]] += float((Weights.after[name] - before).abs().sum())
    assert min(parts.values()) > 0.01


@pytest.mark.parametrize("latent", ["vae", "m2"])
def test_without_the_adversarial_term_the_discriminator_leaves_the_model_alone(latent, partly):
    X, y, _ = partly
    alone, refit, hidden = (
        small(latent=latent, adversarial_weight=weight, discriminator=kind).fit(X, y)
        for weight, kind in ((0, "joint"), (1, "refit"), (1, "joint"))
    )
    np.testing.assert_array_equal(alone.predict_proba(X), refit.predict_proba(X))
    np.testing.assert_array_equal(alone.transform(X), refit.transform(X))
    assert not np.allclose(alone.transform(X), hidden.transform(X))
    assert [{"adversarial", "discriminator"} & set(fitted.history_[0]) for fitted in (alone, refit, hidden)] == [
        {"discriminator"}, set(), {"adversarial", "discriminator"}
    ]  # fmt: skip


def test_the_discriminator_learns_what_is_labeled(blobs):
    X, y = blobs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = small(adversarial_weight=0, max_epochs=60).fit(X, np.where((y < 2) & (np.arange(120) % 2), y, -1))
    labeled = (y < 2) & (np.arange(120) % 2 == 1)
    told = fitted.predict_labeled(X)
    assert told.min() >= 0
    assert told.max() <= 1
    assert fitted.separability_ == pytest.approx(separability(fitted.transform(X), labeled))
    assert told[y == 2].mean() < told[labeled].mean()


@pytest.mark.parametrize("latent", ["vae", "m2"])
def test_a_discriminator_that_learns_nothing_is_warned_of(latent):
    """Labels at random; the discriminator knows all rows, and by then the labeled ones by heart."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 10)), np.where(rng.random(2000) < 0.5, rng.integers(0, 2, 2000), -1)
    with pytest.warns(UserWarning, match=r"cannot tell labeled from unlabeled rows \(.* ROC curve 0\.[45]"):
        fitted = small(latent=latent, adversarial_weight=0, n_latent=10, max_epochs=20, lr=2e-3).fit(X, y)
    assert fitted.separability_ == pytest.approx(0.5, abs=0.05)
    assert roc_auc_score(y >= 0, fitted.predict_labeled(X)) > 0.55


@pytest.mark.parametrize("latent", ["vae", "m2"])
def test_it_predicts_encodes_decodes_samples_and_scores(latent, partly, tmp_path):
    X, y, truth = partly
    fitted = small(latent=latent, max_epochs=50, adversarial_weight=0.1, lr=1e-2).fit(X, y)
    assert fitted.score(X, truth) > 0.9
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.labels_[y >= 0], y[y >= 0])
    np.testing.assert_array_equal(fitted.labels_[y < 0], fitted.predict(X[y < 0]))
    assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape
    assert fitted.sample(3).shape == (3, 5)
    draws = fitted.sample_proba(X, n_draws=4)
    assert draws.shape == (4, 120, 3)
    np.testing.assert_allclose(draws.sum(axis=2), 1, rtol=1e-4)
    for copy in (pickle.loads(pickle.dumps(fitted)), clone(fitted).fit(X, y)):
        np.testing.assert_array_equal(copy.predict_proba(X), proba)
    fitted.save(tmp_path / "vaal.safetensors")
    loaded = VAALClassifier.load(tmp_path / "vaal.safetensors")
    np.testing.assert_array_equal(loaded.predict_labeled(X), fitted.predict_labeled(X))
    np.testing.assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))


def test_samples_of_a_class_are_for_m2_only(partly):
    X, y, _ = partly
    assert small(latent="m2").fit(X, y).sample(2, label=1).shape == (2, 5)
    with pytest.raises(ValueError, match=r'a VAE has no samples of a class, got label=1\. Use latent="m2"'):
        small().fit(X, y).sample(2, label=1)


def test_questions_are_what_looks_least_labeled(partly, truth):
    """Round by round, by the discriminator of an estimator of the same seed."""
    X, y, labels = partly
    asked, known = [], y.copy()
    learner = ActiveLearningClassifier(
        small(warm_start=False), acquisition="discriminator", batch_size=4, n_rounds=2, budget=8, random_state=0
    )

    def oracle(queries):
        rows = [q.index for q in queries]
        told = learner.estimator_.predict_labeled(X)
        assert {len(q.members) for q in queries} == {16}
        candidates = np.flatnonzero(known < 0)
        np.testing.assert_array_equal(rows, candidates[np.argsort(told[candidates], kind="stable")[:4]])
        known[rows] = labels[rows]
        asked.extend(rows)
        return labels[rows]

    learner.fit(X, y, oracle=oracle)
    expert = truth(labels)
    fitted = small().fit(X, y, oracle=expert)
    assert [q.index for batch in expert.batches for q in batch] == asked
    assert fitted.n_queries_ == 8
    assert fitted.stopped_by_ in ("n_rounds", "budget")
    np.testing.assert_array_equal(fitted.predict_proba(X), learner.predict_proba(X))
    np.testing.assert_array_equal(fitted.labels_, learner.labels_)


def test_refit_asks_by_new_discriminators(partly, truth):
    X, y, labels = partly
    joint, refit = truth(labels), truth(labels)
    small().fit(X, y, oracle=joint)
    fitted = small(discriminator="refit").fit(X, y, oracle=refit)
    rows = [[q.index for batch in oracle.batches for q in batch] for oracle in (joint, refit)]
    assert rows[0] != rows[1]
    assert len(set(rows[1])) == 8
    assert np.isnan(fitted.separability_)
    assert not hasattr(fitted, "predict_labeled")


def test_it_starts_from_nothing_and_an_oracle_that_raises_costs_no_answer(blobs):
    X, y = blobs

    def oracle(queries):
        if queries[0].round == 1:
            raise ConnectionError
        return y[[q.index for q in queries]]

    fitted = small()
    with pytest.raises(OracleError, match="after 4 answers"):
        fitted.fit(X, oracle=oracle)
    assert fitted.n_queries_ == 4
    assert fitted.predict(X).shape == (120,)
    with pytest.raises(ValueError, match="at least 2 classes"):
        fitted.fit(X, oracle=lambda q: [SKIP] * len(q))
    assert fitted.n_queries_ == 8
    assert not hasattr(fitted, "classes_")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent", "m2"),
        ("adversarial_weight", 20.0),
        ("classes", [0, 1, 2, 3]),
        ("alpha", 1.0),
        ("augment", torch.zeros_like),
        ("n_latent", 3),
        ("beta", 5.0),
        ("hidden_units", (8,)),
        ("batch_size", 32),
        ("max_epochs", 2),
        ("lr", 1e-2),
        ("optimizer", "sgd"),
        ("random_state", 1),
    ],
)
def test_a_parameter_changes_the_result(name, value, partly):
    X, y, _ = partly
    first, second = (small(**change).fit(X, y).predict_proba(X) for change in ({}, {name: value}))
    assert first.shape != second.shape or not np.allclose(first, second, rtol=1e-6)


def test_n_rounds_and_budget(partly, truth):
    X, y, labels = partly
    oracle = truth(labels)
    small(n_rounds=3, budget=7, max_epochs=1).fit(X, y, oracle=oracle)
    assert [len(batch) for batch in oracle.batches] == [3, 3, 1]


@pytest.mark.parametrize("latent", ["vae", "m2"])
def test_warm_start_goes_on_with_the_same_network(latent, partly):
    X, y, _ = partly
    fitted = small(latent=latent, warm_start=True).fit(X, y)
    before = fitted.net_.module_.model
    assert fitted.fit(X, y).net_.module_.model is before
    assert len(fitted.history_) == 8
    other = {"vae": "m2", "m2": "vae"}[latent]
    assert fitted.set_params(latent=other).fit(X, y).net_.module_.model is not before
    assert len(fitted.history_) == 4


def test_bad_input_is_named(partly, truth):
    X, y, labels = partly
    for parameters, message in (
        ({"latent": "gan"}, "latent must be one of 'vae', 'm2'"),
        ({"adversarial_weight": -1}, "adversarial_weight must be a finite number >= 0"),
        ({"discriminator": "both"}, "discriminator must be one of 'joint', 'refit'"),
        ({"n_rounds": 0}, "n_rounds must be an integer >= 1"),
        ({"budget": 0}, "budget must be an integer >= 1"),
    ):
        for oracle in (None, truth(labels)):
            with pytest.raises(ValueError, match=message):
                small(**parameters).fit(X, y, oracle=oracle)
    with pytest.raises(ValueError, match="requires y to be passed"):
        small().fit(X)
    with pytest.raises(ValueError, match=r"at least 2 classes, got 1 class"):
        small().fit(X, np.where(y == 0, 0, -1))


def test_a_fit_without_an_oracle_leaves_nothing_of_one_with_it(partly, truth):
    X, y, labels = partly
    fitted = small(max_epochs=1).fit(X, y, oracle=truth(labels))
    assert len(fitted.rounds_) == 2
    fitted.fit(X, y)
    assert fitted.n_queries_ == 0
    assert not {"rounds_", "stopped_by_"} & set(vars(fitted))


def test_a_fit_that_cannot_ask_says_why_and_leaves_the_last_one_as_it_was(partly, truth):
    X, y, labels = partly
    fitted = small(max_epochs=1).fit(X, y, oracle=truth(labels))
    before = dict(vars(fitted))
    for parameters, data, message in (
        ({"budget": 111}, (X, y), "at most the number of unlabeled rows, 110; got 111. Lower the budget"),
        ({"budget": 121}, (X, None), "at most the number of unlabeled rows, 120; got 121. Lower the budget"),
        ({}, (X, labels), "no unlabeled row is left to ask about: y labels all 120"),
        ({"image_shape": (2, 3)}, (X, y), r"image_shape \(2, 3\) has 6 values"),
        ({"classes": [0, 1]}, (X, labels), r"y holds \[2\]"),
        ({}, (X[:, 0], y), "Expected 2D array"),
    ):
        fitted.set_params(**parameters)
        with pytest.raises(ValueError, match=message) as error:
            fitted.fit(*data, oracle=truth(labels))
        assert "ActiveLearning" not in str(error.value)
        fitted.set_params(**{name: before[name] for name in parameters})
        assert vars(fitted).keys() == before.keys()
        assert all(vars(fitted)[name] is value for name, value in before.items())
    with pytest.raises(ValueError, match="VAALClassifier: oracle must be callable, got 3"):
        small().fit(X, y, oracle=3)
    with pytest.raises(ValueError, match=r"VAALClassifier: budget must be at most .* 100; got 150"):
        VAALClassifier().fit(X[:100], oracle=truth(labels))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_search_passes_the_oracle_on(routing, in_pipeline, blobs):
    X, y = blobs
    known = np.where(np.arange(120) % 2, y, -1)
    searched, step, oracle = small(max_epochs=1), "", SimulatedOracle(X, y)
    if in_pipeline:
        searched, step = Pipeline([("scale", StandardScaler()), ("vaal", searched)]), "vaal__"
        oracle = SimulatedOracle(StandardScaler().fit_transform(X), y)
    settings = {"cv": SemiSupervisedSplit(n_splits=2), "scoring": masked_scorer(), "error_score": "raise"}
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(searched, {f"{step}latent": ["vae", "m2"]}, **settings)
        search.fit(X, known, **{"oracle" if routing else f"{step}oracle": oracle})
    best = search.best_estimator_[-1] if in_pipeline else search.best_estimator_
    assert best.n_queries_ == 8
