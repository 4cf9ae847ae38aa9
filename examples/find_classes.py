"""Find the digits that nobody has labeled: 0, 1, 2, 8 and 9 have 20 labels each, 3 to 7 have none.

A Gaussian mixture in the latent space of a VAE predicts the known classes and gathers the others in slots of
their own. Ten rows, labeled afterwards, then name what was found.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklvae import UNLABELED, GMDGMClassifier
from sklvae.metrics import hungarian_accuracy, purity
from sklvae.plotting import plot_classes

KNOWN, N_LABELS = (0, 1, 2, 8, 9), 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="train too briefly for good results")
    arguments = parser.parse_args()

    digits = load_digits()
    X_train, X_test, truth, y_test = train_test_split(digits.data / 16, digits.target, random_state=0)
    y = np.full(len(truth), UNLABELED)
    for label in KNOWN:
        y[np.flatnonzero(truth == label)[:N_LABELS]] = label

    # The rows are images: the classifier is taught small shifts and turns of them.
    model = GMDGMClassifier(n_extra=10, image_shape=(8, 8), random_state=0)
    if arguments.quick:
        model.set_params(max_epochs=20)
    start = time.perf_counter()
    model.fit(X_train, y)
    seconds = time.perf_counter() - start

    print(f"known classes: {model.known_classes_.tolist()}")
    print(f"found classes: {model.found_classes_.tolist()} (rows in each: {model.slot_sizes_[len(KNOWN) :].tolist()})")
    predicted = model.predict(X_test)
    known = np.isin(y_test, KNOWN)
    print(f"test accuracy on the known classes: {np.mean(predicted[known] == y_test[known]):.1%}")
    print(
        f"test purity: {purity(y_test, predicted):.1%}, one slot a class: {hungarian_accuracy(y_test, predicted):.1%}"
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    plot_classes(model, n_styles=8).savefig(arguments.output / "find_classes.png", dpi=60)

    # Whoever looks at the ten most typical rows of the found slots can name them.
    few = np.full(len(truth), UNLABELED)
    for name in model.found_classes_:
        rows = np.flatnonzero(model.labels_ == name)
        few[rows[model.label_confidence_[rows].argmax()]] = truth[rows[model.label_confidence_[rows].argmax()]]
    model.cluster_and_label(X_train, few)
    print(f"test accuracy after {np.sum(few >= 0)} more labels: {model.score(X_test, y_test):.1%}")
    print(f"{seconds:.0f} s to fit; picture: {arguments.output / 'find_classes.png'}")


if __name__ == "__main__":
    main()
