"""The server of WebOracle, without a browser: what it shows, and that no answer is lost."""

import io
import logging
import os
import signal
import socket
import sys
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sklvae import ClusterLabelVAEClassifier
from sklvae.labeling import INVALID, SKIP, MajorityOracle, MemoizingOracle, OracleError, Round, WebOracle, consult
from sklvae.labeling._web import TICK, show_page

CLASSES = ["cat", "dog"]


def test_answers_come_in_the_order_of_the_questions_with_their_confidence(asking):
    oracle, client, heard = asking
    assert client.answer(**{"class": "dog"}, confidence=0.25) == 200
    assert client.answer(reply="invalid") == 200
    assert heard.labels() == ["dog", INVALID]
    assert [answer.confidence for answer in heard.heard] == [0.25, 1.0]
    assert [answer.query.id for answer in oracle.answers] == [0, 1]


def test_labels_keep_their_type(web, client, ask, images, listen):
    oracle = web(np.array([3, 5]))
    heard = listen(oracle, ask(images, [1, 2]))
    page = client(oracle)
    assert page.post("class", name="7")[0] == 200
    for name in ("5", "7"):
        page.answer(**{"class": name})
    assert heard.labels() == [5, 7]
    assert all(type(label) is int for label in heard.labels())


def test_a_class_that_cannot_be_is_said_on_the_page(web, client):
    page = client(web([1, 2], new_classes=False))
    status, said = page.post("class", name="3")
    assert status == 400
    assert "no class '3'" in said["error"]
    assert page.state()["new_classes"] is False


@pytest.mark.parametrize("classes", [CLASSES, ["dog", "cat"], ["dog"], None, [" cat ", "dog", "cat"]])
def test_an_answer_is_the_class_of_its_name_whatever_the_order(classes, web, client, ask, images, listen):
    """A page that outlives its program sends what was said there to the next one."""
    oracle = web(classes)
    heard = listen(oracle, ask(images, [1]))
    assert client(oracle).answer(**{"class": "cat"}) == 200
    assert heard.labels() == ["cat"]


def test_an_answer_adds_no_class_where_there_are_fixed_ones(web, client, ask, images, listen):
    oracle = web(CLASSES, new_classes=False)
    listen(oracle, ask(images, [1]))
    page = client(oracle)
    status, said = page.post("answer", question=page.state()["question"]["key"], **{"class": "emu"})
    assert (status, oracle.answers) == (400, [])
    assert "no class 'emu'" in said["error"]


def test_the_pictures_are_those_of_the_question_and_its_neighbors(asking, images):
    _, client, _ = asking
    question = client.state()["question"]
    assert question["near"] == [3, 4, 5, 6]
    for part, row in [("x", 3), ("0", 3), ("3", 6)]:
        status, headers, body = client("GET", f"pictures/{question['key']}/{part}")
        assert (status, headers["content-type"]) == (200, "image/png")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), images[row])
    for missing in ("4", "-1", "y", "%00"):
        assert client("GET", f"pictures/{question['key']}/{missing}")[0] == 404
    assert client("GET", "pictures/other/x")[0] == 404


def test_flat_rows_are_pictures_where_the_shape_is_given(web, client, ask, images, listen):
    flat = images.reshape(len(images), -1)
    for image_shape, status in [((4, 4), 200), (None, 404)]:
        oracle = web(CLASSES, X=flat, image_shape=image_shape)
        listen(oracle, ask(flat, [3]))
        question = client(oracle).state()["question"]
        assert question["is_image"] == (status == 200)
        assert client(oracle)("GET", f"pictures/{question['key']}/x")[0] == status


def test_the_state_tells_progress_guesses_and_what_is_left(web, client, ask, images, listen):
    oracle = web(CLASSES, X=images, budget=5)
    heard = listen(oracle, ask(images, [0, 1, 2], suggestion=("dog", 0.7), round_=2))
    page = client(oracle)
    for name in ("dog", "cat"):
        page.answer(**{"class": name})
    state = page.state()
    assert (state["answered"], state["left"]) == (2, 3)
    assert state["guesses"] == {"right": 1, "judged": 2}
    question = state["question"]
    assert (question["round"], question["number"], question["of"]) == (3, 3, 3)
    assert question["suggestion"] == {"class": 1, "name": "dog", "probability": 0.7}
    page.answer(reply="skip")
    assert heard.labels() == ["dog", "cat", SKIP]


def test_the_last_answers_can_be_taken_back_in_the_review(web, client, ask, images, listen, until):
    oracle = web(CLASSES, review=60)
    heard = listen(oracle, ask(images, [0, 1]))
    page = client(oracle)
    for name in ("cat", "cat"):
        page.answer(**{"class": name})
    state = page.state()
    assert (state["phase"], state["review"]) == ("review", 60)
    assert page.post("undo", question=state["undo"])[0] == 200
    page.answer(**{"class": "dog"})
    assert page.post("go", question="other")[0] == 409
    assert page.post("go", question=page.state()["undo"])[0] == 200
    assert heard.labels() == ["cat", "dog"]
    assert until(lambda: page.state()["phase"] == "training")


def test_a_timeout_hands_over_what_was_said(web, client, ask, images):
    oracle, kept = web(CLASSES, timeout=1.0), []
    queries = ask(images, [0, 1, 2])
    person = threading.Timer(0.2, lambda: client(oracle).answer(**{"class": "dog"}))
    person.start()
    with pytest.raises(OracleError, match=r"TimeoutError: nobody answered on the page for 1 s \(after 1 answers"):
        consult(oracle, Round(queries, kept.append))
    person.join()
    assert [answer.label for answer in kept] == ["dog"]
    assert client(oracle).state()["phase"] == "stopped"


def test_an_interrupt_hands_over_what_was_said(web, client, ask, images):
    oracle, kept = web(CLASSES), []

    def person():
        client(oracle).answer(**{"class": "dog"})
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.3, person).start()
    with pytest.raises(KeyboardInterrupt, match="after 1 answers, which are kept"):
        consult(oracle, Round(ask(images, [0, 1, 2]), kept.append))
    assert [answer.label for answer in kept] == ["dog"]


def test_a_whole_fit_by_the_page(web, client):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-4, 1, (30, 3)), rng.normal(4, 1, (30, 3))])
    oracle = web(X=X, budget=6)
    page, over = client(oracle), threading.Event()

    def person():
        """Names a row by its side, and adds the classes on the first questions."""
        while not over.is_set():
            question = page.state()["question"]
            if question is not None:
                side = "left" if float(question["features"][0]["value"]) < 0 else "right"
                page.post("class", name=side)
                page.post("answer", question=question["key"], **{"class": side})
            over.wait(0.02)

    bot = threading.Thread(target=person)
    bot.start()
    settings = {"budget": 6, "n_rounds": 2, "n_clusters": 3, "max_epochs": 5, "hidden_units": (8,)}
    try:
        classifier = ClusterLabelVAEClassifier(**settings, random_state=0).fit(X, oracle=oracle)
    finally:
        over.set()
        bot.join()
    assert classifier.labels_.tolist() == ["left"] * 30 + ["right"] * 30
    assert len(oracle.answers) == len(classifier.answers_) == classifier.n_queries_ > 3
    assert [a.label for a in oracle.answers] == [a.label for a in classifier.answers_]
    assert {answer.query.round for answer in oracle.answers} == {0, 1}
    assert page.state()["phase"] == "training"


def test_a_fit_that_breaks_off_is_repeated_without_asking_twice(web, client, ask, images, listen, until):
    oracle, queries, kept = web(CLASSES, timeout=0.5), ask(images, [0, 1, 2]), []
    threading.Timer(0.1, lambda: client(oracle).answer(**{"class": "dog"})).start()
    with pytest.raises(OracleError):
        consult(oracle, Round(queries, kept.append))
    again = web(CLASSES)
    heard = listen(MemoizingOracle(again, answers=oracle.answers), queries)
    until(lambda: client(again).state()["question"])
    assert client(again).state()["question"]["of"] == 2
    for _ in range(2):
        client(again).answer(**{"class": "cat"})
    assert heard.labels() == ["dog", "cat", "cat"]


def test_closing_in_the_middle_of_a_round_hands_over_what_was_said(asking):
    oracle, client, heard = asking
    client.answer(**{"class": "cat"})
    oracle.close()
    heard.join(20)
    assert [answer.label for answer in heard.heard] == ["cat"]
    assert "closed before its last question" in str(heard.failure)
    assert oracle.url is None


def test_closing_while_somebody_waits_leaves_no_server_behind(asking):
    """The waiting thread looks after the server, also between its end and the end of `close`."""
    oracle, _, heard = asking
    server = oracle._service.server
    stop = server.stop

    def stop_slowly():
        stop()
        threading.Event().wait(3 * TICK)

    server.stop = stop_slowly
    oracle.close()
    heard.join(20)
    assert not [thread for thread in threading.enumerate() if thread.name == "sklvae-page"]


def test_a_server_that_broke_down_in_the_middle_comes_back_at_the_same_address(asking, until):
    oracle, client, heard = asking
    client.answer(**{"class": "cat"})
    address, broken = oracle.url, oracle._service.server
    broken.stop()
    until(lambda: oracle._service.server is not broken and oracle._service.server.alive)
    assert oracle.url == address
    assert client.state()["answered"] == 1
    client.answer(**{"class": "dog"})
    assert heard.labels() == ["cat", "dog"]


def test_closing_ends_the_thread_and_the_port_and_opening_brings_both_back(web, client):
    oracle = web(CLASSES)
    address, port = oracle.url, client(oracle).address.port
    oracle.close()
    oracle.close()
    assert oracle.url is None
    assert not [thread for thread in threading.enumerate() if thread.name == "sklvae-page"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    oracle.open()
    assert oracle.url == address


def test_the_server_ends_with_a_with_block_and_with_the_oracle():
    shown = []
    with WebOracle(CLASSES, show=shown.append) as oracle:
        assert shown == [oracle.url]
    assert oracle.url is None
    oracle.open()
    assert len(shown) == 2
    gone = weakref.ref(oracle)
    del oracle
    assert gone() is None
    assert not [thread for thread in threading.enumerate() if thread.name == "sklvae-page"]


def test_the_page_learns_of_the_end(web, client, until):
    for stop, phase in [(lambda o: o.close(), "done"), (lambda o: o.__exit__(ValueError), "stopped")]:
        oracle = web(CLASSES)
        page, told = client(oracle), []
        version = page.state()["version"]
        before = oracle._service.page.seen
        waiting = threading.Thread(target=lambda: told.append(page("GET", f"state/{version}")[2]))  # noqa: B023
        waiting.start()
        until(lambda: oracle._service.page.seen > before)  # noqa: B023
        stop(oracle)
        waiting.join(20)
        assert f'"phase":"{phase}"'.encode() in told[0]


def test_port_and_token_keep_the_address(web, client):
    free = client(web(CLASSES)).address.port
    with pytest.raises(OSError, match=f"port {free} of 127.0.0.1 cannot be had.*Give another port"):
        WebOracle(CLASSES, port=free).open()
    oracle = web(CLASSES, port=0, token="a-token_of_20_letters")
    port = client(oracle).address.port
    oracle.close()
    again = web(CLASSES, port=port, token="a-token_of_20_letters")
    assert again.url == f"http://127.0.0.1:{port}/a-token_of_20_letters/"
    assert len({web(CLASSES)._service.token for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"timeout": -1}, "timeout must be >= 0, got -1"),
        ({"review": float("nan")}, "review must be >= 0, got nan"),
        ({"port": -1}, r"port must be in \[0, 65535\], got -1"),
        ({"port": 65536}, r"port must be in \[0, 65535\], got 65536. Use 0 for any"),
        ({"token": "short"}, "token must be at least 16 letters"),
        ({"token": "with/slash/and/more/letters"}, "token must be at least 16 letters"),
        ({"X": [1.0]}, "WebOracle: X must be the numbers that fit gets"),
    ],
)
def test_a_wrong_parameter_is_said_before_anybody_waits(parameters, said):
    with pytest.raises(ValueError, match=said):
        WebOracle(CLASSES, **parameters)


def test_one_oracle_asks_for_one_fit_at_a_time(asking, ask, images, until):
    oracle, client, heard = asking
    until(lambda: oracle._waiting)
    with pytest.raises(RuntimeError, match="asks already, for another fit"):
        oracle(ask(images, [1]))
    for _ in range(2):
        client.answer(reply="skip")
    assert heard.labels() == [SKIP, SKIP]


def test_several_people_answer_at_the_same_time(web, client, ask, images, listen):
    people = [web(CLASSES) for _ in range(3)]
    heard = listen(MajorityOracle(people), ask(images, [0, 1]))
    for person, name in reversed(list(zip(people, ("cat", "cat", "dog"), strict=True))):
        for _ in range(2):
            client(person).answer(**{"class": name})
    assert heard.labels() == ["cat", "cat"]
    assert [answer.confidence for answer in heard.heard] == [2 / 3, 2 / 3]


def test_loggers_are_left_alone_and_no_address_is_logged(asking, caplog):
    caplog.set_level(logging.DEBUG)
    oracle, client, _ = asking
    client.state()
    assert not any(oracle._service.token in record.getMessage() for record in caplog.records)
    access = logging.getLogger("uvicorn.access")
    assert (access.propagate, access.handlers, access.level) == (True, [], logging.NOTSET)


def test_the_address_is_printed_and_opened_where_there_is_a_screen(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    show_page("http://127.0.0.1:1/t/")
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    show_page("http://127.0.0.1:1/t/")
    assert opened == ["http://127.0.0.1:1/t/"]
    assert capsys.readouterr().out == "Questions are asked at http://127.0.0.1:1/t/\n" * 2


def test_a_notebook_shows_the_page_under_the_cell(monkeypatch, capsys):
    shown = []
    shell = SimpleNamespace(kernel=object())
    frame = SimpleNamespace(IFrame=lambda url, **size: (url, size), display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", frame)
    show_page("http://127.0.0.1:1/t/")
    assert shown == [("http://127.0.0.1:1/t/", {"width": "100%", "height": 760})]
    assert capsys.readouterr().out == ""


def test_the_missing_extra_is_named(monkeypatch):
    for name in ("starlette.applications", "sklvae.labeling._web_app"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "sklvae\[web\]"'):
        WebOracle()
