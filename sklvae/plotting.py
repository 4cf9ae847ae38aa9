"""Pictures of questions, learning curves and latent spaces. They are matplotlib figures, and pyplot is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE
from sklearn.utils import check_array, check_consistent_length, check_random_state

from ._labels import UNLABELED, split_labels
from .labeling import INVALID, SKIP, Answer, Query

__all__ = ["plot_classes", "plot_latent", "plot_learning_curves", "plot_queries"]

INK, PALE, BAR, WARNING = "#1a1a1a", "#8a8a8a", "#4878a8", "#c8402a"
REPLY_COLORS = {INVALID: WARNING, SKIP: PALE}
CELL_WIDTH, CELL_HEIGHT = 0.85, 1.2
"""Inches for a question with its answer."""

Asked = tuple[Query, Answer]


def plot_queries(
    answers: Sequence[Answer],
    *,
    image_shape: Sequence[int] | None = None,
    n_columns: int = 10,
    figure: Any = None,
) -> Any:
    """Draw what was asked, with the answer and its confidence under it.

    An input that is an image is drawn as one; the row of a table as a profile of bars, each column between
    its least and its greatest value among the questions. Every round begins a new line. Answers INVALID and
    SKIP stand out by their color.

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
    ['90%', 'cat', '100%', 'ant', 'INVALID']
    """
    Figure = _figure_class()
    asked = [(answer.query, answer) for answer in answers if answer.query is not None]
    if not len(answers) or len(asked) < len(answers):
        raise ValueError(
            f"plot_queries: answers must be answers with their questions, at least one, got {answers!r}. "
            "Pass answers_ of a fitted classifier."
        )
    if n_columns < 1:
        raise ValueError(f"plot_queries: n_columns must be >= 1, got {n_columns}.")
    lines = _lines(asked, n_columns)
    n_columns = max(map(len, lines))
    if figure is None:
        size = (n_columns * CELL_WIDTH + 0.3, len(lines) * CELL_HEIGHT + 0.1)
        figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), n_columns, squeeze=False)
    shades = iter(_shades([query.x for query, _ in asked], image_shape))
    previous = None
    for line, cells in zip(lines, grid, strict=True):
        for (_, answer), axes in zip(line, cells, strict=False):
            _draw_input(axes, next(shades))
            _draw_answer(axes, answer)
        for axes in cells[len(line) :]:
            axes.set_axis_off()
        number = line[0][0].round
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
    points = check_array(Z, ensure_min_features=2, input_name="Z")
    none = np.empty(0), np.full(len(points), UNLABELED)
    classes, codes = none if labels is None else split_labels(labels)
    check_consistent_length(points, codes)
    rng = check_random_state(random_state)
    if len(points) > max_samples:
        chosen = np.sort(rng.choice(len(points), max_samples, replace=False))
        points, codes = points[chosen], codes[chosen]
    if points.shape[1] > 2:
        seed = rng.randint(np.iinfo(np.int32).max)
        tsne = TSNE(perplexity=min(30, (len(points) - 1) / 3), random_state=seed)
        points = tsne.fit_transform(points)
    if ax is None:
        ax = Figure(figsize=(6, 5), layout="constrained").subplots()
    style = {"s": 8, "linewidths": 0}
    unlabeled = codes == UNLABELED
    if unlabeled.any():
        color, name = (BAR, None) if labels is None else ("#cccccc", "unlabeled")
        ax.scatter(*points[unlabeled].T, color=color, label=name, **style)
    for code, color in enumerate(_colors(len(classes))):
        ax.scatter(*points[codes == code].T, color=color, label=str(classes[code]), **style)
    if labels is not None:
        ax.legend(
            loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, ncols=1 + len(classes) // 21
        )
    ax.set(xticks=[], yticks=[])
    return ax


def plot_classes(
    classifier: Any, *, n_styles: int = 10, image_shape: Sequence[int] | None = None, figure: Any = None
) -> Any:
    """Draw decoded samples of every class, a class a row.

    Samples of a column share their style (the same noise in latent space), where the `random_state` of the
    classifier is an integer.

    Parameters
    ----------
    classifier : estimator
        Fitted, with `classes_` and ``sample(n_samples, label=...)``, such as `GMDGMClassifier`.
    n_styles : int, default=10
        Samples of a class.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the samples, where they are flat; None takes the
        parameter `image_shape` of the classifier.
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
        If `image_shape` is not that of the samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklvae import M2Classifier
    >>> from sklvae.plotting import plot_classes
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> model = M2Classifier(max_epochs=1, hidden_units=(16,), random_state=0).fit(X / 16, y)
    >>> len(plot_classes(model, n_styles=4, image_shape=(8, 8)).axes)
    12
    """
    Figure = _figure_class()
    classes = classifier.classes_.tolist()
    samples = np.concatenate([classifier.sample(n_styles, label=label) for label in classes])
    shades = _shades(list(samples), image_shape or getattr(classifier, "image_shape", None))
    if figure is None:
        figure = Figure(figsize=(CELL_WIDTH * n_styles + 0.6, CELL_WIDTH * len(classes)), layout="constrained")
    grid = figure.subplots(len(classes), n_styles, squeeze=False)
    for axes, x in zip(grid.flat, shades, strict=True):
        _draw_input(axes, x)
    for axes, label in zip(grid[:, 0], classes, strict=True):
        axes.set_ylabel(str(label), rotation=0, ha="right", va="center", color=INK)
    return figure


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
    Figure = _figure_class()
    if not curves or not all(len(runs) for runs in curves.values()):
        raise ValueError(f"plot_learning_curves: curves must hold a repetition for each name, got {curves!r}.")
    if ax is None:
        ax = Figure(figsize=(6, 4), layout="constrained").subplots()
    for (name, runs), color in zip(curves.items(), _colors(len(curves)), strict=True):
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
    pairs = [(np.asarray(n_labels, dtype=float), np.asarray(scores, dtype=float)) for n_labels, scores in runs]
    for n_labels, scores in pairs:
        if n_labels.ndim != 1 or n_labels.shape != scores.shape or (np.diff(n_labels) <= 0).any():
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


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Plotting needs matplotlib: pip install "sklvae[plot]"') from error
    return Figure


def _lines(asked: Sequence[Asked], n_columns: int) -> list[list[Asked]]:
    """At most `n_columns` questions of one round each."""
    rounds = [list(group) for _, group in groupby(asked, key=lambda pair: pair[0].round)]
    return [round_[i : i + n_columns] for round_ in rounds for i in range(0, len(round_), n_columns)]


def _shades(inputs: Sequence[NDArray[Any]], image_shape: Sequence[int] | None) -> NDArray[Any]:
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


def _draw_input(axes: Any, x: NDArray[Any]) -> None:
    axes.set(xticks=[], yticks=[])
    if x.ndim == 1:
        axes.bar(np.arange(len(x)), x, width=1.0, color=BAR)
        axes.set(ylim=(0, 1), box_aspect=1)
    elif x.ndim == 3 and len(x) == 3:
        axes.imshow(np.moveaxis(x, 0, -1))
    else:
        gray = x if x.ndim == 2 else x.mean(axis=0)
        axes.imshow(gray, cmap="gray_r", vmin=0, vmax=1)


def _draw_answer(axes: Any, answer: Answer) -> None:
    """The answer under its question, the confidence of a label in small print under that."""
    below = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "top"}
    if answer.is_label:
        text, size, color, frame = str(answer.label), 10, INK, {"color": "#d0d0d0", "linewidth": 0.8}
        axes.annotate(f"{answer.confidence:.0%}", (0.5, 0), (0, -14), color=PALE, fontsize=7, **below)
    else:
        color = REPLY_COLORS[answer.label]
        text, size, frame = repr(answer.label), 8, {"color": color, "linewidth": 1.8}
    axes.annotate(text, (0.5, 0), (0, -2), color=color, fontsize=size, weight="bold", **below)
    axes.spines[:].set(**frame)


def _colors(n: int) -> NDArray[Any]:
    """`n` colors that can be told apart, as far as there are so many."""
    from matplotlib import colormaps

    if n <= 20:
        return np.asarray(colormaps["tab10" if n <= 10 else "tab20"](np.arange(n)))
    return np.asarray(colormaps["turbo"](np.linspace(0, 1, n)))
