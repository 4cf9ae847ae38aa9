"""People in front of a terminal."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._answers import INVALID, SKIP, Answer
from ._consult import Round
from ._desk import LEVELS, Desk
from ._display import Display
from ._queries import Query, QueryBatch

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["ConsoleOracle"]

N_NEIGHBORS = 3
PICTURE_COLUMNS, NEIGHBOR_COLUMNS = 32, 16
"""Widths of pictures, in characters."""

HELP = (
    "number or name of a class; then, if not sure, [b]~[/] (fairly sure), [b]~~[/] (a guess) or [b]70%[/]; "
    "{}[b]{}[/] the model's guess; [b]{}[/] no valid class; empty line skips; [b]{}[/] takes back"
)
NEW_CLASS = "[b]+ name[/] new class; "
COMMANDS = ("=", "x", "u")
SURE = {"~~": LEVELS["a guess"], "~": LEVELS["fairly sure"]}


class ConsoleOracle:
    """Asks a person in a terminal; pictures are drawn with half blocks.

    An answer is a line: the number or the name of a class, with ``~`` (fairly sure, 0.8), ``~~`` (a guess, 0.5) or a
    percentage after it; ``+ name`` adds a class; ``=`` agrees with the model's guess; ``x`` is no valid class; an
    empty line skips; ``u`` takes the last answer back, as long as the round is not handed over. Where the name of a
    class is a number, numbers are names only. Where a class is named as a command is, as ``x``, the line means the
    class, and the command is ``!x``. An answer is kept before the next question: an interrupt (Ctrl-C) or the end of
    the input (Ctrl-D) costs none, and with `session_dir` a kill does not either.

    Parameters
    ----------
    classes : array-like, default=None
        Classes to begin with. Those that the model suggests, and those that are added, come after them.
    X, image_shape, feature_names, new_classes, budget
        As in `WebOracle`.
    console : rich.console.Console, default=None
        Where to write, and with its `input` to read; None is the terminal.

    Attributes
    ----------
    answers : list of Answer
        Every answer that stands, with its question, in order.

    Raises
    ------
    ImportError
        If the extra ``sklvae[console]`` is not installed.
    ValueError
        If questions do not fit X, `image_shape` or `feature_names`.

    Examples
    --------
    >>> from sklvae.labeling import ConsoleOracle
    >>> oracle = ConsoleOracle(["cat", "dog"], image_shape=(28, 28))
    >>> oracle.answers
    []
    """

    def __init__(
        self,
        classes: ArrayLike | None = None,
        *,
        X: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        feature_names: Sequence[str] | None = None,
        new_classes: bool = True,
        budget: int | None = None,
        console: Console | None = None,
    ) -> None:
        try:
            from rich.console import Console
        except ImportError as error:
            raise ImportError('ConsoleOracle needs rich: pip install "sklvae[console]"') from error
        self.budget = budget
        self.console = Console(highlight=False) if console is None else console
        self._desk = Desk(classes, new_classes)
        self._display = Display(X, image_shape, feature_names, owner="ConsoleOracle")

    def __call__(self, queries: QueryBatch) -> Iterator[Answer]:
        """Ask; the questions appear when the answers are read."""
        self._display.check(queries)
        return self._replies(Round(queries))

    def attend(self, round_: Round) -> Iterator[None]:
        """Ask, and tell each answer as it is given."""
        self._display.check(round_.queries)
        yield  # others who are asked the same see their questions before this one takes the terminal
        deque(self._replies(round_), maxlen=0)

    @property
    def answers(self) -> list[Answer]:
        """Every answer that stands, in order."""
        return list(self._desk.answers)

    @property
    def _numeric(self) -> bool:
        """Whether a number is the name of a class, and cannot count classes."""
        return any(str(label).isdecimal() for label in self._desk.classes)

    @property
    def _commands(self) -> tuple[str, ...]:
        """What `COMMANDS` are typed as: never as a class is named."""
        names, typed = self._names, list(COMMANDS)
        for i in range(len(typed)):
            while typed[i] in names:
                typed[i] = "!" + typed[i]
        return tuple(typed)

    @property
    def _names(self) -> list[str]:
        return [str(label) for label in self._desk.classes]

    def _replies(self, round_: Round) -> Iterator[Answer]:
        desk, failure = self._desk, None
        desk.put(round_)
        try:
            while desk.phase in ("asking", "review"):
                if desk.question is not None:
                    self._show(desk.question)
                    self._take(self._read("answer"))
                elif self._takes_back():
                    desk.undo(desk.last or "")
                else:
                    desk.turn("training")
        except BaseException as error:  # an interrupt, too: what was answered is handed over first
            failure = error
        yield from desk.hand_over(stopped=failure is not None)
        if failure is not None:
            raise failure

    def _read(self, prompt: str) -> str:
        return self.console.input(f"[bold]{prompt}[/]: ")

    def _takes_back(self) -> bool:
        """Whether the last answer of the round is taken back; ``u`` cannot be a class here."""
        *_, undo = self._commands
        return self._read(f"All answered. Enter trains, {undo} takes the last one back").strip() in ("u", undo)

    def _take(self, line: str) -> None:
        """Do what a line says, or say what is wrong with it."""
        desk, question, text = self._desk, self._desk.question, line.strip()
        key = desk.keys[len(desk.said)]
        agree, invalid, undo = self._commands
        if text == undo and desk.last is not None:
            desk.undo(desk.last)
        elif text == "":
            desk.answer(key, SKIP)
        elif text == invalid:
            desk.answer(key, INVALID)
        elif text == agree and question is not None and question.suggestion is not None:
            desk.answer(key, question.suggestion[0])
        else:
            try:
                desk.answer(key, *self._meant(text))
            except ValueError as error:
                from rich.text import Text

                self.console.print(Text(str(error), style="red"))
                self._help()

    def _meant(self, text: str) -> tuple[Any, float]:
        """The class and the confidence that a line names."""
        names = self._names
        if text in names:
            return self._desk.classes[names.index(text)], 1.0
        if text.startswith("+"):
            return self._desk.add_class(text[1:]), 1.0
        name, confidence = _confidence(text)
        if name in names:
            return self._desk.classes[names.index(name)], confidence
        if name.isdecimal() and 1 <= int(name) <= len(names) and not self._numeric:
            return self._desk.classes[int(name) - 1], confidence
        raise ValueError(f"{text!r} is no class.")

    def _help(self) -> None:
        self.console.print(HELP.format(NEW_CLASS if self._desk.new_classes else "", *self._commands), style="dim")

    def _show(self, query: Query) -> None:
        from rich.columns import Columns
        from rich.markup import escape
        from rich.text import Text

        desk = self._desk
        right, judged = desk.guesses()
        left = "" if self.budget is None else f", {max(0, self.budget - len(desk.answers))} left"
        guesses = f", model's guesses right: {right} of {judged}" if judged else ""
        number = f"question {len(desk.said) + 1} of {len(desk.queries)}"
        self.console.rule(f"round {query.round + 1}, {number}{left}{guesses}", style="dim")
        self.console.print(self._picture(query) if self._display.is_image(query.x) else self._table(query))
        origin = "the middle of a group of rows" if query.index is None else f"row {query.index} of your data"
        self.console.print(f"[dim]{origin}[/]")
        if query.suggestion is not None:
            label, probability = query.suggestion
            agree, *_ = self._commands
            self.console.print(f"The model's guess: [bold]{escape(str(label))}[/] ({probability:.0%}), {agree} agrees")
        numbers = ["" if self._numeric else f"{i} " for i in range(1, len(desk.classes) + 1)]
        classes = [Text.assemble((n, "dim"), (str(c), "bold")) for n, c in zip(numbers, desk.classes, strict=True)]
        self.console.print(Columns(classes, padding=(0, 3)) if classes else "No classes yet: + name adds the first.")
        if len(desk.answers) == 0 or self._commands != COMMANDS:
            self._help()

    def _picture(self, query: Query) -> RenderableType:
        from rich.table import Table

        pictures = [half_blocks(self._display.pixels(query.x), min(PICTURE_COLUMNS, self.console.width))]
        if self._display.rows is not None:
            for row in self._display.neighbors(query)[:N_NEIGHBORS]:
                pictures.append(half_blocks(self._display.pixels(self._display.rows[row]), NEIGHBOR_COLUMNS))
        table = Table.grid(padding=(0, 2))
        table.add_row(*pictures)
        return table

    def _table(self, query: Query) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table("", "value", "mean", "from the mean", "near it", box=None, header_style="dim")
        for feature in self._display.features(query):
            usual = "" if feature.usual is None else f"{feature.usual:.4g}"
            deviation = "" if feature.deviation is None else f"{feature.deviation:+.1f} sd"
            near = ", ".join(f"{value:.4g}" for value in feature.neighbors[:N_NEIGHBORS])
            table.add_row(Text(feature.name), f"{feature.value:.4g}", usual, deviation, near)
        return table


def half_blocks(pixels: NDArray[np.uint8], columns: int) -> Any:
    """Draw pixels as characters that show two of them, one over the other, in at most `columns` columns.

    Without color (the variable NO_COLOR) nothing can be seen of them; then they are drawn with shades.
    """
    from rich.style import Style
    from rich.text import Text

    step = max(1, -(-pixels.shape[1] // columns))
    height, width = (n // step * step for n in pixels.shape[:2])
    rgb = np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3)).astype(float)
    small = rgb[:height, :width].reshape(height // step, step, width // step, step, 3).mean(axis=(1, 3))
    small = np.pad(small, ((0, len(small) % 2), (0, 0), (0, 0))).astype(int)
    text, plain = Text(no_wrap=True), bool(os.environ.get("NO_COLOR"))
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            if plain:
                text.append(" ░▒▓█"[int(sum(above + below) / 6 / 256 * 5)])
            else:
                text.append("▀", Style(color="rgb({},{},{})".format(*above), bgcolor="rgb({},{},{})".format(*below)))
        text.append("\n")
    text.rstrip()
    return text


def _confidence(text: str) -> tuple[str, float]:
    """A class and the confidence behind it: ``cat ~``, ``cat~~``, ``cat 70%``."""
    for mark, level in SURE.items():
        if text.endswith(mark):
            return text[: -len(mark)].rstrip(), level
    name, _, share = text.rpartition(" ")
    if share.endswith("%") and share[:-1].isdecimal() and int(share[:-1]) <= 100:
        return name.strip(), int(share[:-1]) / 100
    return text, 1.0
