"""Points that rows of X are compared by."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from sklvae.estimators._points import side_by_side


@pytest.fixture
def views():
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 3)) * 7 + 2, rng.normal(size=(50, 9)).astype(np.float32)


def test_views_have_equal_shares_of_the_variance(views):
    points = side_by_side(*views)
    assert points.shape == (50, 12)
    shares = points.var(axis=0)
    assert shares[:3].sum() == pytest.approx(1)
    assert shares[3:].sum() == pytest.approx(1, rel=1e-5)


def test_the_unit_of_a_view_does_not_matter(views):
    one, other = views
    np.testing.assert_allclose(side_by_side(1000 * one, other), side_by_side(one, other), rtol=1e-6)


@pytest.mark.parametrize("noise", [0, 1e-8])
def test_a_view_that_does_not_vary_is_left_out(views, noise):
    one, _ = views
    still = (0.1 + noise * np.random.default_rng(0).normal(size=(50, 4))).astype(np.float32)
    np.testing.assert_allclose(pdist(side_by_side(still, one)), pdist(side_by_side(one)))
    assert side_by_side(still, still).shape == (50, 4)
