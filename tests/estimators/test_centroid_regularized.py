import json
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklvae import CentroidRegularizedClassifier
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
    defaults = {
        "module_params": {"hidden_units": (16, 8)},
        "max_epochs": 12,
        "batch_size": 32,
        "lr": 0.01,
        "random_state": 0,
    }
    return CentroidRegularizedClassifier(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def fitted(partly):
    return small().fit(partly[0], partly[1])


class Foreign(nn.Module):
    """A network as a user writes it, with batch normalization and names of its own."""

    def __init__(self, event, n_classes, width=8):
        super().__init__()
        self.body = nn.ModuleDict({"first": nn.Linear(event[0], width), "norm": nn.BatchNorm1d(width)})
        self.act, self.head = nn.Tanh(), nn.Linear(width, n_classes)

    def forward(self, x):
        return self.head(self.act(self.body["norm"](self.body["first"](x))))


def test_a_few_labels_are_enough(partly, fitted):
    X, y, truth = partly
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, truth) > 0.95
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.labels_[y >= 0], y[y >= 0])
    np.testing.assert_array_equal(fitted.label_confidence_[y >= 0], 1)
    np.testing.assert_array_equal(fitted.labels_[y < 0], fitted.predict(X[y < 0]))
    np.testing.assert_allclose(fitted.label_confidence_[y < 0], fitted.predict_proba(X[y < 0]).max(axis=1), rtol=1e-6)


def test_centroids_are_in_the_space_of_the_activations(partly, fitted):
    X, _, _ = partly
    assert fitted.layers_ == ["4"]
    assert {name: c.shape for name, c in fitted.centroids_.items()} == {"4": (6, 8)}
    assert fitted.transform(X).shape == (180, 8)
    assert len(fitted.get_feature_names_out()) == 8
    z, centers = fitted.transform(X), fitted.centroids_["4"]
    by_hand = ((z[:, None] - centers) ** 2).sum(axis=2)
    found = fitted.centroid_distances(X)  # in another unit
    np.testing.assert_allclose(found * by_hand.sum() / found.sum(), by_hand, rtol=1e-3, atol=1e-3 * by_hand.mean())
    usage = np.bincount(by_hand.argmin(axis=1), minlength=6) / 180
    np.testing.assert_allclose(fitted.centroid_usage_["4"], usage, atol=0.05)
    assert fitted.centroid_usage_["4"].sum() == pytest.approx(1)


def test_the_penalty_draws_all_rows_together(partly):
    """Activations of unlabeled rows lie closer to few centroids, relative to their variance."""
    X, y, _ = partly
    shares = []
    for beta in (0.0, 0.5):
        model = small(beta_max=beta, n_centroids=3, ramp_epochs=0, max_epochs=30).fit(X, y)
        shares.append(model.centroid_distances(X[y < 0]).min(axis=1).mean())
    assert shares[1] < 0.5 * shares[0]


def test_activations_grow_on_under_a_heavy_penalty(partly):
    """The plain distance would shrink them for ever."""
    X, y, _ = partly
    spreads = [small(beta_max=2.0, ramp_epochs=0, max_epochs=n).fit(X, y).transform(X).std() for n in (10, 60)]
    assert spreads[1] > 1.3 * spreads[0]


def test_the_history_has_the_ramp_and_the_usage(partly):
    X, y, _ = partly
    options = {"beta_max": 0.4, "ramp_epochs": 4, "max_epochs": 6}
    linear = [record["beta"] for record in small(**options).fit(X, y).history_]
    np.testing.assert_allclose(linear, [0, 0.1, 0.2, 0.3, 0.4, 0.4])
    model = small(ramp="cosine", **options).fit(X, y)
    np.testing.assert_allclose(
        [r["beta"] for r in model.history_], 0.2 * (1 - np.cos(np.pi * np.array([0, 1, 2, 3, 4, 4]) / 4))
    )
    assert all(0 < record["centroid_usage"]["4"] <= 1 for record in model.history_)
    assert {"train_loss", "cross_entropy", "centroid_penalty", "dur"} <= set(model.history_[-1])
    json.dumps(model.history_)
    auto = [record["beta"] for record in small(max_epochs=8, beta_max=0.4).fit(X, y).history_]
    np.testing.assert_allclose(auto, [0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4])


CHANGES = [
    ("module", Foreign),
    ("module_params", {"hidden_units": (16,)}),
    ("layers", ["2"]),
    ("n_centroids", 3),
    ("beta_max", 0.5),
    ("ramp", "cosine"),
    ("ramp_epochs", 0),
    ("reinit_epochs", 6),
    ("assignment", "soft"),
    ("weight_decay", 0.5),
    ("input_dropout", 0.3),
    ("output_dropout", 0.3),
    ("batch_size", 16),
    ("max_epochs", 3),
    ("lr", 1e-3),
    ("optimizer", "sgd"),
    ("precision", "bfloat16"),
    ("random_state", 1),
]


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_a_parameter_changes_the_result(name, value, partly):
    X, y, _ = partly
    start = {"max_epochs": 6, "precision": "float32", "beta_max": 0.2, "ramp_epochs": 3}
    changed = {**start, name: value}
    if name == "module":
        changed.update(module_params=None, layers=["act"])
    before, after = (small(**settings).fit(X, y).predict_proba(X) for settings in (start, changed))
    assert not np.allclose(before, after, rtol=1e-6)


def test_the_shape_and_the_pool_of_images_change_the_result():
    X, truth = load_digits(return_X_y=True)
    X, y = X[:60] / 16, np.where(np.arange(60) < 30, truth[:60], -1)
    found = []
    for extra in (
        {"module": "mlp", "layers": None},
        {"image_shape": (8, 8)},
        {"image_shape": (8, 8), "pool": "flatten"},
        {"image_shape": (4, 16), "module__n_blocks": 2, "layers": None},
    ):
        layers = ["stage2", "stage3", "pool"]
        model = CentroidRegularizedClassifier(max_epochs=2, ramp_epochs=0, beta_max=1.0, layers=layers, random_state=0)
        model.set_params(**extra, **({"module__width": 4} if "image_shape" in extra else {})).fit(X, y)
        found.append((model.predict_proba(X), {name: c.shape[1] for name, c in model.centroids_.items()}))
    assert [shapes for _, shapes in found[1:]] == [
        {"stage2": 8, "stage3": 16, "pool": 32},
        {"stage2": 8 * 16, "stage3": 16 * 4, "pool": 32},
        {"pool": 32},
    ]
    for i, j in ((0, 1), (1, 2), (1, 3)):
        assert not np.allclose(found[i][0], found[j][0])


def test_colored_and_uint8_images_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (24, 3, 9, 12), dtype=np.uint8)
    y = np.arange(24) % 2
    X[y == 1, 0] //= 4
    model = CentroidRegularizedClassifier(max_epochs=1, module_params={"width": 4, "n_blocks": 1}, random_state=0)
    proba = model.fit(X, y).predict_proba(X)
    flat = clone(model).set_params(image_shape=(3, 9, 12)).fit(X.reshape(24, -1), y)
    np.testing.assert_array_equal(flat.predict_proba(X.reshape(24, -1)), proba)
    fractions = clone(model).fit((X / 255).astype(np.float32), y).predict_proba((X / 255).astype(np.float32))
    np.testing.assert_allclose(fractions, proba, atol=1e-3)


def test_a_module_of_ones_own_and_its_parameters(partly):
    X, y, truth = partly
    model = small(module=Foreign, module_params=None, layers=["body.first", "act"], n_centroids=[4, 5], max_epochs=30)
    model.set_params(module__width=5).fit(X, y)
    assert model.score(X, truth) > 0.9
    assert {name: c.shape for name, c in model.centroids_.items()} == {"body.first": (4, 5), "act": (5, 5)}
    assert not any(module._forward_hooks for module in model.net_.module_.modules())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


def test_module_parameters_are_parameters():
    given = {"width": 8}
    model = CentroidRegularizedClassifier(module_params=given)
    assert model.get_params()["module__width"] == 8
    assert "module__width" not in model.get_params(deep=False)
    model.set_params(module__width=4, module__n_blocks=1, beta_max=1.0)
    assert (model.module_params, model.beta_max, given) == ({"width": 4, "n_blocks": 1}, 1.0, {"width": 8})
    assert clone(model).get_params() == model.get_params()
    pipeline = Pipeline([("net", clone(model))]).set_params(net__module__width=2)
    assert pipeline.get_params()["net__module__width"] == 2
    assert CentroidRegularizedClassifier().set_params(module__width=1, module_params=None).module_params == {"width": 1}
    with pytest.raises(ValueError, match="Invalid parameter 'modul'"):
        model.set_params(modul__width=1)


def test_a_search_over_centroids_and_module_parameters(partly):
    X, y, _ = partly
    grid = {"beta_max": [0.0, 0.1], "n_centroids": [3, 6], "module__hidden_units": [(8,)]}
    prefixed = {f"centroidregularizedclassifier__{name}": values for name, values in grid.items()}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(max_epochs=8, batch_size=16)),
        prefixed,
        cv=SemiSupervisedSplit(n_splits=2),
        scoring=masked_scorer("accuracy"),
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.5
    assert search.best_estimator_[-1].centroids_["2"].shape[1] == 8


@pytest.mark.parametrize(
    ("parameters", "labels", "match"),
    [
        ({}, None, "requires y to be passed"),
        ({}, [], r"at least 2 classes, got 0 class\(es\) among 0 labeled of 180 rows"),
        ({}, [1], r"at least 2 classes, got 1 class"),
        (
            {"layers": ["nowhere", "4"]},
            [0, 1],
            r"layers must be different submodules .* of which \['nowhere'\] are none. It has \['0', '1', '2', '3', '4'",
        ),
        ({"layers": ["4", "4"]}, [0, 1], r"got \['4', '4'\]"),
        ({"layers": "4"}, [0, 1], "layers must be None or a list of names"),
        ({"module": Foreign, "module_params": None}, [0, 1], r"layers must name .* It has \['body', 'body.first'"),
        ({"module": "resnet", "module_params": None}, [0, 1], 'module="resnet" needs images'),
        ({"module": nn.Linear(6, 2)}, [0, 1], "a module factory"),
        ({"module_params": {"hiden_units": (8,)}}, [0, 1], r"module__hiden_units: .* It takes .*hidden_units"),
        (
            {"module": lambda event, n: 3, "module_params": None, "layers": ["0"]},
            [0, 1],
            "must make a torch.nn.Module, got 3",
        ),
        (
            {"module": lambda event, n: nn.Sequential(nn.Linear(5, n)), "module_params": None, "layers": ["0"]},
            [0, 1],
            r"must take a batch of shape \(n, 6\)",
        ),
        (
            {"module": lambda event, n: nn.Sequential(nn.Linear(6, 7)), "module_params": None, "layers": ["0"]},
            [0, 1],
            r"logits of shape \(n, 2\), got \(2, 7\)",
        ),
        (
            {"module_params": {"hidden_units": ()}},
            [0, 1],
            r"failed, called with .*: hidden_units must be a tuple of int",
        ),
        (
            {"module_params": {"hidden_units": 64}},
            [0, 1],
            r"called with \(\(6,\), 2, hidden_units=64\): hidden_units must",
        ),
        ({"n_centroids": [3, 4]}, [0, 1], r"one for each of the 1 layers \['4'\], got \[3, 4\]"),
        ({"n_centroids": 0}, [0, 1], "n_centroids must be an integer >= 1 or"),
        ({"beta_max": -1.0}, [0, 1], "beta_max must be a finite number >= 0.0, got -1.0"),
        ({"ramp": "steep"}, [0, 1], "ramp must be one of 'linear', 'cosine', got 'steep'"),
        ({"assignment": "fuzzy"}, [0, 1], "assignment must be one of 'hard', 'soft'"),
        ({"output_dropout": 1.0}, [0, 1], r"output_dropout must be a number in \[0, 1\), got 1.0"),
        ({"lr": 1e8, "optimizer": "sgd"}, [0, 1], "loss became"),
    ],
)
def test_bad_input_says_what_is_wrong(parameters, labels, match, partly):
    X, y, _ = partly
    y = None if labels is None else np.where(np.isin(y, labels), y, -1)
    with pytest.raises(ValueError, match=match):
        small(**parameters).fit(X, y)


def test_wrong_data_and_a_wrong_layer_are_named(partly, fitted):
    X, y, _ = partly
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(X, y[:-1])
    with pytest.raises(ValueError, match="constant features"):
        small().fit(np.ones((180, 4)), y)
    with pytest.raises(ValueError, match=r"image_shape \(3, 3\) has 9 values a sample"):
        small(image_shape=(3, 3)).fit(X, y)
    with pytest.raises(ValueError, match=r"layer must be one of \['4'\], got '1'"):
        fitted.centroid_distances(X, layer="1")


def test_string_labels_and_none(partly):
    X, y, truth = partly
    names = np.array(["ant", "bee", "cat"])
    some = np.where(y < 0, None, names.astype(object)[y])
    model = small().fit(X, some)
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert (model.predict(X) == names[truth]).mean() > 0.95
    assert set(model.labels_) == set(names)


def test_all_rows_may_be_labeled_and_the_last_batch_may_be_one_row(partly):
    X, _, truth = partly
    model = small(module=Foreign, module_params=None, layers=["act"], batch_size=179, max_epochs=40).fit(X, truth)
    assert model.score(X, truth) > 0.9


def test_same_seed_same_result_to_the_bit_and_copies_agree(partly, fitted, tmp_path):
    X, y, _ = partly
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), expected)
    joblib.dump(fitted, tmp_path / "model.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict_proba(X), expected)
    assert len(pickle.dumps(fitted)) < X.nbytes + 200_000  # the rows are not kept
    fitted.save(tmp_path / "model.safetensors")
    loaded = CentroidRegularizedClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.centroid_distances(X), fitted.centroid_distances(X))
    np.testing.assert_array_equal(loaded.centroids_["4"], fitted.centroids_["4"])
    assert loaded.history_ == fitted.history_
    assert loaded.get_params() == fitted.get_params()


def test_a_module_of_ones_own_is_not_written_to_a_file(partly, tmp_path):
    X, y, _ = partly
    model = small(module=Foreign, module_params=None, layers=["act"], max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"module cannot be saved, .* joblib\.dump"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_warm_start_goes_on_and_starts_anew_where_the_classes_differ(partly):
    X, y, truth = partly
    model = small(warm_start=True, max_epochs=4, ramp_epochs=6, beta_max=0.6).fit(X, y)
    model.fit(X, y)
    np.testing.assert_allclose([r["beta"] for r in model.history_], [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6])
    assert model.history_[-1]["cross_entropy"] < model.history_[0]["cross_entropy"]
    model.fit(X, np.where(truth == 2, -1, y))
    assert len(model.history_) == 4
    assert model.classes_.tolist() == [0, 1]


def test_frames_in_and_out_and_the_caller_as_it_was(partly):
    X, y, _ = partly
    frame = pd.DataFrame(X, columns=list("abcdef"))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = small(max_epochs=2).fit(frame, pd.Series(y))
    columns = [f"centroidregularizedclassifier{i}" for i in range(8)]
    assert model.set_output(transform="pandas").transform(frame).columns.tolist() == columns
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert torch.equal(before, torch.get_rng_state())
