import builtins
import json
import pickle

import numpy as np
import pandas
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.mixture import BayesianGaussianMixture

from sklvae import INVALID, SKIP, ClusterLabelVAEClassifier, VariationalAutoencoder
from sklvae.estimators._persistence import FORMAT_VERSION, content_digest, read_safetensors
from sklvae.labeling import Answer

DIGITS, NUMBERS = load_digits(return_X_y=True)
X, NUMBER = DIGITS[:120] / 16, NUMBERS[:120]
SMALL = {"hidden_units": (8,), "n_latent": 3, "max_epochs": 1, "random_state": 0}


def moody_oracle(queries):
    """INVALID to the first question, SKIP to the second, then "even" and "odd" in turn."""
    replies = {0: Answer(INVALID), 1: Answer(SKIP)}
    return [replies.get(q.id, Answer(("even", "odd")[q.id % 2], 0.5 + q.id / 100)) for q in queries]


def small_classifier(**params):
    return ClusterLabelVAEClassifier(**{**SMALL, "n_clusters": 4, "n_rounds": 2, "budget": 16, **params})


@pytest.fixture(scope="module")
def classifier():
    return small_classifier().fit(X, oracle=moody_oracle)


@pytest.fixture(scope="module")
def vae():
    return VariationalAutoencoder(**SMALL).fit(X)


def reloaded(estimator, folder):
    estimator.save(folder / "estimator.safetensors")
    return type(estimator).load(folder / "estimator.safetensors")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"likelihood": "gaussian"},
        {"image_shape": (8, 8)},
        {"image_shape": (8, 8), "likelihood": "gaussian"},
        {"image_shape": (8, 8), "encoder": "conv3"},
        {"image_shape": (1, 8, 8), "encoder": "mlp", "hidden_units": ()},
    ],
)
def test_a_loaded_autoencoder_gives_the_same_bits(tmp_path, dtype, params, assert_same):
    rows = (X * 255 if dtype == np.uint8 else X).astype(dtype)
    vae = VariationalAutoencoder(**{**SMALL, **params}).fit(rows)
    again = reloaded(vae, tmp_path)
    for result in (
        lambda e: e.transform(rows),
        lambda e: e.inverse_transform(e.transform(rows)),
        lambda e: e.sample(5),
        lambda e: e.score_samples(rows),
    ):
        assert_same(result(vae), result(again))
    assert again.sample(1).dtype == dtype


@pytest.mark.parametrize("propagation", ["graph", "cluster"])
def test_a_loaded_classifier_gives_the_same_bits_and_attributes(tmp_path, propagation, assert_same):
    classifier = small_classifier(propagation=propagation).fit(X, oracle=moody_oracle)
    again = reloaded(classifier, tmp_path)
    for result in (
        lambda e: e.predict(X),
        lambda e: e.predict_proba(X),
        lambda e: e.predict_proba(X.astype(np.float32)),
        lambda e: e.transform(X),
        lambda e: e.sample(3, label="odd"),
        lambda e: e.score_samples(X),
    ):
        assert_same(result(classifier), result(again))
    attributes = {name: value for name, value in vars(classifier).items() if name not in ("net_", "_device")}
    assert {"answers_", "rounds_", "history_", "classes_", "labels_", "label_confidence_"} <= set(attributes)
    assert_same(attributes, {name: getattr(again, name) for name in attributes})
    assert again.n_queries_ == classifier.n_queries_
    assert {answer.label for answer in again.answers_} == {INVALID, SKIP, "odd", "even"}
    assert again.answers_[0].label is INVALID


def test_images_and_their_queries_keep_their_shape(tmp_path, assert_same):
    classifier = small_classifier().fit(X.reshape(-1, 8, 8), oracle=moody_oracle)
    again = reloaded(classifier, tmp_path)
    assert_same(classifier.inverse_transform(np.zeros((2, 3))), again.inverse_transform(np.zeros((2, 3))))
    assert again.answers_[0].query.x.shape == (8, 8)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["even", "odd"]),
        np.array([False, True]),
        np.array([3, 7], dtype=np.int8),
        np.array([3, 7], dtype=np.uint8),
        np.array([3.0, 7.0]),
    ],
    ids=lambda names: str(names.dtype),
)
def test_classes_of_any_kind_survive(tmp_path, names, assert_same):
    classifier = small_classifier().fit(X, names[NUMBER % 2])
    again = reloaded(classifier, tmp_path)
    for attribute in ("classes_", "labels_", "label_confidence_"):
        assert_same(getattr(classifier, attribute), getattr(again, attribute))
    assert_same(classifier.predict(X), again.predict(X))


def test_names_of_features_and_the_output_container_survive(tmp_path, assert_same):
    frame = pandas.DataFrame(X).add_prefix("pixel")
    vae = VariationalAutoencoder(**SMALL).set_output(transform="pandas").fit(frame)
    again = reloaded(vae, tmp_path)
    pandas.testing.assert_frame_equal(vae.transform(frame), again.transform(frame))
    assert_same(vae.feature_names_in_, again.feature_names_in_)


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_loaded_estimator_can_be_cloned_and_fitted_on(tmp_path, classifier, warm_start, assert_same):
    again = reloaded(classifier, tmp_path)
    assert_same(clone(again).get_params(), classifier.get_params())
    assert_same(
        clone(again).fit(X, oracle=moody_oracle).predict_proba(X),
        clone(classifier).fit(X, oracle=moody_oracle).predict_proba(X),
    )
    original = pickle.loads(pickle.dumps(classifier))
    for estimator in (original, again):
        estimator.set_params(warm_start=warm_start).fit(X, oracle=moody_oracle)
    assert_same(original.predict_proba(X), again.predict_proba(X))


def test_a_loaded_estimator_can_be_saved_and_pickled_again(tmp_path, classifier, assert_same):
    again = reloaded(reloaded(classifier, tmp_path), tmp_path)
    pickled = pickle.loads(pickle.dumps(again))
    assert_same(classifier.predict_proba(X), again.predict_proba(X))
    assert_same(classifier.predict_proba(X), pickled.predict_proba(X))


def test_loaded_arrays_may_be_written_to(tmp_path, classifier):
    again = reloaded(classifier, tmp_path)
    again.label_confidence_[0] = 0.25
    again.labels_[0] = "odd"
    assert again.label_confidence_[0] == 0.25


def test_a_clusterer_of_scikit_learn_is_rebuilt_with_its_parameters(tmp_path, assert_same):
    clusterer = BayesianGaussianMixture(covariance_type="diag", reg_covar=1e-3)
    again = reloaded(small_classifier(clusterer=clusterer).fit(X, oracle=moody_oracle), tmp_path)
    assert_same(again.clusterer, clusterer)


def test_a_fit_that_broke_off_keeps_its_answers(tmp_path, assert_same):
    def tired(queries):
        yield from moody_oracle(queries)[:3]
        raise OSError("asleep")

    classifier = small_classifier()
    with pytest.raises(RuntimeError, match="asleep"):
        classifier.fit(X, oracle=tired)
    again = reloaded(classifier, tmp_path)
    assert [answer.label for answer in again.answers_] == [answer.label for answer in classifier.answers_]
    assert again.n_queries_ == 3
    assert_same(classifier.transform(X), again.transform(X))


def test_loading_neither_uses_nor_moves_the_callers_generators(tmp_path, vae):
    vae.save(tmp_path / "vae")
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    VariationalAutoencoder.load(tmp_path / "vae")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_the_device_can_be_replaced(tmp_path, vae):
    vae.save(tmp_path / "vae")
    assert VariationalAutoencoder.load(tmp_path / "vae").device == "auto"
    assert VariationalAutoencoder.load(tmp_path / "vae", device="cpu").device == "cpu"


def test_a_loaded_net_says_that_it_cannot_train(tmp_path, vae):
    net = reloaded(vae, tmp_path).net_
    with pytest.raises(RuntimeError, match="Call fit of its estimator"):
        net.module_(x=torch.zeros(2, 64))


def test_callbacks_are_saved_as_none(tmp_path):
    vae = VariationalAutoencoder(**SMALL, callbacks=[]).fit(X)
    assert reloaded(vae, tmp_path).callbacks is None
    assert vae.callbacks == []


class KMeansOfMine(KMeans):
    pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("random_state", np.random.RandomState(0)),
        ("optimizer", torch.optim.Adam),
        ("confidence", lambda distance: np.exp(-distance)),
        ("clusterer", KMeansOfMine()),
        ("clusterer", KMeans(n_clusters=2, n_init=1).fit(X)),
        ("clusterer", KMeans(random_state=np.random.RandomState(0))),
        ("encoder", lambda event, n: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, n))),
    ],
)
def test_a_parameter_that_is_code_is_named_before_anything_is_written(tmp_path, name, value):
    classifier = small_classifier(**{name: value}, propagation="cluster").fit(X, oracle=moody_oracle)
    with pytest.raises(ValueError, match=rf"ClusterLabelVAEClassifier: {name} cannot be saved.*joblib"):
        classifier.save(tmp_path / "classifier")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("params", [{"n_latent": 4}, {"hidden_units": (8, 8)}, {"hidden_units": (9,)}])
def test_a_network_that_the_parameters_no_longer_describe_is_not_saved(tmp_path, vae, params):
    changed = pickle.loads(pickle.dumps(vae)).set_params(**params)
    with pytest.raises(ValueError, match="changed after fit"):
        changed.save(tmp_path / "vae")
    assert list(tmp_path.iterdir()) == []


def test_an_unfitted_estimator_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="not fitted yet"):
        VariationalAutoencoder().save(tmp_path / "vae")


def test_a_save_that_fails_leaves_the_old_file(tmp_path, vae, monkeypatch):
    path = tmp_path / "vae"
    vae.save(path)
    before = path.read_bytes()

    def full(part, data):
        with part.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        vae.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_estimators_refuse_the_files_of_each_other(tmp_path, vae, classifier):
    vae.save(tmp_path / "vae")
    classifier.save(tmp_path / "classifier")
    with pytest.raises(ValueError, match=r"holds a VariationalAutoencoder.*Use VariationalAutoencoder\.load"):
        ClusterLabelVAEClassifier.load(tmp_path / "vae")
    with pytest.raises(ValueError, match=r"Use ClusterLabelVAEClassifier\.load"):
        VariationalAutoencoder.load(tmp_path / "classifier")


def rewritten(path, **metadata):
    """Change the header of a file, and its digest with it."""
    header, arrays = read_safetensors(path)
    header |= metadata
    save_file(arrays, path, metadata={**header, "digest": content_digest(header, arrays)})


def test_a_later_format_asks_for_an_update(tmp_path, vae):
    vae.save(tmp_path / "vae")
    rewritten(tmp_path / "vae", format_version=str(FORMAT_VERSION + 1), sklvae_version="9.0")
    with pytest.raises(ValueError, match=r"written by sklvae 9\.0.*Update sklvae"):
        VariationalAutoencoder.load(tmp_path / "vae")


def test_a_parameter_of_a_later_version_is_named(tmp_path, vae):
    vae.save(tmp_path / "vae")
    rewritten(tmp_path / "vae", params=json.dumps({"n_latent": 3, "warp": 9}))
    with pytest.raises(ValueError, match="does not know: warp"):
        VariationalAutoencoder.load(tmp_path / "vae")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("sklearnx.cluster", "KMeans"),
        ("sklearn.datasets", "load_digits"),
        ("sklearn.cluster", "X"),
    ],
)
def test_only_estimators_of_scikit_learn_are_constructed(tmp_path, classifier, module, name):
    classifier.save(tmp_path / "classifier")
    clusterer = {"$estimator": {"module": module, "class": name, "params": {}}}
    rewritten(tmp_path / "classifier", params=json.dumps({"clusterer": clusterer}))
    with pytest.raises(ValueError, match="only estimators of scikit-learn are loaded"):
        ClusterLabelVAEClassifier.load(tmp_path / "classifier")


def test_files_of_others_are_refused(tmp_path):
    (tmp_path / "text").write_text("This is no safetensors file, and long enough for a header.")
    save_file({"weight": np.zeros(2)}, tmp_path / "weights")
    save_file({"weight": np.zeros(2)}, tmp_path / "torch", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="is damaged, or is no safetensors file"):
        VariationalAutoencoder.load(tmp_path / "text")
    for name in ("weights", "torch"):
        with pytest.raises(ValueError, match="is not an estimator of sklvae"):
            VariationalAutoencoder.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        VariationalAutoencoder.load(tmp_path / "nothing")


def test_a_damaged_file_is_refused(tmp_path, vae):
    vae.save(tmp_path / "vae")
    (tmp_path / "vae").write_bytes((tmp_path / "vae").read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged"):
        VariationalAutoencoder.load(tmp_path / "vae")


def test_without_safetensors_the_extra_is_named(tmp_path, vae, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (lambda: vae.save(tmp_path / "vae"), lambda: VariationalAutoencoder.load(tmp_path / "vae")):
        with pytest.raises(ImportError, match=r'pip install "sklvae\[files\]"'):
            call()
