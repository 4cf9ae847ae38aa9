"""Inside scikit-learn: searches, pipelines, routing, frames, files."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklvae import ClusterLabelVAEClassifier, VariationalAutoencoder
from sklvae.labeling import SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer

GRID = {
    "clusterer": ["gmm", "kmeans"],
    "distance": ["euclidean", "mahalanobis"],
    "confidence": ["gaussian", "posterior"],
    "decay": [0.1],
}


@pytest.fixture
def short(quick):
    return quick(propagation="cluster", n_rounds=1, budget=6)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_options_are_searched_with_an_oracle(routing, n_jobs, blobs, short):
    X, y = blobs
    oracle = SimulatedOracle(X, y)
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(short, GRID, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, y, oracle=oracle)
    assert len(search.cv_results_["params"]) == 8
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_over_a_pipeline_passes_the_oracle_on(n_jobs, blobs, short):
    X, y = blobs
    scaled = StandardScaler().fit_transform(X)
    oracle = SimulatedOracle(scaled, y)
    grid = {f"classifier__{name}": values for name, values in GRID.items()}
    pipeline = Pipeline([("scale", StandardScaler()), ("classifier", short.set_params(max_epochs=60))])
    partial = np.where(np.arange(len(y)) % 2, y, -1)
    settings = {
        "cv": SemiSupervisedSplit(n_splits=1), "scoring": masked_scorer(), "n_jobs": n_jobs, "error_score": "raise"
    }  # fmt: skip
    plain = GridSearchCV(pipeline, grid, **settings).fit(X, partial, classifier__oracle=oracle)
    with config_context(enable_metadata_routing=True):
        routed = GridSearchCV(pipeline, grid, **settings).fit(X, partial, oracle=oracle)
    np.testing.assert_array_equal(plain.cv_results_["mean_test_score"], routed.cv_results_["mean_test_score"])


def test_a_pipeline_passes_the_oracle_on_in_both_ways(blobs, short):
    X, y = blobs
    oracle = SimulatedOracle(StandardScaler().fit_transform(X), y)
    pipeline = Pipeline([("scale", StandardScaler()), ("classifier", short)])
    plain = clone(pipeline).fit(X, classifier__oracle=oracle).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        routed = clone(pipeline).fit(X, oracle=oracle).predict_proba(X)
    np.testing.assert_array_equal(plain, routed)


def test_the_vae_works_between_a_scaler_and_a_classifier(blobs):
    X, y = blobs
    vae = VariationalAutoencoder(n_latent=2, max_epochs=60, batch_size=16, random_state=0)
    assert make_pipeline(StandardScaler(), vae, LogisticRegression()).fit(X, y).score(X, y) > 0.95


def test_frames_in_and_out(blobs, short):
    X, y = blobs
    frame = pd.DataFrame(X, columns=list("abcde"))
    classifier = short.fit(frame, pd.Series(y))
    assert classifier.feature_names_in_.tolist() == list("abcde")
    names = [f"clusterlabelvaeclassifier{i}" for i in range(10)]
    assert classifier.get_feature_names_out().tolist() == names
    assert classifier.set_output(transform="pandas").transform(frame).columns.tolist() == names
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("store", ["pickle", "joblib"])
def test_a_stored_classifier_predicts_the_same(store, blobs, short, tmp_path):
    X, y = blobs
    classifier = short.fit(X, y)
    if store == "pickle":
        copy = pickle.loads(pickle.dumps(classifier))
    else:
        joblib.dump(classifier, tmp_path / "classifier")
        copy = joblib.load(tmp_path / "classifier")
    np.testing.assert_array_equal(copy.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(copy.labels_, classifier.labels_)


def test_clone_is_unfitted_and_has_the_parameters(blobs, short):
    copy = clone(short.fit(*blobs))
    assert not hasattr(copy, "classes_")
    assert copy.get_params() == short.get_params()


def test_memmaps_tensors_and_lists_give_what_arrays_give(digits, short, tmp_path):
    X, y = digits
    pixels = np.rint(X * 255).astype(np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    expected = clone(short).fit(pixels, y).predict_proba(pixels)
    for other in (np.load(tmp_path / "x.npy", mmap_mode="r"), torch.from_numpy(pixels)):
        np.testing.assert_allclose(clone(short).fit(other, y).predict_proba(other), expected, atol=1e-5)


def test_fitting_leaves_the_caller_as_it_was(blobs, short):
    X, y = blobs
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    short.fit(X, oracle=SimulatedOracle(X, y))
    short.predict(X)
    short.sample(2)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == torch.get_num_threads()
    assert torch.get_default_dtype() == torch.float32


def test_the_oracle_is_no_parameter():
    assert "oracle" not in ClusterLabelVAEClassifier().get_params()
