"""Questions and answers on disk: each one is written before it counts."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._answers import INVALID, SKIP, Answer, _WrongReply
from ._queries import Query, QueryBatch

__all__ = ["AnswerLog", "SessionError"]

BUSY_SECONDS = 5.0
"""How long another program may hold the file before that is an error."""

VERSION = 1

TABLES = f"""
CREATE TABLE IF NOT EXISTS question (
    id INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    cluster INTEGER NOT NULL,
    level INTEGER NOT NULL,
    kind TEXT NOT NULL,
    row INTEGER,
    suggestion TEXT,
    x BLOB NOT NULL,
    members BLOB NOT NULL,
    asked_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS answer (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    question INTEGER NOT NULL REFERENCES question (id),
    reply TEXT NOT NULL CHECK (reply IN ('label', 'invalid', 'skip', 'undone')),
    label TEXT,
    confidence REAL,
    voter INTEGER,
    told_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
PRAGMA user_version = {VERSION};
"""

INSERT_QUESTION = """
INSERT INTO question (id, round, cluster, level, kind, row, suggestion, x, members) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

INSERT_ANSWER = "INSERT INTO answer (question, reply, label, confidence, voter) VALUES (?, ?, ?, ?, ?)"
SELECT_ANSWERS = "SELECT question, reply, label, confidence FROM answer WHERE voter IS ? ORDER BY number"

REPLIES = {"invalid": INVALID, "skip": SKIP}


class SessionError(RuntimeError):
    """A session cannot be read or written, or is in use; what it had acknowledged before is kept."""


class AnswerLog:
    """The questions and answers of a session in one SQLite file, which only grows; any thread may use it.

    Every call that writes is one transaction, on the disk (WAL, ``synchronous=FULL``) before it returns. The answer to
    a question is its last row; a change of mind and an undo are further rows.

    Parameters
    ----------
    path : str or path-like
        The file; made if it is not there.

    Raises
    ------
    SessionError
        If the file is damaged, locked by another program, or of a later version, or cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import Answer, Query, QueryBatch
    >>> from sklvae.labeling._log import AnswerLog
    >>> query = Query(0, np.zeros(2), "center", None, 0, 0, 0, members=np.array([0]))
    >>> log = AnswerLog(":memory:")
    >>> log.ask(QueryBatch([query]))
    >>> log.tell(Answer("cat", query=query))
    >>> log.tell(Answer("dog", 0.5, query=query))
    >>> [answer.label for answer in log.answers().values()]
    ['dog']
    >>> log.undo(query)
    >>> log.answers()
    {}
    >>> log.close()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self._lock = path, Lock()
        with self._errors("opened"):
            self._database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            with self._errors("opened"):
                (version,) = self._database.execute("PRAGMA user_version").fetchone()
                if version > VERSION:
                    raise SessionError(f"{path} was written by a later version of sklvae. Update sklvae.")
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
                if version < VERSION:
                    self._database.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
        except BaseException:
            self._database.close()
            raise

    def ask(self, queries: QueryBatch) -> None:
        """Write the questions of a batch, all or none."""
        columns = [
            (q.id, q.round, q.cluster, q.level, q.kind, q.index, _json(q.suggestion), _bytes(q.x), _bytes(q.members))
            for q in queries
        ]
        with self._errors(f"given question {queries[0].id}"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(INSERT_QUESTION, columns)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def questions(self) -> dict[int, Query]:
        """Every question asked so far, by id."""
        columns = "id, x, kind, row, cluster, level, round, members, suggestion"
        with self._errors("read"):
            rows = self._database.execute(f"SELECT {columns} FROM question ORDER BY id").fetchall()
        return {
            number: Query(number, _array(x), kind, row, cluster, level, round_, _array(members), _suggestion(text))
            for number, x, kind, row, cluster, level, round_, members, text in rows
        }

    def tell(self, answer: Answer, voter: int | None = None) -> None:
        """Add an answer, or the vote of one of several people.

        Raises
        ------
        ValueError
            If the label is not a string, a number or a boolean.
        SessionError
            If it could not be written; it does not count then.
        """
        assert answer.query is not None
        reply = "label" if answer.is_label else answer.label.value
        if answer.is_label and type(answer.label) not in (str, bool, int, float):
            raise _WrongReply(
                f"The answer to query {answer.query.id} must be a string, a number or a boolean to be kept in a "
                f"session, got {answer.label!r}."
            )
        self._add(answer.query, reply, _json(answer.label) if answer.is_label else None, answer.confidence, voter)

    def undo(self, query: Query, voter: int | None = None) -> None:
        """Take the answer to a question, or a vote, back: it is open again."""
        self._add(query, "undone", None, None, voter)

    def answers(self, voter: int | None = None) -> dict[int, Answer]:
        """The answers, or the votes, that stand, by the id of their question, in the order they were told."""
        questions = self.questions()
        with self._errors("read"):
            rows = self._database.execute(SELECT_ANSWERS, (voter,))
            last: dict[int, tuple[Any, ...]] = {}
            for question, *rest in rows:
                last.pop(question, None)  # the last answer stands last
                last[question] = tuple(rest)
        return {
            number: Answer(json.loads(label) if reply == "label" else REPLIES[reply], confidence, questions[number])
            for number, (reply, label, confidence) in last.items()
            if reply != "undone"
        }

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _add(self, query: Query, reply: str, *rest: Any) -> None:
        with self._errors(f"given the answer to query {query.id}, which is not kept"):
            self._database.execute(INSERT_ANSWER, (query.id, reply, *rest))

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            with self._lock:  # one at a time, from whichever thread
                yield
        except sqlite3.Error as error:
            raise SessionError(
                f"{self.path} cannot be {done}: {error}. What was acknowledged before is kept. Close other programs "
                "that have the file open, see that the disk has space and that the file may be written, and try again."
            ) from error


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=str)


def _suggestion(text: str | None) -> tuple[Any, float] | None:
    return None if text is None else tuple(json.loads(text))


def _bytes(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _array(data: bytes) -> NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
