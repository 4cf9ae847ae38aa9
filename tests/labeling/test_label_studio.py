import base64
import io
import json
import os
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from sklvae.labeling import INVALID, SKIP, LabelStudioFiles, OracleError, Round, consult

CLASSES = ["cat", '<dog> & "ox"']


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("sklvae.labeling._label_studio.TICK", 0.02)
    monkeypatch.setattr("sklvae.labeling._label_studio.WRITING_SECONDS", 0)


def choice(name, value):
    return {"from_name": name, "to_name": "question", "type": "choices", "value": {"choices": [value]}}


def annotation(label=None, confidence=None, cancelled=False):
    said = {"label": label, "confidence": confidence}
    return {
        "result": [choice(name, value) for name, value in said.items() if value is not None],
        "was_cancelled": cancelled,
    }


def tasks_of(folder):
    return json.loads((folder / "round_0" / "tasks.json").read_text("utf-8"))


def write_export(folder, *annotations, tasks=None):
    """What Label Studio would export, last task first."""
    tasks = tasks or tasks_of(folder)
    export = [{"data": t["data"], "annotations": a} for t, a in zip(tasks, annotations, strict=True)][::-1]
    (folder / "round_0" / "export.json").write_text(json.dumps(export), encoding="utf-8")


def test_the_answers_of_an_export_come_in_the_order_of_the_questions(tmp_path, images, ask):
    oracle = LabelStudioFiles(tmp_path, CLASSES, X=images)
    replies = oracle(ask(images, range(6)))
    write_export(
        tmp_path,
        [annotation("cat")],
        [annotation(CLASSES[1], "fairly sure")],
        [annotation(cancelled=True)],
        [annotation("no valid class")],
        [annotation("cat", "a guess"), annotation("cat", "sure"), annotation(CLASSES[1])],
        [annotation(confidence="sure")],
    )
    said = [(answer.label, answer.confidence) for answer in replies]
    assert said == [("cat", 1), (CLASSES[1], 0.8), (SKIP, 1), (INVALID, 1), ("cat", 0.5), (SKIP, 1)]


def test_labels_keep_their_type(tmp_path, images, ask):
    replies = LabelStudioFiles(tmp_path, [3, 5])(ask(images, [0]))
    write_export(tmp_path, [annotation("5")])
    (answer,) = replies
    assert answer.label == 5
    assert type(answer.label) is int


def test_tasks_hold_the_picture_its_neighbors_and_the_guess(tmp_path, images, ask):
    LabelStudioFiles(tmp_path, CLASSES, X=images)(ask(images, [4, 7], suggestion=("cat", 0.7)))
    for task, row in zip(tasks_of(tmp_path), [4, 7], strict=True):
        png = base64.b64decode(task["data"]["question"].removeprefix("data:image/png;base64,"))
        assert png == (tmp_path / "round_0" / "images" / f"{task['data']['key']}.png").read_bytes()
        shown = np.asarray(Image.open(io.BytesIO(png)))
        assert shown.shape[0] == 280
        np.testing.assert_array_equal(shown[::70, :280:70, 0], images[row])
        (prediction,) = task["predictions"]
        assert prediction["score"] == 0.7
        assert prediction["result"] == [choice("label", "cat")]
    assert shown.shape[1] > 280 + 136  # neighbors beside it


def test_flat_rows_are_pictures_where_the_shape_is_given(tmp_path, images, ask):
    flat = images.reshape(len(images), -1)
    for image_shape, shown in [((4, 4), str), (None, dict)]:
        folder = tmp_path / shown.__name__
        LabelStudioFiles(folder, CLASSES, image_shape=image_shape)(ask(flat, [0]))
        assert type(tasks_of(folder)[0]["data"]["question"]) is shown


def test_a_row_of_a_table_is_a_table(tmp_path, ask):
    X = np.random.default_rng(0).normal(size=(30, 2))
    X[3] = [0, 50]
    LabelStudioFiles(tmp_path, CLASSES, X=X, feature_names=["width", "height"])(ask(X, [3]))
    (task,) = tasks_of(tmp_path)
    assert list(task["data"]["question"]) == ["height", "width"]
    assert task["data"]["question"]["height"].startswith("50 (+")
    assert "predictions" not in task
    assert ElementTree.parse(tmp_path / "round_0" / "labeling.xml").find("Table").get("value") == "$question"


def test_the_interface_offers_the_classes_as_they_are_written(tmp_path, images, ask):
    LabelStudioFiles(tmp_path, CLASSES)(ask(images, [0]))
    view = ElementTree.parse(tmp_path / "round_0" / "labeling.xml").getroot()
    label, confidence = view.findall("Choices")
    assert [one.get("value") for one in label] == [*CLASSES, "no valid class"]
    assert [one.get("value") for one in confidence] == ["sure", "fairly sure", "a guess"]
    assert (label.get("name"), label.get("required")) == ("label", "true")
    assert view.find("Image").get("value") == "$question"


def test_the_same_round_is_found_again_and_another_gets_its_own_folder(tmp_path, images, ask):
    first, second = ask(images, [0, 1]), ask(images, [2, 3])
    LabelStudioFiles(tmp_path, CLASSES)(first)
    write_export(tmp_path, [annotation("cat")], [annotation("cat")])
    again = LabelStudioFiles(tmp_path, CLASSES, timeout=0)
    assert [answer.label for answer in again(first)] == ["cat", "cat"]
    assert again.export(second).name == "round_1"
    assert again.export(second).name == "round_1"
    assert len(list(tmp_path.iterdir())) == 2


def test_an_export_is_waited_for_until_it_is_complete(tmp_path, images, ask, monkeypatch):
    monkeypatch.setattr("sklvae.labeling._label_studio.WRITING_SECONDS", 60)
    replies = LabelStudioFiles(tmp_path, CLASSES, timeout=20)(ask(images, range(2)))
    path = tmp_path / "round_0" / "export.json"

    def label():
        path.write_text("[{", encoding="utf-8")
        time.sleep(0.1)
        write_export(tmp_path, [annotation("cat")], [])
        time.sleep(0.1)
        write_export(tmp_path, [annotation("cat")], [annotation(CLASSES[1])])

    person = threading.Timer(0.1, label)
    person.start()
    assert [answer.label for answer in replies] == CLASSES
    person.join()


def test_what_is_labeled_so_far_is_handed_over_at_the_timeout(tmp_path, images, ask):
    oracle, queries, kept = LabelStudioFiles(tmp_path, CLASSES, timeout=0), ask(images, range(3)), []
    oracle.export(queries)
    write_export(tmp_path, [annotation("cat")], [annotation("cat")], [])
    with pytest.raises(OracleError, match=r"1 of 3 tasks have no annotation in .*export.json.*after 2 answers"):
        consult(oracle, Round(queries, kept.append))
    assert len(kept) == 2


@pytest.mark.parametrize("text", ["{", "{}", "[3]", '[{"key": "a", "label": "cat"}]', '[{"data": {}}]'])
def test_another_file_than_an_export_is_told(tmp_path, text):
    (tmp_path / "export.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"export.json must be an export in the format JSON.*not JSON-MIN"):
        LabelStudioFiles(tmp_path, CLASSES).read(tmp_path / "export.json")


def test_a_class_that_was_not_offered_is_told(tmp_path, images, ask):
    replies = LabelStudioFiles(tmp_path, CLASSES)(ask(images, [0]))
    write_export(tmp_path, [annotation("emu")])
    with pytest.raises(ValueError, match="'emu' is no class of this oracle"):
        list(replies)


def test_other_controls_beside_those_of_the_interface_are_left_alone(tmp_path, images, ask):
    oracle = LabelStudioFiles(tmp_path, CLASSES)
    replies = oracle(ask(images, [0]))
    said, rating, relation = annotation("cat"), {"from_name": "stars", "value": {"rating": 3}}, {"type": "relation"}
    said["result"] += [rating, relation, {"from_name": "empty", "value": {"choices": []}}]
    write_export(tmp_path, [said])
    assert [answer.label for answer in replies] == ["cat"]
    write_export(tmp_path, [annotation("cat", "absolutely")])
    with pytest.raises(ValueError, match="'absolutely' is no confidence of this oracle"):
        oracle.read(tmp_path / "round_0" / "export.json")


@pytest.mark.parametrize("classes", [[], ["a", "a"], ["no valid class"]])
def test_classes_must_have_names_of_their_own(tmp_path, classes):
    with pytest.raises(ValueError, match="classes must have names of their own"):
        LabelStudioFiles(tmp_path, classes)


def test_the_paths_are_printed(tmp_path, images, ask, capsys):
    LabelStudioFiles(tmp_path, CLASSES)(ask(images, [0]))
    printed = capsys.readouterr().out
    assert all(str(tmp_path / "round_0" / name) in printed for name in ("tasks.json", "export.json"))


RELEASE = "1.23.2"


class Studio:
    """The interface of a running Label Studio."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def __call__(self, path, body=None):
        request = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Token {self.token}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A real Label Studio on this machine: the program LABEL_STUDIO, or one that pip installs for the test."""
    folder = tmp_path_factory.mktemp("studio")
    program = os.environ.get("LABEL_STUDIO")
    if program is None:
        venv.create(folder / "venv", with_pip=True)
        pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q", f"label-studio=={RELEASE}"]
        subprocess.run(pip, check=True, timeout=900)
        program = folder / "venv" / "bin" / "label-studio"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex(20)
    settings = {
        "COLLECT_ANALYTICS": "False",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    (folder / "data").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    command = [program, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    command += ["--username", "me@example.com", "--password", token, "--user-token", token]
    with open(folder / "log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server:
        call, end = Studio(f"http://127.0.0.1:{port}", token), time.monotonic() + 240
        try:
            while True:
                try:
                    assert call("/api/version")["release"] == RELEASE
                    break
                except (urllib.error.URLError, ConnectionError):
                    assert time.monotonic() < end, Path(folder / "log").read_text()[-2000:]
                    assert server.poll() is None, Path(folder / "log").read_text()[-2000:]
                    time.sleep(1)
            yield call
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("image_shape", [(4, 4), None])
def test_a_real_label_studio_takes_the_round_and_gives_the_answers_back(studio, tmp_path, images, ask, image_shape):
    X = images.reshape(len(images), -1)
    queries = ask(X, range(5), suggestion=("cat", 0.7))
    replies = LabelStudioFiles(tmp_path, CLASSES, X=X, image_shape=image_shape, timeout=0)(queries)
    interface = (tmp_path / "round_0" / "labeling.xml").read_text("utf-8")
    project = studio("/api/projects", {"title": f"shape {image_shape}", "label_config": interface})["id"]
    done = studio(f"/api/projects/{project}/import", tasks_of(tmp_path))
    assert (done["task_count"], done["prediction_count"]) == (5, 5)
    number = {task["data"]["key"]: task["id"] for task in studio(f"/api/tasks?project={project}&fields=all")["tasks"]}
    said = [
        annotation("cat"),
        annotation(CLASSES[1], "a guess"),
        annotation(cancelled=True),
        annotation("no valid class"),
        annotation("cat", "fairly sure"),
    ]
    for task, one in zip(tasks_of(tmp_path), said, strict=True):
        studio(f"/api/tasks/{number[task['data']['key']]}/annotations/", one)
    export = studio(f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true")
    (tmp_path / "round_0" / "export.json").write_text(json.dumps(export), encoding="utf-8")
    got = [(answer.label, answer.confidence) for answer in replies]
    assert got == [("cat", 1), (CLASSES[1], 0.5), (SKIP, 1), (INVALID, 1), ("cat", 0.8)]
