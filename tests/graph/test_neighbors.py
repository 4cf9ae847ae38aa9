import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklvae.graph import knn_graph, with_latents

SEEDS = st.integers(0, 10_000)


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 30), st.integers(1, 12))
def test_a_graph_is_symmetric_and_reaches_the_neighbors_of_every_node(seed, n, n_neighbors):
    points = np.random.default_rng(seed).normal(size=(n, 3))
    graph = knn_graph(points, n_neighbors).toarray()
    np.testing.assert_array_equal(graph, graph.T)
    np.testing.assert_array_equal(np.diag(graph), 0)
    assert ((graph >= 0) & (graph <= 1)).all()
    assert ((graph > 0).sum(axis=1) >= min(n_neighbors, n - 1)).all()


@settings(max_examples=20)
@given(SEEDS, st.floats(1e-3, 1e3))
def test_neither_position_nor_direction_nor_unit_of_length_matters(seed, unit):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(25, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = unit * (points @ rotation + rng.normal(size=3))
    np.testing.assert_allclose(knn_graph(moved, 4).toarray(), knn_graph(points, 4).toarray(), atol=1e-6)


@settings(max_examples=20)
@given(SEEDS)
def test_renumbering_the_points_renumbers_the_graph(seed):
    rng = np.random.default_rng(seed)
    points, order = rng.normal(size=(25, 3)), rng.permutation(25)
    expected = knn_graph(points, 4).toarray()[np.ix_(order, order)]
    np.testing.assert_allclose(knn_graph(points[order], 4).toarray(), expected, atol=1e-9)


def test_single_precision_gives_the_graph_of_double_precision():
    points = np.random.default_rng(0).normal(size=(40, 3))
    single = knn_graph(points.astype(np.float32), 5).toarray()
    np.testing.assert_allclose(single, knn_graph(points, 5).toarray(), atol=1e-4)


@pytest.mark.parametrize("n", [2, 5, 11])
def test_copies_of_a_point_are_as_near_as_can_be(n):
    graph = knn_graph(np.full((n, 2), 3.0), n - 1).toarray()
    np.testing.assert_array_equal(graph, 1 - np.eye(n))


def test_latents_that_say_nothing_add_no_neighbors():
    points = np.random.default_rng(0).normal(size=(60, 4))
    graph = knn_graph(points)
    assert with_latents(graph, 0.1 * points) is graph
    one_tells = points * [1, 0.01, 0.01, 0.01]
    np.testing.assert_array_equal(with_latents(graph, one_tells).toarray(), (graph + knn_graph(one_tells)).toarray())
