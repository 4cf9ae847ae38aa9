"""How sure ClusterLabelVAEClassifier is: as the answers that came after its opinions say."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits

from sklvae import ClusterLabelVAEClassifier


def calibration_error(confidence, right, n_bins=10):
    """Expected calibration error."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    return sum(abs(right[bins == k].sum() - confidence[bins == k].sum()) for k in range(n_bins)) / len(right)


def misled(y, first):
    """An expert who knows the first `first` rows asked about, and is wrong about all later ones."""
    asked = []

    def oracle(queries):
        answers = []
        for query in queries:
            asked.append(query.index)
            answers.append(int(y[query.index]) if len(asked) <= first else int((y[query.index] + 1) % 3))
        return answers

    return oracle


def test_before_answers_judge_the_opinions_there_is_no_temperature(quick, blobs, truth):
    X, y = blobs
    assert quick(n_rounds=1, budget=6).fit(X, oracle=truth(y)).temperature_ == 1
    assert quick().fit(X, np.where(np.arange(len(y)) < 12, y, -1)).temperature_ == 1
    assert quick(propagation="cluster").fit(X, oracle=truth(y)).temperature_ == 1


def test_the_logits_are_divided_by_the_temperature(quick, blobs, truth):
    X, y = blobs
    classifier = quick().fit(X, oracle=truth(y))
    tempered = classifier.predict_proba(X)
    temperature, classifier.temperature_ = classifier.temperature_, 1.0
    assert temperature != 1
    np.testing.assert_allclose(tempered, softmax(np.log(classifier.predict_proba(X)) / temperature, axis=1), atol=1e-5)


def test_answers_that_contradict_make_it_less_sure(quick, blobs, truth):
    X, y = blobs
    right, wrong = (quick().fit(X, oracle=oracle) for oracle in (truth(y), misled(y, first=6)))
    asked = [answer.query.index for answer in right.answers_ + wrong.answers_]
    others = np.setdiff1d(np.arange(len(X)), asked)
    assert wrong.temperature_ > 1.2 * right.temperature_
    assert wrong.label_confidence_[others].mean() < right.label_confidence_[others].mean() - 0.1
    assert wrong.rounds_[-1]["mean_confidence"] == pytest.approx(wrong.label_confidence_.mean())


def test_answers_of_new_classes_do_not_judge(quick, blobs):
    X, y = blobs
    classifier = quick().fit(X, oracle=lambda queries: [f"{y[q.index]} of round {q.round}" for q in queries])
    assert set(classifier.classes_) > {f"{k} of round 0" for k in range(3)}
    assert classifier.temperature_ == 1


def test_one_class_in_the_first_round_judges_nothing(quick, blobs):
    X, y = blobs
    classifier = quick().fit(X, oracle=lambda queries: [int(q.round and y[q.index] == 2) for q in queries])
    assert len(classifier.classes_) == 2
    assert classifier.temperature_ == 1


@pytest.mark.parametrize("image_shape", [None, pytest.param((8, 8), marks=pytest.mark.slow)])
def test_the_confidence_of_digits_is_the_share_that_is_right(image_shape):
    X, y = load_digits(return_X_y=True)
    (X, X_test), (y, y_test) = ((part[::2], part[1::2]) for part in (X / 16, y))
    classifier = ClusterLabelVAEClassifier(budget=50, image_shape=image_shape, random_state=0)
    classifier.fit(X, oracle=lambda queries: y[[query.index for query in queries]])
    assert calibration_error(classifier.label_confidence_, classifier.labels_ == y) < 0.1
    probability = classifier.predict_proba(X_test)
    right = classifier.classes_[probability.argmax(axis=1)] == y_test
    assert calibration_error(probability.max(axis=1), right) < 0.1
