"""ActiveLearningClassifier inside scikit-learn: searches, pipelines, copies, other kinds of arrays."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklvae import (
    M2Classifier,
)
from sklvae.acquisition import StopWhenStable
from sklvae.labeling import SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


def tiny(kind=M2Classifier, **parameters):
    return kind(max_epochs=2, hidden_units=(8,), n_latent=2, batch_size=64, **parameters)


def test_images_frames_and_tensors(digits, truth, learner):
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
    np.testing.assert_allclose(fitted.predict_proba(frame), plain, rtol=1e-12)  # BLAS sums columns in another order
    assert fitted.estimator_.feature_names_in_.tolist() == fitted.feature_names_in_.tolist() == list(frame)


def test_clone_and_pickle(blobs, truth, learner):
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
def test_a_search_passes_the_oracle_on(routing, in_pipeline, blobs, learner):
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


def test_a_pipeline_passes_the_oracle_on_in_both_ways(blobs, learner):
    X, y = blobs
    oracle = SimulatedOracle(StandardScaler().fit_transform(X), y)
    pipeline = Pipeline([("scale", StandardScaler()), ("learner", learner())])
    plain = clone(pipeline).fit(X, learner__oracle=oracle).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        routed = clone(pipeline).fit(X, oracle=oracle).predict_proba(X)
    np.testing.assert_array_equal(plain, routed)


def test_parameters_of_the_classifier_are_searched(blobs, learner):
    X, y = blobs
    known = np.where(np.arange(120) % 2, y, -1)
    search = GridSearchCV(learner(tiny(), n_rounds=1), {"estimator__beta": [0.5, 2.0]}, **SETTINGS)
    search.fit(X, known, oracle=SimulatedOracle(X, y))
    assert search.best_estimator_.estimator_.beta == search.best_params_["estimator__beta"]
