"""The closed forms against fitting the function of least norm anew for every row and label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from sklvae.acquisition import _norms, expected_change, expected_norm

SCALE = 1.3


def case(seed, n_classes):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 5)])
    return rng.normal(size=(25, 2)), rng.normal(size=(len(codes), 2)), codes


def least_norm(points, targets):
    """Coefficients of the interpolator, and its squared norm."""
    gram = np.exp(-cdist(points, points) / SCALE) + _norms.RIDGE * np.eye(len(points))
    coefficients = np.linalg.solve(gram, targets)
    return coefficients, np.sum(targets * coefficients)


def refitted(pool, labeled, codes, n_classes):
    """For each row, with the label that adds least norm: what it adds, and the change of the function on the pool."""
    target = np.where(codes[:, None] == np.arange(n_classes), 1.0, -1.0)
    before, norm = least_norm(labeled, target)
    for u in pool:
        points = np.concatenate([labeled, [u]])
        tried = []
        for k in range(n_classes):
            after, larger = least_norm(
                points, np.concatenate([target, [np.where(np.arange(n_classes) == k, 1.0, -1.0)]])
            )
            change = np.exp(-cdist(pool, points) / SCALE) @ after - np.exp(-cdist(pool, labeled) / SCALE) @ before
            tried.append(((larger - norm) / n_classes, np.sqrt(np.mean(change**2))))
        yield min(tried)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scores_are_those_of_functions_fitted_anew(n_classes):
    pool, labeled, codes = case(n_classes, n_classes)
    added, change = zip(*refitted(pool, labeled, codes, n_classes), strict=True)
    np.testing.assert_allclose(expected_norm(pool, labeled, codes, bandwidth=SCALE), added, rtol=1e-4)
    np.testing.assert_allclose(expected_change(pool, labeled, codes, bandwidth=SCALE), change, rtol=1e-4)


def test_of_two_classes_it_is_the_formula_of_the_paper():
    pool, labeled, codes = case(0, 2)
    coefficients, _ = least_norm(labeled, 2.0 * codes[:, None] - 1)
    near = np.exp(-cdist(pool, labeled) / SCALE)
    gram = np.exp(-cdist(labeled, labeled) / SCALE)
    complement = np.exp(-cdist(pool, pool) / SCALE) - near @ np.linalg.solve(gram, near.T)
    f, free = (near @ coefficients)[:, 0], np.diag(complement)
    np.testing.assert_allclose(
        expected_norm(pool, labeled, codes, bandwidth=SCALE), (1 - np.abs(f)) ** 2 / free, rtol=1e-3
    )
    moved = np.sqrt(np.mean(complement**2, axis=1))
    np.testing.assert_allclose(
        expected_change(pool, labeled, codes, bandwidth=SCALE), (1 - np.abs(f)) * moved / free, rtol=1e-3
    )


def test_a_change_is_measured_on_evenly_spaced_rows_of_a_large_pool(monkeypatch):
    pool, labeled, codes = case(0, 3)
    monkeypatch.setattr(_norms, "MOST_REFERENCES", 5)
    seen = [0, 6, 12, 18, 24]
    np.testing.assert_allclose(
        expected_change(pool, labeled, codes, bandwidth=SCALE)[seen],
        expected_change(pool[seen], labeled, codes, bandwidth=SCALE),
    )


def test_a_copy_of_a_labeled_row_tells_nothing():
    pool, labeled, codes = case(0, 3)
    pool[4] = labeled[2]
    for score in (expected_norm, expected_change):
        scores = score(pool, labeled, codes)
        assert scores.argmin() == 4
        assert scores[4] < 0.01 * np.median(scores)


def test_one_class_alone_and_copies_among_the_labeled_rows_give_numbers():
    pool, labeled, _ = case(0, 2)
    labeled[1] = labeled[0]
    for score in (expected_norm, expected_change):
        scores = score(pool, labeled, np.zeros(len(labeled), dtype=int))
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()


def test_the_default_bandwidth_is_the_root_mean_square_distance():
    pool, labeled, codes = case(0, 2)
    scale = np.sqrt(cdist(pool, pool, "sqeuclidean").mean())
    for score in (expected_norm, expected_change):
        np.testing.assert_allclose(score(pool, labeled, codes), score(pool, labeled, codes, bandwidth=scale))
        assert not np.allclose(score(pool, labeled, codes), score(pool, labeled, codes, bandwidth=2 * scale))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_neither_order_nor_unit_nor_names_of_classes_matter(seed, unit):
    pool, labeled, codes = case(seed, 3)
    rng = np.random.default_rng(seed)
    order, renamed = rng.permutation(len(pool)), rng.permutation(3)
    for score in (expected_norm, expected_change):
        found = score(unit * pool[order] + 1, unit * labeled + 1, renamed[codes])
        np.testing.assert_allclose(found, score(pool, labeled, codes)[order], rtol=1e-3, atol=1e-6)
