"""Learn from 40 labels and 1,300 digits without any: a VAE of all rows, whose encoder becomes a classifier.

The same classifier without the pretraining shows what the digits without labels were worth.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import top_k_accuracy_score
from sklearn.model_selection import train_test_split

from sklvae import UNLABELED, VAETransferClassifier
from sklvae.plotting import plot_reconstructions

N_LABELS = 4
"""In each class."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="train too briefly for good results")
    arguments = parser.parse_args()

    digits = load_digits()
    X_train, X_test, truth, y_test = train_test_split(digits.images / 16, digits.target, random_state=0)
    y = np.full(len(truth), UNLABELED)
    for label in range(10):
        y[np.flatnonzero(truth == label)[:N_LABELS]] = label

    model = VAETransferClassifier(random_state=0)
    if arguments.quick:
        model.set_params(max_epochs=120, lr=3e-3)
    start = time.perf_counter()
    model.fit(X_train, y)
    seconds = time.perf_counter() - start

    arguments.output.mkdir(parents=True, exist_ok=True)
    plot_reconstructions(model, X_test[:10]).savefig(arguments.output / "transfer.png", dpi=60)
    print(f"{np.sum(y >= 0)} labels, {np.sum(y < 0)} rows without; test accuracy, and top-3 accuracy")
    report("fine-tuned", model, X_test, y_test)
    # One VAE serves them all.
    model.set_params(vae=model.vae_)
    for name, parameters in (
        ("frozen", {"freeze": True}),
        ("convolutional head", {"freeze": False, "head": "convolutional"}),
    ):
        report(name, model.set_params(**parameters).fit(X_train, y), X_test, y_test)
    # A VAE of the labeled rows alone knows no more than they do.
    few = model.set_params(vae=None, head="feedforward").fit(X_train[y >= 0], y[y >= 0])
    report("labeled rows alone", few, X_test, y_test)
    print(f"{seconds:.0f} s to fit the first; picture: {arguments.output / 'transfer.png'}")


def report(name: str, model: VAETransferClassifier, X: np.ndarray, y: np.ndarray) -> None:
    top3 = top_k_accuracy_score(y, model.predict_proba(X), k=3, labels=model.classes_)
    print(f"{name:<20}{model.score(X, y):>8.1%}{top3:>8.1%}")


if __name__ == "__main__":
    main()
