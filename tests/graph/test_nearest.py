import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from sklvae.graph import _nearest, knn_graph
from sklvae.graph._nearest import nearest


@pytest.fixture
def small_cells(monkeypatch):
    """As if a thousand points were a million."""

    def small(candidates):
        monkeypatch.setattr(_nearest, "MOST_EXHAUSTIVE", 300)
        monkeypatch.setattr(_nearest, "CELL", 10)
        monkeypatch.setattr(_nearest, "CANDIDATES", candidates)

    return small


@pytest.fixture(scope="module")
def digits():
    return load_digits().data


def reference(points, n_neighbors):
    return NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors()


def test_where_cells_hold_all_points_neighbors_are_those_of_an_exhaustive_search(small_cells, digits):
    small_cells(len(digits))
    distance, index = nearest(digits, 5)
    expected, _ = reference(digits, 5)
    np.testing.assert_allclose(distance, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(digits[index] - digits[:, None], axis=2), distance, atol=1e-4)


def test_nearly_all_nearest_neighbors_are_in_cells_near_by(small_cells, digits):
    small_cells(360)
    _, index = nearest(digits, 10)
    _, expected = reference(digits, 10)
    assert np.mean([np.isin(*rows).mean() for rows in zip(expected, index, strict=True)]) > 0.9
    assert (index != np.arange(len(digits))[:, None]).all()


def test_more_candidates_find_more(small_cells, digits):
    _, expected = reference(digits, 10)
    shares = []
    for candidates in (50, 200, 800):
        small_cells(candidates)
        _, index = nearest(digits, 10)
        shares.append(np.mean([np.isin(*rows).mean() for rows in zip(expected, index, strict=True)]))
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


@pytest.mark.parametrize("n_distinct", [1, 2, 40])
def test_equal_points_are_neighbors_and_in_one_component(small_cells, n_distinct):
    small_cells(50)
    points = np.repeat(np.arange(n_distinct), 1200 // n_distinct)[:, None] * np.ones(3)
    distance, index = nearest(points, 5)
    np.testing.assert_array_equal(distance, 0)
    np.testing.assert_array_equal(points[index], np.broadcast_to(points[:, None], (len(points), 5, 3)))
    assert (index != np.arange(len(points))[:, None]).all()
    if n_distinct < 40:
        assert connected_components(knn_graph(points))[0] == n_distinct


def test_the_same_points_have_the_same_neighbors(small_cells, digits):
    small_cells(50)
    np.testing.assert_array_equal(nearest(digits, 5)[1], nearest(digits, 5)[1])


def test_more_neighbors_than_candidates_are_found(small_cells, digits):
    small_cells(10)
    distance, index = nearest(digits.astype(np.float32), 40)
    assert distance.dtype == np.float32
    assert all(len(set(row)) == 40 for row in index.tolist())
    assert (np.diff(distance, axis=1) >= 0).all()
