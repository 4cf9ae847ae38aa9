"""Points that rows of X are compared by."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from sklvae.estimators._points import input_points, side_by_side
from sklvae.graph import principal_points


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


def test_images_are_compared_by_edges_whatever_their_contrast():
    images = np.random.default_rng(0).random((30, 144))
    contrast, brightness = np.random.default_rng(1).uniform(0.5, 2, (2, 30, 1))
    apart = [pdist(input_points(rows, (1, 12, 12))) for rows in (images, contrast * images + brightness)]
    np.testing.assert_allclose(apart[0], apart[1], rtol=1e-3)
    assert not np.allclose(apart[0], pdist(principal_points(images, by_row=True)), rtol=0.05)


def test_images_without_any_edge_are_compared_by_brightness():
    brightness = np.random.default_rng(0).random((12, 1))
    found = input_points(np.repeat(brightness, 16, axis=1), (1, 4, 4))
    np.testing.assert_allclose(pdist(found), 4 * pdist(brightness), rtol=1e-3)
