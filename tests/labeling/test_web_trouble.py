"""The page of WebOracle while its server is away, or cannot keep an answer."""

import os
import signal
import subprocess
import sys

import pytest
from selenium.webdriver.common.keys import Keys

from sklvae.labeling import INVALID, Round, SessionError

pytestmark = pytest.mark.browser

PROGRAM = """
import sys
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklvae import ActiveLearningClassifier
from sklvae.labeling import WebOracle

X = np.concatenate([np.eye(4), 5 + np.eye(4)])
settings = {"n_rounds": 1, "batch_size": 3, "random_state": 0, "session_dir": sys.argv[1]}
learner = ActiveLearningClassifier(LogisticRegression(), **settings)
with WebOracle(["cat", "dog"], port=int(sys.argv[2]), token="a-token-for-this-test", review=0, timeout=60,
               show=lambda url: print(url, flush=True)) as oracle:
    print([answer.label for answer in learner.fit(X, oracle=oracle).answers_], flush=True)
"""


def program(session_dir, port):
    command = [sys.executable, "-c", PROGRAM, str(session_dir), str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_program_and_its_successor_with_the_tab_open(person, until, tmp_path):
    with program(tmp_path, 0) as killed:
        url = killed.stdout.readline().strip()
        me = person(url)
        me.sees_question(1)
        me.press("1", "1")
        me.sees_question(3)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait(20)
    until(lambda: "does not answer" in me.text("#trouble"))
    with program(tmp_path, url.split(":")[2].split("/")[0]) as successor:
        until(lambda: not me.find("#trouble").is_displayed())
        me.sees_question(3)  # the session has what the page had acknowledged
        me.press(Keys.BACKSPACE, "2", "1")
        assert successor.stdout.read().splitlines() == [url, "['cat', 'dog', 'cat']"]
    me.sees("done")


def test_a_successor_at_another_address_is_told_from_one_that_does_not_answer(person, until, web, tmp_path):
    with program(tmp_path, 0) as killed:
        url = killed.stdout.readline().strip()
        me = person(url)
        me.sees_question(1)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait(20)
    until(lambda: "does not answer" in me.text("#trouble"))
    web(["cat", "dog"], port=int(url.split(":")[2].split("/")[0]), token="another-token-for-it")
    until(lambda: "started again, at another address" in me.text("#trouble"))
    assert "Close this page" in me.text("#trouble")


def test_an_answer_that_cannot_be_kept_is_told_and_given_again(web, ask, images, listen, person, until, monkeypatch):
    def full(round_, query):
        raise SessionError("the disk is full")

    oracle = web(["cat", "dog"])
    heard = listen(oracle, ask(images, range(1)))
    me = person(oracle)
    me.sees_question(1)
    with monkeypatch.context() as patch:
        patch.setattr(Round, "_take", full)
        me.find("body").send_keys("2")
        until(lambda: "the disk is full" in me.text("#trouble"))
    me.sees_question(1)
    assert oracle.answers == []
    me.press("1")
    assert heard.labels() == ["cat"]


@pytest.mark.parametrize("later", [["cat", "dog"], ["dog", "cat"], ["cat"]])  # as the next program may have them
def test_an_answer_given_while_the_server_is_away_is_sent_when_it_is_back(
    web, ask, images, listen, person, until, later
):
    oracle = web(["cat", "dog"], timeout=60)
    heard = listen(oracle, ask(images, range(2)))
    me = person(oracle)
    me.sees_question(1)
    service = oracle._service
    keep, service.keep = service.keep, lambda: True  # nobody brings it back
    service.server.stop()
    me.find("body").send_keys("2")
    until(lambda: "not saved yet" in me.text("#trouble"))
    assert oracle.answers == []
    oracle._desk.classes[:] = later
    service.keep = keep
    me.sees_question(2)
    assert [answer.label for answer in oracle.answers] == ["dog"]
    me.press("x")
    assert heard.labels() == ["dog", INVALID]
