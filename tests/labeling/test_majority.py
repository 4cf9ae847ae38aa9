from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklvae.labeling import INVALID, SKIP, Answer, MajorityOracle, OracleError, Query, QueryBatch, Round, consult

QUERIES = QueryBatch([Query(i, np.zeros(2), "center", None, i, 0, 0, np.array([i])) for i in range(3)])


def said(*replies):
    return [(a.label, a.confidence) for a in MajorityOracle([lambda q, r=r: r for r in replies])(QUERIES)]


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c", INVALID, SKIP]), min_size=3, max_size=3), min_size=1, max_size=6)
)
def test_sure_people_are_counted(replies):
    for votes, (label, confidence) in zip(zip(*replies, strict=True), said(*replies), strict=True):
        counts = Counter(vote for vote in votes if vote is not SKIP)
        winners = [vote for vote, n in counts.items() if n == max(counts.values())]
        if len(winners) == 1:
            assert label == winners[0]
            assert confidence == pytest.approx(counts[label] / counts.total())
        else:
            assert label is SKIP


def test_confidence_weighs_votes_and_is_carried_on():
    a, b, c = (["x"] * 3, [0.9] * 3), (["y"] * 3, [0.3] * 3), (["y"] * 3, [0.3] * 3)
    assert said(a, b, c) == [("x", pytest.approx(0.3))] * 3
    assert said(b, c) == [("y", pytest.approx(0.3))] * 3


def test_the_order_of_the_people_does_not_matter():
    replies = [["a", "b", INVALID], ["b", "b", SKIP], ["a", "c", None]]
    assert said(*replies) == said(*replies[::-1]) == [("a", 2 / 3), ("b", 2 / 3), (INVALID, 1.0)]


def test_everybody_is_asked_before_anybody_is_waited_for():
    log = []

    def person(name):
        def oracle(queries):
            log.append(f"asked {name}")

            def replies():
                for _ in queries:
                    log.append(f"heard {name}")
                    yield "a"

            return replies()

        return oracle

    list(MajorityOracle([person(1), person(2)])(QUERIES))
    assert log[:2] == ["asked 1", "asked 2"]


def test_votes_are_kept_and_a_failure_loses_only_what_is_not_yet_combined():
    def leaves(queries):
        yield from ("a", "b")
        raise ConnectionError("gone")

    oracle, kept = MajorityOracle([lambda queries: ["a", "a", "a"], leaves]), []
    with pytest.raises(OracleError, match=r"ConnectionError: gone \(after 2 answers"):
        consult(oracle, Round(QUERIES, kept.append))
    assert [answer.label for answer in kept] == ["a", SKIP]
    assert [[vote.label for vote in votes] for votes in oracle.votes] == [["a", "a"], ["a", "b"]]
    assert [votes[1].query.id for votes in oracle.votes] == [0, 1]


def test_whose_answer_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"oracle 1: .*query 1 must be a confidence in \[0, 1\]"):
        said(["a"] * 3, ["a", Answer("a", 2.0), "a"])
    with pytest.raises(ValueError, match=r"oracle 0: .*one answer per query, 3 in all, but gave more"):
        said(["a"] * 4, ["a"] * 3)


@pytest.mark.parametrize("oracles", [[], ["cat"]])
def test_there_must_be_somebody_to_ask(oracles):
    with pytest.raises(ValueError, match="oracles must be at least one callable"):
        MajorityOracle(oracles)
