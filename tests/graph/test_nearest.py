import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.datasets import load_digits, make_blobs
from sklearn.neighbors import NearestNeighbors

from sklvae.graph import _nearest, knn_graph
from sklvae.graph._nearest import nearest


@pytest.fixture
def small_cells(monkeypatch):
    """As if a thousand points were a million."""

    def small(candidates):
        monkeypatch.setattr(_nearest, "MOST_EXHAUSTIVE", 300)
        monkeypatch.setattr(_nearest, "CELL", 10)
        monkeypatch.setattr(_nearest, "MOST_CELLS", 200)
        monkeypatch.setattr(_nearest, "CANDIDATES", candidates)
        monkeypatch.setattr(_nearest, "CROWD", candidates // 4)

    return small


@pytest.fixture(scope="module")
def digits():
    return load_digits().data


def reference(points, n_neighbors):
    return NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors()


def share_found(points, rows=slice(None), n_neighbors=10):
    """How many of the nearest neighbors of some rows are found."""
    expected, found = reference(points, n_neighbors)[1][rows], nearest(points, n_neighbors)[1][rows]
    return np.mean([np.isin(*pair).mean() for pair in zip(expected, found, strict=True)])


@pytest.fixture(scope="module")
def scattered():
    """Points in eight columns without clusters."""
    return np.random.default_rng(0).normal(size=(2000, 8))


def test_where_cells_hold_all_points_neighbors_are_those_of_an_exhaustive_search(small_cells, digits):
    small_cells(len(digits))
    distance, index = nearest(digits, 5)
    expected, _ = reference(digits, 5)
    np.testing.assert_allclose(distance, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(digits[index] - digits[:, None], axis=2), distance, atol=1e-4)


def test_nearly_all_nearest_neighbors_are_in_cells_near_by(small_cells, digits):
    small_cells(360)
    assert share_found(digits) > 0.9
    assert (nearest(digits, 10)[1] != np.arange(len(digits))[:, None]).all()


def test_more_candidates_find_more(small_cells, digits):
    shares = []
    for candidates in (50, 200, 800):
        small_cells(candidates)
        shares.append(share_found(digits))
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


@pytest.mark.parametrize(("most", "expected"), [(1000, 179), (5, 5)])
def test_cells_are_of_ten_points_until_there_are_many(small_cells, monkeypatch, digits, most, expected):
    small_cells(50)
    monkeypatch.setattr(_nearest, "MOST_CELLS", most)
    centers, members = _nearest._cells(digits, np.random.RandomState(0))
    assert len(centers) == len(members) == expected
    np.testing.assert_array_equal(np.sort(np.concatenate(members)), np.arange(len(digits)))


def test_few_columns_are_searched_by_a_tree_and_miss_nothing(small_cells):
    small_cells(20)
    points = np.random.default_rng(0).normal(size=(1000, 5))
    np.testing.assert_allclose(nearest(points, 5)[0], reference(points, 5)[0])


def test_the_order_of_the_points_does_not_matter(small_cells, scattered):
    """Every seventh comes from elsewhere: a sample at even distances would be of these, or of the others, alone."""
    small_cells(200)
    points = scattered.copy()
    points[::7] += 100
    shuffled = points[np.random.default_rng(1).permutation(len(points))]
    assert share_found(points) == pytest.approx(share_found(shuffled), abs=0.02)


def test_a_crowd_does_not_hide_the_neighbors_of_others(small_cells, scattered):
    small_cells(600)
    crowd = np.zeros_like(scattered)
    among = share_found(np.concatenate([crowd, scattered]), slice(2000, None))
    assert among > share_found(scattered) - 0.2


def test_points_that_crowd_are_compared_with_a_sample_of_them(small_cells):
    small_cells(100)
    points, blob = make_blobs([500, 500], centers=[[0] * 6, [100] * 6], random_state=0)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the caller's generator
    distance, index = nearest(points, 10)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.testing.assert_array_equal(nearest(points, 10)[1], index)
    np.testing.assert_allclose(np.linalg.norm(points[index] - points[:, None], axis=2), distance, rtol=1e-5)
    assert (blob[index] == blob[:, None]).all()
    assert (np.diff(distance, axis=1) >= 0).all()


def test_only_a_sample_of_a_crowd_is_shown_and_nobody_is_its_own_neighbor(small_cells, monkeypatch):
    small_cells(100)
    monkeypatch.setattr(_nearest, "MOST_CELLS", 1)
    points = np.random.default_rng(0).normal(size=(1000, 6))
    distance, index = nearest(points, 10)
    shown = np.unique(index)
    assert len(shown) == 25
    expected = np.sort(np.linalg.norm(points[:, None] - points[shown], axis=2), axis=1)
    own = np.isin(np.arange(1000), shown)
    np.testing.assert_allclose(distance[~own], expected[~own, :10])
    np.testing.assert_allclose(distance[own], expected[own, 1:11])


@pytest.mark.parametrize("n_distinct", [1, 2, 40])
def test_equal_points_are_neighbors_and_in_one_component(small_cells, n_distinct):
    small_cells(50)
    points = np.repeat(np.arange(n_distinct), 1200 // n_distinct)[:, None] * np.ones(6)
    distance, index = nearest(points, 5)
    np.testing.assert_array_equal(distance, 0)
    np.testing.assert_array_equal(points[index], np.broadcast_to(points[:, None], (len(points), 5, 6)))
    assert (index != np.arange(len(points))[:, None]).all()
    if n_distinct < 40:
        assert connected_components(knn_graph(points))[0] == n_distinct


def test_more_neighbors_than_candidates_are_found(small_cells, digits):
    small_cells(10)
    distance, index = nearest(digits.astype(np.float32), 40)
    assert all(len(set(row)) == 40 for row in index.tolist())
    assert (np.diff(distance, axis=1) >= 0).all()
