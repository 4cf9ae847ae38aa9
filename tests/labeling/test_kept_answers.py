"""Answers that people give are kept before they are acknowledged, and what they take back is taken back."""

import io
import json
import sqlite3
from functools import partial
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from sklvae import ActiveLearningClassifier
from sklvae.labeling import (
    INVALID,
    SKIP,
    Answer,
    AnswerLog,
    ConsoleOracle,
    LabelStudioFiles,
    OracleError,
    Query,
    QueryBatch,
    Round,
    SessionError,
    consult,
)
from sklvae.labeling._desk import Desk, key_of

CLASSES = ["cat", "dog"]


def batch(n, first=0):
    X = np.eye(8)
    return QueryBatch([Query(first + i, X[i], "sample", i, 0, 0, first, np.array([i])) for i in range(n)])


def rows_of(log):
    """Question, reply and label of every row that was ever written."""
    database = sqlite3.connect(log.path)
    rows = database.execute("SELECT question, reply, label FROM answer ORDER BY number").fetchall()
    database.close()
    return [(number, reply, label and json.loads(label)) for number, reply, label in rows]


@pytest.fixture
def log(tmp_path):
    made = AnswerLog(tmp_path / "answers.sqlite")
    yield made
    made.close()


@pytest.fixture
def round_in(log):
    """A round that keeps in the log, as a session makes it."""

    def make(queries, **parameters):
        log.ask(queries)
        return Round(queries, log.tell, log.undo, **parameters)

    return make


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["cat", INVALID, "undo", "restart"]), max_size=12))
@example(["cat", "cat", "cat", "cat", "restart", "undo"])
def test_a_desk_that_is_taken_up_again_has_what_the_log_has(acts):
    """Against a plain stack: whatever is said, taken back and broken off."""
    queries, stack = batch(4), []
    with TemporaryDirectory() as folder:
        log = AnswerLog(f"{folder}/answers.sqlite")
        log.ask(queries)
        desk = Desk(CLASSES)
        desk.put(Round(queries, log.tell, log.undo))
        for act in acts:
            if act == "restart":
                log.close()
                log = AnswerLog(f"{folder}/answers.sqlite")
                desk = Desk(CLASSES)
                desk.put(Round(queries, log.tell, log.undo, said=log.answers().values()))
            elif act == "undo":
                assert desk.undo(desk.last or "none") == bool(stack)
                stack = stack[:-1]
            elif len(stack) < 4:
                assert desk.answer(desk.keys[len(desk.said)], act)
                stack = [*stack, act]
            assert [answer.label for answer in desk.answers] == stack
            assert [answer.label for answer in log.answers().values()] == stack
        n_written = len(rows_of(log))
        log.close()
    assert n_written >= len(stack)


def test_what_was_said_first_in_another_order_is_what_can_be_taken_back(round_in):
    queries = batch(4)
    round_ = round_in(queries)
    for number, label in [(2, "dog"), (0, "cat")]:
        round_.tell(queries[number], label)
    desk = Desk(CLASSES)
    desk.put(round_)
    assert desk.keys == [key_of(queries[i]) for i in (2, 0, 1, 3)]
    assert desk.question is queries[1]
    assert desk.undo(key_of(queries[0]))
    assert [query.id for query in round_.open] == [0, 1, 3]


def test_a_round_of_a_fit_that_is_taken_up_counts_what_was_said_before(round_in):
    first, second = batch(2), batch(3, first=2)
    before = [Answer("emu", 1.0, first[0]), Answer(SKIP, 1.0, first[1])]
    for desk in (Desk(CLASSES), Desk(CLASSES)):
        desk.put(Round(second, before=before, said=[Answer("dog", 1.0, second[1])]))
        assert [answer.label for answer in desk.answers] == ["emu", SKIP, "dog"]
        assert desk.classes == ["cat", "dog", "emu"]
        desk.put(Round(second, before=before, said=[Answer("dog", 1.0, second[1])]))
        assert len(desk.answers) == 3


@pytest.mark.parametrize(
    ("label", "confidence", "said"),
    [
        ("emu", 1.0, r"query 1 must be one of the classes \['cat', 'dog'\]; got 'emu'"),
        ("dog", 1.5, r"query 1 must be a confidence in \[0, 1\]; got 1.5"),
    ],
)
def test_a_wrong_answer_is_refused_on_the_spot_and_not_kept(label, confidence, said, round_in, log):
    round_ = round_in(batch(2), classes=CLASSES)
    round_.tell(round_.queries[0], "cat")
    with pytest.raises(ValueError, match=said):
        round_.tell(round_.queries[1], label, confidence)
    assert [row[0] for row in rows_of(log)] == [0]
    assert len(round_.open) == 1


def test_answers_are_of_one_kind_with_those_before(round_in):
    round_ = round_in(batch(2), kinds={"number"})
    with pytest.raises(ValueError, match="query 0 must be a label of the same kind"):
        round_.tell(round_.queries[0], "cat")
    round_ = Round(batch(2))
    round_.tell(round_.queries[0], 3)
    with pytest.raises(ValueError, match="query 1 must be a label of the same kind"):
        round_.tell(round_.queries[1], "cat")
    round_.tell(round_.queries[0], "dog")  # the only other one is replaced
    round_.tell(round_.queries[1], "cat")


def test_an_oracle_that_attends_is_given_the_round_and_must_answer_all():
    class Lazy:
        def __call__(self, queries):
            raise AssertionError

        def attend(self, round_):
            round_.tell(round_.open[0], "cat")

    round_ = Round(batch(2))
    with pytest.raises(ValueError, match=r"2 in all, but query 1 has none. The 1 answers before it are kept"):
        consult(Lazy(), round_)
    consult(Lazy(), round_)
    assert [answer.label for answer in round_.said.values()] == ["cat", "cat"]


def test_what_an_attending_oracle_raises_costs_no_answer_and_a_log_that_fails_says_so_itself():
    class Failing:
        def __init__(self, error):
            self.error = error

        def attend(self, round_):
            round_.tell(round_.open[0], "cat")
            raise self.error

    for error, raised, said in (
        (ConnectionError("gone"), OracleError, r"ConnectionError: gone \(after 1 answers"),
        (KeyboardInterrupt(), KeyboardInterrupt, "after 1 answers, which are kept"),
        (SessionError("disk full"), SessionError, "^disk full$"),
    ):
        kept = []
        with pytest.raises(raised, match=said):
            consult(Failing(error), Round(batch(2), kept.append))
        assert len(kept) == 1


# The page


@pytest.fixture
def paged(web, client, listen_to):
    """A page that asks about two questions in a round."""

    def make(round_, **parameters):
        oracle = web(CLASSES, **{"review": 60, **parameters})
        return oracle, client(oracle), listen_to(oracle, round_)

    return make


class Doing(Thread):
    """Does something while the test plays the person; keeps what came of it."""

    def __init__(self, function, *args, **kwargs):
        super().__init__(daemon=True)
        self.call = partial(function, *args, **kwargs)
        self.start()

    def run(self):
        try:
            self.result = self.call()
        except Exception as error:
            self.result = error


@pytest.fixture
def listen_to(until):
    def start(oracle, round_):
        asking = Doing(consult, oracle, round_)
        until(lambda: oracle._waiting)
        return asking

    return start


def test_the_page_hears_of_an_answer_once_it_is_in_the_log(paged, round_in, log):
    _, page, asking = paged(round_in(batch(2)))
    assert page.answer(**{"class": "dog"}) == 200
    assert rows_of(log) == [(0, "label", "dog")]
    assert page.post("undo", question=page.state()["undo"])[0] == 200
    assert rows_of(log) == [(0, "label", "dog"), (0, "undone", None)]
    page.answer(reply="invalid")
    page.answer(**{"class": "cat"})
    assert rows_of(log)[2:] == [(0, "invalid", None), (1, "label", "cat")]
    assert page.post("go", question=page.state()["undo"])[0] == 200
    asking.join(20)
    assert not asking.is_alive()
    assert len(rows_of(log)) == 4  # nothing is written again when the round is handed over


def test_the_page_shows_what_was_said_in_the_round_and_lets_it_be_taken_back(paged, round_in):
    queries = batch(3)
    oracle, page, _ = paged(round_in(queries, said=[Answer("dog", 0.8, queries[0]), Answer(SKIP, 1.0, queries[2])]))
    state = page.state()
    assert (state["answered"], state["question"]["number"], state["question"]["of"]) == (2, 3, 3)
    assert state["question"]["row"] == 1
    assert page.post("undo", question=state["undo"])[0] == 200
    assert page.state()["question"]["row"] == 2
    assert [answer.label for answer in oracle.answers] == ["dog"]


def test_an_answer_that_cannot_be_kept_is_not_acknowledged(paged, round_in, log, monkeypatch):
    monkeypatch.setattr("sklvae.labeling._log.BUSY_SECONDS", 0.05)
    log._database.execute("PRAGMA busy_timeout = 50")
    oracle, page, asking = paged(round_in(batch(2)))
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    status, said = page.post("answer", question=page.state()["question"]["key"], **{"class": "dog"})
    assert status == 507
    assert "query 0, which is not kept: database is locked" in said["error"]
    assert oracle.answers == []
    assert page.state()["question"]["number"] == 1
    other.close()
    assert page.answer(**{"class": "dog"}) == 200
    assert asking.is_alive()
    assert rows_of(log) == [(0, "label", "dog")]


def test_the_page_says_at_once_what_the_estimator_does_not_take(paged, round_in):
    oracle, page, _ = paged(round_in(batch(1), classes=["cat", "dog"]))
    page.post("class", name="emu")
    status, said = page.post("answer", question=page.state()["question"]["key"], **{"class": "emu"})
    assert status == 400
    assert "must be one of the classes ['cat', 'dog']; got 'emu'" in said["error"]
    assert oracle.answers == []


def test_a_fit_by_the_page_breaks_off_and_goes_on(web, client, until, tmp_path):
    """A session in a folder, from the page of one program to that of the next."""
    X = np.concatenate([np.eye(6), 5 + np.eye(6)])

    def fit(oracle):
        settings = {"batch_size": 4, "n_rounds": 2, "random_state": 0, "session_dir": tmp_path}
        fitting = Doing(ActiveLearningClassifier(LogisticRegression(), **settings).fit, X, oracle=oracle)
        page = client(oracle)
        until(lambda: page.state()["question"])
        return fitting, page

    def say(page):
        question = until(lambda: page.state()["question"])
        page.post("answer", question=question["key"], **{"class": CLASSES[question["row"] >= 6]})

    first = web(CLASSES, review=60, budget=8)
    fitting, page = fit(first)
    for _ in range(3):
        say(page)
    first.close()
    fitting.join(20)
    assert "after 3 answers" in str(fitting.result)
    fitting, page = fit(web(CLASSES, review=0, budget=8))
    state = page.state()
    assert (state["answered"], state["left"], state["question"]["number"]) == (3, 5, 4)
    page.post("undo", question=state["undo"])
    for _ in range(6):
        say(page)
    fitting.join(20)
    assert fitting.result.labels_.tolist() == ["cat"] * 6 + ["dog"] * 6
    assert fitting.result.n_queries_ == 8
    (path,) = tmp_path.rglob("answers.sqlite")
    log = AnswerLog(path)
    assert [reply for _, reply, _ in rows_of(log)].count("undone") == 1
    log.close()


# The terminal


class Terminal(Console):
    """Types prepared lines; looks into the log before each."""

    def __init__(self, lines, look):
        super().__init__(file=io.StringIO(), width=100)
        self.lines, self.look, self.seen = iter(lines), look, []

    def input(self, prompt="", **_):
        self.seen.append(self.look())
        return next(self.lines)


def test_the_terminal_asks_on_once_an_answer_is_in_the_log(round_in, log):
    terminal = Terminal(["dog ~", "u", "x", "emu", "cat", ""], lambda: len(rows_of(log)))
    queries = batch(3)
    round_ = round_in(queries, said=[Answer("cat", 1.0, queries[1])], classes=CLASSES)
    consult(ConsoleOracle(CLASSES, console=terminal), round_)
    assert terminal.seen == [0, 1, 2, 3, 3, 4]
    assert rows_of(log) == [(0, "label", "dog"), (0, "undone", None), (0, "invalid", None), (2, "label", "cat")]
    assert not round_.open


def test_the_terminal_says_at_once_what_the_estimator_does_not_take(round_in):
    terminal = Terminal(["+ emu", "cat", ""], lambda: None)
    consult(ConsoleOracle(CLASSES, console=terminal), round_in(batch(1), classes=CLASSES))
    assert "must be one of the classes ['cat', 'dog']; got 'emu'" in terminal.file.getvalue().replace("\n", " ")


# Label Studio


def export(folder, *labels):
    path = next(folder.iterdir())
    tasks = json.loads((path / "tasks.json").read_text("utf-8"))
    annotations = [
        [] if label is None else [{"result": [{"from_name": "label", "value": {"choices": [label]}}]}]
        for label in labels
    ]
    done = [{"data": task["data"], "annotations": a} for task, a in zip(tasks, annotations, strict=True)]
    (path / "export.json").write_text(json.dumps(done), encoding="utf-8")


def test_an_export_that_is_not_complete_is_kept_as_it_comes(round_in, log, tmp_path, monkeypatch):
    monkeypatch.setattr("sklvae.labeling._label_studio.TICK", 0.0)
    folder = tmp_path / "studio"
    oracle = LabelStudioFiles(folder, CLASSES, timeout=0)
    queries = batch(3)
    round_ = round_in(queries)
    oracle.export(queries)
    for labels in ((None, None, "dog"), ("cat", None, "dog"), ("cat", None, "cat")):
        export(folder, *labels)
        with pytest.raises(OracleError, match="tasks have no annotation in"):
            consult(oracle, round_)
    # A fit that is taken up has the same round in the same folder.
    resumed = Round(queries, log.tell, log.undo, said=log.answers().values())
    export(folder, "cat", "no valid class", "cat")
    consult(LabelStudioFiles(folder, CLASSES, timeout=0), resumed)
    assert len(list(folder.iterdir())) == 1
    assert rows_of(log) == [
        (2, "label", "dog"),
        (0, "label", "cat"),
        (2, "label", "cat"),
        (1, "invalid", None),
    ]
