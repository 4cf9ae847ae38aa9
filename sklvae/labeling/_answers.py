"""What an oracle replies, and reading it without losing any of it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._labels import UNLABELED, is_unlabeled, label_kind
from ._queries import Query, QueryBatch

__all__ = ["INVALID", "SKIP", "Answer", "Oracle", "OracleError", "read_answers"]


class _Reply(enum.Enum):
    INVALID = "invalid"
    SKIP = "skip"

    def __repr__(self) -> str:
        return self.name


INVALID = _Reply.INVALID
"""The input shows no valid class: its cluster is split. ``None`` says the same."""

SKIP = _Reply.SKIP
"""No statement; never counted as a label."""


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    label : object
        A class, `INVALID` or `SKIP`.
    confidence : float, default=1.0
        How sure the oracle is, in [0, 1].
    query : Query, optional
        The question; filled in when the answer is read.

    Examples
    --------
    >>> from sklvae.labeling import INVALID, Answer
    >>> Answer("cat", confidence=0.8).is_label, Answer(INVALID).is_label
    (True, False)
    """

    label: Any
    confidence: float = 1.0
    query: Query | None = None

    @property
    def is_label(self) -> bool:
        """Whether the answer names a class."""
        return not isinstance(self.label, _Reply)


class OracleError(RuntimeError):
    """The oracle raised; what it answered before is kept."""


class _WrongReply(ValueError):
    """A reply breaks the contract; not the oracle's own failure, whoever reads it."""


Oracle = Callable[[QueryBatch], Any]


def read_answers(
    reply: Any,
    queries: QueryBatch,
    classes: ArrayLike | None = None,
    before: Sequence[Answer] = (),
    kinds: Set[str] = frozenset(),
) -> Iterator[Answer]:
    """Check a reply and yield one `Answer` per query, in order.

    Parameters
    ----------
    reply : iterable of labels or of Answer, or tuple (labels, confidences)
        What an oracle returned; an iterator is read one answer at a time.
    queries : QueryBatch
        What it was asked.
    classes : array-like, optional
        The only labels allowed.
    before : sequence of Answer
        Earlier answers; new labels must be of their kind.
    kinds : set of str, default=empty
        Kinds of labels known from elsewhere, which new ones must be of, too.

    Raises
    ------
    ValueError
        If the length is wrong, or an answer is nested, outside `classes`, of another kind than the others,
        or has a confidence outside [0, 1]. The message names the query.
    """
    allowed = None if classes is None else np.asarray(classes).tolist()
    seen = {*kinds, *(label_kind(answer.label) for answer in before if answer.is_label)}
    replies = _replies(reply, queries)
    for query in queries:
        answer = next(replies, None)
        if answer is None:
            raise _WrongReply(
                f"The oracle must give one answer per query, {len(queries)} in all, but query {query.id} has none."
            )
        answer = Answer(_label(answer.label, query), _confidence(answer.confidence, query), query)
        if answer.is_label:
            if allowed is not None and answer.label not in allowed:
                raise _wrong(query, f"one of the classes {allowed}", answer.label)
            seen.add(label_kind(answer.label))
            if len(seen) > 1:
                raise _wrong(query, "a label of the same kind as the ones before", answer.label)
        yield answer
    if next(replies, None) is not None:
        raise _WrongReply(
            f"The oracle must give one answer per query, {len(queries)} in all, but gave more: "
            f"query {queries[-1].id} is the last."
        )


def _replies(reply: Any, queries: QueryBatch) -> Iterator[Answer]:
    dimensions = getattr(reply, "ndim", 1)
    if dimensions == 0 or isinstance(reply, (str, bytes, dict, Set)) or not isinstance(reply, Iterable):
        raise _WrongReply(
            f"The oracle must return a sequence of answers, got {reply!r} for queries {queries[0].id} to "
            f"{queries[-1].id}. Return one label per query."
        )
    if isinstance(reply, tuple) and len(reply) == 2 and all(_is_column(part) for part in reply):
        labels, confidences = reply
        for label, confidence in zip(labels, confidences, strict=False):
            yield Answer(label, confidence)
        if len(labels) != len(confidences):
            first = min(len(labels), len(confidences), len(queries) - 1)
            raise _WrongReply(
                f"The oracle returned {len(labels)} labels and {len(confidences)} confidences; they must be as "
                f"many, and query {queries[first].id} lacks one."
            )
        return
    for label in reply if dimensions == 1 else np.asarray(reply):  # a data frame iterates over its column names
        yield label if isinstance(label, Answer) else Answer(label)


def _is_column(part: Any) -> bool:
    return hasattr(part, "__len__") and getattr(part, "ndim", 1) > 0 and not isinstance(part, (str, bytes, dict))


def _label(label: Any, query: Query) -> Any:
    if isinstance(label, _Reply):
        return label
    if getattr(label, "ndim", None) == 0:  # numpy and torch scalars
        label = label.item()
    if label is None:
        return INVALID
    if isinstance(label, (Answer, Iterable)) and not isinstance(label, str):
        raise _wrong(query, "a single label, not a nested answer", label)
    if is_unlabeled(label) or label == str(UNLABELED):
        raise _wrong(query, "a label: answer INVALID where no class is seen, SKIP to say nothing", label)
    return label


def _confidence(confidence: Any, query: Query) -> float:
    try:
        value = float(confidence)
    except (TypeError, ValueError):
        value = np.nan
    if not 0 <= value <= 1:
        raise _wrong(query, "a confidence in [0, 1]", confidence)
    return value


def _wrong(query: Query, required: str, came: Any) -> _WrongReply:
    return _WrongReply(f"The answer to query {query.id} must be {required}; got {came!r}.")
