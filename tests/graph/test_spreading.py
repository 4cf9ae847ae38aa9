import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import cg
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


def test_many_classes_are_each_spread_as_if_alone():
    """Also one of which no label is known."""
    rng = np.random.default_rng(0)
    graph, seeds = knn_graph(rng.normal(size=(400, 3))), np.zeros((400, 40))
    rows = rng.permutation(400)[:39]
    seeds[rows, np.arange(39)] = rng.uniform(0.01, 1, 39)
    root = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    system = eye_array(400) - 0.99 * (root @ graph @ root)
    mass = np.stack([cg(system, seed, rtol=1e-10)[0] for seed in seeds.T], axis=1)
    share = mass / np.maximum(mass.sum(axis=0), 1e-300)
    np.testing.assert_allclose(spread_labels(graph, seeds), share / share.sum(axis=1, keepdims=True), atol=1e-4)


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


def random_graph(rng, n, density):
    """Symmetric random weights without a diagonal; sparse ones fall apart."""
    weight = np.triu(rng.random((n, n)) * (rng.random((n, n)) < density), 1)
    return csr_array(weight + weight.T)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(1, 4), st.sampled_from([0.05, 0.2, 0.8]))
def test_labels_reach_what_is_connected_to_them_and_nothing_else(seed, n, n_classes, density):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, n, density)
    seeds = np.zeros((n, n_classes))
    labeled = rng.permutation(n)[: rng.integers(1, n + 1)]
    seeds[labeled, rng.integers(0, n_classes, len(labeled))] = rng.uniform(0.1, 1, len(labeled))
    component = connected_components(graph)[1]
    found = spread_labels(graph, seeds)
    reached = np.isin(component, component[labeled])
    np.testing.assert_allclose(found.sum(axis=1), reached)
    for k in range(n_classes):
        elsewhere = ~np.isin(component, component[seeds[:, k] > 0])
        np.testing.assert_array_equal(found[elsewhere, k], 0)


def test_labels_reach_the_far_end_of_a_curve():
    """Hundreds of edges away, mass is smaller than the solver's tolerance; whoever is nearer is right."""
    points = np.linspace(0, 1, 3000)[:, None]
    seeds = np.zeros((3000, 3))
    seeds[[200, 2800], [0, 2]] = 1
    found = spread_labels(knn_graph(points), seeds)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found[:1480].argmax(axis=1), 0)
    np.testing.assert_array_equal(found[1520:].argmax(axis=1), 2)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(0.01, 100))
def test_how_many_labels_a_class_has_and_the_unit_of_the_weights_do_not_matter(seed, mass, unit):
    """Class mass normalization: a class whose every seed counts ten times as much gains nothing."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 20, 0.4)
    seeds = np.eye(20)[:, :3]
    expected = spread_labels(graph, seeds)
    np.testing.assert_allclose(spread_labels(graph * unit, seeds * [1, mass, 1]), expected, atol=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.1, 0.99))
def test_any_reach_solves_its_linear_system(seed, alpha):
    rng = np.random.default_rng(seed)
    graph, seeds = random_graph(rng, 20, 0.4), np.eye(20)[:, :3] * [1.0, 0.5, 0.2]
    W = graph.toarray()
    root = np.diag(1 / np.sqrt(np.maximum(W.sum(axis=1), 1e-300)))
    F = np.linalg.solve(np.eye(20) - alpha * root @ W @ root, (1 - alpha) * seeds)
    F = F / F.sum(axis=0)
    total = F.sum(axis=1, keepdims=True)
    expected = np.where(total > 1e-12, F / np.where(total > 1e-12, total, 1), 0)
    np.testing.assert_allclose(spread_labels(graph, seeds, alpha=alpha), expected, atol=1e-3)
