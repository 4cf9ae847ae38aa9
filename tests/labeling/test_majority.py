from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sklvae import ActiveLearningClassifier
from sklvae.labeling import (
    INVALID,
    SKIP,
    Answer,
    AnswerLog,
    MajorityOracle,
    OracleError,
    Query,
    QueryBatch,
    Round,
    consult,
)

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


class Voter:
    """Votes one question after the other, and stops answering where it is told to."""

    def __init__(self, labels, stops_at=None):
        self.labels, self.stops_at, self.asked = labels, stops_at, []

    def attend(self, round_):
        for query in round_.open:
            yield
            if query.id == self.stops_at:
                raise ConnectionError("gone")
            self.asked.append(query.id)
            round_.tell(query, self.labels[query.id])

    __call__ = None


@pytest.fixture
def log(tmp_path):
    made = AnswerLog(tmp_path / "answers.sqlite")
    made.ask(QUERIES)
    yield made
    made.close()


def round_in(log):
    def part(number):
        keep, forget = partial(log.tell, voter=number), partial(log.undo, voter=number)
        return Round(QUERIES, keep, forget, said=log.answers(number).values())

    return Round(QUERIES, log.tell, log.undo, said=log.answers().values(), part=part)


def test_each_vote_is_kept_as_it_is_given_and_nobody_votes_twice(log):
    n = len(QUERIES)
    first, second = Voter(["cat"] * n), Voter(["dog", *["cat"] * n], stops_at=1)
    with pytest.raises(OracleError, match="ConnectionError: gone"):
        consult(MajorityOracle([first, lambda queries: ["cat"] * len(queries), second]), round_in(log))
    assert [len(log.answers(number)) for number in range(3)] == [2, n, 1]
    assert [(a.label, round(a.confidence, 2)) for a in log.answers().values()] == [("cat", 0.67)]
    resumed = [Voter(["cat"] * n), print, Voter(["dog", *["cat"] * n])]
    oracle = MajorityOracle(resumed)
    consult(oracle, round_in(log))
    assert first.asked + resumed[0].asked == second.asked + resumed[2].asked == list(range(n))
    assert [a.confidence for a in log.answers().values()] == [pytest.approx(2 / 3), *[1.0] * (n - 1)]
    assert [len(votes) for votes in oracle.votes] == [3] * n


def test_a_vote_that_is_taken_back_changes_the_answer(log):
    with pytest.raises(OracleError):
        consult(MajorityOracle([Voter(["cat"] * 3), Voter(["cat"] * 3, stops_at=1)]), round_in(log))
    log.undo(QUERIES[0], voter=1)
    consult(MajorityOracle([Voter(["cat"] * 3), Voter(["dog"] * 3)]), round_in(log))
    assert log.answers()[0].label is SKIP


def test_a_vote_that_is_taken_back_and_not_given_again_opens_the_question(log):
    class Doubting(Voter):
        def attend(self, round_):
            yield
            round_.undo(QUERIES[0])
            raise ConnectionError("gone")

    with pytest.raises(OracleError):
        consult(MajorityOracle([Voter(["cat"] * 3), Voter(["cat"] * 3, stops_at=2)]), round_in(log))
    assert list(log.answers()) == [0, 1]
    with pytest.raises(OracleError):
        consult(MajorityOracle([Voter(["cat"] * 3), Doubting([])]), round_in(log))
    assert list(log.answers()) == [1]
    consult(MajorityOracle([Voter(["cat"] * 3), Voter(["dog"] * 3)]), round_in(log))
    assert [answer.label for _, answer in sorted(log.answers().items())] == [SKIP, "cat", SKIP]


def test_a_fit_by_several_votes_goes_on_where_it_was(tmp_path):
    X = np.concatenate([np.eye(6), 5 + np.eye(6)])

    def fit(*oracles):
        settings = {"batch_size": 4, "n_rounds": 2, "random_state": 0, "session_dir": tmp_path}
        return ActiveLearningClassifier(LogisticRegression(), **settings).fit(X, oracle=MajorityOracle(oracles))

    asked, breaks = [], []

    def voter(queries):
        for query in queries:
            asked.append(query.id)
            yield int(query.index >= 6)

    def tired(queries):
        for query in queries:
            if query.id == 6 and not breaks:
                breaks.append(query.id)
                raise ConnectionError
            yield int(query.index >= 6)

    with pytest.raises(OracleError, match="after 6 answers"):
        fit(voter, tired)
    fitted = fit(voter, tired)
    assert asked == list(range(8))
    assert fitted.n_queries_ == 8
    assert fitted.labels_.tolist() == [0] * 6 + [1] * 6
