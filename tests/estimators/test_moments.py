"""Which features have one unit, and what inputs are standardized by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklvae import VariationalAutoencoder
from sklvae.estimators._moments import feature_moments
from sklvae.estimators._points import input_points

TABLES = [load_iris, load_wine, load_breast_cancer]


def standardized(load):
    return StandardScaler().fit_transform(load(return_X_y=True)[0])


def scales(rows):
    return feature_moments(rows, shared=False)[1]


@pytest.mark.parametrize("load", TABLES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_components_of_a_table_are_as_far_apart_as_its_rows(load, dtype):
    X = standardized(load)
    turned = PCA().fit_transform(X).astype(dtype)
    apart = [pdist(input_points(rows, rows.shape[1:])) for rows in (X, turned)]
    np.testing.assert_allclose(apart[0] / apart[0].mean(), apart[1] / apart[1].mean(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("load", TABLES)
def test_columns_of_a_table_have_units_of_their_own(load):
    X = load(return_X_y=True)[0]
    np.testing.assert_allclose(scales(X), X.std(axis=0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_unit_of_a_column_does_not_matter(seed, n_columns):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 1)) + rng.uniform(0.1, 1, n_columns) * rng.normal(size=(40, n_columns)) + 3
    unit = 10.0 ** rng.uniform(-3, 3, n_columns)
    np.testing.assert_allclose(scales(unit * X), unit * scales(X))


@pytest.mark.parametrize(
    "reduction",
    [PCA(20), PCA(20, svd_solver="randomized", random_state=0), TruncatedSVD(20, random_state=0)],
    ids=["full", "randomized", "uncentered"],
)
@pytest.mark.parametrize("of", ["all", "part"])
def test_components_are_known_by_their_right_angles(reduction, of):
    X = load_digits().data
    rows = reduction.fit_transform(X)[:: {"all": 1, "part": 2}[of]]
    scale = scales(rows)
    np.testing.assert_array_equal(scale, scale[0])
    np.testing.assert_allclose(scale[0], np.sqrt(rows.var(axis=0).mean()))


def test_components_of_other_rows_are_components():
    X = standardized(load_breast_cancer)
    scale = scales(PCA(10).fit(X[::2]).transform(X))
    np.testing.assert_array_equal(scale, scale[0])


def test_what_rounding_left_of_dependent_columns_is_not_made_large():
    X = standardized(load_iris)
    turned = PCA().fit_transform(np.hstack([X, X @ np.array([[1.0, 2], [1, 0], [0, 1], [1, 1]])]))
    assert turned.std(axis=0)[-1] < 1e-12
    assert (turned / scales(turned)).std(axis=0)[-1] < 1e-12


def test_whitened_components_stay_white():
    white = PCA(10, whiten=True).fit_transform(load_digits().data)
    np.testing.assert_allclose((white / scales(white)).std(axis=0), 1, rtol=1e-3)


def test_one_component_that_has_nearly_all_the_variance_hides_no_other():
    X = load_wine().data  # proline is in hundreds
    turned = PCA().fit_transform(X)
    np.testing.assert_allclose(scales(turned), turned.std(axis=0))


def test_a_column_that_never_varies_has_scale_one():
    assert scales(np.c_[np.full(5, 3.1), np.arange(5.0)])[0] == 1
    np.testing.assert_array_equal(scales(np.zeros((5, 2))), 1)


def test_latents_of_components_say_what_those_of_their_rows_say():
    X, y = load_digits(return_X_y=True)
    components = PCA(40, random_state=0).fit_transform(X)
    vae = VariationalAutoencoder(n_latent=8, max_epochs=40, random_state=0)
    classifier = make_pipeline(vae, LogisticRegression(max_iter=1000)).fit(components[:1200], y[:1200])
    assert classifier.score(components[1200:], y[1200:]) > 0.8
