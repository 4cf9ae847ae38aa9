"""Views of an image: the same thing, seen a little differently."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ._data import to_batch
from ._seeding import seeded

__all__ = [
    "Augment",
    "affine_strength",
    "choose_augment",
    "sees_views",
    "small_affine",
    "small_moves",
    "try_augment",
]

Augment = Callable[[Tensor], Tensor]

TURN = math.radians(15)
SHIFT, SCALE, SHEAR = 0.1, 0.1, 0.15
"""Most that an image is moved, as a share of its size; scaled and sheared, as a factor."""

STRENGTHS = (1.0, 0.7, 0.5, 0.35, 0.25)
"""What `affine_strength` tries."""

N_MOVED, N_IMAGES, MOST_VALUES = 1000, 6000, 10_000_000
"""Images that it moves, and images that it looks at, these among them; and of how many values these may be."""

FARTHER = 1.1
"""Factor by which moved images may lie farther from the others."""


def small_affine(x: Tensor, strength: float = 1.0, *, shift: float = SHIFT) -> Tensor:
    """Turn, scale, shear and move each image a little, at random; what comes in at the edge repeats the edge.

    Parameters
    ----------
    x : Tensor of shape (B, C, H, W)
        Images.
    strength : float, default=1.0
        How far they are turned (by 15 degrees at most, times that), scaled and sheared.
    shift : float, default=0.1
        How far they are moved at most, as a share of their size.

    Returns
    -------
    Tensor of shape (B, C, H, W)

    References
    ----------
    Simard, Steinkraus and Platt, 2003, "Best practices for convolutional neural networks applied to visual
    document analysis", Section 2.

    Examples
    --------
    >>> import torch
    >>> from sklvae.training import small_affine
    >>> small_affine(torch.ones(2, 1, 8, 8)).shape
    torch.Size([2, 1, 8, 8])
    """
    draw = 2 * torch.rand(len(x), 6, device=x.device, dtype=x.dtype) - 1
    angle = strength * TURN * draw[:, 0]
    wide, high = (1 + strength * SCALE * draw[:, 1:3]).T
    shear = strength * SHEAR * draw[:, 3]
    right, down = (2 * shift * draw[:, 4:]).T  # the grid goes from -1 to 1
    cos, sin = angle.cos(), angle.sin()
    aspect = x.shape[-2] / x.shape[-1]  # the grid is a square, whatever the image is
    top = torch.stack([cos * wide, (shear - sin * high) * aspect, right], dim=1)
    bottom = torch.stack([sin * wide / aspect, cos * high, down], dim=1)
    return _placed(x, torch.stack([top, bottom], dim=1))


def small_moves(x: Tensor) -> Iterator[Tensor]:
    """Each image as it is, and moved to each of four sides, half as far as `small_affine` moves it at most.

    What a network says of an image, averaged over these, is right more often than what it says of the image alone.

    Parameters
    ----------
    x : Tensor of shape (B, C, H, W)
        Images.

    Yields
    ------
    Tensor of shape (B, C, H, W)
        Five of them, one after the other: only one is held in memory.

    References
    ----------
    Krizhevsky, Sutskever and Hinton, 2012, "ImageNet classification with deep convolutional neural networks",
    Section 4.1.

    Examples
    --------
    >>> import torch
    >>> from sklvae.training import small_moves
    >>> x = torch.zeros(1, 1, 20, 20)
    >>> x[..., 10, 10] = 1
    >>> [tuple(view[0, 0].nonzero()[0].tolist()) for view in small_moves(x)]
    [(10, 10), (10, 9), (10, 11), (9, 10), (11, 10)]
    """
    sides = SHIFT * x.new_tensor([[1, 0], [-1, 0], [0, 1], [0, -1]])  # the grid goes from -1 to 1
    where = torch.cat([torch.eye(2).to(x).expand(4, 2, 2), sides[:, :, None]], dim=2)
    yield x
    for move in where:
        yield _placed(x, move.expand(len(x), 2, 3))


def _placed(x: Tensor, where: Tensor) -> Tensor:
    """Images seen through affine maps, (B, 2, 3); what comes in at the edge repeats the edge."""
    grid = F.affine_grid(where, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def affine_strength(rows: NDArray[Any], event: Sequence[int]) -> float:
    """How far images can be turned, scaled and sheared and still lie among the others.

    The largest of `STRENGTHS` at which half of some images lie at most a tenth farther from the nearest other image
    than before. Handwriting leans this way and that; clothes hang upright. Among few images there is more room.
    Before and after, images are moved by up to half a pixel, which blurs them alike.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Images, uint8 or float; thousands of them are looked at, copies of one as one.
    event : tuple of int
        (channels, height, width).

    Returns
    -------
    float
        0 where no strength will do, or there is one image only.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklvae.training import affine_strength
    >>> affine_strength(load_digits().data.astype("float32") / 16, (1, 8, 8))
    0.7
    """
    n_images = min(N_IMAGES, max(3, MOST_VALUES // rows.shape[1]))
    order = np.random.RandomState(0).permutation(len(rows))[:n_images]
    order = np.array(list({rows[i].tobytes(): i for i in order}.values()))
    n_moved = min(N_MOVED, -(-len(order) // 3))
    images, others = (to_batch(rows[np.sort(part)], event) for part in (order[:n_moved], order[n_moved:]))
    if not len(others):
        return 0.0
    middle = others.mean(dim=0)  # far from zero, float32 distances are inexact

    def distance(strength: float) -> Tensor:
        with seeded(0, images.device):
            moved = small_affine(images, strength, shift=0.5 / max(event[1:]))
        return torch.cdist((moved - middle).flatten(1), (others - middle).flatten(1)).amin(dim=1)

    before = distance(0.0)
    return next((s for s in STRENGTHS if (distance(s) <= FARTHER * before).float().mean() >= 0.5), 0.0)


def sees_views(augment: str | Augment | None, event: Sequence[int]) -> bool:
    """Whether `choose_augment` gives a function."""
    return callable(augment) or (augment == "auto" and len(event) == 3)


def choose_augment(augment: str | Augment | None, event: Sequence[int], rows: NDArray[Any]) -> Augment | None:
    """Choose the views: for "auto" `small_affine` for images and none for a table; a callable is held to its contract.

    Parameters
    ----------
    augment : "auto", callable or None
        What the user asked for.
    event : sequence of int
        Shape of one sample in the network.
    rows : ndarray of shape (n, n_features)
        All samples: for "auto", images are turned, scaled and sheared as far as `affine_strength` says.
    """
    if callable(augment):
        return Checked(augment)
    return partial(small_affine, strength=affine_strength(rows, event)) if sees_views(augment, event) else None


def try_augment(owner: str, augment: Augment, event: Sequence[int], device: torch.device) -> None:
    """Call a user's function with two samples of zeros, before anything is trained.

    Raises
    ------
    ValueError
        If it fails, or does not return as many samples of the same shape. The message begins with `owner`.
    """
    try:
        with seeded(0, device):
            Checked(augment)(torch.zeros(2, *event, device=device))
    except Exception as error:  # of the user's code, or of torch in it
        raise ValueError(
            f"{owner}: augment must take a batch of shape (n, {', '.join(map(str, event))}) and give one of the same "
            f"shape; with two samples it raised {type(error).__name__}: {error}"
        ) from error


class Checked:
    """A user's function from a batch to as many samples of the same shape."""

    def __init__(self, augment: Augment) -> None:
        self.augment = augment

    def __call__(self, x: Tensor) -> Tensor:
        """Augment.

        Raises
        ------
        ValueError
            If what comes back is no tensor of the shape of x.
        """
        view = self.augment(x.clone())  # the bound needs x as it is, whatever the function does to its own
        if not isinstance(view, Tensor) or view.shape != x.shape:
            came = f"shape {tuple(view.shape)}" if isinstance(view, Tensor) else f"a {type(view).__name__}"
            raise ValueError(f"augment must return a tensor of the shape of its input, {tuple(x.shape)}, got {came}.")
        return view
