"""Train a residual network on eight labels a digit, its activations pulled to centroids that all rows share.

The same network is trained with the labels alone and with the penalty. The picture shows, for each centroid of the last
pulled layer, the images nearest to it: those that the network has come to take for the same.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklvae import UNLABELED, CentroidRegularizedClassifier
from sklvae.plotting import plot_centroids

N_LABELS, N_SEEDS = 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="train too briefly for good results")
    arguments = parser.parse_args()

    digits = load_digits()
    X_train, X_test, truth, y_test = train_test_split(digits.images / 16, digits.target, random_state=0)
    X_train, X_test = X_train.astype(np.float32), X_test.astype(np.float32)
    model = CentroidRegularizedClassifier(
        module="resnet",
        module_params={"width": 8, "n_blocks": 1},
        layers=["pool"],
        n_centroids=20,
        weight_decay=0.1,
        output_dropout=0.33,
        max_epochs=3 if arguments.quick else 20,
    )
    start = time.perf_counter()
    accuracy: dict[float, list[float]] = {0.0: [], 0.1: []}
    for seed in range(1 if arguments.quick else N_SEEDS):
        y = np.full(len(truth), UNLABELED)
        for label in range(10):
            y[np.random.default_rng(seed).permutation(np.flatnonzero(truth == label))[:N_LABELS]] = label
        for beta, found in accuracy.items():
            model.set_params(beta_max=beta, random_state=seed).fit(X_train, y)
            found.append(model.score(X_test, y_test))
    for beta, found in accuracy.items():
        print(f"beta_max={beta:g}: test accuracy {np.mean(found):.1%} (seeds: {', '.join(f'{a:.1%}' for a in found)})")

    usage = model.centroid_usage_["pool"]
    print(f"centroids in use: {np.sum(usage > 0)} of {len(usage)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    picture = plot_centroids(model, X_train, n_nearest=4 if arguments.quick else 8)
    picture.savefig(arguments.output / "centroids.png", dpi=50)
    print(f"{time.perf_counter() - start:.0f} s; picture: {arguments.output / 'centroids.png'}")


if __name__ == "__main__":
    main()
