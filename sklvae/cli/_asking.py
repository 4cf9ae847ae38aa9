"""Whom `sklvae label` asks."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..labeling import INVALID, SKIP, Answer, ConsoleOracle, Oracle, Query, QueryBatch, Round, WebOracle
from ..labeling._consult import conversation
from ..labeling._web import show_page
from ._data import Data
from ._label_files import read_labels
from ._terminal import Terminal

__all__ = ["asked_oracle"]

NO_CLASS = "invalid"
"""What a file of true labels says of a row that shows no class."""


@contextmanager
def asked_oracle(arguments: Any, data: Data, budget: int, terminal: Terminal) -> Iterator[Oracle]:
    """The oracle that the arguments name, for as long as it is asked.

    Raises
    ------
    ImportError
        If it needs what is not installed.
    ValueError
        If its file is wrong.
    """
    if arguments.oracle_csv is not None:
        yield _Announced(_truth(arguments.oracle_csv, data, arguments.classes, terminal), None, budget, terminal)
        return
    seen = data.X if data.pictures is None else data.pictures
    settings: dict[str, Any] = {
        "X": seen, "feature_names": data.columns, "new_classes": arguments.classes is None, "budget": budget
    }  # fmt: skip
    if arguments.console:
        yield _Announced(ConsoleOracle(arguments.classes, **settings), data.pictures, budget, terminal)
        return
    with WebOracle(arguments.classes, **settings, port=arguments.port, show=_show) as page:
        yield _Announced(page, data.pictures, budget, terminal)


def _show(url: str) -> None:
    with redirect_stdout(sys.stderr):
        show_page(url)


class _Announced:
    """An oracle whose questions are announced, and shown as the larger pictures where there are any."""

    def __init__(self, oracle: Oracle, pictures: Any, budget: int, terminal: Terminal) -> None:
        self.oracle, self.pictures, self.budget, self.terminal = oracle, pictures, budget, terminal

    def attend(self, round_: Round) -> Iterator[None]:
        """Pass each answer on as it is told: what a person sees as kept is kept."""
        still = round_.open
        self.terminal.say(f"questions {still[0].id + 1} to {still[-1].id + 1} of {self.budget}")
        asked = {query.id: query for query in round_.queries}
        shown = {number: self._shown(query) for number, query in asked.items()}

        def keep(answer: Answer) -> None:
            assert answer.query is not None
            round_.tell(asked[answer.query.id], answer.label, answer.confidence)

        seen = Round(
            QueryBatch(list(shown.values())),
            keep,
            lambda query: round_.undo(asked[query.id]),
            said=[replace(answer, query=shown[number]) for number, answer in round_.said.items()],
            before=round_.before,
        )
        yield from conversation(self.oracle, seen)

    def __call__(self, queries: QueryBatch) -> list[Any]:
        """Answer without a fit."""
        round_ = Round(queries)
        deque(self.attend(round_), maxlen=0)
        return [round_.said[query.id] for query in queries]

    def _shown(self, query: Query) -> Query:
        return query if self.pictures is None else replace(query, x=self.pictures[_row(query)])


def _row(query: Any) -> int:
    """The row that is asked about, or the one nearest to what is."""
    return int(query.members[0] if query.index is None else query.index)


def _truth(
    path: Path, data: Data, classes: Iterable[str] | None, terminal: Terminal
) -> Callable[[QueryBatch], list[Any]]:
    """Answers from a file of true labels; SKIP where it has none."""
    truth = read_labels(path, data.heading, data.names, given_only=False)
    unknown = set() if classes is None else {label for label in truth.values() if label not in classes}
    if unknown - {NO_CLASS}:
        raise ValueError(f"{path} has labels that --classes lacks: {sorted(unknown)}. Name every class there.")
    if len(truth) < len(data.names):
        terminal.say(
            f"{path} has labels for {len(truth)} of {len(data.names)} rows; questions about others are skipped"
        )
    no_class = unknown if classes is not None else {NO_CLASS}
    said = {name: INVALID if label in no_class else label for name, label in truth.items()}
    return lambda queries: [said.get(data.names[_row(query)], SKIP) for query in queries]
