"""The commands, in this process: what they write, what they say, and how they end."""

import builtins
import csv
import io
import os
import re
import shutil
import warnings
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_iris

import sklvae
from sklvae.cli._data import read
from sklvae.cli._label_files import read_labels
from sklvae.training import Net


def test_every_image_gets_a_label(label, digits, rows_of, tmp_path):
    rows, truth = label(), {row["file"]: row["label"] for row in rows_of(digits / "truth.csv")}
    assert list(rows[0]) == ["file", "label", "confidence", "source"]
    assert [row["file"] for row in rows] == sorted(truth)
    asked = [row for row in rows if row["source"] == "asked"]
    assert 0 < len(asked) <= 12
    assert all(row["label"] == truth[row["file"]] and row["confidence"] == "1.0000" for row in asked)
    assert {row["source"] for row in rows} == {"asked", "inferred"}
    assert {row["label"] for row in rows} <= {"even", "odd"}
    assert all(0 <= float(row["confidence"]) <= 1 for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "labels.safetensors", "labels.session"]


def test_the_labels_are_those_of_the_estimator(label, digits, terminal, tmp_path):
    rows = label()
    model = sklvae.load(tmp_path / "labels.safetensors")
    data = read(digits / "images", model.reader_, terminal)
    truth = read_labels(digits / "truth.csv", "file", data.names, given_only=False)
    parameters = {**model.get_params(), "session_dir": None, "callbacks": None}
    again = sklvae.ClusterLabelVAEClassifier(**parameters)
    again.fit(data.X, oracle=lambda queries: [truth[data.names[query.index]] for query in queries])
    assert [row["label"] for row in rows] == again.labels_.tolist()
    assert [row["confidence"] for row in rows] == [f"{c:.4f}" for c in again.label_confidence_]


def test_the_model_predicts_further_data(label, run, digits, terminal, rows_of, tmp_path):
    label()
    file, images = tmp_path / "labels.safetensors", digits / "images"
    code, printed, said = run("predict", file, images)
    assert (code, said) == (0, "")
    code, nothing, said = run("predict", file, images, "--out", tmp_path / "predicted.csv")
    assert (code, nothing) == (0, "")
    assert "60 rows" in said
    assert (tmp_path / "predicted.csv").read_text() == printed
    model = sklvae.load(file)
    data = read(images, model.reader_, terminal)
    rows = rows_of(tmp_path / "predicted.csv")
    assert list(rows[0]) == ["file", "label", "confidence"]
    assert [row["label"] for row in rows] == model.predict(data.X).tolist()
    np.testing.assert_allclose(
        [float(row["confidence"]) for row in rows], model.predict_proba(data.X).max(axis=1), atol=1e-4
    )


def test_names_of_files_may_be_any(label, run, digits, tmp_path):
    label()
    names = [b"caf\xe9.png", "caf\u00e9.png".encode(), b'a, "b".png', b"two\nlines.png"]
    (tmp_path / "any").mkdir()
    for name in names:
        shutil.copy(digits / "images" / "a" / "000.png", tmp_path / "any" / os.fsdecode(name))
    assert run("predict", tmp_path / "labels.safetensors", tmp_path / "any", "--out", tmp_path / "any.csv")[0] == 0
    text = (tmp_path / "any.csv").read_bytes().decode(errors="surrogateescape")
    assert {os.fsencode(row["file"]) for row in csv.DictReader(io.StringIO(text))} == set(names)


def test_rows_that_show_no_class_and_rows_that_nobody_knows(label, digits, write, rows_of, tmp_path):
    rows = rows_of(digits / "truth.csv")
    said = [[row["file"], ["invalid", "", row["label"]][min(n % 4, 2)]] for n, row in enumerate(rows)]
    write(tmp_path / "truth.csv", [["file", "label"], *said])
    said = dict(said)
    written = {row["file"]: row for row in label("--classes", "even,odd", truth=tmp_path / "truth.csv")}
    sources = {row["source"] for row in written.values()}
    assert sources == {"asked", "inferred", "invalid"}
    for name, row in written.items():
        if row["source"] == "invalid":
            assert (said[name], row["label"], row["confidence"]) == ("invalid", "", "0.0000")
        if row["source"] == "asked":
            assert said[name] == row["label"] != ""


def test_known_labels_of_arrays_stand(label, tmp_path, write):
    X, y = load_iris(return_X_y=True)
    known = np.where(np.arange(len(y)) % 10 == 0, y, -1)
    np.savez(tmp_path / "iris.npz", X=X, y=known)
    write(tmp_path / "truth.csv", [["row", "label"], *enumerate(y)])
    rows = label(data=tmp_path / "iris.npz", truth=tmp_path / "truth.csv")
    assert [row["row"] for row in rows] == [str(n) for n in range(150)]
    assert [row["label"] for row in rows if row["source"] == "known"] == [str(label) for label in y[::10]]
    assert all(row["source"] == "known" for row in rows[::10])
    assert all(row["label"] == str(y[int(row["row"])]) for row in rows if row["source"] == "asked")


def test_a_table_with_texts_is_labeled_and_predicted(label, run, write, tmp_path):
    X, y = load_iris(return_X_y=True)
    kinds = np.array(["setosa", "versicolor", "virginica"])[y]
    table = [["id", "length", "size", "kind"]]
    table += [[n, x[2], ("small", "big")[int(x[3] > 1)], kinds[n] if n % 15 == 0 else ""] for n, x in enumerate(X)]
    table[5][1] = ""
    write(tmp_path / "iris.csv", table)
    write(tmp_path / "truth.csv", [["row", "label"], *enumerate(kinds)])
    options = ["--label-column", "kind", "--ignore", "id"]
    rows = label(*options, data=tmp_path / "iris.csv", truth=tmp_path / "truth.csv")
    assert sum(row["source"] == "known" for row in rows) == 10
    model = sklvae.load(tmp_path / "labels.safetensors")
    assert [column["name"] for column in model.reader_["columns"]] == ["length", "size"]
    write(tmp_path / "new.csv", [["size", "length", "more"], *([row[2], row[1], 0] for row in table[1:])])
    code, printed, _ = run("predict", tmp_path / "labels.safetensors", tmp_path / "new.csv")
    assert code == 0
    assert printed.splitlines()[0] == "row,label,confidence"
    assert len(printed.splitlines()) == 151
    write(tmp_path / "bad.csv", [["size"], ["small"]])
    code, _, said = run("predict", tmp_path / "labels.safetensors", tmp_path / "bad.csv")
    assert code == 1
    assert "bad.csv has no column 'length'" in said


def test_the_seed_and_the_epochs_decide_the_model(label, tmp_path):
    label()
    first = sklvae.load(tmp_path / "labels.safetensors")
    other = tmp_path / "other.csv"
    label("--seed", 1, "--max-epochs", 2, out=other)
    second = sklvae.load(other.with_suffix(".safetensors"))
    assert (first.random_state, second.random_state) == (0, 1)
    for model, epochs in ((first, 3), (second, 2)):
        assert sum(record["phase"] == "pretrain" for record in model.history_) == epochs


def test_images_can_be_resized(label, tmp_path):
    label("--size", "6x5", "--mode", "rgb", "--max-epochs", 20)
    model = sklvae.load(tmp_path / "labels.safetensors")
    assert model.reader_ == {"kind": "images", "size": [6, 5], "mode": "rgb"}
    assert model.n_features_in_ == 3 * 6 * 5


def test_the_budget_is_cut_where_there_are_fewer_rows(run, write, tmp_path):
    X = np.random.default_rng(0).normal(size=(8, 3)) + 5 * (np.arange(8) % 2)[:, None]
    np.savez(tmp_path / "few.npz", X=X)
    write(tmp_path / "truth.csv", [["row", "label"], *((n, "ab"[n % 2]) for n in range(8))])
    out = tmp_path / "labels.csv"
    code, _, said = run(
        "label", tmp_path / "few.npz", "--oracle-csv", tmp_path / "truth.csv", "--out", out, "--max-epochs", 2
    )
    assert code == 0, said
    assert sklvae.load(tmp_path / "labels.safetensors").n_queries_ <= 8


def test_it_says_how_things_go_unless_it_is_to_be_quiet(run, digits, tmp_path):
    command = ["label", digits / "images", "--oracle-csv", digits / "truth.csv", "--max-epochs", 2, "--budget", 10]
    _, _, said = run(*command, "--out", tmp_path / "1.csv")
    assert "training on all rows; the questions come after it" in said
    assert "going on with the session" in run(*command, "--out", tmp_path / "1.csv")[2]
    assert all(line.startswith("sklvae: ") for line in said.splitlines())
    assert "60 rows of shape (8, 8), uint8" in said
    assert re.search(r"questions 1 to \d+ of 10", said)
    assert f"{tmp_path / '1.safetensors'}: the model" in said
    code, printed, said = run(*command, "--out", tmp_path / "2.csv", "--quiet")
    assert (code, printed, said) == (0, "", "")
    assert (tmp_path / "1.csv").read_text() == (tmp_path / "2.csv").read_text()


class Page:
    """In the place of WebOracle: keeps what it is made with and asked, and says even and odd in turn."""

    made: ClassVar = []

    def __init__(self, classes, **settings):
        self.classes, self.settings, self.asked = classes, settings, []
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def __call__(self, queries):
        self.asked += queries
        return [("even", "odd")[query.id % 2] for query in queries]


@pytest.mark.parametrize("web", [[], ["--web"]])
def test_the_page_is_what_people_are_asked_on(label, digits, monkeypatch, web):
    monkeypatch.setattr("sklvae.cli._asking.WebOracle", Page)
    label("--classes", "even, odd", "--port", 8123, *web, truth=None)
    page = Page.made.pop()
    assert page.closed
    assert page.classes == ["even", "odd"]
    assert page.settings["port"] == 8123
    assert page.settings["budget"] == 12
    assert page.settings["new_classes"] is False
    assert page.settings["X"].shape == (60, 8, 8)
    for query in page.asked:
        np.testing.assert_array_equal(query.x, page.settings["X"][query.index])


def test_people_see_more_than_the_model(label, monkeypatch, tmp_path):
    monkeypatch.setattr("sklvae.cli._asking.WebOracle", Page)
    folder, noise = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for number in range(30):
        pixels = noise.integers(0, 256, (3, 4)) // 2 + 64 * (number % 2)
        Image.fromarray(np.kron(pixels, np.ones((50, 50))).astype(np.uint8)).save(folder / f"{number:02}.png")
    label(data=folder, truth=None)
    page = Page.made.pop()
    assert page.settings["X"].shape == (30, 128, 128)
    for query in page.asked:
        np.testing.assert_array_equal(query.x, page.settings["X"][query.index])
    assert sklvae.load(tmp_path / "labels.safetensors").n_features_in_ == 32 * 32


def test_the_columns_of_a_table_are_named_on_the_page(label, write, monkeypatch, tmp_path):
    monkeypatch.setattr("sklvae.cli._asking.WebOracle", Page)
    write(tmp_path / "1.csv", [["a", "b"], *((n * n, "uv"[n % 2]) for n in range(40))])
    label(data=tmp_path / "1.csv", truth=None)
    page = Page.made.pop()
    assert page.settings["feature_names"] == ["a", "b=u", "b=v"]
    assert page.settings["new_classes"] is True
    assert page.settings["X"].shape == (40, 3)


def test_people_are_asked_in_the_terminal(run, digits, monkeypatch, rows_of, tmp_path):
    lines = iter(["+ even", "+ odd", *["1", "2"] * 50])
    monkeypatch.setattr(builtins, "input", lambda prompt="": "" if "All answered" in prompt else next(lines))
    command = ["label", digits / "images", "--console", "--out", tmp_path / "1.csv", "--budget", 12, "--max-epochs", 2]
    code, printed, _ = run(*command)
    assert code == 0
    assert "round 1, question 1 of " in printed
    asked = {row["label"] for row in rows_of(tmp_path / "1.csv") if row["source"] == "asked"}
    assert asked == {"even", "odd"}


def test_an_oracle_that_fails_keeps_its_answers(label, run, digits, monkeypatch, rows_of, tmp_path):
    class Tired(Page):
        def __call__(self, queries):
            yield from ["even", "odd", "odd"]
            raise TimeoutError("nobody answered")

    monkeypatch.setattr("sklvae.cli._asking.WebOracle", Tired)
    command = ["label", digits / "images", "--out", tmp_path / "labels.csv", "--budget", 12, "--max-epochs", 3]
    code, _, said = run(*command)
    assert code == 1
    assert "error: nobody answered. The answers are in" in said
    assert not (tmp_path / "labels.csv").exists()
    rows = label("--quiet", truth=digits / "truth.csv")
    model = sklvae.load(tmp_path / "labels.safetensors")
    assert [answer.label for answer in model.answers_[:3]] == ["even", "odd", "odd"]
    assert len(rows) == 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--out", "{tmp}/l.csv"], "There is no nowhere. DATA is a folder of images"),
        (["{digits}/truth.txt", "--out", "{tmp}/l.csv"], "There is no"),
        (["{digits}", "--out", "{tmp}/l.txt"], "--out must end in .csv"),
        (["{digits}", "--out", "{tmp}/none/l.csv"], "there is no folder"),
        (["{digits}/truth.csv", "--out", "{digits}/truth.csv"], "--out must not be the data themselves"),
        (["{digits}", "--out", "{tmp}/l.csv", "--oracle-csv", "nowhere.csv"], "nowhere.csv cannot be read as labels"),
        (["{digits}", "--out", "{tmp}/l.csv", "--oracle-csv", "{digits}/images/a/000.png"], "error"),
        (["{digits}", "--out", "{tmp}/l.csv", "--oracle-csv", "{digits}/truth.csv"], "has no label for these data"),
        (["{digits}/images", "--out", "{tmp}/l.csv", "--known", "{tmp}/rows.csv"], "must have the columns file"),
        (["{digits}/images", "--out", "{tmp}/l.csv", "--known", "{digits}/truth.csv"], "nothing is left to ask"),
        (
            ["{digits}/images", "--out", "{tmp}/l.csv", "--oracle-csv", "{digits}/truth.csv", "--classes", "a,odd"],
            "has labels that --classes lacks: ['even']",
        ),
        (
            ["{digits}/images", "--out", "{tmp}/l.csv", "--oracle-csv", "{tmp}/one.csv", "--max-epochs", "1"],
            "labels of at least 2 classes are needed",
        ),
        (
            ["{digits}/images", "--out", "{tmp}/l.csv", "--oracle-csv", "{tmp}/minus.csv", "--max-epochs", "1"],
            "must be a label",
        ),
        (["{digits}/images", "--out", "{tmp}/l.csv", "--classes", "a,-1", "--oracle-csv", "{tmp}/one.csv"], "lacks"),
        (["{tmp}/nan.npz", "--out", "{tmp}/l.csv"], "must be finite"),
        (["{tmp}/same.npz", "--out", "{tmp}/l.csv"], "X must vary"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_data_and_files_is_said_in_a_line(
    run, write, digits, rows_of, monkeypatch, tmp_path, arguments, message
):
    monkeypatch.setattr("sklvae.cli._asking.WebOracle", Page)
    files = [row["file"] for row in rows_of(digits / "truth.csv")]
    write(tmp_path / "rows.csv", [["row", "label"], [0, "a"]])
    write(tmp_path / "one.csv", [["file", "label"], *([file, "odd"] for file in files)])
    write(tmp_path / "minus.csv", [["file", "label"], *([file, "-1"] for file in files)])
    np.savez(tmp_path / "nan.npz", x=np.full((20, 3), np.nan))
    np.savez(tmp_path / "same.npz", x=np.zeros((20, 3)))
    code, printed, said = run("label", *(text.format(digits=digits, tmp=tmp_path) for text in arguments))
    assert (code, printed) == (1, "")
    assert message in said
    assert said.splitlines()[-1].startswith("sklvae: error: ")
    assert not (tmp_path / "l.csv").exists()


def test_a_model_that_cannot_be_applied_is_refused(run, label, digits, tmp_path):
    vae = sklvae.VariationalAutoencoder(max_epochs=1, hidden_units=(4,)).fit(
        np.random.default_rng(0).normal(size=(9, 3))
    )
    vae.save(tmp_path / "vae")
    (tmp_path / "text").write_text("no model")
    for model, message in (
        ("none", "MODEL must be a file"),
        (".", "MODEL must be a file"),
        ("text", "is damaged, or is no safetensors file"),
        ("vae", "does not say how its data are read"),
    ):
        code, printed, said = run("predict", tmp_path / model, digits / "images")
        assert (code, printed) == (1, "")
        assert message in said
    label()
    for data, message in ((digits / "truth.csv", "made from images"), (tmp_path / "labels.session", "holds no image")):
        code, _, said = run("predict", tmp_path / "labels.safetensors", data)
        assert code == 1
        assert message in said
    code, _, said = run(
        "predict", *[tmp_path / "labels.safetensors", digits / "images"], "--out", tmp_path / "labels.safetensors"
    )
    assert code == 1
    assert "--out must be another file" in said
    for out in (tmp_path, tmp_path / "none" / "1.csv"):
        code, _, said = run("predict", tmp_path / "labels.safetensors", digits / "images", "--out", out)
        assert code == 1
        assert f"--out must be a file in a folder that is there, got {out}" in said


@pytest.mark.parametrize("reason", [KeyboardInterrupt, EOFError])
def test_an_interrupt_and_the_end_of_the_input_end_with_130(run, digits, monkeypatch, tmp_path, reason):
    class Stopped(Page):
        def __call__(self, queries):
            yield "even"
            raise reason

    monkeypatch.setattr("sklvae.cli._asking.WebOracle", Stopped)
    code, _, said = run("label", digits / "images", "--out", tmp_path / "1.csv", "--budget", 12, "--max-epochs", 1)
    assert code == 130
    assert f"interrupted. The answers are in {tmp_path / '1.session'}; repeat the command" in said


@pytest.mark.parametrize("step", [2, 5])  # before the first question, and after it
@pytest.mark.filterwarnings("default:Interrupted while training")
def test_an_interrupt_in_training_leaves_no_labels_and_is_made_up_for(label, run, digits, monkeypatch, tmp_path, step):
    steps, train_step = [], Net.train_step

    def interrupted(*args, **kwargs):
        steps.append(step)
        if len(steps) == step:
            raise KeyboardInterrupt
        return train_step(*args, **kwargs)

    expected = label(out=tmp_path / "expected.csv")
    monkeypatch.setattr(Net, "train_step", interrupted)
    images, truth, out = digits / "images", digits / "truth.csv", tmp_path / "labels.csv"
    code, _, said = run("label", images, "--oracle-csv", truth, "--out", out, "--budget", 12, "--max-epochs", 3)
    assert code == 130
    assert "interrupted" in said
    assert not out.exists()
    assert label() == expected


def test_a_warning_is_a_line_too(run, digits, monkeypatch, tmp_path):
    def warn(given, terminal):
        warnings.simplefilter("default")
        warnings.warn("take care", stacklevel=1)

    monkeypatch.setattr("sklvae.cli._arguments.predict", warn)
    assert run("predict", "m", "d")[2] == "sklvae: warning: take care\n"
