"""A session is killed again and again, and gives what one gives that was never broken off."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread

import numpy as np
import pytest

from sklvae.labeling import AnswerLog

SERVER = Path(__file__).with_name("fork_server.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")

N_CALLS = {"ask": 3, "tell": 14, "checkpoint": 4, "fsync": 10, "replace": 5, "step": 8}
"""About how often each point is passed in one fit."""


@pytest.fixture(scope="module")
def in_child():
    """Run a session in a child process, which may be killed; tell how it ended."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    server = subprocess.Popen(
        [sys.executable, SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
    )

    def run(folder, *, kind, by_fit, session_dir, seconds=None, kill_at=None):
        """`by_fit` is True, False for ask and tell, or "page"."""
        request = {
            "kind": kind,
            "by_fit": by_fit,
            "session_dir": session_dir and str(session_dir),
            "diary": str(folder / "diary"),
            "result": str(folder / "result.npz"),
            "seconds": seconds,
            "kill_at": kill_at,
        }
        print(json.dumps(request), file=server.stdin, flush=True)
        end = json.loads(server.stdout.readline())
        if end["code"] == 1:
            pytest.fail((folder / "diary.error").read_text())
        return end

    yield run
    server.stdin.close()
    server.wait()
    server.stdout.close()


def notes(folder):
    diary = folder / "diary"
    return [line.split() for line in diary.read_text().splitlines()] if diary.exists() else []


def assert_nothing_was_lost(folder, session_dir):
    """Every answer that was acknowledged is in the log; it is read from a copy, so that the session is left alone."""
    told = {int(number): answer for word, number, *answer in notes(folder) if word == "told"}
    for answers in session_dir.glob("*/answers.sqlite"):
        copy = shutil.copytree(answers.parent, folder / "copy")
        log = AnswerLog(copy / answers.name)
        kept = {number: [str(answer.label)] for number, answer in log.answers().items()}
        log.close()
        shutil.rmtree(copy)
        assert kept.items() >= told.items()
        told = {}
    assert not told


def assert_nothing_was_done_twice(folder):
    told, kept = set(), set()
    for word, what, *_ in notes(folder):
        assert not (word == "ask" and what in told), f"query {what} was asked after its answer was kept"
        assert not (word == "train" and what in kept), f"{what} was trained after it was kept"
        if word in ("told", "kept"):
            (told if word == "told" else kept).add(what)


def an_end(rng, usual):
    """How a child is to be killed: after a while, or at some call of something."""
    if rng.integers(2):
        return {"seconds": rng.uniform(0, usual)}
    point = str(rng.choice(list(N_CALLS)))
    return {"kill_at": [point, int(rng.integers(1, N_CALLS[point] + 1)), bool(rng.integers(2))]}


def killed_often(in_child, tmp_path, kind, by_fit, n_kills, seed):
    """Sessions until so many kills have hit, each killed at random until it comes to its end."""
    rng, hit = np.random.default_rng(seed), Counter()
    usual = in_child(tmp_path, kind=kind, by_fit=by_fit, session_dir=tmp_path / "sessions")["seconds"]
    in_child(tmp_path, kind=kind, by_fit=by_fit, session_dir=None)
    expected = np.load(tmp_path / "result.npz")
    while hit.total() < n_kills:
        folder = Path(mkdtemp(dir=tmp_path))
        code = None
        while code != 0:
            end = an_end(rng, usual) if hit.total() < n_kills else {}
            code = in_child(folder, kind=kind, by_fit=by_fit, session_dir=folder / "sessions", **end)["code"]
            assert code in (0, -signal.SIGKILL)
            hit.update(["a moment" if "seconds" in end else end["kill_at"][0]] if code else [])
            assert_nothing_was_lost(folder, folder / "sessions")
        assert_nothing_was_done_twice(folder)
        with np.load(folder / "result.npz") as result:
            for name in expected:
                np.testing.assert_array_equal(result[name], expected[name], err_msg=name)
    return hit


@pytest.mark.parametrize(
    ("kind", "by_fit", "n_kills"),
    [
        ("graph", True, 8),
        ("cluster", False, 7),
        ("slots", True, 4),
        ("active", True, 4),
        ("foreign", False, 3),
        ("vaal", False, 4),
    ],
)
def test_a_killed_session_loses_nothing_and_gives_the_same(in_child, tmp_path, kind, by_fit, n_kills):
    assert killed_often(in_child, tmp_path, kind, by_fit, n_kills, seed=0).total() >= n_kills


@pytest.mark.slow
@pytest.mark.parametrize("by_fit", [True, False])
@pytest.mark.parametrize(
    ("kind", "n_kills"),
    [("graph", 25), ("cluster", 25), ("slots", 20), ("active", 20), ("foreign", 15), ("vaal", 20)],
)
def test_a_session_killed_hundreds_of_times_loses_nothing(in_child, tmp_path, kind, by_fit, n_kills):
    hit = killed_often(in_child, tmp_path, kind, by_fit, n_kills, seed=1)
    assert "a moment" in hit
    assert len(hit) >= 4


class Person:
    """Somebody in front of the page that a child serves."""

    def __init__(self, folder, session_dir, in_child):
        (folder / "diary").unlink(missing_ok=True)
        self.end = {}
        arguments = {"kind": "foreign", "by_fit": "page", "session_dir": session_dir}
        self.child = Thread(target=lambda: self.end.update(in_child(folder, **arguments)))
        self.child.start()
        end = time.monotonic() + 60
        while not notes(folder):
            assert time.monotonic() < end
            time.sleep(0.01)
        ((_, self.url, self.process),) = notes(folder)
        self.state = self.ask("state/none")

    def ask(self, path, body=None):
        headers = {"origin": "/".join(self.url.split("/")[:3]), "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=30) as response:
            return json.load(response)

    def wait(self, phases):
        while self.state["phase"] not in phases:
            self.state = self.ask(f"state/{self.state['version']}")

    def answer(self):
        self.wait({"asking"})
        question = self.state["question"]
        self.state = self.ask("answer", {"question": question["key"], "class": str(question["row"] % 3)})

    def undo(self):
        self.state = self.ask("undo", {"question": self.state["undo"]})

    def kill(self):
        os.kill(int(self.process), signal.SIGKILL)
        self.child.join(60)
        assert self.end["code"] == -signal.SIGKILL


def test_what_the_page_has_acknowledged_outlives_a_kill(in_child, tmp_path):
    """Killed right after the reply to an answer or an undo; the next life shows what stands and asks the rest."""
    sessions = tmp_path / "sessions"
    n_standing = 0
    for acts in (["answer"], ["undo"], ["answer", "answer"], ["undo", "answer", "answer"], ["undo", "undo"]):
        me = Person(tmp_path, sessions, in_child)
        me.wait({"asking"})
        assert me.state["answered"] == n_standing
        for act in acts:
            getattr(me, act)()
            n_standing += 1 if act == "answer" else -1
        me.kill()
        copy = shutil.copytree(next(sessions.glob("*")), tmp_path / "copy")
        log = AnswerLog(copy / "answers.sqlite")
        kept = [(answer.label, answer.query.index % 3) for answer in log.answers().values()]
        log.close()
        shutil.rmtree(copy)
        assert len(kept) == n_standing
        assert all(label == row for label, row in kept)
    me = Person(tmp_path, sessions, in_child)
    with suppress(urllib.error.URLError, ConnectionError):  # at the end the server goes
        while me.state["phase"] != "done":
            me.answer()
            while me.state["phase"] == "review":
                me.state = me.ask("go", {"question": me.state["undo"]})
            me.wait({"asking", "done"})
    me.child.join(60)
    assert me.end["code"] == 0
    with np.load(tmp_path / "result.npz") as result:
        resumed = dict(result)
    in_child(tmp_path, kind="foreign", by_fit="by row", session_dir=None)
    with np.load(tmp_path / "result.npz") as result:
        for name in result:
            np.testing.assert_array_equal(resumed[name], result[name], err_msg=name)
