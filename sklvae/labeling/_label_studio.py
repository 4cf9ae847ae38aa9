"""People in front of Label Studio: a round goes out as files and comes back as one."""

from __future__ import annotations

import base64
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._answers import INVALID, SKIP, Answer
from ._consult import Round
from ._desk import LEVELS, key_of
from ._display import Display
from ._majority import majority
from ._png import png_of
from ._queries import Query, QueryBatch

__all__ = ["LabelStudioFiles"]

NO_CLASS = "no valid class"
TICK, WRITING_SECONDS = 1.0, 3.0
"""Seconds between two looks for the export, and those in which a new file may still be half written."""

PICTURE_PIXELS, GAP = 280, 8
WHITE = 255


class LabelStudioFiles:
    """Asks through files that Label Studio imports and exports.

    Each round is a folder, ``round_0``, ``round_1``, ..., with ``tasks.json`` to import (the pictures are in it, and
    beside it as PNG files; the model's guesses are predictions) and ``labeling.xml``, the labeling interface. The
    oracle waits until the export of the project (format JSON) lies beside them as ``export.json`` and holds an
    annotation of every task. Cancelled ("skipped") annotations are SKIP, several annotations of a task are
    combined as by `MajorityOracle`.

    Tasks are told by what they show: a fit that is repeated with the same `random_state` reads the exports that
    are there and asks only what is new. A fit keeps what an export has so far, and what a later one says otherwise.

    Parameters
    ----------
    folder : str or path
        Where the rounds are written; made if missing.
    classes : array-like
        The classes; Label Studio offers no others.
    X, image_shape, feature_names
        As in `WebOracle`.
    timeout : float, default=604800.0
        Seconds to wait for an export before TimeoutError; the files stay.

    Raises
    ------
    ValueError
        If `classes` are not at least one name each of its own, questions do not fit X, `image_shape` or
        `feature_names`, or an export is of another format or holds a class that was not offered.
    TimeoutError
        If no complete export comes for `timeout` seconds; the answers before the first gap are handed over.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklvae.labeling import LabelStudioFiles, Query, QueryBatch
    >>> folder = tempfile.TemporaryDirectory()
    >>> oracle = LabelStudioFiles(folder.name, ["cat", "dog"])
    >>> query = Query(0, np.zeros((28, 28)), "center", None, 0, 0, 0, members=np.array([0]))
    >>> sorted(path.name for path in oracle.export(QueryBatch([query])).iterdir())
    ['images', 'labeling.xml', 'tasks.json']
    >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        classes: ArrayLike,
        *,
        X: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        feature_names: Sequence[str] | None = None,
        timeout: float = 604800.0,
    ) -> None:
        self.folder, self.timeout = Path(folder), timeout
        labels = np.asarray(classes).tolist()
        self.labels: dict[str, Any] = {str(label): label for label in labels}
        if not labels or len(self.labels) < len(labels) or NO_CLASS in self.labels:
            raise ValueError(
                f"LabelStudioFiles: classes must have names of their own, none of them {NO_CLASS!r}, got {labels}."
            )
        self._display = Display(X, image_shape, feature_names, owner="LabelStudioFiles")

    def __call__(self, queries: QueryBatch) -> Iterator[Answer]:
        """Write the round at once; its export is waited for when the answers are read."""
        return self._replies(queries, self._written(queries))

    def export(self, queries: QueryBatch) -> Path:
        """Write the files of a round and give their folder: that of the same questions, if there is one."""
        self._display.check(queries)
        keys, number = [key_of(query) for query in queries], 0
        while (folder := self.folder / f"round_{number}").exists() and _keys(folder) != keys:
            number += 1
        if _keys(folder) != keys:
            (folder / "images").mkdir(parents=True, exist_ok=True)
            images = self._display.is_image(queries[0].x)
            (folder / "labeling.xml").write_text(self._config(images), encoding="utf-8")
            tasks = [self._task(query, key, folder) for query, key in zip(queries, keys, strict=True)]
            part = folder / "tasks.part"
            part.write_text(json.dumps(tasks), encoding="utf-8")
            part.replace(folder / "tasks.json")  # there whole or not at all
        return folder

    def _written(self, queries: QueryBatch) -> Path:
        folder = self.export(queries)
        print(f"Import {folder / 'tasks.json'} into Label Studio, and save its export as {folder / 'export.json'}")
        return folder

    def read(self, path: str | os.PathLike[str]) -> dict[str, Answer]:
        """Read an export: the answer to each task that has one, by the key of the task."""
        try:
            tasks = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(tasks, list):
                raise TypeError("it is no list")
            annotations = {task["data"]["key"]: task["annotations"] for task in tasks}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"LabelStudioFiles: {path} must be an export in the format JSON of tasks that were imported from "
                f"tasks.json ({type(error).__name__}: {error}). Choose JSON, not JSON-MIN or CSV, in Export."
            ) from error
        return {key: majority([self._answer(one) for one in ones]) for key, ones in annotations.items() if ones}

    def _replies(self, queries: QueryBatch, folder: Path) -> Iterator[Answer]:
        path, keys = folder / "export.json", [key_of(query) for query in queries]
        answers = deque(self._exports(path, keys), maxlen=1).pop()
        for key in keys:
            if key not in answers:
                raise self._incomplete(path, keys, answers)
            yield answers[key]

    def attend(self, round_: Round) -> Iterator[None]:
        """Write the round, and tell the answers of each export that comes, until one is complete."""
        folder, keys = self._written(round_.queries), [key_of(query) for query in round_.queries]
        answers: dict[str, Answer] = {}
        for answers in self._exports(folder / "export.json", keys):
            for query, key in zip(round_.queries, keys, strict=True):
                if key in answers:
                    round_.settle(query, answers[key])
            yield
        if round_.open:
            raise self._incomplete(folder / "export.json", keys, answers)

    def _exports(self, path: Path, keys: list[str]) -> Iterator[dict[str, Answer]]:
        """What the export says, again and again, until it has all answers or the patience is over."""
        until = time.monotonic() + self.timeout
        while True:
            answers = self._so_far(path)
            yield answers
            if answers.keys() >= set(keys) or time.monotonic() >= until:
                return
            time.sleep(min(TICK, max(0.0, until - time.monotonic())))

    def _incomplete(self, path: Path, keys: list[str], answers: dict[str, Answer]) -> TimeoutError:
        missing = [key for key in keys if key not in answers]
        return TimeoutError(
            f"{len(missing)} of {len(keys)} tasks have no annotation in {path}. Label or skip them, export, "
            "and fit again with the same random_state: nothing is asked twice"
        )

    def _so_far(self, path: Path) -> dict[str, Answer]:
        """What the export says, and nothing while it is missing or just being written."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return {}
        except ValueError:
            if time.time() - path.stat().st_mtime < WRITING_SECONDS:
                return {}
            raise

    def _answer(self, annotation: dict[str, Any]) -> Answer:
        if annotation.get("was_cancelled"):
            return Answer(SKIP)
        values = {part.get("from_name"): part.get("value", {}) for part in annotation["result"]}
        chosen = {name: value["choices"][0] for name, value in values.items() if value.get("choices")}
        if "label" not in chosen:
            return Answer(SKIP)
        if chosen["label"] == NO_CLASS:
            return Answer(INVALID)
        if chosen["label"] not in self.labels:
            raise ValueError(
                f"LabelStudioFiles: {chosen['label']!r} is no class of this oracle, which are {list(self.labels)}."
            )
        if (sure := chosen.get("confidence", "sure")) not in LEVELS:
            raise ValueError(f"LabelStudioFiles: {sure!r} is no confidence of this oracle, which are {list(LEVELS)}.")
        return Answer(self.labels[chosen["label"]], LEVELS[sure])

    def _config(self, images: bool) -> str:
        """The labeling interface."""
        shown = "question"
        view = ElementTree.Element("View")
        ElementTree.SubElement(view, "Header", value="$caption")
        ElementTree.SubElement(view, "Image" if images else "Table", name=shown, value=f"${shown}")
        _choices(view, "label", shown, [*self.labels, NO_CLASS], required="true")
        ElementTree.SubElement(view, "Header", value="How sure are you?", size="6")
        _choices(view, "confidence", shown, list(LEVELS), required="false")
        ElementTree.indent(view)
        return ElementTree.tostring(view, encoding="unicode")

    def _task(self, query: Query, key: str, folder: Path) -> dict[str, Any]:
        origin = "the middle of a group of rows" if query.index is None else f"row {query.index}"
        if self._display.is_image(query.x):
            png = png_of(self._picture(query))
            (folder / "images" / f"{key}.png").write_bytes(png)
            question: Any = "data:image/png;base64," + base64.b64encode(png).decode()
            caption = f"Which class is this? Left: {origin}; right: real rows near it"
        else:
            question = {
                one.name: f"{one.value:.4g}" + ("" if one.deviation is None else f" ({one.deviation:+.1f} sd)")
                for one in self._display.features(query)
            }
            caption = f"Which class is this? It is {origin}"
        task: dict[str, Any] = {"data": {"key": key, "question": question, "caption": caption}}
        if query.suggestion is not None and str(query.suggestion[0]) in self.labels:
            label, probability = query.suggestion
            guess = {"from_name": "label", "to_name": "question", "type": "choices", "value": {"choices": [str(label)]}}
            task["predictions"] = [{"model_version": "sklvae", "score": probability, "result": [guess]}]
        return task

    def _picture(self, query: Query) -> NDArray[np.uint8]:
        """The question with its neighbors beside it, two below each other, at half its height."""
        question = _enlarged(_rgb(self._display.pixels(query.x)), PICTURE_PIXELS)
        height = len(question)
        columns = [question]
        near: Sequence[NDArray[Any]] = (
            [] if self._display.rows is None else list(self._display.rows[self._display.neighbors(query)])
        )
        for upper, lower in zip(near[::2], near[1::2], strict=False):
            pair = [_enlarged(_rgb(self._display.pixels(x)), (height - GAP) // 2) for x in (upper, lower)]
            column = np.full((height, pair[0].shape[1], 3), WHITE, np.uint8)
            column[: len(pair[0])], column[-len(pair[1]) :] = pair
            columns += [np.full((height, GAP, 3), WHITE, np.uint8), column]
        return np.concatenate(columns, axis=1)


def _choices(view: ElementTree.Element, name: str, shown: str, values: Sequence[str], required: str) -> None:
    fixed = {"name": name, "toName": shown, "choice": "single", "showInline": "true", "required": required}
    choices = ElementTree.SubElement(view, "Choices", fixed)
    for value in values:
        ElementTree.SubElement(choices, "Choice", value=value)


def _keys(folder: Path) -> list[str] | None:
    """Keys of the tasks in a round's folder; None if it has none."""
    path = folder / "tasks.json"
    return [task["data"]["key"] for task in json.loads(path.read_text("utf-8"))] if path.exists() else None


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _enlarged(pixels: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """Pixels scaled to a height, each to a rectangle."""
    width = max(1, round(pixels.shape[1] * height / len(pixels)))
    rows = np.arange(height) * len(pixels) // height
    return pixels[rows][:, np.arange(width) * pixels.shape[1] // width]
