"""The log of a session against a plain list, and digests of what is the same."""

import copy
import sqlite3
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from sklvae.labeling import (
    INVALID,
    SKIP,
    Answer,
    AnswerLog,
    Query,
    QueryBatch,
    SessionError,
    array_digest,
    described,
    digest,
)

QUERIES = [
    Query(0, np.array([[1, 255]], dtype=np.uint8), "sample", 7, 0, 0, 0, members=np.array([7, 8])),
    Query(1, np.array([0.1, np.pi]), "center", None, 1, 2, 3, members=np.array([4]), suggestion=("cat", 0.25)),
    Query(2, np.array([1.5], dtype=np.float32), "center", None, 2, 0, 3, members=np.array([], dtype=int)),
]

labels = st.sampled_from([INVALID, SKIP]) | st.text(max_size=5) | st.integers() | st.booleans() | st.floats(0, 1e300)
moves = st.tuples(st.integers(0, 2), labels | st.just("undo!"), st.floats(0, 1))


@settings(max_examples=30)
@given(st.lists(moves, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_log_is_a_list_whose_last_word_on_each_question_counts(told, reopened):
    standing, rows = {}, 0
    with TemporaryDirectory() as folder:
        log = AnswerLog(f"{folder}/answers.sqlite")
        log.ask(QueryBatch(QUERIES))
        for (number, label, confidence), again in zip(told, reopened, strict=False):
            standing.pop(number, None)
            if label == "undo!":
                log.undo(QUERIES[number])
            else:
                log.tell(Answer(label, confidence, QUERIES[number]))
                standing[number] = label, confidence
            rows += 1
            if again:
                log.close()
                log = AnswerLog(f"{folder}/answers.sqlite")
            answers = log.answers()
            assert list(answers) == list(standing)
            for answer, (expected, sure) in zip(answers.values(), standing.values(), strict=True):
                assert answer.label == expected
                assert type(answer.label) is type(expected)
                assert answer.confidence == sure
        log.close()
        database = sqlite3.connect(f"{folder}/answers.sqlite")
        assert database.execute("SELECT count(*) FROM answer").fetchone() == (rows,)
        database.close()


def test_questions_come_back_as_they_were(tmp_path):
    log = AnswerLog(tmp_path / "answers.sqlite")
    log.ask(QueryBatch(QUERIES))
    for query, again in zip(QUERIES, log.questions().values(), strict=True):
        assert query.x.dtype == again.x.dtype
        np.testing.assert_array_equal(query.x, again.x)
        np.testing.assert_array_equal(query.members, again.members)
        for name in ("id", "kind", "index", "cluster", "level", "round", "suggestion"):
            assert getattr(query, name) == getattr(again, name)
    log.close()


def test_a_batch_is_written_as_a_whole_or_not_at_all(tmp_path):
    log = AnswerLog(tmp_path / "answers.sqlite")
    log.ask(QueryBatch(QUERIES[:1]))
    with pytest.raises(SessionError, match="cannot be given question 1: UNIQUE constraint failed"):
        log.ask(QueryBatch([QUERIES[1], QUERIES[0]]))
    assert list(log.questions()) == [0]
    log.close()


def test_an_answer_is_on_the_disk_when_tell_returns(tmp_path):
    log = AnswerLog(tmp_path / "answers.sqlite")
    assert log._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert log._database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    log.ask(QueryBatch(QUERIES))
    log.tell(Answer("cat", query=QUERIES[0]))
    assert not log._database.in_transaction
    log.close()


def test_equal_values_have_equal_digests_and_others_do_not():
    same = [np.float64(0.5), 0.5]
    assert described(same[0]) == described(same[1])
    assert digest({"a": (1, 2), "b": None}) == digest({"b": None, "a": [1, 2]})
    different = [
        KMeans(3),
        KMeans(4),
        len,
        max,
        KMeans,
        np.zeros(3),
        np.zeros(4),
        np.ones(3),
        np.zeros(3, dtype=np.float32),
        np.array(["a", 1], dtype=object),
        np.random.RandomState(0),
        np.random.RandomState(1),
        "0",
        0,
        None,
    ]
    assert len({digest(value) for value in different}) == len(different)
    assert digest(np.random.RandomState(1)) == digest(np.random.RandomState(1))


def test_functions_with_bound_arguments_are_told_apart_by_them():
    shift = torch.linspace(0, 1, 2000)  # its repr shows a few of the values
    nets = [torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)]
    different = [
        round,
        partial(round, ndigits=1),
        partial(round, ndigits=5),
        partial(round, 5),
        partial(len, 5),
        partial(partial(round, ndigits=1), 5),
        partial(torch.add, shift),
        partial(torch.add, torch.where(shift == shift[1000], 7, shift)),
        {"a": 1}.get,
        {"a": 2}.get,
        nets[0],
        nets[1],
        nets[0].forward,
        nets[1].forward,
    ]
    assert len({digest(value) for value in different}) == len(different)
    assert digest(partial(round, ndigits=1)) == digest(partial(round, ndigits=1))
    assert digest(nets[0]) == digest(copy.deepcopy(nets[0]))


@pytest.mark.parametrize("value", [object(), lambda x: x, partial(lambda x: x, 1), [object()], object().__repr__])
def test_what_nothing_tells_from_others_has_no_digest(value):
    with pytest.raises(ValueError, match=r"nothing tells .* from another of its kind"):
        digest(value)


def test_a_function_inside_another_has_no_digest():
    def scaled(by):
        def scale(x):
            return by * x

        return scale

    with pytest.raises(ValueError, match=r"nothing tells .*scale.* from another of its kind"):
        digest(scaled(2))


def test_a_mapped_file_has_the_digest_of_its_array(tmp_path, monkeypatch):
    array = np.random.default_rng(0).normal(size=(1000, 7))
    np.save(tmp_path / "x.npy", array)
    whole = array_digest(array)
    monkeypatch.setattr("sklvae.labeling._fingerprint.CHUNK_BYTES", 1000)
    assert array_digest(np.load(tmp_path / "x.npy", mmap_mode="r")) == whole
    assert array_digest(np.asfortranarray(array)) == whole
    assert array_digest(array[::-1]) != whole
