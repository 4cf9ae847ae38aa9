"""Which fits share a session, and which do not."""

import pickle
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV

from sklvae import (
    ClusterLabelVAEClassifier,
    LabelingSession,
)
from sklvae.labeling import SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


def test_another_configuration_has_a_session_of_its_own(blobs, tiny, truth, tmp_path, nobody):
    X, y = blobs
    for parameters in ({}, {"gamma": 7.0}, {"clusterer": KMeans(n_init=2)}, {"clusterer": KMeans(n_init=3)}):
        expert = truth(y)
        tiny(session_dir=tmp_path, **parameters).fit(X, oracle=expert)
        assert expert.batches
    assert len(list(tmp_path.iterdir())) == 4
    tiny(session_dir=tmp_path, verbose=False).fit(X, oracle=nobody)


def fading(distance, a):
    """A confidence that falls with the distance."""
    return np.exp(-a * distance)


def test_a_confidence_with_other_arguments_has_a_session_of_its_own(blobs, tiny, truth, tmp_path, nobody):
    X, y = blobs
    fits = []
    for a in (0.1, 5.0):
        estimator = tiny(session_dir=tmp_path, propagation="cluster", confidence=partial(fading, a=a))
        expert = truth(y)
        fits.append(estimator.fit(X, oracle=expert).label_confidence_)
        assert expert.batches
    assert fits[0].mean() > fits[1].mean()
    tiny(session_dir=tmp_path, propagation="cluster", confidence=partial(fading, a=0.1)).fit(X, oracle=nobody)


def test_a_function_without_a_name_of_its_own_has_no_session(blobs, tiny, tmp_path, nobody):
    nameless = {"propagation": "cluster", "confidence": lambda distance: np.exp(-distance)}
    with pytest.raises(ValueError, match=r"with session_dir, confidence must be .* or leave session_dir out"):
        tiny(session_dir=tmp_path, **nameless).fit(blobs[0], oracle=nobody)
    assert not list(tmp_path.iterdir())
    with LabelingSession(tiny(**nameless), blobs[0]) as session:
        assert session.ask()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X, y: (X[:-1], y[:-1]), "the number of samples is 119, there 120"),
        (lambda X, y: (X[:, :-1], y), r"the shape of a sample is \[4\], there \[5\]"),
        (lambda X, y: (X.astype(np.float32), y), "the dtype of X is float32, there float64"),
        (lambda X, y: (X[::-1], y), r"other data: values of X differ\. Fit with the data of that session"),
        (lambda X, y: (X, np.where(np.arange(len(y)) == 3, -1, y)), "other data: labels in y differ"),
        (lambda X, y: (X, None), "labels in y differ"),
    ],
)
def test_other_data_for_a_session_are_refused_and_what_differs_is_said(
    change, match, blobs, tiny, truth, tmp_path, nobody
):
    X, y = blobs
    known = np.where(np.arange(len(y)) % 20 == 3, y, -1)
    tiny(session_dir=tmp_path).fit(X, known, oracle=truth(y))
    other_X, other_y = change(X, known)
    with pytest.raises(ValueError, match=match):
        tiny(session_dir=tmp_path).fit(other_X, other_y, oracle=nobody)


def test_a_fit_that_is_refused_leaves_the_last_one_as_it_was(blobs, tiny, truth, tmp_path):
    X, y = blobs
    classifier = tiny(session_dir=tmp_path).fit(X, oracle=truth(y))
    before, answers = classifier.predict_proba(X), classifier.answers_
    for refused, message in ((X[:-1], "other data"), (X[:, :-1], "other data"), (X[:1], "sample")):
        with pytest.raises(ValueError, match=message):
            classifier.fit(refused, oracle=truth(y))
        np.testing.assert_array_equal(classifier.predict_proba(X), before)
        assert classifier.answers_ is answers
        assert classifier.n_features_in_ == X.shape[1]


def test_the_fits_of_a_search_do_not_collide_and_are_taken_up_again(blobs, tiny, tmp_path):
    X, y = blobs
    asked, expert = [], SimulatedOracle(X, y)

    def oracle(queries):
        asked.extend(queries)
        return expert(queries)

    y_some = np.where(np.arange(len(y)) % 20, -1, y)
    options = {
        "cv": SemiSupervisedSplit(n_splits=2, random_state=0),
        "scoring": masked_scorer("accuracy"),
        "error_score": "raise",
    }
    search = GridSearchCV(tiny(session_dir=tmp_path), {"decay": [0.1, 0.2]}, **options)
    first = search.fit(X, y_some, oracle=oracle)
    assert len(list(tmp_path.iterdir())) == 5  # two options, two folds, and the best once more
    n_asked = len(asked)
    again = clone(search).fit(X, y_some, oracle=oracle)
    assert len(asked) == n_asked
    np.testing.assert_array_equal(first.cv_results_["mean_test_score"], again.cv_results_["mean_test_score"])


def test_clones_may_be_at_work_at_the_same_time(blobs, tiny, tmp_path):
    X, _ = blobs
    estimator = tiny(session_dir=tmp_path)
    with LabelingSession(clone(estimator), X[:60]) as one, LabelingSession(clone(estimator), X[60:]) as other:
        assert len(one.ask()) == len(other.ask()) == 4


def test_an_estimator_with_a_session_is_cloned_pickled_and_saved(blobs, tiny, truth, tmp_path, assert_same_fit, nobody):
    X, y = blobs
    fitted = tiny(session_dir=tmp_path / "sessions").fit(X, oracle=truth(y))
    assert clone(fitted).get_params() == fitted.get_params()
    assert_same_fit(pickle.loads(pickle.dumps(fitted)), fitted, X)
    for estimator in (fitted, clone(fitted).fit(X, oracle=nobody)):
        estimator.save(tmp_path / "saved")
        loaded = ClusterLabelVAEClassifier.load(tmp_path / "saved")
        assert loaded.session_dir is None
        assert_same_fit(loaded, fitted, X)


def test_a_session_starts_from_the_beginning(blobs, tiny, tmp_path):
    with pytest.raises(ValueError, match=r"got session_dir and warm_start=True\. Use warm_start=False"):
        tiny(session_dir=tmp_path, warm_start=True).fit(*blobs)
    with pytest.raises(ValueError, match="session_dir must be None or a path, got 3"):
        tiny(session_dir=3).fit(*blobs)
    with pytest.raises(ValueError, match="oracle must be callable, got 'me'"):
        tiny(session_dir=tmp_path).fit(blobs[0], oracle="me")
