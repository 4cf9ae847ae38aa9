import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklvae import M2Classifier, VariationalAutoencoder
from sklvae.metrics import purity
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


@pytest.fixture(scope="module")
def partly():
    """Three classes, five labels each."""
    X, truth = make_blobs(n_samples=180, centers=3, n_features=6, cluster_std=0.8, random_state=0)
    y = np.full(180, -1)
    for label in range(3):
        y[np.flatnonzero(truth == label)[:5]] = label
    return X, y, truth


def small(**parameters):
    defaults = {"n_latent": 2, "hidden_units": (32,), "max_epochs": 25, "batch_size": 32}
    return M2Classifier(**{**defaults, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def fitted(partly):
    return small().fit(partly[0], partly[1])


def test_a_few_labels_are_enough(partly, fitted):
    X, y, truth = partly
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, truth) > 0.95
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.labels_[y >= 0], y[y >= 0])
    np.testing.assert_array_equal(fitted.label_confidence_[y >= 0], 1)
    unlabeled = y < 0
    np.testing.assert_array_equal(fitted.labels_[unlabeled], fitted.predict(X[unlabeled]))
    assert (fitted.label_confidence_[unlabeled] < 1.0000001).all()


def test_unlabeled_rows_teach_something():
    """Digits: thirty labels alone do not tell the classes apart as well."""
    digits = load_digits()
    X, truth = digits.data / 16, digits.target
    y = np.full(len(truth), -1)
    y[np.concatenate([np.flatnonzero(truth == k)[:3] for k in range(10)])] = truth[
        np.concatenate([np.flatnonzero(truth == k)[:3] for k in range(10)])
    ]
    settings = {"hidden_units": (64,), "batch_size": 128, "n_latent": 10, "random_state": 0}
    all_rows = M2Classifier(max_epochs=40, **settings).fit(X, y)
    labeled = y >= 0
    few_rows = M2Classifier(max_epochs=560, **settings).fit(X[labeled], y[labeled])
    assert all_rows.score(X[~labeled], truth[~labeled]) > few_rows.score(X[~labeled], truth[~labeled])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 1.0),
        ("class_prior", [0.6, 0.2, 0.2]),
        ("classes", [0, 1, 2, 3]),
        ("start", None),
        ("marginalization", "truncated"),
        ("augment", torch.zeros_like),
        ("n_latent", 3),
        ("beta", 0.1),
        ("likelihood", "bernoulli"),
        ("encoder", lambda event, n_outputs: nn.Linear(6, n_outputs)),
        ("hidden_units", (16,)),
        ("image_shape", (2, 3)),
        ("batch_size", 64),
        ("max_epochs", 3),
        ("lr", 1e-2),
        ("optimizer", "sgd"),
        ("precision", "bfloat16"),
        ("random_state", 1),
    ],
)
def test_a_parameter_changes_the_result(name, value, partly):
    X, y, truth = partly
    X = (X - X.min()) / np.ptp(X)
    start = {"max_epochs": 4, "likelihood": "gaussian", "precision": "float32"}
    if name == "marginalization":  # four classes: three are summed, one is drawn of one
        X, truth = np.concatenate([X, X]), np.concatenate([truth, truth + 3])
        y = np.where(np.arange(360) % 9 == 0, truth, -1)
    changed = {**start, name: value} if name != "image_shape" else {**start, name: value, "encoder": "conv"}
    before, after = (small(**settings).fit(X, y).score_samples(X) for settings in (start, changed))
    assert not np.allclose(before, after, rtol=1e-6)


def test_score_samples_is_the_bound_summed_over_the_classes(partly, fitted):
    """With 16 draws and a bound over each class by hand."""
    X, _, _ = partly
    model = fitted._model.double()
    x = torch.from_numpy(X[:5])
    with torch.no_grad():
        q, joint = model.classify(x), []
        for k in range(3):
            y = torch.eye(3, dtype=torch.float64)[k].expand(5, -1)
            posterior = model.posterior(model.features(x), y)
            draws = posterior.sample((4000,))
            fit = model.likelihood(draws, y.expand(4000, 5, 3)).log_prob(x).mean(dim=0)
            kl = torch.distributions.kl_divergence(posterior, model.prior(y))
            joint.append(fit - kl + model.class_probs[k].log())
        expected = (q.probs.T * torch.stack(joint)).sum(dim=0) + q.entropy()
    model.float()
    np.testing.assert_allclose(fitted.score_samples(X[:5]), expected.numpy(), atol=0.5)


def test_samples_of_a_class_lie_in_it(partly):
    X, y, truth = partly
    fitted = small(max_epochs=150).fit(X, y)
    centers = np.stack([X[truth == k].mean(axis=0) for k in range(3)])
    for label in range(3):
        mean = fitted.sample(50, label=label).mean(axis=0)
        assert np.linalg.norm(centers - mean, axis=1).argmin() == label
    assert fitted.sample(2).shape == (2, 6)
    with pytest.raises(ValueError, match=r"label must be one of the classes \[0, 1, 2\], got 7"):
        fitted.sample(1, label=7)


def test_images_keep_their_shape_and_dtype():
    digits = load_digits()
    X = (digits.images[:150] * 15).astype(np.uint8)
    model = small(max_epochs=2).fit(X, digits.target[:150])
    z = model.transform(X)
    assert z.shape == (150, 2)
    assert model.inverse_transform(z).shape == X.shape
    assert model.inverse_transform(z).dtype == model.sample(2, label=3).dtype == np.uint8
    assert model.sample(2, label=3).shape == (2, 8, 8)


def test_string_classes_with_none(partly):
    X, y, truth = partly
    names = np.array(["ant", "bee", "cat"])
    some = np.array([names[label] if label >= 0 else None for label in y], dtype=object)
    model = small().fit(X, some)
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert (model.predict(X) == names[truth]).mean() > 0.95
    assert model.sample(1, label="bee").shape == (1, 6)


def test_classes_may_be_named_before_they_have_labels(partly):
    X, y, _ = partly
    model = small(classes=[2, 1, 0, 5]).fit(X, np.where(y == 2, -1, y))
    assert model.classes_.tolist() == [0, 1, 2, 5]
    assert model.predict_proba(X).shape == (180, 4)
    with pytest.raises(ValueError, match=r"y holds \[2\], which classes=\[0, 1\] does not"):
        small(classes=[0, 1]).fit(X, y)


def test_classes_that_get_nothing_are_told_of(partly):
    """From a random network nothing leads to a class without labels; where labels start, it is to stay empty."""
    X, y, _ = partly
    with pytest.warns(UserWarning, match="the slots without labels \\(1\\) hold .* leave them out of classes"):
        small(classes=[0, 1, 2, 3], class_prior=[0.33, 0.33, 0.33, 0.01], start=None).fit(X, y)
    small(classes=[0, 1, 2, 3], start="graph").fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "labels", "match"),
    [
        ({}, None, "requires y to be passed"),
        ({}, [], r"at least 2 classes, got 0 class\(es\) among 0 labeled of 180 rows"),
        ({}, [1], r"at least 2 classes, got 1 class"),
        ({"classes": [0, 1, 2]}, [], r"got 0 class\(es\) among 0 labeled"),
        ({"class_prior": [0.5, 0.5]}, [0, 1, 2], r"3 positive probabilities that sum to 1, .* got \[0.5, 0.5\]"),
        ({"class_prior": [0.5, 0.5, 0.5]}, [0, 1, 2], r"sum 1.5"),
        ({"class_prior": [1.0, 0.5, -0.5]}, [0, 1, 2], "positive"),
        ({"class_prior": ["a", "b", "c"]}, [0, 1, 2], "positive"),
        ({"alpha": -1.0}, [0, 1], "alpha must be a finite number >= 0.0, got -1.0"),
        ({"marginalization": "sampled"}, [0, 1], "'exact', 'truncated', got 'sampled'"),
    ],
)
def test_bad_input_says_what_is_wrong(parameters, labels, match, partly):
    X, y, _ = partly
    y = None if labels is None else np.where(np.isin(y, labels), y, -1)
    with pytest.raises(ValueError, match=match):
        small(**parameters).fit(X, y)


def test_warm_start_goes_on_and_starts_anew_where_the_classes_differ(partly):
    X, y, truth = partly
    model = small(warm_start=True, max_epochs=5).fit(X, y)
    model.set_params(class_prior=[0.5, 0.25, 0.25]).fit(X, y)
    phases = [record["phase"] for record in model.history_]
    assert phases == ["pretrain"] * 5 + ["start"] * 5 + ["train"] * 10
    assert model.history_[19]["train_loss"] < model.history_[10]["train_loss"]
    np.testing.assert_allclose(model._model.class_probs, [0.5, 0.25, 0.25])
    model.set_params(class_prior=None).fit(X, np.where(truth == 2, -1, y))
    assert len(model.history_) == 15
    assert model.classes_.tolist() == [0, 1]


def test_same_seed_same_result_to_the_bit_and_copies_agree(partly, fitted, tmp_path):
    X, y, _ = partly
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)
    fitted.save(tmp_path / "model.safetensors")
    loaded = M2Classifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.sample(2, label=0), fitted.sample(2, label=0))


def test_it_searches_in_a_pipeline(partly):
    X, y, _ = partly
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(max_epochs=5)),
        {"m2classifier__alpha": [1.0, 50.0]},
        cv=SemiSupervisedSplit(n_splits=2),
        scoring=masked_scorer("accuracy"),
    )
    assert search.fit(X, y).best_score_ > 0.5


def test_m1_and_m2_are_a_pipeline():
    digits = load_digits()
    X, truth = digits.data[:600] / 16, digits.target[:600]
    y = np.where(np.arange(600) < 100, truth, -1)
    m1 = VariationalAutoencoder(n_latent=10, hidden_units=(64,), max_epochs=60, batch_size=64, random_state=0)
    both = make_pipeline(m1, small(max_epochs=40, n_latent=5)).fit(X, y)
    assert both.score(X[100:], truth[100:]) > 0.6  # chance is 0.1


def test_classes_without_labels_can_start_from_clusters():
    X, truth = make_blobs(n_samples=240, centers=4, n_features=6, cluster_std=0.6, random_state=1)
    y = np.where((np.arange(240) < 40) & np.isin(truth, [0, 2]), truth, -1)  # nobody has labeled 1 and 3
    parameters = {"classes": [0, 1, 2, 3], "max_epochs": 30, "batch_size": 32, "hidden_units": (32,), "n_latent": 3}
    clusters = M2Classifier(start="clusters", random_state=0, **parameters).fit(X, y)
    assert accuracy_score(truth[np.isin(truth, [0, 2])], clusters.predict(X[np.isin(truth, [0, 2])])) > 0.95
    assert purity(truth, clusters.predict(X)) > 0.95
    assert "held" in clusters.history_[-1]
