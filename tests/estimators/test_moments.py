"""Which features have one unit, and what inputs are standardized by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklvae import CentroidRegularizedClassifier, VariationalAutoencoder
from sklvae.estimators._input import CHUNK
from sklvae.estimators._moments import feature_moments
from sklvae.estimators._points import input_points

TABLES = [load_iris, load_wine, load_breast_cancer]


def standardized(load):
    return StandardScaler().fit_transform(load(return_X_y=True)[0])


def scales(rows):
    return feature_moments(rows, shared=False)[1]


def have_one_unit(rows):
    scale = scales(rows)
    np.testing.assert_allclose(scale, np.sqrt(rows.var(axis=0).mean()), rtol=1e-5)
    return True


def have_their_own(rows):
    np.testing.assert_allclose(scales(rows), rows.std(axis=0), rtol=1e-5)
    return True


@pytest.mark.parametrize("load", TABLES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_components_of_a_table_are_as_far_apart_as_its_rows(load, dtype):
    X = standardized(load)
    turned = PCA().fit_transform(X).astype(dtype)
    apart = [pdist(input_points(rows, rows.shape[1:])) for rows in (X, turned)]
    np.testing.assert_allclose(apart[0] / apart[0].mean(), apart[1] / apart[1].mean(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "reduction",
    [
        PCA(20),
        PCA(20, svd_solver="randomized", random_state=0),
        IncrementalPCA(20),
        TruncatedSVD(20, random_state=0),
    ],
    ids=["full", "randomized", "incremental", "uncentered"],
)
@pytest.mark.parametrize("far", [0, 20])
def test_components_are_known_by_their_right_angles(reduction, far):
    assert have_one_unit(reduction.fit_transform(load_digits().data + far))


def test_components_have_means_of_their_own():
    components = TruncatedSVD(20, random_state=0).fit_transform(load_digits().data)
    np.testing.assert_allclose(feature_moments(components, shared=False)[0], components.mean(axis=0))


@pytest.mark.parametrize("load", [*TABLES, load_digits])
def test_columns_of_a_table_have_units_of_their_own(load):
    X = load(return_X_y=True)[0]
    X = X[:, X.std(axis=0) > 0]
    assert have_their_own(X)
    falling = np.argsort(-X.std(axis=0))
    assert have_their_own((X - X.mean(axis=0))[:, falling])


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(20, 2 * CHUNK))
def test_unrelated_columns_about_zero_have_units_of_their_own(seed, n_columns, n):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_columns)) * np.sort(10.0 ** rng.uniform(-3, 3, n_columns))[::-1]
    assert have_their_own(X)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_unit_of_a_positive_column_does_not_matter(seed, n_columns):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 1)) + rng.uniform(0.1, 1, n_columns) * rng.normal(size=(40, n_columns)) + 3
    unit = 10.0 ** rng.uniform(-3, 3, n_columns)
    np.testing.assert_allclose(scales(unit * X), unit * scales(X))


def test_components_in_another_order_are_columns_like_others():
    components = PCA(10).fit_transform(load_digits().data)
    assert have_their_own(components[:, ::-1])


def test_components_and_a_column_beside_them_are_columns_like_others():
    components = PCA(10).fit_transform(load_digits().data)
    assert have_their_own(np.c_[components, components[:, 0] + components[:, 9]])


def test_all_rows_count():
    components = PCA(5).fit_transform(np.random.default_rng(0).normal(size=(2 * CHUNK, 8)))
    later = np.concatenate([components, components + components[:, [1, 0, 3, 4, 2]]])
    assert have_one_unit(components)
    assert have_their_own(later[:, np.argsort(-later.std(axis=0))])


def test_what_rounding_left_of_dependent_columns_is_not_made_large():
    X = standardized(load_iris)
    turned = PCA().fit_transform(np.hstack([X, X @ np.array([[1.0, 2], [1, 0], [0, 1], [1, 1]])]))
    assert turned.std(axis=0)[-1] < 1e-12
    assert (turned / scales(turned)).std(axis=0)[-1] < 1e-12


def test_a_tiny_column_between_others_is_not_rounding():
    components = PCA(4).fit_transform(load_digits().data)
    assert have_their_own(components * [1, 1, 1e-9, 1])


def test_whitened_components_stay_white():
    white = PCA(10, whiten=True).fit_transform(load_digits().data)
    np.testing.assert_allclose((white / scales(white)).std(axis=0), 1, rtol=1e-3)


def test_one_component_that_has_nearly_all_the_variance_hides_no_other():
    X = load_wine().data  # proline is in hundreds
    assert have_their_own(PCA().fit_transform(X))


@pytest.mark.parametrize("columns", [[0, 1], [0, 0, 1], [1, 0], [1], [0, 0]])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_a_column_that_never_varies_has_scale_one(columns, dtype):
    varies = np.array(columns) == 1
    X = np.where(varies, np.random.default_rng(0).integers(0, 2, (40, 1)), 0).astype(dtype)
    unit = 255 if dtype == np.uint8 else 1
    np.testing.assert_allclose(scales(X), np.where(varies, X.std(axis=0) / unit, 1), rtol=1e-6)


def test_bytes_are_fractions_of_255():
    X = np.random.default_rng(0).integers(0, 256, (50, 4), dtype=np.uint8)
    for shared in (True, False):
        for moments in zip(feature_moments(X, shared=shared), feature_moments(X / 255, shared=shared), strict=True):
            np.testing.assert_allclose(*moments)


def test_shared_moments_are_those_of_all_values():
    X = np.random.default_rng(0).normal(size=(50, 4)) * [1, 2, 3, 4] + 5
    mean, scale = feature_moments(X, shared=True)
    np.testing.assert_allclose(mean, X.mean())
    np.testing.assert_allclose(scale, X.std())


def test_networks_see_components_in_one_unit():
    X, y = load_digits(return_X_y=True)
    components = PCA(10).fit_transform(X)
    unit = np.sqrt(components.var(axis=0).mean())
    vae = VariationalAutoencoder(n_latent=2, hidden_units=(4,), max_epochs=1).fit(components)
    centroids = CentroidRegularizedClassifier(max_epochs=1).fit(components, y)
    for scale in (vae._model.observation.scale, centroids._model.scale):
        np.testing.assert_allclose(scale, unit, rtol=1e-5)


def test_latents_of_components_say_what_those_of_their_rows_say():
    X, y = load_digits(return_X_y=True)
    components = PCA(40, random_state=0).fit_transform(X[:1200]), PCA(40, random_state=0).fit(X[:1200]).transform(X)
    vae = VariationalAutoencoder(n_latent=8, max_epochs=40, random_state=0)
    classifier = make_pipeline(vae, LogisticRegression(max_iter=1000)).fit(components[0], y[:1200])
    assert classifier.score(components[1][1200:], y[1200:]) > 0.7
