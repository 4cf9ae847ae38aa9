"""A command repeated, another one with the same results, and the answers of one in the next."""

import json
import shutil

import numpy as np
import pytest


def test_the_same_command_asks_nothing_twice(label, digits, write, tmp_path):
    first = label()
    write(tmp_path / "lies.csv", [["file", "label"], *([row["file"], "a lie"] for row in first)])
    assert label(truth=tmp_path / "lies.csv") == first


def test_another_command_is_told_from_the_first(label, run, digits, tmp_path):
    rows = label()
    truth, out = digits / "truth.csv", tmp_path / "labels.csv"
    code, _, said = run("label", digits / "images", "--oracle-csv", truth, "--out", out, "--budget", 20, "--seed", 3)
    assert code == 1
    assert "was begun by another command: --budget was 12, now 20; --max-epochs was 3, now None; --seed was 0" in said
    session = tmp_path / "labels.session"
    assert f"--known {session}" in said
    given = {row["file"]: row["label"] for row in rows if row["source"] == "asked"}
    for known, name in ((out, "more.csv"), (session, "still_more.csv")):
        more = label("--known", known, "--seed", 3, out=tmp_path / name)
        assert {row["file"]: row["label"] for row in more if row["source"] == "known"} == given
        assert sum(row["source"] == "asked" for row in more) > 0


def test_answers_that_name_a_single_class_count_in_a_further_command(run, label, digits, rows_of, write, tmp_path):
    files = [row["file"] for row in rows_of(digits / "truth.csv")]
    write(tmp_path / "one.csv", [["file", "label"], *([file, "odd"] for file in files)])
    command = ["label", digits / "images", "--budget", 12, "--max-epochs", 3]
    for _ in range(2):  # the same command ends in the same way
        code, _, said = run(*command, "--oracle-csv", tmp_path / "one.csv", "--out", tmp_path / "labels.csv")
        assert code == 1
        assert "12 answers gave 1 class(es), ['odd']" in said
        assert f"another --out and, beside any other, --known {tmp_path / 'labels.session'}" in said
    rows = label("--known", tmp_path / "labels.session", out=tmp_path / "more.csv")
    sources = [row["source"] for row in rows]
    assert (sources.count("known"), sources.count("asked")) == (12, 12)
    assert {row["label"] for row in rows if row["source"] == "known"} == {"odd"}
    assert {row["label"] for row in rows} == {"even", "odd"}


def test_the_answers_of_several_commands_count_together_and_the_last_one_wins(label, rows_of, write, tmp_path):
    first = label()
    second = label("--known", tmp_path / "labels.session", "--seed", 1, out=tmp_path / "second.csv")
    asked = [{row["file"] for row in rows if row["source"] == "asked"} for rows in (first, second)]
    assert not asked[0] & asked[1]
    one = min(asked[0])
    other = {"odd": "even", "even": "odd"}[next(row["label"] for row in first if row["file"] == one)]
    write(tmp_path / "change.csv", [["file", "label"], [one, other]])
    known = ["labels.session", "second.session", "change.csv"]
    third = label(*[option for name in known for option in ("--known", tmp_path / name)], out=tmp_path / "third.csv")
    given = {row["file"]: row["label"] for row in third if row["source"] == "known"}
    assert set(given) == asked[0] | asked[1]
    assert given[one] == other


def test_answers_are_taken_from_a_session_of_the_same_rows_only(run, label, digits, tmp_path):
    label()
    shutil.copytree(digits / "images", tmp_path / "fewer")
    (tmp_path / "fewer" / "a" / "000.png").unlink()
    (tmp_path / "silent.session").mkdir()
    begun = (tmp_path / "labels.session" / "command.json").read_text()
    (tmp_path / "silent.session" / "command.json").write_text(begun)
    (tmp_path / "broken.session").mkdir()
    (tmp_path / "broken.session" / "command.json").write_text("[")
    for data, known, message in (
        (digits / "images", tmp_path, "must be a CSV file or the .session folder"),
        (tmp_path / "fewer", tmp_path / "labels.session", "answers about other rows"),
        (digits / "images", tmp_path / "silent.session", "no answer that names a class"),
        (digits / "images", tmp_path / "broken.session", "command.json is damaged"),
    ):
        code, _, said = run(
            "label", data, "--oracle-csv", digits / "truth.csv", "--known", known, "--out", tmp_path / "other.csv"
        )
        assert code == 1
        assert message in said


@pytest.mark.parametrize("damaged", ["", "{", "[1]", "null"])
def test_a_session_whose_settings_are_damaged_is_not_begun_anew(label, run, digits, tmp_path, damaged):
    rows = label()
    settings = tmp_path / "labels.session" / "command.json"
    settings.write_text(damaged)
    command = ["label", digits / "images", "--oracle-csv", digits / "truth.csv", "--out", tmp_path / "labels.csv"]
    code, _, said = run(*command, "--budget", 12, "--max-epochs", 3)
    assert code == 1
    assert "command.json is damaged" in said
    for name in ("command.json", "labels.csv", "labels.safetensors"):
        next(tmp_path.rglob(name)).unlink()
    assert label() == rows


def test_what_was_asked_about_other_data_is_not_mixed_in(label, run, digits, write, tmp_path):
    label()
    write(tmp_path / "one.csv", [["file", "label"], ["a/000.png", "even"]])
    for size, told in (
        (["--size", 6], "how they are read differ; the data differ"),
        (["--known", tmp_path / "one.csv"], "the known labels differ"),
    ):
        code, _, said = run(
            "label", digits / "images", "--oracle-csv", digits / "truth.csv", "--out", tmp_path / "labels.csv",
            "--budget", 12, "--max-epochs", 3, *size,
        )  # fmt: skip
        assert code == 1
        assert told in said


def test_a_command_that_asked_nothing_may_be_another_one(label, run, write, tmp_path):
    X = np.zeros((20, 2))
    np.savez(tmp_path / "x.npz", X=X)
    write(tmp_path / "truth.csv", [["row", "label"], *((n, "ab"[n % 2]) for n in range(20))])
    options = ["--oracle-csv", tmp_path / "truth.csv", "--out", tmp_path / "labels.csv"]
    assert "X must vary" in run("label", tmp_path / "x.npz", *options)[2]
    np.savez(tmp_path / "x.npz", X=X + 5 * (np.arange(20) % 2)[:, None] + np.arange(2) * np.arange(20)[:, None] / 50)
    assert len(label(data=tmp_path / "x.npz", truth=tmp_path / "truth.csv")) == 20


def test_a_file_that_is_there_is_not_replaced(run, digits, tmp_path):
    (tmp_path / "labels.csv").write_text("mine")
    code, _, said = run(
        "label", digits / "images", "--oracle-csv", digits / "truth.csv", "--out", tmp_path / "labels.csv"
    )
    assert code == 1
    assert "labels.csv is there already, and not from this command" in said
    assert (tmp_path / "labels.csv").read_text() == "mine"


def test_a_model_that_is_there_is_not_replaced_and_nothing_is_asked_in_vain(run, digits, tmp_path):
    model = tmp_path / "labels.safetensors"
    command = ["label", digits / "images", "--oracle-csv", digits / "truth.csv", "--out", tmp_path / "labels.csv"]
    model.write_text("mine")
    assert "labels.safetensors is there already" in run(*command)[2]
    assert model.read_text() == "mine"
    model.unlink()
    model.mkdir()
    code, _, said = run(*command)
    assert (code, "labels.safetensors is there already" in said) == (1, True)
    assert not (tmp_path / "labels.session").exists()


def test_a_session_says_what_it_was_begun_with(label, tmp_path):
    label("--classes", "even,odd")
    begun = json.loads((tmp_path / "labels.session" / "command.json").read_text())
    assert begun["--classes"] == ["even", "odd"]
    assert begun["the number of rows"] == 60


def test_a_file_with_few_true_labels_is_noticed_before_the_questions(run, write, tmp_path):
    X = np.arange(20)[:, None] / [1, 7]
    np.savez(tmp_path / "x.npz", X=X)
    write(tmp_path / "truth.csv", [["row", "label"], [0, "a"], [1, "b"]])
    command = ["label", tmp_path / "x.npz", "--oracle-csv", tmp_path / "truth.csv", "--out", tmp_path / "labels.csv"]
    assert "has labels for 2 of 20 rows; questions about others are skipped" in run(*command, "--max-epochs", 1)[2]
