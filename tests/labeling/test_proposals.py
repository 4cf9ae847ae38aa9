"""Which clusters later rounds ask about, against obvious references."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sklvae.labeling import doubtful_clusters


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
