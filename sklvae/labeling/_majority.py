"""Several people, asked the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ._answers import SKIP, Answer, Oracle, _WrongReply, read_answers
from ._consult import Round, conversation
from ._queries import Query, QueryBatch

__all__ = ["MajorityOracle", "majority"]


class MajorityOracle:
    """Asks several oracles and combines their answers, with their agreement as the confidence.

    The answer is the label whose votes have the greatest sum of confidences; its confidence is that sum
    divided by the number of votes, which is the share of the votes where everybody is sure. INVALID is a vote
    like any other, SKIP is none. A tie, and questions that all skip, are SKIP.

    All oracles get their questions before the first answer is read, so that people in front of several
    `WebOracle` pages work at the same time. In a fit with `session_dir` each vote is kept as it is given; after a
    restart, nobody is asked again what they have voted on.

    Parameters
    ----------
    oracles : sequence of callable
        Who is asked, at least one.

    Attributes
    ----------
    votes : list of tuple of Answer
        What each oracle said to each question, with the questions, in order.

    Raises
    ------
    ValueError
        If there is no oracle.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import MajorityOracle, Query, QueryBatch
    >>> oracle = MajorityOracle([lambda q: ["cat"], lambda q: ["dog"], lambda q: ["cat"]])
    >>> queries = QueryBatch([Query(0, np.zeros(2), "center", None, 0, 0, 0, members=np.array([0]))])
    >>> [(answer.label, round(answer.confidence, 2)) for answer in oracle(queries)]
    [('cat', 0.67)]
    """

    def __init__(self, oracles: Sequence[Oracle]) -> None:
        self.oracles = list(oracles)
        self.votes: list[tuple[Answer, ...]] = []
        if not self.oracles or not all(map(callable, self.oracles)):
            raise ValueError(f"MajorityOracle: oracles must be at least one callable, got {oracles!r}.")

    def __call__(self, queries: QueryBatch) -> Iterator[Answer]:
        """Answer by vote."""
        replies = [oracle(queries) for oracle in self.oracles]
        return self._combined([_read(number, reply, queries) for number, reply in enumerate(replies)])

    def attend(self, round_: Round) -> Iterator[None]:
        """Have everybody answer, and tell what they agree on of each question that all have answered."""
        parts = [round_.part(number) for number in range(len(self.oracles))]
        talks = [conversation(oracle, part) for oracle, part in zip(self.oracles, parts, strict=True)]
        waiting = [number for number, part in enumerate(parts) if part.open]
        agreed = {query.id for query in round_.queries if _votes(query, parts) and query.id in round_.said}
        try:
            while waiting:
                waiting = [number for number in waiting if _goes_on(number, talks[number])]
                yield
        finally:
            for talk in talks:
                talk.close()
            for query in round_.queries:
                if votes := _votes(query, parts):
                    self.votes.append(votes)
                    round_.settle(query, majority(votes))
                elif query.id in agreed:  # somebody took a vote back, and has not voted again
                    round_.undo(query)

    def _combined(self, readers: list[Iterator[Answer]]) -> Iterator[Answer]:
        for votes in zip(*readers, strict=True):
            self.votes.append(votes)
            yield majority(votes)


def majority(votes: Sequence[Answer]) -> Answer:
    """Combine answers to one question, as `MajorityOracle` does."""
    weight: dict[Any, float] = {}
    for vote in votes:
        if vote.label is not SKIP:
            weight[vote.label] = weight.get(vote.label, 0.0) + vote.confidence
    most = max(weight.values(), default=0.0)
    winners = [label for label, sum_ in weight.items() if sum_ == most]
    if len(winners) != 1:
        return Answer(SKIP)
    return Answer(winners[0], most / sum(vote.label is not SKIP for vote in votes))


def _votes(query: Query, parts: Sequence[Round]) -> tuple[Answer, ...]:
    """What everybody says to a question; nothing while somebody has not."""
    votes = tuple(part.said[query.id] for part in parts if query.id in part.said)
    return votes if len(votes) == len(parts) else ()


def _goes_on(number: int, talk: Iterator[None]) -> bool:
    try:
        next(talk)
    except StopIteration:
        return False
    except _WrongReply as error:
        raise _WrongReply(f"MajorityOracle, oracle {number}: {error}") from error
    return True


def _read(number: int, reply: Any, queries: QueryBatch) -> Iterator[Answer]:
    try:
        yield from read_answers(reply, queries)
    except _WrongReply as error:
        raise _WrongReply(f"MajorityOracle, oracle {number}: {error}") from error
