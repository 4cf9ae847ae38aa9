"""What the page shows, as JSON."""

from __future__ import annotations

import time
from typing import Any

from ._answers import Answer
from ._desk import LEVELS, Desk
from ._display import Display
from ._queries import Query

__all__ = ["picture_of", "state_of"]

N_TABLE_NEIGHBORS = 4
"""Neighbors beside the row of a table: more columns do not fit a page."""


def state_of(desk: Desk, display: Display, budget: int | None, review: float) -> dict[str, Any]:
    """Everything the page shows."""
    with desk.changed:
        right, judged = desk.guesses()
        state = {
            "version": desk.version,
            "phase": desk.phase,
            "seconds": time.monotonic() - desk.since,
            "review": review,
            "classes": [str(label) for label in desk.classes],
            "new_classes": desk.new_classes,
            "levels": LEVELS,
            "answered": len(desk.answers),
            "left": None if budget is None else max(0, budget - len(desk.answers)),
            "guesses": {"right": right, "judged": judged},
            "counts": [
                {"name": _name(label), "n": n, "is_class": Answer(label).is_label} for label, n in desk.counts()
            ],
            "undo": desk.last,
            "question": None,
            "said": [],
        }
        if desk.question is not None:
            state["question"] = _question(desk, display, desk.question)
        if desk.phase == "review":
            state["said"] = [_said(answer, key, display) for answer, key in zip(desk.said, desk.keys, strict=True)]
        return state


def picture_of(desk: Desk, display: Display, key: str, part: str) -> bytes | None:
    """The question with this key (part "x") or one of its neighbors ("0", "1", ...) as PNG; None without one."""
    with desk.changed:
        query = desk.queries[desk.keys.index(key)] if key in desk.keys else None
    if query is None or not display.is_image(query.x):
        return None
    if part == "x":
        return display.png(query.x)
    near = display.neighbors(query)
    if display.rows is None or not part.isdecimal() or int(part) >= len(near):
        return None
    return display.png(display.rows[near[int(part)]])


def _question(desk: Desk, display: Display, query: Query) -> dict[str, Any]:
    number = len(desk.said)
    near, is_image = display.neighbors(query).tolist(), display.is_image(query.x)
    suggestion = None
    if query.suggestion is not None:
        label, probability = query.suggestion
        suggestion = {"class": desk.classes.index(label), "name": str(label), "probability": probability}
    return {
        "key": desk.keys[number],
        "number": number + 1,
        "of": len(desk.queries),
        "round": query.round + 1,
        "row": query.index,
        "is_image": is_image,
        "near": near if is_image else near[:N_TABLE_NEIGHBORS],
        "features": [] if is_image else _table(display, query),
        "n_features": query.x.size,
        "suggestion": suggestion,
    }


def _table(display: Display, query: Query) -> list[dict[str, Any]]:
    return [
        {
            "name": feature.name,
            "value": f"{feature.value:.4g}",
            "usual": None if feature.usual is None else f"{feature.usual:.4g}",
            "deviation": None if feature.deviation is None else round(feature.deviation, 2),
            "near": [f"{value:.4g}" for value in feature.neighbors[:N_TABLE_NEIGHBORS]],
        }
        for feature in display.features(query)
    ]


def _said(answer: Answer, key: str, display: Display) -> dict[str, Any]:
    is_image = answer.query is not None and display.is_image(answer.query.x)
    return {
        "key": key,
        "is_image": is_image,
        "name": _name(answer.label),
        "is_class": answer.is_label,
        "confidence": answer.confidence,
    }


def _name(label: Any) -> str:
    return str(label) if Answer(label).is_label else {"invalid": "no valid class", "skip": "skipped"}[label.value]
