"""Histograms of gradients, against a loop over pixels and what moves and turns do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from sklvae.graph import gradient_histograms, principal_points


def images(n=3, shape=(1, 28, 28), seed=0):
    return np.random.default_rng(seed).random((n, int(np.prod(shape)))).astype(np.float32)


def by_loop(image, cell):
    """Each pixel gives its length to the two nearest orientations of all windows that it lies in."""
    height, width = image.shape
    padded = np.pad(image, 1, mode="edge")
    n_cells = [(side + 2 * (cell // 2) - 2 * cell) // cell + 1 for side in image.shape]
    found = np.zeros((8, *n_cells))
    for y in range(height):
        for x in range(width):
            along_y, along_x = padded[y + 2, x + 1] - padded[y, x + 1], padded[y + 1, x + 2] - padded[y + 1, x]
            turn = 8 * (np.arctan2(along_y, along_x) % np.pi) / np.pi
            lower = int(turn)
            for i, j in np.ndindex(*n_cells):
                top, left = i * cell - cell // 2, j * cell - cell // 2
                if top <= y < top + 2 * cell and left <= x < left + 2 * cell:
                    length = np.hypot(along_y, along_x) / (2 * cell) ** 2
                    found[lower % 8, i, j] += (1 - turn + lower) * length
                    found[(lower + 1) % 8, i, j] += (turn - lower) * length
    return np.sqrt(found)


@pytest.mark.parametrize(("side", "cell"), [(8, 1), (28, 2), (29, 2), (44, 3)])
def test_is_what_a_loop_over_pixels_finds(side, cell):
    image = images(1, (1, side, side))
    expected = by_loop(image.reshape(side, side), cell)
    np.testing.assert_allclose(gradient_histograms(image, (1, side, side)).reshape(expected.shape), expected, atol=1e-4)


def test_brightness_does_not_count_and_contrast_is_a_factor():
    X = images()
    found = gradient_histograms(9 * X + 3, (1, 28, 28))
    np.testing.assert_allclose(found, 3 * gradient_histograms(X, (1, 28, 28)), atol=1e-3)
    np.testing.assert_allclose(gradient_histograms(-X, (1, 28, 28)), gradient_histograms(X, (1, 28, 28)), atol=1e-3)


def test_a_quarter_turn_moves_cells_and_orientations():
    X = images().reshape(-1, 28, 28)
    turned = np.rot90(X, axes=(1, 2))
    found, expected = (gradient_histograms(Z.reshape(3, -1), (1, 28, 28)).reshape(3, 8, 14, 14) for Z in (turned, X))
    np.testing.assert_allclose(found, np.roll(np.rot90(expected, axes=(2, 3)), 4, axis=1), atol=1e-3)


def test_channels_are_summed():
    X = images()
    gray, color = gradient_histograms(X, (1, 28, 28)), gradient_histograms(np.tile(X, (1, 3)), (3, 28, 28))
    np.testing.assert_allclose(color, np.sqrt(3) * gray, rtol=1e-4)


def test_pixels_of_any_type_give_the_same():
    X = np.random.default_rng(0).integers(0, 256, (3, 784), dtype=np.uint8)
    expected = gradient_histograms(X.astype(np.float64), (1, 28, 28))
    np.testing.assert_array_equal(gradient_histograms(X, (1, 28, 28)), expected)
    assert expected.dtype == np.float32


@given(st.tuples(*[st.integers(1, 40)] * 2), st.integers(1, 3))
def test_images_of_any_shape_have_histograms(sides, channels):
    X = images(2, (channels, *sides))
    found = gradient_histograms(X, (channels, *sides))
    assert len(found) == 2
    assert found.any() == (max(sides) > 1)
    assert not gradient_histograms(np.ones_like(X), (channels, *sides)).any()


def test_neighbors_of_digits_are_more_often_of_their_class_than_by_pixels():
    X, y = load_digits(return_X_y=True)

    def right(points):
        return KNeighborsClassifier(10).fit(points[:900], y[:900]).score(points[900:], y[900:])

    edges = principal_points(X, describe=lambda rows: gradient_histograms(rows, (1, 8, 8)), by_row=True)
    assert right(edges) > right(principal_points(X, by_row=True))
