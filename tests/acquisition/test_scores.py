from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sklvae.acquisition import (
    bald,
    discriminator_score,
    entropy,
    least_confident,
    margin,
    top,
    variation_ratio,
)

SEEDS = st.integers(0, 10_000)
OF_PROBA = [least_confident, margin, entropy]
OF_DRAWS = [bald, variation_ratio]


def draws(seed, n_draws=5, n=12, n_classes=3):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=(n_draws, n))


def test_scores_of_a_prediction_are_what_a_person_would_compute():
    proba = draws(0)[0]
    for row, low, near, wide in zip(proba, least_confident(proba), margin(proba), entropy(proba), strict=True):
        third, second, first = sorted(row)
        assert low == pytest.approx(second + third)
        assert near == pytest.approx(second - first)
        assert wide == pytest.approx(stats.entropy(row))


def test_scores_of_draws_are_what_a_person_would_compute():
    sampled = draws(1)
    for i in range(sampled.shape[1]):
        (_, votes), *_ = Counter(sampled[:, i].argmax(axis=1).tolist()).most_common(1)
        assert variation_ratio(sampled)[i] == pytest.approx(1 - votes / 5)
        each = np.mean([stats.entropy(p) for p in sampled[:, i]])
        assert bald(sampled)[i] == pytest.approx(stats.entropy(sampled[:, i].mean(axis=0)) - each)


def test_bald_is_the_mutual_information_of_label_and_draw():
    sampled = draws(2)
    for i in range(sampled.shape[1]):
        joint = sampled[:, i] / len(sampled)
        independent = joint.sum(axis=0) * joint.sum(axis=1)[:, None]
        assert bald(sampled)[i] == pytest.approx((joint * np.log(joint / independent)).sum())


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 5))
def test_scores_neither_know_the_names_of_classes_nor_the_neighbors_in_the_array(seed, n_classes):
    rng = np.random.default_rng(seed)
    sampled = draws(seed, n_classes=n_classes)
    renamed, order = rng.permutation(n_classes), rng.permutation(sampled.shape[1])
    for score in OF_DRAWS[:1]:
        np.testing.assert_allclose(score(sampled[:, :, renamed]), score(sampled), atol=1e-12)
    for score in OF_DRAWS:
        np.testing.assert_allclose(score(sampled[:, order]), score(sampled)[order], atol=1e-12)
    for score in OF_PROBA:
        np.testing.assert_allclose(score(sampled[0][:, renamed]), score(sampled[0]), atol=1e-12)
        np.testing.assert_allclose(score(sampled[0][order]), score(sampled[0])[order], atol=1e-12)


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 5))
def test_undecided_scores_most_and_certain_least(seed, n_classes):
    some = draws(seed, n_classes=n_classes)[0]
    undecided, certain = np.full((1, n_classes), 1 / n_classes), np.eye(n_classes)[:1]
    for score in OF_PROBA:
        assert score(certain)[0] - 1e-12 <= score(some).min()
        assert score(some).max() <= score(undecided)[0] + 1e-12
    assert entropy(undecided)[0] == pytest.approx(np.log(n_classes))


def test_draws_that_agree_tell_nothing():
    same = np.repeat(draws(0)[:1], 4, axis=0)
    np.testing.assert_allclose(bald(same), 0, atol=1e-12)
    assert (bald(same) >= 0).all()
    np.testing.assert_array_equal(variation_ratio(same), 0)


def test_one_class_leaves_nothing_to_ask():
    np.testing.assert_array_equal(margin(np.ones((3, 1))), -1)
    np.testing.assert_array_equal(entropy(np.ones((3, 1))), 0)


def test_what_looks_unlabeled_scores_high():
    looks_labeled = np.array([0.9, 0.2, 0.5])
    assert discriminator_score(looks_labeled).argsort().tolist() == [0, 2, 1]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.data())
def test_top_is_a_stable_sort_cut_off(values, data):
    n = data.draw(st.integers(1, len(values)))
    expected = sorted(range(len(values)), key=lambda i: -values[i])[:n]
    assert top(np.array(values, dtype=float), n).tolist() == expected
