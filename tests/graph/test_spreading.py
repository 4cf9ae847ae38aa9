import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist
from sklearn.decomposition import PCA

from sklvae.graph import knn_graph, principal_points, spread_labels


def reference_graph(points, k):
    """The formula, row by row."""
    n = len(points)
    distance = cdist(points, points)
    weight = np.zeros((n, n))
    for i in range(n):
        nearest = np.argsort(np.where(np.arange(n) == i, np.inf, distance[i]))[:k]
        weight[i, nearest] = np.exp(-4 * (distance[i, nearest] / distance[i, nearest[-1]]) ** 2)
    return (weight + weight.T) / 2


def test_the_graph_is_the_formula():
    points = np.random.default_rng(0).normal(size=(40, 3))
    np.testing.assert_allclose(knn_graph(points, 6).toarray(), reference_graph(points, 6), atol=1e-6)


def test_duplicates_and_few_points_make_a_graph():
    graph = knn_graph(np.zeros((3, 2)), 10).toarray()
    assert np.isfinite(graph).all()
    assert (np.diag(graph) == 0).all()


def test_spreading_solves_the_linear_system():
    points = np.random.default_rng(1).normal(size=(50, 2))
    seeds = np.zeros((50, 3))
    seeds[[0, 10, 20], [0, 1, 2]] = [1.0, 0.5, 1.0]
    graph = knn_graph(points, 5)
    W = graph.toarray()
    root = np.diag(1 / np.sqrt(W.sum(axis=1)))
    F = np.linalg.solve(np.eye(50) - 0.99 * root @ W @ root, 0.01 * seeds)
    F = F / F.sum(axis=0)
    np.testing.assert_allclose(spread_labels(graph, seeds), F / F.sum(axis=1, keepdims=True), atol=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_and_classes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    points, rows, classes = rng.normal(size=(30, 2)), rng.permutation(30), rng.permutation(3)
    seeds = np.zeros((30, 3))
    seeds[:3] = np.eye(3)
    straight = spread_labels(knn_graph(points, 5), seeds)
    shuffled = spread_labels(knn_graph(points[rows], 5), seeds[rows][:, classes])
    np.testing.assert_allclose(shuffled, straight[rows][:, classes], atol=1e-3)


def test_what_no_label_reaches_gets_none():
    points = np.concatenate([np.arange(5.0), np.arange(100.0, 105.0)])[:, None]
    seeds = np.zeros((10, 2))
    seeds[0, 0] = 1
    found = spread_labels(knn_graph(points, 2), seeds)
    np.testing.assert_allclose(found[:5], [[1, 0]] * 5)
    np.testing.assert_array_equal(found[5:], 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_principal_points_keep_the_distances_of_the_decomposition(dtype):
    X = np.random.default_rng(0).integers(0, 255, (300, 60)).astype(dtype)
    ours, reference = principal_points(X, n_components=8), PCA(8).fit_transform(X.astype(float))
    np.testing.assert_allclose(pdist(ours), pdist(reference), rtol=1e-3)


def test_few_features_are_only_scaled():
    X = np.random.default_rng(0).normal(size=(10, 4))
    np.testing.assert_allclose(principal_points(X, np.arange(1.0, 5.0)), X / np.arange(1.0, 5.0), rtol=1e-6)
