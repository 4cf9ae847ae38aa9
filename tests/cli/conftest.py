import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from sklvae.cli import main
from sklvae.cli._terminal import Terminal

PIXELS, NUMBERS = load_digits(return_X_y=True)
PIXELS, NUMBERS = PIXELS[:60].reshape(-1, 8, 8).astype(np.uint8) * 15, NUMBERS[:60]


@pytest.fixture
def terminal():
    return Terminal(quiet=True)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A folder of 60 digits in two folders, and truth.csv with their labels, "even" or "odd", beside it."""
    folder = tmp_path_factory.mktemp("digits")
    rows = [["file", "label"]]
    for number, (image, digit) in enumerate(zip(PIXELS, NUMBERS, strict=True)):
        name = f"{'ab'[number % 2]}/{number:03}.png"
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "images" / name)
        rows.append([name, ("even", "odd")[digit % 2]])
    write_rows(folder / "truth.csv", rows)
    return folder


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def run(capsys):
    """Run a command in this process: its exit code, its output and what it says."""

    def command(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return command


@pytest.fixture
def label(run, digits, tmp_path):
    """Label the digits in a moment, by truth.csv; give what was written."""

    def command(*options, data=digits / "images", truth=digits / "truth.csv", out=tmp_path / "labels.csv"):
        asked = [] if truth is None else ["--oracle-csv", truth]
        code, printed, said = run("label", data, *asked, "--out", out, "--budget", 12, "--max-epochs", 3, *options)
        assert (code, printed) == (0, ""), said
        return read_rows(out)

    return command


@pytest.fixture
def rows_of():
    return read_rows


@pytest.fixture
def write():
    return write_rows
