"""``sklvae label``: questions first, then a label for every row and a model for further data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .._labels import is_unlabeled
from ..estimators import ClusterLabelVAEClassifier
from ..labeling import Oracle, OracleError, SessionError, array_digest, digest
from ..training import AfterEpoch
from ._asking import asked_oracle
from ._data import Data, kind_of, read
from ._label_files import read_labels, write_csv
from ._session_files import NAMES, answered_labels, begin, is_begun
from ._terminal import Terminal

__all__ = ["label"]


def label(arguments: Any, terminal: Terminal) -> None:
    """Read, ask, train and write.

    Raises
    ------
    ValueError, OSError, ImportError, RuntimeError
        If something is wrong with the arguments, the data or the answers, or a package is missing.
    KeyboardInterrupt
        If it was interrupted; the message says what is kept.
    """
    out: Path = arguments.out
    session, model = out.with_suffix(".session"), out.with_suffix(".safetensors")
    _check_out(out, model, session, arguments.data)
    data = read(arguments.data, _reader(arguments), terminal, for_people=arguments.oracle_csv is None)
    terminal.say(f"{arguments.data}: {len(data.X)} rows of shape {data.X.shape[1:]}, {data.X.dtype}")
    known = data.labels
    for path in arguments.known:
        known = known | _known(path, data)
    n_unlabeled = len(data.names) - len(known)
    if not n_unlabeled:
        raise ValueError(f"All {len(known)} rows of {arguments.data} have labels already: nothing is left to ask.")
    budget = min(arguments.budget, n_unlabeled)
    bar = terminal.training_bar()
    classifier = ClusterLabelVAEClassifier(
        n_clusters=min(ClusterLabelVAEClassifier().n_clusters, budget, len(data.X)),
        budget=budget,
        classes=arguments.classes,
        max_epochs=arguments.max_epochs or "auto",
        random_state=arguments.seed,
        callbacks=[AfterEpoch(bar)],
        session_dir=session,
    )
    y = np.array([known.get(name) for name in data.names], dtype=object) if known else None
    with asked_oracle(arguments, data, budget, terminal) as oracle:
        begin(session, out, _about(arguments, data, known), terminal)
        try:
            _fit(classifier, data, y, oracle, f"The answers are in {session}; repeat the command to go on from them.")
        finally:
            bar.close()
    classifier.reader_ = data.reader
    classifier.save(model)
    rows = _rows(classifier, data, known)
    write_csv(out, [data.heading, "label", "confidence", "source"], rows)
    sources = [row[-1] for row in rows]
    counts = ", ".join(f"{sources.count(source)} {source}" for source in dict.fromkeys(sources))
    terminal.say(f"{out}: {len(rows)} rows, {counts}")
    terminal.say(f"{model}: the model; apply it with: sklvae predict {model} DATA")


def _fit(classifier: ClusterLabelVAEClassifier, data: Data, y: Any, oracle: Oracle, kept: str) -> None:
    """Fit; where that ends early, say what is kept."""
    try:
        classifier.fit(data.X, y, oracle=oracle)
    except (KeyboardInterrupt, OracleError) as error:
        if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, EOFError):
            raise KeyboardInterrupt(f"interrupted. {kept}") from None
        raise RuntimeError(f"{error.__cause__}. {kept}") from error
    except (ValueError, SessionError) as error:
        count = f" They count in a command with another --out and, beside any other, --known {classifier.session_dir}."
        said = str(error).replace("answers_", str(classifier.session_dir))
        named = any(answer.is_label for answer in getattr(classifier, "answers_", ()))
        raise RuntimeError(said + count * named) from error
    if getattr(classifier.net_, "interrupted_", False):  # in training, which ends the fit early
        raise KeyboardInterrupt(f"interrupted. {kept}")


def _reader(arguments: Any) -> dict[str, Any]:
    """How the data are read, as far as the arguments say."""
    kind = kind_of(arguments.data)
    open_choices: dict[str, dict[str, Any]] = {
        "images": {"size": arguments.size, "mode": arguments.mode},
        "arrays": {"shape": None},
        "table": {"label": arguments.label_column, "ignored": arguments.ignore or [], "columns": None},
    }
    return {"kind": kind, **open_choices[kind]}


def _check_out(out: Path, model: Path, session: Path, data: Path) -> None:
    """Refuse a place for the results before anybody is asked."""
    if out.suffix != ".csv":
        raise ValueError(f"--out must end in .csv, got {out}.")
    if out.exists() and data.exists() and out.samefile(data):
        raise ValueError(f"--out must not be the data themselves, got {out} for both.")
    if not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {out.parent}. Make it first.")
    for path in (out, model):
        if path.is_dir() or (path.exists() and not is_begun(session)):
            raise ValueError(
                f"{path} is there already, and not from this command. Move it away, or give another --out."
            )


def _known(path: Path, data: Data) -> dict[str, str]:
    """Labels that are known from a file, or from the answers of another command."""
    if path.is_dir():
        return answered_labels(path, data.names)
    return read_labels(path, data.heading, data.names, given_only=True)


def _about(arguments: Any, data: Data, known: dict[str, str]) -> dict[str, Any]:
    """What decides the result, in words that tell two commands apart."""
    return {
        "--classes": arguments.classes,
        "--budget": arguments.budget,
        "--max-epochs": arguments.max_epochs,
        "--seed": arguments.seed,
        "the kind of data": data.reader["kind"],
        "how they are read": digest(data.reader),
        "the number of rows": len(data.names),
        "the data": array_digest(data.X),
        NAMES: digest(data.names),
        "the known labels": digest(sorted(known.items())),
    }


def _rows(classifier: Any, data: Data, known: dict[str, str]) -> list[tuple[Any, ...]]:
    """Name, label, confidence and source of every row."""
    said = {answer.query.index: answer for answer in classifier.answers_ if answer.query.index is not None}
    rows = []
    for row, (name, found) in enumerate(zip(data.names, classifier.labels_, strict=True)):
        confidence, source = float(classifier.label_confidence_[row]), "inferred"
        label = "" if is_unlabeled(found) else str(found)
        answer = said.get(row)
        if name in known:
            source = "known"
        elif answer is not None and answer.is_label:
            source = "asked"
        elif answer is not None and answer.label.name == "INVALID":
            label, confidence, source = "", 0.0, "invalid"
        rows.append((name, label, f"{confidence:.4f}", source))
    return rows
