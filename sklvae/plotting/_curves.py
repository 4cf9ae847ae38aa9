"""A picture of learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._canvas import colors_of, figure_class

__all__ = ["plot_learning_curves"]


def plot_learning_curves(
    curves: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]], *, ax: Any = None, score: str = "accuracy"
) -> Any:
    """Draw scores against numbers of labels: the mean over repetitions, and a band of one standard deviation.

    Parameters
    ----------
    curves : mapping of str to sequence of (n_labels, scores)
        For each name its repetitions. Where these differ in their numbers of labels, scores are interpolated
        between them, from the largest first to the smallest last number.
    ax : matplotlib Axes, optional
        Where to draw; axes of a new Figure otherwise.
    score : str, default="accuracy"
        What the scores are.

    Returns
    -------
    Axes
        The axes; ``ax.figure.savefig(path)`` writes their figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no curve, numbers of labels do not increase, or repetitions have none in common.

    Examples
    --------
    >>> from sklvae.plotting import plot_learning_curves
    >>> ax = plot_learning_curves({"random": [([10, 20], [0.5, 0.7]), ([10, 20], [0.6, 0.8])]})
    >>> ax.lines[0].get_ydata().round(2).tolist()
    [0.55, 0.75]
    """
    Figure = figure_class()
    if not curves or not all(len(runs) for runs in curves.values()):
        raise ValueError(f"plot_learning_curves: curves must hold a repetition for each name, got {curves!r}.")
    if ax is None:
        ax = Figure(figsize=(6, 4), layout="constrained").subplots()
    for (name, runs), color in zip(curves.items(), colors_of(len(curves)), strict=True):
        n_labels, scores = _on_one_grid(name, runs)
        mean, spread = scores.mean(axis=0), scores.std(axis=0, ddof=1) if len(scores) > 1 else 0.0
        ax.plot(n_labels, mean, color=color, label=name, marker=".")
        ax.fill_between(n_labels, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
    ax.set(xlabel="labels", ylabel=score)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


def _on_one_grid(name: str, runs: Sequence[tuple[ArrayLike, ArrayLike]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Numbers of labels that all repetitions reach, (n,), and their scores there, (n_runs, n)."""
    if not all(isinstance(run, (tuple, list)) and len(run) == 2 for run in runs):
        raise ValueError(
            f"plot_learning_curves: {name!r} needs a list of repetitions, each a pair, as [(n_labels, scores)]; got "
            f"{runs!r}."
        )
    pairs = [(np.asarray(n_labels, dtype=float), np.asarray(scores, dtype=float)) for n_labels, scores in runs]
    for n_labels, scores in pairs:
        if n_labels.ndim != 1 or not len(n_labels) or n_labels.shape != scores.shape or (np.diff(n_labels) <= 0).any():
            raise ValueError(
                f"plot_learning_curves: {name!r} needs as many scores as numbers of labels, and these must "
                f"increase; got {n_labels.tolist()} and {scores.tolist()}."
            )
    grid = np.unique(np.concatenate([n_labels for n_labels, _ in pairs]))
    first, last = max(n[0] for n, _ in pairs), min(n[-1] for n, _ in pairs)
    grid = grid[(first <= grid) & (grid <= last)]
    if not len(grid):
        raise ValueError(
            f"plot_learning_curves: the repetitions of {name!r} have no number of labels in common: one ends at "
            f"{last:g}, another starts at {first:g}."
        )
    return grid, np.stack([np.interp(grid, n_labels, scores) for n_labels, scores in pairs])
