"""MemoizingOracle in a fit: what it remembers is told, and what is new is kept as it is given."""

from itertools import count
from threading import Thread

import numpy as np
import pytest

from sklvae.labeling import (
    INVALID,
    SKIP,
    Answer,
    AnswerLog,
    MajorityOracle,
    MemoizingOracle,
    OracleError,
    Query,
    QueryBatch,
    Round,
    consult,
)

INPUTS = np.eye(4)


def batch(*inputs):
    return QueryBatch([Query(i, INPUTS[row], "sample", row, 0, 0, 0, np.array([row])) for i, row in enumerate(inputs)])


class Person:
    """Does one thing after the other, as a page does; keeps the questions it was shown."""

    def __init__(self, *acts):
        self.acts, self.shown = iter(acts), []

    def attend(self, round_):
        self.shown += [query.id for query in round_.open]
        while round_.open:
            act = next(self.acts)
            if isinstance(act, Exception):
                raise act
            if act == "undo":
                round_.undo(round_.queries[[query.id for query in round_.queries].index(list(round_.said)[-1])])
            else:
                round_.tell(round_.open[0], act)
            yield

    __call__ = None


@pytest.fixture
def log(tmp_path):
    made = AnswerLog(tmp_path / "answers.sqlite")
    yield made
    made.close()


@pytest.fixture
def round_in(log):
    def make(queries):
        if not log.questions():
            log.ask(queries)
        return Round(queries, log.tell, log.undo, said=log.answers().values())

    return make


def labels(log):
    return {number: answer.label for number, answer in sorted(log.answers().items())}


def test_what_a_page_has_acknowledged_is_in_the_log_also_behind_a_memory(round_in, log, web, client, until):
    queries = batch(0, 1, 2)
    page = web(["cat", "dog"], review=60)
    memory = MemoizingOracle(page, answers=[Answer("cat", 0.7, batch(1)[0])])
    asking = Thread(target=consult, args=(memory, round_in(queries)), daemon=True)
    asking.start()
    me = client(page)
    until(lambda: me.state()["question"])
    assert labels(log) == {1: "cat"}
    assert me.answer(**{"class": "dog"}) == 200
    assert labels(log) == {0: "dog", 1: "cat"}
    assert me.post("undo", question=me.state()["undo"])[0] == 200
    assert labels(log) == {1: "cat"}
    me.answer(**{"class": "cat"})
    me.answer(reply="invalid")
    assert labels(log) == {0: "cat", 1: "cat", 2: INVALID}
    me.post("go", question=me.state()["undo"])
    asking.join(20)
    assert [answer.label for answer in memory.answers] == ["cat", "cat", INVALID]


def test_equal_inputs_are_asked_about_once_and_have_one_answer(round_in, log):
    person = Person("cat", SKIP, "undo", "dog", "undo", "undo", "emu", "dog", "cat")
    memory = MemoizingOracle(person)
    consult(memory, round_in(batch(0, 1, 0, 1, 2)))
    assert labels(log) == {0: "emu", 1: "dog", 2: "emu", 3: "dog", 4: "cat"}
    assert person.shown == [0, 1, 4]
    assert [answer.label for answer in memory.answers] == ["emu", "dog", "cat"]
    consult(memory, Round(batch(1, 0)))  # from memory alone: nobody is there any more


def test_a_round_that_is_taken_up_goes_on_behind_a_memory(round_in, log):
    queries = batch(0, 1, 2, 0)
    log.ask(queries)
    log.tell(Answer("cat", query=queries[0]))  # killed before its twin
    with pytest.raises(OracleError, match="gone"):
        consult(MemoizingOracle(Person("dog", ConnectionError("gone"))), round_in(queries))
    assert labels(log) == {0: "cat", 1: "dog", 3: "cat"}
    person = Person("undo", "cat", "emu")
    consult(MemoizingOracle(person), round_in(queries))
    assert labels(log) == {0: "cat", 1: "cat", 2: "emu", 3: "cat"}
    assert person.shown == [2]


def test_a_skip_is_asked_again_in_the_next_fit():
    asked = count()

    def person(queries):
        next(asked)
        return [SKIP] * len(queries)

    memory = MemoizingOracle(person)
    for _ in range(2):
        consult(memory, Round(batch(0, 1)))
    assert next(asked) == 2
    assert memory.answers == []


def test_several_people_may_have_memories():
    memories = [MemoizingOracle(Person("cat", label)) for label in ("cat", "dog", "dog")]
    kept = []
    consult(MajorityOracle(memories), Round(batch(0, 1), kept.append))
    assert [(answer.label, round(answer.confidence, 2)) for answer in kept] == [("cat", 1.0), ("dog", 0.67)]
