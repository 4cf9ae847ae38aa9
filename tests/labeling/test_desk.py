import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklvae.labeling import INVALID, SKIP, MemoizingOracle, Query, QueryBatch, Round
from sklvae.labeling._desk import Desk, key_of


def batch(n, suggestion=None):
    X = np.eye(max(n, 1))
    return QueryBatch([Query(i, X[i], "sample", i, 0, 0, 0, np.array([i]), suggestion) for i in range(n)])


@given(st.lists(st.sampled_from(["a", "b", INVALID, SKIP, "undo"]), max_size=30))
def test_answers_and_undo_are_a_stack_of_the_round(actions):
    queries, desk, expected = batch(4), Desk(["a", "b"]), []
    desk.put(Round(queries))
    for action in actions:
        n = len(expected)
        if action == "undo":
            assert desk.undo(key_of(queries[n - 1])) == (n > 0)
            expected = expected[:-1]
        else:
            assert desk.answer(key_of(queries[min(n, 3)]), action) == (n < 4)
            expected = [*expected, action][:4]
        assert [answer.label for answer in desk.answers] == expected
        assert [answer.query for answer in desk.answers] == list(queries)[: len(expected)]
        assert desk.phase == ("review" if len(expected) == 4 else "asking")


def test_what_is_about_another_question_is_refused():
    queries, desk = batch(3), Desk(["a"])
    desk.put(Round(queries))
    first, second, _ = map(key_of, queries)
    assert not desk.answer(second, "a")
    assert not desk.undo(first)
    assert desk.answer(first, "a")
    assert not desk.answer(first, "a")
    assert not desk.undo(second)
    assert not desk.confirm(first)
    assert [answer.label for answer in desk.answers] == ["a"]


def test_a_round_that_is_handed_over_cannot_be_taken_back():
    queries, desk = batch(2), Desk(["a"])
    desk.put(Round(queries))
    for query in queries:
        desk.answer(key_of(query), "a")
    assert not desk.settled(review=60, tick=0)
    assert desk.confirm(key_of(queries[1]))
    assert desk.settled(review=60, tick=0)
    assert not desk.undo(key_of(queries[1]))
    assert len(desk.hand_over()) == 2
    assert desk.said == []
    assert len(desk.answers) == 2


def test_the_review_ends_by_itself():
    queries, desk = batch(1), Desk(["a"])
    desk.put(Round(queries))
    desk.answer(key_of(queries[0]), "a")
    begun = time.monotonic()
    while not desk.settled(review=0.1, tick=0.01):
        assert time.monotonic() < begun + 20
    assert time.monotonic() >= begun + 0.1


def test_guesses_are_counted_where_a_class_was_named():
    queries, desk = batch(4, suggestion=("a", 0.7)), Desk(["b"])
    desk.put(Round(queries))
    for query, label in zip(queries, ["a", "b", SKIP, INVALID], strict=True):
        desk.answer(key_of(query), label)
    assert desk.guesses() == (1, 2)
    assert desk.counts() == [("b", 1), ("a", 1), (INVALID, 1), (SKIP, 1)]


@pytest.mark.parametrize(
    ("classes", "text", "label"),
    [
        (None, " cat ", "cat"),
        (["cat"], "cat", "cat"),
        ([1, 2], "3", 3),
        ([1.5], "1.5", 1.5),
        ([False, True], "True", True),
        (None, "<script>", "<script>"),
    ],
)
def test_a_written_class_becomes_a_label_of_the_kind_of_the_others(classes, text, label):
    desk = Desk(classes)
    added = desk.add_class(text)
    assert added == label
    assert type(added) is type(label)
    assert desk.classes.count(label) == 1


@pytest.mark.parametrize(
    ("classes", "text", "said"),
    [
        ([1, 2], "cat", "classes are numbers"),
        ([False], "maybe", "classes are fixed"),
        (None, "  ", "1 to 100 printable"),
        (None, "a" * 101, "1 to 100 printable"),
        (None, "a\nb", "1 to 100 printable"),
        (None, "-1", "mark of an unlabeled row"),
        ([1], "-1", "mark of an unlabeled row"),
    ],
)
def test_what_cannot_be_a_class_is_said(classes, text, said):
    desk = Desk(classes)
    with pytest.raises(ValueError, match=said):
        desk.add_class(text)
    assert desk.classes == (classes or [])


def test_no_class_is_added_where_that_is_not_allowed():
    desk = Desk(["cat"], new_classes=False)
    assert desk.add_class("cat") == "cat"
    with pytest.raises(ValueError, match="no class 'dog'; the classes are cat"):
        desk.add_class("dog")


def test_the_answers_of_a_desk_are_a_memory():
    queries, desk = batch(2), Desk(["a"])
    desk.put(Round(queries))
    desk.answer(key_of(queries[0]), "a", 0.5)
    memory = MemoizingOracle(lambda queries: ["b"] * len(queries), answers=desk.answers)
    assert [(answer.label, answer.confidence) for answer in memory(queries)] == [("a", 0.5), ("b", 1.0)]


def test_the_key_tells_questions_apart_and_stays_over_programs():
    one = Query(3, np.arange(4.0), "center", None, 0, 0, 1, np.array([0]))
    assert key_of(one) == "6324ed19377741a6"
    others = [
        Query(4, np.arange(4.0), "center", None, 0, 0, 1, np.array([0])),
        Query(3, np.arange(4.0), "center", None, 0, 0, 2, np.array([0])),
        Query(3, np.arange(4.0) + 1, "center", None, 0, 0, 1, np.array([0])),
        Query(3, np.arange(4.0).reshape(2, 2), "center", None, 0, 0, 1, np.array([0])),
    ]
    assert len({key_of(query) for query in [one, *others]}) == 5
