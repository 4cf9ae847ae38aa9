"""Pictures of what was asked and of latent spaces. They are matplotlib figures, and pyplot is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from sklearn.utils import check_array, check_consistent_length, check_random_state

from ._labels import UNLABELED, split_labels
from .labeling import INVALID, SKIP, Answer

__all__ = ["plot_latent", "plot_queries"]

INK, PALE, BAR, WARNING = "#1a1a1a", "#8a8a8a", "#4878a8", "#c8402a"
REPLY_COLORS = {INVALID: WARNING, SKIP: PALE}
CELL_WIDTH, CELL_HEIGHT = 0.85, 1.2
"""Inches for a question with its answer."""


def plot_queries(
    answers: Sequence[Answer],
    *,
    image_shape: Sequence[int] | None = None,
    n_columns: int = 10,
    figure: Any = None,
) -> Any:
    """Draw what was asked, with the answer and its confidence under it.

    An input that is an image is drawn as one, the row of a table as a profile of bars. Every round begins a
    new line. Answers INVALID and SKIP stand out by their color.

    Parameters
    ----------
    answers : sequence of Answer
        Answers with their questions, such as `answers_` of a fitted classifier.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the inputs, where they are flat.
    n_columns : int, default=10
        Questions in a line.
    figure : matplotlib Figure or SubFigure, optional
        What to draw in; a new Figure otherwise.

    Returns
    -------
    Figure
        The figure, to be shown by a notebook or written with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no answer, an answer has no question, or `image_shape` is not that of the inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae import INVALID
    >>> from sklvae.labeling import Answer, Query
    >>> from sklvae.plotting import plot_queries
    >>> queries = [Query(i, np.eye(4)[i], "sample", i, 0, 0, 0, np.array([i])) for i in range(3)]
    >>> answers = [Answer("cat", 0.9, queries[0]), Answer("ant", 1.0, queries[1]), Answer(INVALID, 1.0, queries[2])]
    >>> figure = plot_queries(answers, image_shape=(2, 2))
    >>> [text.get_text() for axes in figure.axes for text in axes.texts]
    ['cat', '90%', 'ant', '100%', 'INVALID']
    """
    Figure = _figure_class()
    if not len(answers) or any(answer.query is None for answer in answers):
        raise ValueError(
            f"plot_queries: answers must be answers with their questions, at least one, got {answers!r}. "
            "Pass answers_ of a fitted classifier."
        )
    if n_columns < 1:
        raise ValueError(f"plot_queries: n_columns must be >= 1, got {n_columns}.")
    lines = list(_lines(answers, n_columns))
    n_columns = max(map(len, lines))
    if figure is None:
        size = (n_columns * CELL_WIDTH + 0.3, len(lines) * CELL_HEIGHT + 0.1)
        figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), n_columns, squeeze=False)
    inputs = np.stack([answer.query.x for answer in answers]).astype(float)  # type: ignore[union-attr]
    limits = min(0.0, inputs.min()), max(inputs.max(), np.finfo(float).tiny)
    previous = None
    for line, cells in zip(lines, grid, strict=True):
        for axes in cells[len(line) :]:
            axes.set_axis_off()
        for answer, axes in zip(line, cells, strict=False):
            _draw_input(axes, np.asarray(answer.query.x, dtype=float), image_shape, limits)  # type: ignore[union-attr]
            _draw_answer(axes, answer)
        number = line[0].query.round  # type: ignore[union-attr]
        if number != previous:
            cells[0].set_ylabel(f"round {number}", color=PALE, fontsize=8)
        previous = number
    return figure


def plot_latent(
    Z: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    ax: Any = None,
    max_samples: int = 2000,
    random_state: Any = None,
) -> Any:
    """Scatter latent vectors in two dimensions, colored by label.

    Two columns are drawn as they are; more are embedded with t-SNE. Unlabeled samples are gray.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_latent)
        Latent vectors, at least two columns.
    labels : array-like of shape (n_samples,), optional
        Classes, -1 (or ``None`` or ``nan``) where unlabeled.
    ax : matplotlib Axes, optional
        Where to draw; axes of a new Figure otherwise.
    max_samples : int, default=2000
        Of more samples than this, so many are drawn at random.
    random_state : int, RandomState instance or None, default=None
        Determines the choice of samples and the embedding.

    Returns
    -------
    Axes
        The axes; ``ax.figure.savefig(path)`` writes their figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If Z has fewer than two columns, or `labels` another length.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.plotting import plot_latent
    >>> ax = plot_latent(np.eye(4)[:, :2], ["ant", "ant", "cat", "cat"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['ant', 'cat']
    """
    Figure = _figure_class()
    Z = check_array(Z, ensure_min_features=2, input_name="Z")
    classes, codes = (np.empty(0), np.full(len(Z), UNLABELED)) if labels is None else split_labels(labels)
    check_consistent_length(Z, codes)
    rng = check_random_state(random_state)
    if len(Z) > max_samples:
        chosen = np.sort(rng.choice(len(Z), max_samples, replace=False))
        Z, codes = Z[chosen], codes[chosen]
    if Z.shape[1] > 2:
        seed = rng.randint(np.iinfo(np.int32).max)
        Z = TSNE(perplexity=min(30, (len(Z) - 1) / 3), random_state=seed).fit_transform(Z)
    if ax is None:
        ax = Figure(figsize=(6, 5), layout="constrained").subplots()
    style = {"s": 8, "linewidths": 0}
    unlabeled = codes == UNLABELED
    if unlabeled.any():
        name = None if labels is None else "unlabeled"
        ax.scatter(*Z[unlabeled].T, color=BAR if labels is None else "#cccccc", label=name, **style)
    for code, color in zip(range(len(classes)), _colors(len(classes)), strict=True):
        ax.scatter(*Z[codes == code].T, color=color, label=str(classes[code]), **style)
    if labels is not None:
        ax.legend(
            loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, ncols=1 + len(classes) // 21
        )
    ax.set(xticks=[], yticks=[])
    return ax


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Plotting needs matplotlib: pip install "sklvae[plot]"') from error
    return Figure


def _lines(answers: Sequence[Answer], n_columns: int) -> Iterator[list[Answer]]:
    """At most `n_columns` answers of one round each."""
    for _, group in groupby(answers, key=lambda answer: answer.query.round):  # type: ignore[union-attr]
        round_ = list(group)
        yield from (round_[i : i + n_columns] for i in range(0, len(round_), n_columns))


def _draw_input(axes: Any, x: NDArray[Any], image_shape: Sequence[int] | None, limits: tuple[float, float]) -> None:
    if image_shape is not None:
        if np.prod(image_shape) != x.size:
            raise ValueError(
                f"plot_queries: image_shape {tuple(image_shape)} does not fit inputs of shape {x.shape}. Give the "
                "(height, width) or (channels, height, width) that they have."
            )
        x = x.reshape(image_shape)
    axes.set(xticks=[], yticks=[])
    if x.ndim == 1:
        axes.bar(np.arange(len(x)), x, width=1.0, color=BAR)
        axes.set_ylim(limits)
        axes.set_box_aspect(1)
    elif x.ndim == 3 and len(x) == 3:
        low, high = limits
        axes.imshow(np.moveaxis((x - low) / (high - low), 0, -1))
    else:
        axes.imshow(x.reshape(x.shape[-2:]), cmap="gray_r", vmin=limits[0], vmax=limits[1])


def _draw_answer(axes: Any, answer: Answer) -> None:
    """The answer under its question, the confidence of a label in small print under that."""
    color = INK if answer.is_label else REPLY_COLORS[answer.label]
    text = str(answer.label) if answer.is_label else repr(answer.label)
    below = {"xy": (0.5, 0), "xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "top"}
    axes.annotate(text, xytext=(0, -2), color=color, fontsize=10 if answer.is_label else 8, weight="bold", **below)
    if answer.is_label:
        axes.annotate(f"{answer.confidence:.0%}", xytext=(0, -14), color=PALE, fontsize=7, **below)
    axes.spines[:].set(color=color if not answer.is_label else "#d0d0d0", linewidth=0.8 if answer.is_label else 1.8)


def _colors(n: int) -> Any:
    """`n` colors that can be told apart, as far as there are so many."""
    from matplotlib import colormaps

    if n <= 20:
        return colormaps["tab10" if n <= 10 else "tab20"].colors[:n]
    return colormaps["turbo"](np.linspace(0, 1, n))
