"""The folder of a session: what it is of, its lock, its answers, and where its training stands."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..labeling import AnswerLog, SessionError, digest
from ._codec import pack, unpack
from ._persistence import (
    content_digest,
    read_safetensors,
    require_safetensors,
    sklvae_version,
    sync_folder,
    write_whole,
)
from ._run import Run

__all__ = ["SessionFolder"]

ABOUT, LOCK, ANSWERS, CHECKPOINT = "session.json", "lock", "answers.sqlite", "checkpoint.safetensors"

VALUES = {"values of X", "labels in y"}
"""Parts of the data that are known by a digest."""

FORMAT, FORMAT_VERSION = "sklvae session", 1


class SessionFolder:
    """One session on disk, held by this process alone until it is closed.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.
    about : dict
        What the session is of, as `LabelingSession` says it; written if the folder is new.

    Attributes
    ----------
    log : AnswerLog
        Questions and answers.
    about : dict
        What the session is of, as it was written at first.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        with _errors(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path / LOCK)
            try:
                for part in path.glob("*.part"):  # of a process that was killed
                    part.unlink()
                if not (path / ABOUT).exists():
                    write_whole(path / ABOUT, json.dumps(about, indent=2).encode())
                    sync_folder(path.parent)
                self.about = json.loads((path / ABOUT).read_text("utf-8"))
                self.log = AnswerLog(path / ANSWERS)
            except BaseException:
                self._lock.close()
                raise

    @classmethod
    def of(cls, session_dir: str | os.PathLike[str], about: dict[str, Any]) -> SessionFolder:
        """The folder of a fit; a subfolder of `session_dir` for each configuration.

        Raises
        ------
        ValueError
            If there is a session with the same parameters for other data.
        SessionError
            If the session is in use, damaged, or cannot be written.
        """
        name = f"{about['estimator']}-{digest(about['parameters'])}"
        path = Path(session_dir) / f"{name}-{digest(about['data'])}"
        with _errors(path):
            if not (path / ABOUT).exists() and not about["clone"]:
                for other in sorted(Path(session_dir).glob(f"{name}-*/{ABOUT}")):
                    _refuse_other_data(session_dir, about, json.loads(other.read_text("utf-8")))
        return cls(path, about)

    def save(self, run: Run) -> None:
        """Keep where the training stands; the file is replaced as a whole."""
        fitted, arrays = run.packed()
        state = {
            "run": run.state(),
            "rng": run.rng.get_state(legacy=True),
            "n_answers": len(getattr(run.estimator, "answers_", ())),
        }
        header = {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "sklvae_version": sklvae_version(),
            "fitted": json.dumps(fitted),
            "state": json.dumps(pack(state, "state", arrays)),
        }
        header["digest"] = content_digest(header, arrays)
        data = require_safetensors("session_dir needs").numpy.save(arrays, header)
        with _errors(self.path / CHECKPOINT):
            write_whole(self.path / CHECKPOINT, data)

    def restore(self, run: Run) -> int:
        """Let `run` go on from where the training stands; return the number of answers that it has used."""
        path = self.path / CHECKPOINT
        if not path.exists():
            return 0
        try:
            header, arrays = read_safetensors(path)
            if header.get("format") != FORMAT or int(header["format_version"]) > FORMAT_VERSION:
                raise ValueError(f"it is of another format than sklvae {sklvae_version()} reads.")
            if header.get("digest") != content_digest(header, arrays):
                raise ValueError("it is not as it was written.")
            state = unpack(json.loads(header["state"]), arrays)
            run.unpack(unpack(json.loads(header["fitted"]), arrays), arrays)
        except (ValueError, KeyError, OSError) as error:
            raise SessionError(
                f"{path} cannot be read: {error} The answers are safe in {ANSWERS}, beside it. Delete "
                f"{CHECKPOINT} and fit again: the training is repeated, and nothing is asked again."
            ) from error
        run.rng.set_state(state["rng"])
        run.restore(state["run"])
        return int(state["n_answers"])

    def close(self) -> None:
        """Let go of the session."""
        self.log.close()
        self._lock.close()


def _lock(path: Path) -> sqlite3.Connection:
    """Hold a file: nobody else can, until the connection is closed or the process ends, however it does."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # the low byte; the others say why
            raise SessionError(
                f"The session in {path.parent} is in use by another fit or LabelingSession, in this process or "
                "another. Wait for it, end it, or use another session_dir."
            ) from error
        raise
    return connection


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, json.JSONDecodeError) as error:
        raise SessionError(
            f"session_dir: {path} cannot be read or written: {error}. What was acknowledged before is kept. See that "
            "the folder may be written and that the disk has space, and fit again."
        ) from error


def _refuse_other_data(session_dir: str | os.PathLike[str], ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """A fit of the same parameters to other data is a mistake, unless clones made them, as in a search."""
    if theirs["clone"]:
        return
    now, then = ours["data"], theirs["data"]
    differ = [name for name in now if now[name] != then[name]]
    shapes = [f"{name} is {now[name]}, there {then[name]}" for name in differ if name not in VALUES]
    told = "; ".join(shapes or [f"{name} differ" for name in differ])
    raise ValueError(
        f"{ours['estimator']}: session_dir={str(session_dir)!r} holds a session with these parameters for other data: "
        f"{told}. Fit with the data of that session to go on with it, or use another session_dir."
    )
