"""The questions on a person's desk, and what the person has said to them."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._labels import UNLABELED, is_unlabeled, label_kind
from ._answers import INVALID, SKIP, Answer
from ._consult import Round
from ._queries import Query, QueryBatch

__all__ = ["LEVELS", "Desk", "key_of"]

LEVELS = {"sure": 1.0, "fairly sure": 0.8, "a guess": 0.5}
"""The three levels of confidence that a person chooses from."""


class Desk:
    """One round of questions, answered in order; the last answers can be taken back until the round is handed over.

    An answer, and that one is taken back, is told to the `Round` before it counts here. Every method may be called from
    any thread.

    Parameters
    ----------
    classes : array-like, optional
        Classes to begin with; others are added as they come up.
    new_classes : bool, default=True
        Whether the person may add classes.

    Attributes
    ----------
    answers : list of Answer
        All answers that stand, with their questions, in order.
    phase : {"waiting", "asking", "review", "training", "done", "stopped"}
        "waiting" before the first question, "review" when all are answered but not yet handed over.
    """

    def __init__(self, classes: ArrayLike | None = None, new_classes: bool = True) -> None:
        self.classes: list[Any] = [] if classes is None else list(dict.fromkeys(np.asarray(classes).tolist()))
        self.new_classes = new_classes
        self.answers: list[Answer] = []
        self.queries = QueryBatch([])
        self.keys: list[str] = []
        self.phase = "waiting"
        self.since = time.monotonic()  # of the phase
        self.active = time.monotonic()  # when the person last did something
        self.changed = Condition()
        self._round = Round(self.queries)
        self._first = 0  # where the answers of this round begin
        self._name, self._version = secrets.token_hex(4), 0

    @property
    def version(self) -> str:
        """Changes whenever anything on the desk does."""
        return f"{self._name}-{self._version}"

    @property
    def said(self) -> list[Answer]:
        """Answers of this round."""
        return self.answers[self._first :]

    @property
    def question(self) -> Query | None:
        """The first question without an answer."""
        return self.queries[len(self.said)] if self.phase == "asking" else None

    @property
    def last(self) -> str | None:
        """Key of the question whose answer can be taken back."""
        return self.keys[len(self.said) - 1] if self.said and self.phase in ("asking", "review") else None

    def put(self, round_: Round) -> None:
        """Begin a round, or go on with one: what it has answers to comes first, so that it can be taken back."""
        with self.changed:
            said = by_key(round_.said.values())
            self._round = round_
            self.queries = QueryBatch([*(answer.query for answer in said.values() if answer.query), *round_.open])
            self.keys = [key_of(query) for query in self.queries]
            others = by_key([*self.answers, *round_.before])  # of a fit that is taken up, they may not be here yet
            self.answers = [answer for key, answer in others.items() if key not in said]
            self._first, self.active = len(self.answers), time.monotonic()
            self.answers += said.values()
            guessed = [query.suggestion[0] for query in self.queries if query.suggestion is not None]
            named = [answer.label for answer in self.answers if answer.is_label]
            self.classes = list(dict.fromkeys([*self.classes, *guessed, *named]))
            self.turn("asking" if len(self.said) < len(self.queries) else "review" if self.said else "training")

    def answer(self, key: str, label: Any, confidence: float = 1.0) -> bool:
        """Answer the question with this key; says whether it was the one on top.

        Raises
        ------
        ValueError
            If the answer is wrong.
        SessionError
            If it could not be kept.
        """
        with self.changed:
            if self.question is None or key != self.keys[len(self.said)]:
                return False
            self.answers.append(self._round.tell(self.question, label, confidence))
            self.active = time.monotonic()
            self.turn("asking" if len(self.said) < len(self.queries) else "review")
            return True

    def undo(self, key: str) -> bool:
        """Take the answer to the question with this key back; says whether it was the last one."""
        with self.changed:
            if self.last is None or key != self.last:
                return False
            self._round.undo(self.queries[len(self.said) - 1])
            self.answers.pop()
            self.active = time.monotonic()
            self.turn("asking")
            return True

    def add_class(self, text: str) -> Any:
        """Add the class a person wrote and give its label.

        Raises
        ------
        ValueError
            If it cannot be a class beside those there are.
        """
        with self.changed:
            label = _new_label(text, self.classes, self.new_classes)
            if label not in self.classes:
                self.classes.append(label)
            self.active = time.monotonic()
            self.turn(self.phase)
            return label

    def confirm(self, key: str) -> bool:
        """End the review of the round that ends with this question; says whether there was one."""
        with self.changed:
            if self.phase != "review" or key != self.last:
                return False
            self.turn("training")
            return True

    def settled(self, review: float, tick: float) -> bool:
        """Wait for a change, at most `tick` seconds; says whether all is answered and `review` seconds have passed."""
        with self.changed:
            if self.phase == "review" and time.monotonic() - self.since >= review:
                self.turn("training")
            if self.phase != "training":
                self.changed.wait(tick)
            return self.phase == "training"

    def hand_over(self, stopped: bool = False) -> list[Answer]:
        """Give the answers of this round away: they can no longer be taken back."""
        with self.changed:
            said, self._first, self.queries, self.keys = self.said, len(self.answers), QueryBatch([]), []
            self.turn("stopped" if stopped else "training")
            return said

    def turn(self, phase: str) -> None:
        """Enter a phase and tell whoever waits for a change."""
        with self.changed:
            if phase != self.phase:
                self.phase, self.since = phase, time.monotonic()
            self._version += 1
            self.changed.notify_all()

    def guesses(self) -> tuple[int, int]:
        """How many of the model's suggestions were right, of how many that were judged."""
        judged = [a for a in self.answers if a.is_label and a.query is not None and a.query.suggestion is not None]
        return sum(a.query.suggestion[0] == a.label for a in judged), len(judged)  # type: ignore[index, union-attr]

    def counts(self) -> list[tuple[Any, int]]:
        """Every class, INVALID and SKIP with how often it was said."""
        said = [answer.label for answer in self.answers]
        return [(label, said.count(label)) for label in [*self.classes, INVALID, SKIP]]


def key_of(query: Query) -> str:
    """What a question is told by: the same in a fit that is repeated, another for any other input."""
    content = f"{query.id} {query.round} {query.x.shape} {query.x.dtype.str} ".encode() + query.x.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def by_key(answers: Iterable[Answer]) -> dict[str, Answer]:
    """Answers by the key of their question; the last one to it."""
    return {key_of(answer.query): answer for answer in answers if answer.query is not None}


def _new_label(text: str, classes: list[Any], allowed: bool = True) -> Any:
    """The label that a written class name means, of the kind of the classes there are."""
    text = text.strip()
    for label in classes:
        if str(label) == text:
            return label
    if not allowed:
        raise ValueError(f"There is no class {text!r}; the classes are {', '.join(map(str, classes))}.")
    if not text or len(text) > 100 or not text.isprintable():
        raise ValueError("The name of a class must have 1 to 100 printable characters.")
    kind = label_kind(classes[0]) if classes else "str"
    label = text if kind == "str" else _number(text) if kind == "number" else None
    if label is None:
        raise ValueError(f"The classes are {'numbers' if kind == 'number' else 'fixed'}, so {text!r} cannot be one.")
    if is_unlabeled(label) or label == str(UNLABELED):
        raise ValueError(f"{text} is the mark of an unlabeled row, so it cannot be a class.")
    return label


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
