import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import shift
from sklearn.datasets import load_digits

from sklvae.datasets import load_fashion_mnist, load_mnist
from sklvae.training import _augment as augment_module
from sklvae.training import affine_strength, choose_augment, seeded, sees_views, small_affine, small_moves

CPU = torch.device("cpu")


def views(x, seed=0):
    with seeded(seed, CPU):
        return small_affine(x)


@given(value=st.floats(-3, 3, width=32), size=st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9)))
def test_an_even_image_stays_as_it_is(value, size):
    x = torch.full((4, *size), value)
    torch.testing.assert_close(views(x), x)


def test_each_image_is_moved_by_itself_and_only_a_little():
    blob = torch.zeros(200, 1, 28, 28)
    blob[:, :, 11:17, 11:17] = 1
    moved = views(blob)
    place = torch.arange(28.0)
    mass = moved.sum(dim=(1, 2, 3))
    down = (moved.sum(dim=(1, 3)) * place).sum(dim=1) / mass
    right = (moved.sum(dim=(1, 2)) * place).sum(dim=1) / mass
    for center in (down, right):
        assert (center - 13.5).abs().max() < 28 * 0.1 * 1.35  # a tenth of the image, scaled and turned at most so much
        assert center.std() > 0.5
    assert (mass / 36).min() > 0.6
    assert (mass / 36).max() < 1.6


def test_a_wide_image_is_turned_and_not_sheared(monkeypatch):
    """A turn keeps the angle between a bar and its crossbar, whatever the shape of the image."""
    monkeypatch.setattr("sklvae.training._augment.SHEAR", 0.0)
    monkeypatch.setattr("sklvae.training._augment.SCALE", 0.0)
    x = torch.zeros(50, 1, 32, 128)
    x[:, :, 8:24, 63:65] = 1  # upright
    lying = torch.zeros(50, 1, 32, 128)
    lying[:, :, 15:17, 56:72] = 1

    def angle(images):
        down, right = torch.meshgrid(torch.arange(32.0), torch.arange(128.0), indexing="ij")
        weight = images[:, 0] / images.sum(dim=(1, 2, 3))[:, None, None]
        mean = [(weight * place).sum(dim=(1, 2), keepdim=True) for place in (down, right)]
        dy, dx = down - mean[0], right - mean[1]
        xx, yy, xy = ((weight * product).sum(dim=(1, 2)) for product in (dx * dx, dy * dy, dx * dy))
        return torch.rad2deg(0.5 * torch.atan2(2 * xy, xx - yy))

    upright, flat = angle(views(x)), angle(views(lying))
    difference = (upright - flat).abs()
    torch.testing.assert_close(difference, torch.full((50,), 90.0), atol=4, rtol=0)
    assert flat.abs().max() < 16


def test_views_come_from_the_seed_alone():
    x = torch.rand(5, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(views(x, seed=1), views(x, seed=1), rtol=0, atol=0)
    assert not torch.allclose(views(x, seed=1), views(x, seed=2))


def test_strength_and_shift_say_how_far(monkeypatch):
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with seeded(0, CPU):
        as_it_was = small_affine(x, 0.0, shift=0.0)
    torch.testing.assert_close(as_it_was, x)
    with seeded(0, CPU):
        half = small_affine(x, 0.5)
    for name in ("TURN", "SCALE", "SHEAR"):
        monkeypatch.setattr(augment_module, name, getattr(augment_module, name) / 2)
    torch.testing.assert_close(half, views(x))


def bars(angles):
    """Thick bars through the middle of 16 x 16 pixels, (n, 256)."""
    place = np.linspace(-1, 1, 16)
    across = place[:, None] * np.cos(angles)[:, None, None] - place * np.sin(angles)[:, None, None]
    return np.exp(-30 * across**2).reshape(len(angles), -1).astype(np.float32)


def test_images_of_every_angle_are_turned_further_than_upright_ones():
    rng = np.random.default_rng(0)
    upright, every = (affine_strength(bars(rng.uniform(-a, a, 60)), (1, 16, 16)) for a in (0.05, np.pi / 2))
    assert upright < every


def test_noise_does_not_pass_for_being_turned():
    """Whatever moves an image smooths its noise, and smoother images are nearer to one another."""
    rng = np.random.default_rng(0)
    upright = bars(rng.uniform(-0.05, 0.05, 1000)) + rng.normal(scale=0.1, size=(1000, 256)).astype(np.float32)
    assert affine_strength(upright, (1, 16, 16)) < 1


def test_copies_change_nothing():
    x = load_digits().data[:600].astype(np.float32)
    assert affine_strength(np.tile(x, (4, 1)), (1, 8, 8)) == affine_strength(x, (1, 8, 8))


def test_the_strength_does_not_depend_on_the_units():
    x = load_digits().data
    strength = affine_strength((x / 16).astype(np.float32), (1, 8, 8))
    assert affine_strength((x * 15).astype(np.uint8), (1, 8, 8)) == strength
    assert affine_strength((x * 1000).astype(np.float32), (1, 8, 8)) == strength
    assert affine_strength((x + 5000).astype(np.float32), (1, 8, 8)) == strength


@pytest.mark.skipif("SKLVAE_DATA" not in os.environ, reason="SKLVAE_DATA names no folder with mnist.npz")
def test_handwriting_is_turned_further_than_clothes():
    loads = load_mnist, load_fashion_mnist
    strengths = [affine_strength(load().x_train.reshape(-1, 784), (1, 28, 28)) for load in loads]
    assert strengths[0] == 1.0
    assert strengths[1] == 0.5


@pytest.mark.parametrize(("n", "expected"), [(1, 0.0), (2, 1.0), (3, 1.0)])
def test_few_images_have_room_and_one_has_none(n, expected):
    angles = np.linspace(0, np.pi, n, endpoint=False)
    assert affine_strength(bars(angles), (1, 16, 16)) == expected


def test_auto_is_for_images_only():
    rows = bars(np.array([0.0, 1.0]))
    assert choose_augment("auto", (1, 16, 16), rows).keywords == {"strength": affine_strength(rows, (1, 16, 16))}
    assert choose_augment("auto", (64,), rows) is None
    assert choose_augment(None, (1, 8, 8), rows) is None
    asked = [("auto", (1, 8, 8)), ("auto", (64,)), (None, (1, 8, 8)), (torch.neg, (64,))]
    assert [sees_views(*each) for each in asked] == [True, False, False, True]


@pytest.mark.parametrize(
    ("wrong", "came"),
    [(lambda x: x[:1], r"got shape \(1, 4\)"), (lambda x: np.asarray(x), "got a ndarray")],
)
def test_a_function_of_another_shape_is_refused(wrong, came):
    rows = np.zeros((2, 4), dtype=np.float32)
    with pytest.raises(ValueError, match=r"tensor of the shape of its input, \(2, 4\), " + came):
        choose_augment(wrong, (4,), rows)(torch.zeros(2, 4))
    torch.testing.assert_close(choose_augment(torch.neg, (4,), rows)(torch.ones(2, 4)), -torch.ones(2, 4))


def test_small_moves_are_what_interpolation_makes_of_an_image_moved_to_each_side():
    rng = np.random.default_rng(0)
    x = rng.random((3, 2, 10, 28))
    still, *moves = (view.numpy() for view in small_moves(torch.from_numpy(x)))
    np.testing.assert_array_equal(still, x)
    sides = [(0, 0, 0, -1.4), (0, 0, 0, 1.4), (0, 0, -0.5, 0), (0, 0, 0.5, 0)]
    for view, side in zip(moves, sides, strict=True):
        np.testing.assert_allclose(view, shift(x, side, order=1, mode="nearest"), atol=1e-9)


def test_an_even_image_is_the_same_wherever_it_is_moved():
    x = torch.full((2, 1, 5, 4), 0.7)
    for view in small_moves(x):
        torch.testing.assert_close(view, x)
