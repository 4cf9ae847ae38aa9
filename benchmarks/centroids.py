"""Centroids of activations on top of tuned regularization: the latent-centroids paper's comparison, on Fashion-MNIST.

    python benchmarks/centroids.py fashion-8 fashion-16 fashion-32 fashion-64 [--seeds 5]
    python benchmarks/centroids.py --table

Each fit adds a line of JSON to benchmarks/results/centroids.jsonl as it ends; a fit that is there already is not
repeated. `--table` prints the configurations of which every fit is there.

`fashion-8`: 8 labels in each class, drawn by the seed from `N_ROWS` training images, the rest of them unlabeled. Four
networks of one shape (a narrow residual network) are trained for the same number of steps:

- `supervised`: the labels alone, no weight decay, no dropout;
- `regularized`: weight decay and dropout;
- `centroids`: the penalty, no weight decay, no dropout;
- `both`: all of them.

Each of the last three is the best of eight candidates with 16 labels a class, by the accuracy on `N_VALIDATION` further
training images, mean of the first two seeds; those of `both` are penalties beside the weight decay and the dropout that
`regularized` has chosen. What is chosen is trained and tested with every seed and number of labels; the test images
choose nothing.
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path

import numpy as np
from records import keep, mean_and_spread, read

from sklvae import CentroidRegularizedClassifier
from sklvae.datasets import load_fashion_mnist

RESULTS = Path(__file__).parent / "results" / "centroids.jsonl"
N_ROWS, N_VALIDATION = 5_000, 5_000
TUNING_SEEDS = (0, 1)
NETWORK = {"max_epochs": 20, "batch_size": 64, "module_params": {"width": 16, "n_blocks": 1}}
NOTHING = {"weight_decay": 0.0, "input_dropout": 0.0, "output_dropout": 0.0, "beta_max": 0.0, "layers": ["pool"]}
DROPOUT = {"input_dropout": 0.05, "output_dropout": 0.33}
"""The paper's."""
PAPER_LAYERS = ["stage2", "stage3", "pool"]
REGULARIZERS = [{"weight_decay": decay, **drop} for decay in (0.001, 0.01, 0.1, 0.5) for drop in ({}, DROPOUT)]
PENALTIES = [
    {"beta_max": beta, "layers": layers} for beta in (0.03, 0.1, 0.3, 1.0) for layers in (["pool"], PAPER_LAYERS)
]
TUNED_WITH = "fashion-16"
LABELS = {f"fashion-{n}": n for n in (8, 16, 32, 64)}


def split(n_labels, seed):
    """Training rows of which some have labels, and validation and test images."""
    data, rng = load_fashion_mnist(), np.random.default_rng(seed)
    rows = rng.permutation(len(data.x_train))
    rows, held = rows[:N_ROWS], rows[N_ROWS : N_ROWS + N_VALIDATION]
    truth = data.y_train[rows].astype(int)
    y = np.full(N_ROWS, -1)
    for label in range(10):
        y[rng.choice(np.flatnonzero(truth == label), n_labels, replace=False)] = label
    images = (data.x_train[held], data.y_train[held].astype(int)), (data.x_test, data.y_test.astype(int))
    return data.x_train[rows], y, *images


def key(record):
    return record["configuration"], record["seed"], json.dumps(record["options"], sort_keys=True)


def fitted(name, seed, options):
    """The record of one fit, which is made if there is none."""
    record = {"configuration": name, "seed": seed, "options": options}
    known = {key(found): found for found in read(RESULTS)}
    if key(record) in known:
        return known[key(record)]
    X, y, validation, test = split(LABELS[name], seed)
    start = time.perf_counter()
    classifier = CentroidRegularizedClassifier(**NETWORK, **options, random_state=seed).fit(X, y)
    seconds = time.perf_counter() - start
    history = classifier.history_[-1]
    record |= {
        "validation": classifier.score(*validation),
        "test": classifier.score(*test),
        "cross_entropy": history["cross_entropy"],
        "centroid_penalty": history.get("centroid_penalty"),
        "seconds": seconds,
    }
    keep(RESULTS, record)
    return record


def best(candidates):
    """The options with the highest validation accuracy."""
    accuracy = [
        np.mean([fitted(TUNED_WITH, seed, options)["validation"] for seed in TUNING_SEEDS]) for options in candidates
    ]
    return candidates[int(np.argmax(accuracy))]


def sides():
    """The options that each side chose."""
    regularized = best([NOTHING | regularizer for regularizer in REGULARIZERS])
    return {
        "supervised": NOTHING,
        "regularized": regularized,
        "centroids": best([NOTHING | penalty for penalty in PENALTIES]),
        "both": best([regularized | penalty for penalty in PENALTIES]),
    }


def table(n_seeds):
    """Print mean (SD) of the test accuracy over seeds, and of the gain of centroids, seed by seed."""
    chosen, known = sides(), {key(record) for record in read(RESULTS)}
    wanted = {
        name: [
            key({"configuration": name, "seed": seed, "options": options})
            for seed in range(n_seeds)
            for options in chosen.values()
        ]
        for name in LABELS
    }
    names = [name for name, keys in wanted.items() if known.issuperset(keys)]
    print("| labels per class | supervised | regularized | centroids | both | gain on regularized |")
    print("|---" * 6 + "|")
    for name in names:
        tests = {
            side: np.array([100 * fitted(name, seed, options)["test"] for seed in range(n_seeds)])
            for side, options in chosen.items()
        }
        cells = [mean_and_spread(values) for values in tests.values()]
        gain = mean_and_spread(tests["both"] - tests["regularized"], signed=True)
        print(f"| {LABELS[name]} | {' | '.join(cells)} | {gain} |")
    for side, options in chosen.items():
        used = {option: value for option, value in options.items() if value}
        print(f"{side}: {used}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", choices=[[], *LABELS])
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--table", action="store_true", help="print what is complete, once the tuning is")
    arguments = parser.parse_args()
    for name, seed in product(arguments.configurations, range(arguments.seeds)):
        for options in sides().values():
            fitted(name, seed, options)
    if arguments.table:
        table(arguments.seeds)


if __name__ == "__main__":
    main()
