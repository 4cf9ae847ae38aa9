"""Which clusters later rounds ask about, against obvious references."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from sklvae.graph import knn_graph
from sklvae.labeling import doubtful_clusters, shared_doubt

SURE, TORN = np.array([1.0, 0.0]), np.array([0.5, 0.5])
LINE = np.arange(30.0)[:, None]


def test_doubt_is_where_neighbors_share_it():
    spread = np.where((np.arange(30) < 10)[:, None], TORN, SURE)
    doubt = shared_doubt(spread, spread, knn_graph(LINE, 2))
    assert set(np.argsort(-doubt)[:8]) <= set(range(10))
    np.testing.assert_allclose(doubt[:5], 1)
    np.testing.assert_allclose(doubt[15:], 0, atol=1e-12)


def test_one_odd_row_is_little_doubt_and_a_row_alone_has_none():
    spread = np.where((np.arange(30) == 15)[:, None], TORN, SURE)
    assert shared_doubt(spread, spread, knn_graph(LINE, 2)).max() < 0.5
    np.testing.assert_array_equal(shared_doubt(spread, spread, csr_array((30, 30))), 0)


def test_two_sure_opinions_that_differ_are_full_doubt():
    sure = np.tile(SURE, (30, 1))
    np.testing.assert_allclose(shared_doubt(sure, sure[:, ::-1], knn_graph(LINE, 2)), 1)


def test_of_one_class_only_rows_that_no_label_reached_are_in_doubt():
    reached = (np.arange(30)[:, None] < 15).astype(float)
    doubt = shared_doubt(reached, reached, knn_graph(LINE, 2))
    np.testing.assert_allclose(doubt[:10], 0, atol=1e-12)
    np.testing.assert_allclose(doubt[20:], 1)


def test_without_doubt_the_largest_cluster_comes_first_and_full_ones_never():
    points, assignment = np.zeros((9, 1)), np.array([0, 1, 1, 1, 2, 2, 3, 3, 3])
    found = doubtful_clusters(points, assignment, np.array([0, 6, 7, 8]), np.zeros(9), 4)
    assert [cluster.rows.tolist() for cluster in found] == [[1, 2, 3], [4, 5]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 30))
def test_fewest_answers_come_first_and_then_most_doubt(seed, n, n_answered):
    rng = np.random.default_rng(seed)
    points, assignment, doubt = rng.normal(size=(40, 3)), rng.integers(0, 9, 40), rng.random(40)
    answered = rng.choice(40, n_answered, replace=False)
    members = [np.flatnonzero(assignment == k) for k in np.unique(assignment)]
    open_ = [rows for rows in members if not np.isin(rows, answered).all()]
    expected = sorted(open_, key=lambda rows: (np.isin(rows, answered).sum(), -doubt[rows].sum()))[:n]
    found = doubtful_clusters(points, assignment, answered, doubt, n)
    assert [cluster.rows.tolist() for cluster in found] == [rows.tolist() for rows in expected]
    for cluster in found:
        np.testing.assert_allclose(cluster.center, points[cluster.rows].mean(axis=0))
        np.testing.assert_allclose(cluster.euclidean(), np.linalg.norm(points[cluster.rows] - cluster.center, axis=1))
