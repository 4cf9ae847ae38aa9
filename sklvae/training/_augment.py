"""Views of an image: the same thing, seen a little differently."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ._seeding import seeded

__all__ = ["Augment", "choose_augment", "small_affine", "try_augment"]

Augment = Callable[[Tensor], Tensor]

TURN = math.radians(15)
SHIFT, SCALE, SHEAR = 0.1, 0.1, 0.15
"""Most that an image is moved, as a share of its size; scaled and sheared, as a factor."""


def small_affine(x: Tensor) -> Tensor:
    """Turn, scale, shear and move each image a little, at random; what comes in at the edge repeats the edge.

    Parameters
    ----------
    x : Tensor of shape (B, C, H, W)
        Images.

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
    angle = TURN * draw[:, 0]
    wide, high, shear = 1 + SCALE * draw[:, 1], 1 + SCALE * draw[:, 2], SHEAR * draw[:, 3]
    right, down = (2 * SHIFT * draw[:, 4:]).T  # the grid goes from -1 to 1
    cos, sin = angle.cos(), angle.sin()
    aspect = x.shape[-2] / x.shape[-1]  # the grid is a square, whatever the image is
    top = torch.stack([cos * wide, (shear - sin * high) * aspect, right], dim=1)
    bottom = torch.stack([sin * wide / aspect, cos * high, down], dim=1)
    grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def choose_augment(augment: str | Augment | None, event: Sequence[int]) -> Augment | None:
    """Choose the views: for "auto" `small_affine` for images and none for a table; a callable is held to its contract.

    Parameters
    ----------
    augment : "auto", callable or None
        What the user asked for.
    event : sequence of int
        Shape of one sample in the network.
    """
    if augment == "auto":
        return small_affine if len(event) == 3 else None
    return Checked(augment) if callable(augment) else None


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
