import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklvae.training import choose_augment, seeded, small_affine

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


def test_auto_is_for_images_only():
    assert choose_augment("auto", (1, 8, 8)) is small_affine
    assert choose_augment("auto", (64,)) is None
    assert choose_augment(None, (1, 8, 8)) is None


@pytest.mark.parametrize(
    ("wrong", "came"),
    [(lambda x: x[:1], r"got shape \(1, 4\)"), (lambda x: np.asarray(x), "got a ndarray")],
)
def test_a_function_of_another_shape_is_refused(wrong, came):
    with pytest.raises(ValueError, match=r"tensor of the shape of its input, \(2, 4\), " + came):
        choose_augment(wrong, (4,))(torch.zeros(2, 4))
    torch.testing.assert_close(choose_augment(torch.neg, (4,))(torch.ones(2, 4)), -torch.ones(2, 4))
