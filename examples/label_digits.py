"""Label scikit-learn's digits from 50 answers: what `make demo` runs.

The classifier sees 1,347 images of handwritten digits without a label. It asks what 50 of them are, spreads
the answers to all the others, and learns to classify new images. A stand-in for a person answers.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklvae import UNLABELED, ClusterLabelVAEClassifier
from sklvae.labeling import SimulatedOracle
from sklvae.plotting import plot_queries

CONFIDENT = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="train too briefly for good results")
    arguments = parser.parse_args()

    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(
        digits.images / 16, digits.target, test_size=0.25, random_state=0
    )
    classifier = ClusterLabelVAEClassifier(budget=50, random_state=0)
    if arguments.quick:
        classifier.set_params(max_epochs=6)

    print(f"Learning from {len(X_train):,} images and asking what 50 of them are: a minute or so.\n", flush=True)
    start = time.perf_counter()
    classifier.fit(X_train, oracle=SimulatedOracle(X_train, y_train))
    seconds = time.perf_counter() - start

    print("round  questions  invalid  classes  coverage  mean confidence")
    for r in classifier.rounds_:
        print(
            f"{r['round']:5}  {r['n_queries']:9}  {r['n_invalid']:7}  {r['n_classes']:7}  {r['coverage']:8.1%}  "
            f"{r['mean_confidence']:15.2f}"
        )

    labeled = classifier.labels_ != UNLABELED
    confident = classifier.label_confidence_ >= CONFIDENT
    right = classifier.labels_ == y_train
    report = {
        "questions asked": f"{classifier.n_queries_}",
        "coverage": f"{labeled.mean():.1%} of {len(X_train):,} training images have a label",
        "label accuracy": f"{right[labeled].mean():.1%}",
        "  of the confident": f"{right[confident].mean():.1%} ({confident.mean():.0%} have confidence >= {CONFIDENT})",
        "test accuracy": f"{classifier.score(X_test, y_test):.1%} of {len(X_test):,} images it has never seen",
        "time to fit": f"{seconds:.0f} s",
    }
    print()
    for name, value in report.items():
        print(f"{name:20}{value}")

    arguments.output.mkdir(parents=True, exist_ok=True)
    picture = arguments.output / "label_digits.png"
    plot_queries(classifier.answers_).savefig(picture, dpi=150)
    print(f"\nWhat it asked, with the answers: {os.path.relpath(picture)}")


if __name__ == "__main__":
    main()
