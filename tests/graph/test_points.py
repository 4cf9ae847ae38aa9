import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from sklvae.graph import _points as points_module
from sklvae.graph import principal_points


def flat_world(n, n_features, rank=5, seed=0):
    """Points of a low-dimensional plane: the right components keep every distance."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n_features)) + 3 * rng.normal(size=n_features)


@pytest.mark.parametrize("n", [2, 3, 7, 60, 200])
def test_distances_in_a_plane_are_kept(n):
    X = flat_world(n, 70)
    found = principal_points(X, n_components=8)
    assert found.shape == (n, min(n, 8))
    np.testing.assert_allclose(pdist(found), pdist(X), rtol=1e-3)


def test_components_are_those_of_scikit_learn_up_to_sign():
    X = np.random.default_rng(0).normal(size=(200, 60)) * np.linspace(1, 9, 60)
    scale = np.linspace(0.5, 2, 60)
    ours, reference = principal_points(X, scale, n_components=6), PCA(6).fit_transform(X / scale)
    signs = np.sign((ours * reference).sum(axis=0))
    np.testing.assert_allclose(ours * signs, reference, atol=1e-3 * np.abs(reference).max())


def test_chunks_and_a_sample_of_rows_give_the_same_plane(monkeypatch):
    X = flat_world(103, 70)
    monkeypatch.setattr(points_module, "CHUNK", 10)
    monkeypatch.setattr(points_module, "MOST_FITTED", 20)
    np.testing.assert_allclose(pdist(principal_points(X, n_components=8)), pdist(X), rtol=1e-3)


def test_how_far_from_zero_rows_are_does_not_matter():
    """float32 has seven digits, and a year in seconds takes them all."""
    X = flat_world(400, 60)
    expected = principal_points(X, n_components=8)
    np.testing.assert_allclose(pdist(principal_points(X + 1e7, n_components=8)), pdist(expected), rtol=1e-3)


def test_a_sample_of_wide_rows_is_smaller(monkeypatch):
    X, fitted = flat_world(103, 70), []
    fit = PCA.fit
    monkeypatch.setattr(PCA, "fit", lambda pca, rows: fitted.append(len(rows)) or fit(pca, rows))
    monkeypatch.setattr(points_module, "MOST_VALUES", 30 * 70)
    np.testing.assert_allclose(pdist(principal_points(X, n_components=8)), pdist(X), rtol=1e-3)
    assert fitted == [26]


def test_few_features_are_scaled_in_chunks(monkeypatch):
    X, scale = np.random.default_rng(0).normal(size=(23, 4)), np.array([1.0, 2.0, 4.0, 0.5])
    monkeypatch.setattr(points_module, "CHUNK", 10)
    np.testing.assert_allclose(principal_points(X, scale), X / scale, rtol=1e-6)


@pytest.mark.parametrize("n_features", [6, 70])
def test_by_row_distances_are_correlations(n_features):
    X = np.random.default_rng(0).integers(0, 256, (40, n_features), dtype=np.uint8)
    found = principal_points(X, by_row=True, n_components=n_features - 1)
    np.testing.assert_allclose(
        pdist(found, "sqeuclidean") / (2 * n_features), pdist(X.astype(float), "correlation"), rtol=1e-3
    )


def test_by_row_neither_brightness_nor_contrast_counts():
    X = np.random.default_rng(0).normal(size=(30, 70))
    contrast, brightness = np.random.default_rng(1).uniform(0.5, 2, (2, 30, 1))
    found = principal_points(contrast * X + brightness, by_row=True, n_components=8)
    np.testing.assert_allclose(pdist(found), pdist(principal_points(X, by_row=True, n_components=8)), rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_by_row_a_constant_row_is_zero(dtype):
    X = np.random.default_rng(0).normal(size=(6, 5)).astype(dtype)
    X[[1, 4]] = [[0.1], [-1e6 / 3]]
    np.testing.assert_array_equal(principal_points(X, by_row=True)[[1, 4]], 0)


@pytest.mark.parametrize("n_features", [4, 70])
def test_by_row_rows_without_contrast_differ_in_brightness(n_features):
    brightness = np.random.default_rng(0).random((12, 1))
    found = principal_points(np.repeat(brightness, n_features, axis=1), by_row=True, n_components=5)
    np.testing.assert_allclose(pdist(found), np.sqrt(n_features) * pdist(brightness), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_features", [4, 70])
def test_a_file_of_pixels_gives_the_points_of_its_numbers(tmp_path, n_features):
    X = np.random.default_rng(0).integers(0, 256, (50, n_features), dtype=np.uint8)
    np.save(tmp_path / "x.npy", X)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = principal_points(on_disk, 255.0, n_components=20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(pdist(found), pdist(principal_points(X / 255.0, n_components=20)), rtol=1e-3)


def test_no_float_copy_of_the_data_is_made(monkeypatch):
    monkeypatch.setattr(points_module, "CHUNK", 500)
    monkeypatch.setattr(points_module, "MOST_FITTED", 500)
    X = np.random.default_rng(0).integers(0, 256, (20_000, 80), dtype=np.uint8)
    principal_points(X[:1000], 255.0, n_components=4)  # what is imported on first use does not count
    tracemalloc.start()
    try:
        principal_points(X, 255.0, n_components=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.size * np.dtype(np.float32).itemsize / 2
