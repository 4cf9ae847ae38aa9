"""What all pictures are drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BAR", "CELL_WIDTH", "INK", "PALE", "WARNING", "colors_of", "draw_input", "figure_class", "shades_of"]

INK, PALE, BAR, WARNING = "#1a1a1a", "#8a8a8a", "#4878a8", "#c8402a"
CELL_WIDTH = 0.85
"""Inches for an input."""


def figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Plotting needs matplotlib: pip install "sklvae[plot]"') from error
    return Figure


def shades_of(inputs: Sequence[NDArray[Any]], image_shape: Sequence[int] | None) -> NDArray[Any]:
    """Inputs between 0 and 1: images by one scale for all, the columns of a table by one each."""
    x = np.stack(inputs).astype(float)
    if image_shape is not None:
        if np.prod(image_shape) != x[0].size:
            raise ValueError(
                f"image_shape {tuple(image_shape)} does not fit inputs of shape {x[0].shape}. "
                "Give the (height, width) or (channels, height, width) that they have."
            )
        x = x.reshape(len(x), *image_shape)
    if x.ndim == 2:
        low, high = x.min(axis=0), x.max(axis=0)
    else:
        low, high = min(0.0, x.min()), x.max()
    return (x - low) / np.maximum(high - low, np.finfo(float).tiny)


def draw_input(axes: Any, x: NDArray[Any]) -> None:
    axes.set(xticks=[], yticks=[])
    if x.ndim == 1:
        axes.bar(np.arange(len(x)), x, width=1.0, color=BAR)
        axes.set(ylim=(0, 1), box_aspect=1)
    elif x.ndim == 3 and len(x) == 3:
        axes.imshow(np.moveaxis(x, 0, -1))
    else:
        gray = x if x.ndim == 2 else x.mean(axis=0)
        axes.imshow(gray, cmap="gray_r", vmin=0, vmax=1)


def colors_of(n: int) -> NDArray[Any]:
    """`n` colors that can be told apart, as far as there are so many."""
    from matplotlib import colormaps

    if n <= 20:
        return np.asarray(colormaps["tab10" if n <= 10 else "tab20"](np.arange(n)))
    return np.asarray(colormaps["turbo"](np.linspace(0, 1, n)))
