"""The folder beside the results: what it was begun with, and the answers in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ..estimators._persistence import write_whole
from ..labeling import AnswerLog, digest
from ._terminal import Terminal

__all__ = ["NAMES", "answered_labels", "begin", "is_begun"]

SETTINGS = "command.json"
"""What the session was begun with."""

NAMES = "the names of the rows"
"""Where that says what the rows are called, as a digest."""

TOLD = ("--classes", "--budget", "--max-epochs", "--seed", "the kind of data", "the number of rows")
"""Settings that are short enough to be shown."""


def is_begun(session: Path) -> bool:
    """Whether a folder is a session that a command began."""
    return (session / SETTINGS).exists()


def begin(session: Path, out: Path, about: Mapping[str, Any], terminal: Terminal) -> None:
    """Begin a session, or go on with it if it was begun by the same command.

    Raises
    ------
    ValueError
        If it was begun by another one.
    """
    session.mkdir(exist_ok=True)
    if not is_begun(session) or list(session.iterdir()) == [session / SETTINGS]:  # where nothing was asked yet
        write_whole(session / SETTINGS, json.dumps(about, indent=2).encode())
        terminal.say("training on all rows; the questions come after it")
        return
    begun = _begun(session)
    differ = [name for name in about if about[name] != begun.get(name)]
    if differ:
        told = [f"{name} was {begun.get(name)}, now {about[name]}" for name in differ if name in TOLD]
        told = told or [f"{name} differ" for name in differ]
        raise ValueError(
            f"{out} was begun by another command: {'; '.join(told)}. Repeat the first command to go on with it, or "
            f"give another --out; its answers count there with --known {session}, beside any other --known. To begin "
            f"anew, delete the folder {session}."
        )
    terminal.say(f"going on with the session in {session}")


def answered_labels(session: Path, names: Sequence[str]) -> dict[str, str]:
    """The classes that people named in a session, by the names of the rows they were asked about.

    Parameters
    ----------
    session : Path
        The folder.
    names : sequence of str
        What the rows are called now.

    Raises
    ------
    ValueError
        If it is no session of these rows, or nobody named a class in it.
    SessionError
        If its answers cannot be read.
    """
    if not is_begun(session):
        raise ValueError(f"{session} must be a CSV file or the .session folder of a command, but has no {SETTINGS}.")
    if _begun(session).get(NAMES) != digest(names):
        raise ValueError(
            f"{session} holds answers about other rows than these data have. Give the data that it was begun with, or "
            "the answers as a CSV file."
        )
    labels = {}
    for file in sorted(session.glob("*/answers.sqlite")):
        with closing(AnswerLog(file)) as log:
            for answer in log.answers().values():
                if answer.is_label and answer.query is not None and answer.query.index is not None:
                    labels[names[answer.query.index]] = str(answer.label)
    if not labels:
        raise ValueError(f"{session} holds no answer that names a class. Leave --known out.")
    return labels


def _begun(session: Path) -> dict[str, Any]:
    """What a session was begun with."""
    try:
        begun: dict[str, Any] = dict(json.loads((session / SETTINGS).read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{session / SETTINGS} is damaged: {error}. Delete it and repeat the command that began {session}: the "
            "answers are beside it, and it goes on from them."
        ) from error
    return begun
