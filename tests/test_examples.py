"""The examples run as they stand in the repository, with less training."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def output_of(script, *arguments):
    command = [sys.executable, "-W", "error", EXAMPLES / script, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.returncode == 0
    return run.stdout


def test_label_digits_reports_and_leaves_a_picture(tmp_path):
    printed = output_of("label_digits.py", "--quick", "--output", tmp_path)
    rounds = re.findall(r"^ *(\d) +(\d+) +\d+ +(\d+) +[\d.]+% +[\d.]+$", printed, re.MULTILINE)
    assert [int(number) for number, _, _ in rounds] == [0, 1, 2, 3, 4]
    (asked,) = re.findall(r"^questions asked +(\d+)$", printed, re.MULTILINE)
    assert int(asked) == sum(int(questions) for _, questions, _ in rounds) <= 50
    shares = dict(re.findall(r"^ *([a-z ]+?) {2,}([\d.]+)%", printed, re.MULTILINE))
    assert {"coverage", "label accuracy", "of the confident", "test accuracy"} <= set(shares)
    assert float(shares["test accuracy"]) > 30  # chance is 10
    assert (tmp_path / "label_digits.png").read_bytes()[:4] == b"\x89PNG"
    assert "label_digits.png" in printed.splitlines()[-1]


def test_search_options_prints_candidates_from_best_to_worst():
    printed = output_of("search_options.py", "--quick")
    found = re.findall(r"^(gmm|kmeans) .* ([\d.]+)%$", printed, re.MULTILINE)
    assert {clusterer for clusterer, _ in found} == {"gmm", "kmeans"}
    accuracies = [float(accuracy) for _, accuracy in found]
    assert accuracies == sorted(accuracies, reverse=True)
    (test_accuracy,) = re.findall(r"^test accuracy ([\d.]+)%$", printed, re.MULTILINE)
    assert float(test_accuracy) > 30  # chance is 10


def test_find_classes_names_what_it_found_and_leaves_a_picture(tmp_path):
    printed = output_of("find_classes.py", "--quick", "--output", tmp_path)
    assert "known classes: [0, 1, 2, 8, 9]" in printed
    (before,) = re.findall(r"test purity: ([\d.]+)%", printed)
    (after,) = re.findall(r"test accuracy after \d+ more labels: ([\d.]+)%", printed)
    assert min(float(before), float(after)) > 50  # chance is 10
    assert (tmp_path / "find_classes.png").read_bytes()[:4] == b"\x89PNG"


def test_centroids_compares_and_leaves_a_picture(tmp_path):
    printed = output_of("centroids.py", "--quick", "--output", tmp_path)
    accuracies = dict(re.findall(r"^beta_max=([\d.]+): test accuracy ([\d.]+)%", printed, re.MULTILINE))
    assert set(accuracies) == {"0", "0.1"}
    assert min(map(float, accuracies.values())) > 20  # chance is 10
    assert re.search(r"centroids in use: \d+ of 20", printed)
    assert (tmp_path / "centroids.png").read_bytes()[:4] == b"\x89PNG"


def test_transfer_compares_classifiers_of_one_vae_and_leaves_a_picture(tmp_path):
    printed = output_of("transfer.py", "--quick", "--output", tmp_path)
    found = dict(re.findall(r"^([a-z -]+?) +([\d.]+)% +[\d.]+%$", printed, re.MULTILINE))
    assert list(found) == ["fine-tuned", "frozen", "convolutional head", "labeled rows alone"]
    assert float(found["fine-tuned"]) > 30  # chance is 10
    assert (tmp_path / "transfer.png").read_bytes()[:4] == b"\x89PNG"


def test_ask_rounds_prints_learning_curves_and_leaves_a_picture(tmp_path):
    printed = output_of("ask_rounds.py", "--quick", "--output", tmp_path)
    first, last = (re.findall(r"([\d.]+)% \(", line) for line in printed.splitlines() if "%" in line)
    assert len(first) == len(last) == 4
    assert all(float(before) < float(after) for before, after in zip(first, last, strict=True))
    assert float(last[0]) > 40  # chance is 10
    assert (tmp_path / "ask_rounds.png").read_bytes()[:4] == b"\x89PNG"


def test_digit_images_are_a_folder_that_can_be_labeled(tmp_path):
    printed = output_of("digit_images.py", "--output", tmp_path, "--number", "30")
    assert "30 images" in printed
    names = sorted(path.name for path in (tmp_path / "digits").iterdir())
    rows = [line.split(",") for line in (tmp_path / "truth.csv").read_text().splitlines()]
    assert rows[0] == ["file", "label"]
    assert [name for name, _ in rows[1:]] == names
    assert [int(label) for _, label in rows[1:11]] == list(range(10))
