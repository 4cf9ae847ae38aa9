"""The slides' algorithms, step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklvae.acquisition import distant_least_confident, farthest_per_class


def case(seed, n=40, n_labeled=15, n_classes=3):
    rng = np.random.default_rng(seed)
    return (
        rng.dirichlet(np.full(n_classes, 0.7), n),
        rng.normal(size=(n, 2)),
        rng.dirichlet(np.full(n_classes, 0.7), n_labeled),
        rng.normal(size=(n_labeled, 2)),
        rng.integers(0, n_classes, n_labeled),
    )


def anchors_of(k, labeled_proba, labeled_points, codes):
    return [x for p, x, y in zip(labeled_proba, labeled_points, codes, strict=True) if p.argmax() == y == k]


def algorithm_1(proba, points, labeled_proba, labeled_points, codes, n):
    """For each class, n / n_classes times: the sample farthest in sum from the anchors, which it then joins."""
    of_class = {}
    for k in range(proba.shape[1]):
        anchors, of_class[k] = anchors_of(k, labeled_proba, labeled_points, codes), []
        for _ in range(n // proba.shape[1]):
            best, most = None, -1.0
            for u in range(len(points)):
                if proba[u].argmax() == k and u not in of_class[k]:
                    total = sum(np.linalg.norm(points[u] - a) for a in anchors)
                    if total > most:
                        best, most = u, total
            of_class[k].append(best)
            anchors.append(points[best])
    return of_class


@pytest.mark.parametrize("seed", range(5))
def test_algorithm_1(seed):
    arguments = case(seed)
    expected = algorithm_1(*arguments, n=9)
    chosen = farthest_per_class(*arguments, n=9)
    predicted = arguments[0].argmax(axis=1)
    for k, of_class in expected.items():
        assert [u for u in chosen if predicted[u] == k] == of_class
    assert predicted[chosen].tolist() == [0, 1, 2] * 3


def test_what_a_class_is_too_small_for_goes_to_the_others():
    proba, *rest = case(0)
    proba[:] = [0.9, 0.1, 0.0]
    proba[7] = [0.1, 0.9, 0.0]
    chosen = farthest_per_class(proba, *rest, n=6)
    assert chosen[1] == 7
    assert len(set(chosen.tolist())) == 6
    everything = farthest_per_class(proba, *rest, n=40)
    assert sorted(everything.tolist()) == list(range(40))


def algorithm_2(proba, points, labeled_proba, labeled_points, codes):
    """Confidence from 1 downwards, weighted by the mean distance to the anchors over the largest such mean."""
    means = []
    for p, u in zip(proba, points, strict=True):
        anchors = anchors_of(p.argmax(), labeled_proba, labeled_points, codes)
        means.append(np.mean([np.linalg.norm(u - a) for a in anchors]))
    return [(1 - p.max()) * mean / max(means) for p, mean in zip(proba, means, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_algorithm_2(seed):
    arguments = case(seed, n_labeled=30)
    np.testing.assert_allclose(distant_least_confident(*arguments), algorithm_2(*arguments))


def test_rows_of_a_class_without_anchors_count_as_the_farthest():
    proba, points, labeled_proba, labeled_points, codes = case(0, n_labeled=30)
    wrong = np.where(codes == 1, 0, codes)  # no label is 1, so no labeled row is rightly predicted to be
    score = distant_least_confident(proba, points, labeled_proba, labeled_points, wrong)
    of_it = proba.argmax(axis=1) == 1
    np.testing.assert_allclose(score[of_it], 1 - proba[of_it].max(axis=1))


def test_without_any_anchor_it_is_least_confidence():
    proba, points, labeled_proba, labeled_points, _ = case(0)
    wrong = (labeled_proba.argmax(axis=1) + 1) % 3
    score = distant_least_confident(proba, points, labeled_proba, labeled_points, wrong)
    np.testing.assert_allclose(score, 1 - proba.max(axis=1))


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_order_place_and_unit_do_not_matter(seed, unit):
    proba, points, labeled_proba, labeled_points, codes = case(seed)
    order = np.random.default_rng(seed).permutation(len(proba))
    moved = proba[order], unit * points[order] + 3, labeled_proba, unit * labeled_points + 3, codes
    np.testing.assert_allclose(
        distant_least_confident(*moved),
        distant_least_confident(proba, points, labeled_proba, labeled_points, codes)[order],
        rtol=1e-5,
    )
    if all(anchors_of(k, labeled_proba, labeled_points, codes) for k in range(3)):
        chosen = farthest_per_class(proba, points, labeled_proba, labeled_points, codes, n=6)
        np.testing.assert_array_equal(order[farthest_per_class(*moved, n=6)], chosen)
