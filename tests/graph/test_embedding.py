import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_score

from sklvae.graph import knn_graph, neighbor_embedding


@pytest.fixture(scope="module")
def blobs():
    """Three classes that overlap a little."""
    X, y = make_blobs(n_samples=150, centers=3, n_features=4, cluster_std=2.0, random_state=0)
    return X, y


def test_neighbors_come_together_and_clusters_part(blobs):
    X, y = blobs
    found = neighbor_embedding(knn_graph(X), X, seed=0)
    assert found.shape == X.shape
    assert found.dtype == np.float32
    assert silhouette_score(found, y) > silhouette_score(X, y) + 0.1


def test_the_seed_decides_and_the_callers_generator_is_left_alone(blobs):
    X, _ = blobs
    graph = knn_graph(X)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (neighbor_embedding(graph, X, seed=seed, n_epochs=5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_more_epochs_separate_more(blobs):
    X, y = blobs
    graph = knn_graph(X)
    brief, long = (silhouette_score(neighbor_embedding(graph, X, seed=0, n_epochs=n), y) for n in (2, 200))
    assert long > brief


def test_without_an_edge_nothing_moves():
    X = np.random.default_rng(0).normal(size=(20, 2))
    found = neighbor_embedding(csr_array((20, 20)), X, seed=0, n_epochs=3)
    centered = X - X.mean(axis=0)
    np.testing.assert_allclose(found, 10 * centered / np.abs(centered).max(), rtol=1e-5)


def test_an_edge_draws_its_ends_together():
    X = np.array([[0.0, 0.0], [4.0, 0.0], [50.0, 0.0], [51.0, 0.0]])
    graph = csr_array(([1.0, 1.0], ([0, 1], [1, 0])), shape=(4, 4))
    start = 10 * (X - X.mean(axis=0)) / np.abs(X - X.mean(axis=0)).max()
    found = neighbor_embedding(graph, X, seed=0)
    assert np.linalg.norm(found[0] - found[1]) != pytest.approx(np.linalg.norm(start[0] - start[1]))
    assert np.linalg.norm(found[0] - found[1]) < np.linalg.norm(found[:2].mean(axis=0) - found[2:].mean(axis=0)) / 2


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.integers(2, 30))
def test_neither_position_nor_unit_of_the_start_matters(seed, unit, n):
    X = np.random.default_rng(seed).normal(size=(n, 2))
    graph = knn_graph(X, 3)
    expected = neighbor_embedding(graph, X, seed=0, n_epochs=1)
    np.testing.assert_allclose(neighbor_embedding(graph, unit * X + 3 * unit, seed=0, n_epochs=1), expected, atol=1e-2)


@pytest.mark.parametrize("n", [2, 5])
def test_copies_of_a_point_are_no_reason_to_fail(n):
    found = neighbor_embedding(knn_graph(np.zeros((n, 2))), np.zeros((n, 2)), seed=0)
    assert np.isfinite(found).all()
