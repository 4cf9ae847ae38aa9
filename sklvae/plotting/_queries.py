"""A picture of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..labeling import INVALID, SKIP, Answer, Query
from ._canvas import CELL_WIDTH, INK, PALE, WARNING, draw_input, figure_class, shades_of

__all__ = ["plot_queries"]

REPLY_COLORS = {INVALID: WARNING, SKIP: PALE}
CELL_HEIGHT = 1.2
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
    Figure = figure_class()
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
    shades = iter(shades_of([query.x for query, _ in asked], image_shape))
    previous = None
    for line, cells in zip(lines, grid, strict=True):
        for (_, answer), axes in zip(line, cells, strict=False):
            draw_input(axes, next(shades))
            _draw_answer(axes, answer)
        for axes in cells[len(line) :]:
            axes.set_axis_off()
        number = line[0][0].round
        if number != previous:
            cells[0].set_ylabel(f"round {number}", color=PALE, fontsize=8)
        previous = number
    return figure


def _lines(asked: Sequence[Asked], n_columns: int) -> list[list[Asked]]:
    """At most `n_columns` questions of one round each."""
    rounds = [list(group) for _, group in groupby(asked, key=lambda pair: pair[0].round)]
    return [round_[i : i + n_columns] for round_ in rounds for i in range(0, len(round_), n_columns)]


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
