"""Learning curves of active learning on scikit-learn's digits, from no label at all.

A classifier asks about 10 images a round. Compared are random questions, those where it is least decided, and typical
images of all kinds. After each round it is scored on images that it has never seen. A stand-in for a person answers.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklvae import ActiveLearningClassifier
from sklvae.plotting import plot_learning_curves

ACQUISITIONS = ("random", "entropy", "margin", "typiclust")


def learning_curve(acquisition: str, seed: int, n_rounds: int) -> tuple[list[int], list[float]]:
    """Labels, and test accuracy, after each round."""
    digits = load_digits()
    X, X_test, y, y_test = train_test_split(digits.data / 16, digits.target, test_size=0.25, random_state=seed)
    learner = ActiveLearningClassifier(
        LogisticRegression(C=10, max_iter=1000),
        acquisition=acquisition,
        initial="random" if acquisition == "random" else "typiclust",
        embedding=PCA(20),
        n_rounds=n_rounds,
        random_state=seed,
    )
    n_labels: list[int] = []
    accuracy: list[float] = []

    def score() -> None:
        n_labels.append(learner.rounds_[-1]["n_labeled"])
        accuracy.append(learner.score(X_test, y_test))

    def expert(queries):
        if queries[0].round:
            score()  # the learner is usable after every round
        return y[[query.index for query in queries]]

    learner.fit(X, oracle=expert)
    score()
    return n_labels, accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="two seeds and few rounds")
    arguments = parser.parse_args()
    n_seeds, n_rounds = (2, 4) if arguments.quick else (10, 15)

    curves = {name: [learning_curve(name, seed, n_rounds) for seed in range(n_seeds)] for name in ACQUISITIONS}
    print(f"test accuracy, mean (SD) of {n_seeds} seeds")
    print("questions  " + "".join(f"{name:>15}" for name in curves))
    for number in range(0, n_rounds, 2 if arguments.quick else 7):
        cells = []
        for runs in curves.values():
            scores = [100 * accuracy[number] for _, accuracy in runs]
            cells.append(f"{np.mean(scores):.1f}% ({np.std(scores, ddof=1):.1f})")
        print(f"{10 * (number + 1):9}  " + "".join(f"{cell:>15}" for cell in cells))

    arguments.output.mkdir(parents=True, exist_ok=True)
    picture = arguments.output / "ask_rounds.png"
    plot_learning_curves(curves).figure.savefig(picture, dpi=100)
    print(f"\nThe learning curves: {os.path.relpath(picture)}")


if __name__ == "__main__":
    main()
