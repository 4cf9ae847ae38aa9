"""The commands as programs: interrupted, ended, taken up again, and read by others."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import sklvae
from sklvae.cli import main

COMMAND = [sys.executable, "-W", "error", "-m", "sklvae.cli"]
SECONDS = 60


def wait_for(file, text, process):
    """Wait until a program has written something."""
    end = time.monotonic() + SECONDS
    while text not in file.read_text():
        assert process.poll() is None, file.read_text()
        assert time.monotonic() < end, file.read_text()
        time.sleep(0.05)


def hear_everything():
    """Undo what the tests may have been started with: a program under nohup does not end when a terminal does."""
    for ending in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_a_person_who_leaves_finds_every_answer_again(ending, label, digits, tmp_path):
    options = ["--budget", "12", "--max-epochs", "3", "--classes", "even,odd"]
    command = [*COMMAND, "label", digits / "images", "--console", "--out", tmp_path / "labels.csv", *options]
    printed, said = tmp_path / "printed", tmp_path / "said"
    with printed.open("w") as out, said.open("w") as err:
        person = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True, preexec_fn=hear_everything
        )
        with person.stdin:
            wait_for(printed, "question 1 of", person)
            person.stdin.write("odd\neven 70%\n")
            person.stdin.flush()
            wait_for(printed, "question 3 of", person)
            person.send_signal(ending)
            assert person.wait(SECONDS) == 130
    assert "Traceback" not in said.read_text()
    assert f"sklvae: interrupted. The answers are in {tmp_path / 'labels.session'}" in said.read_text()
    assert not (tmp_path / "labels.csv").exists()
    label("--classes", "even,odd")
    answers = sklvae.load(tmp_path / "labels.safetensors").answers_
    assert [(answer.label, answer.confidence) for answer in answers[:2]] == [("odd", 1.0), ("even", 0.7)]
    assert len(answers) > 2


def test_a_command_that_is_killed_goes_on(label, digits, tmp_path):
    expected = label(out=tmp_path / "expected.csv")
    asked = ["--oracle-csv", digits / "truth.csv", "--budget", "12", "--max-epochs", "3"]
    command = [*COMMAND, "label", digits / "images", *asked, "--out", tmp_path / "labels.csv"]
    with (tmp_path / "said").open("w") as err:
        process = subprocess.Popen(command, stderr=err)
        wait_for(tmp_path / "said", "questions 1 to", process)
        process.kill()
        process.wait(SECONDS)
    assert label() == expected


def test_whoever_reads_the_output_may_stop(digits, label, tmp_path):
    label()
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "predict", tmp_path / "labels.safetensors", digits / "images"]
    run = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (run.returncode, run.stderr) == (1, "")


def test_the_program_is_named_for_installation():
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts == {"sklvae": "sklvae.cli:main"}
    assert callable(main)
