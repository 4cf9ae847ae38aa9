"""The paper's Figures 3 and 4: clusterer x distance x confidence, accuracy per round.

    python benchmarks/comparison.py digits [--seeds 5]
    python benchmarks/comparison.py mnist [--seeds 3]
    python benchmarks/comparison.py digits --plot

As in the paper a validation part, 30% of the training images, is what the accuracy is measured on; test images
play no part. All options of a seed start from one pretrained network. The decay of each distance and confidence
function is the one of three that does best on the digits at seed 0; the other seeds and MNIST run that one only.
Fits that are in benchmarks/results/comparison.jsonl are not repeated.
"""

import argparse
import contextlib
import itertools
from copy import deepcopy
from pathlib import Path

import numpy as np
from records import keep, read
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklvae import ClusterLabelVAEClassifier
from sklvae.datasets import load_mnist
from sklvae.labeling import SimulatedOracle

RESULTS = Path(__file__).parent / "results" / "comparison.jsonl"
PICTURE = Path(__file__).parent.parent / "docs" / "images"
DECAYS = (0.01, 0.1, 0.5)
OPTIONS = [
    {"clusterer": clusterer, "distance": distance, "confidence": confidence, "decay": decay}
    for clusterer, distance, confidence, decay in itertools.product(
        ("gmm", "kmeans"), ("euclidean", "mahalanobis"), ("gaussian", "exponential"), DECAYS
    )
] + [{"clusterer": clusterer, "confidence": "posterior"} for clusterer in ("gmm", "kmeans")]
SETTINGS = {
    "digits": {"n_clusters": 20, "budget": 100},
    "mnist": {"n_clusters": 30, "budget": 150},
}


def digits(seed):
    X, y = load_digits(return_X_y=True)
    X, _, y, _ = train_test_split(X / 16, y, test_size=0.25, random_state=seed, stratify=y)
    X, X_validate, y, y_validate = train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y)
    return X, y, X_validate, y_validate


def mnist(seed):
    data = load_mnist()
    X, y = data.x_train[:50_000].reshape(50_000, -1), data.y_train[:50_000]
    return X[:35_000], y[:35_000], X[35_000:], y[35_000:]


def pretrained(name, seed):
    """A classifier that was interrupted at its first question, and the data of the seed."""
    X, y, X_validate, y_validate = {"digits": digits, "mnist": mnist}[name](seed)
    classifier = ClusterLabelVAEClassifier(propagation="cluster", random_state=seed, **SETTINGS[name])

    def interrupt(queries):
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        classifier.fit(X, oracle=interrupt)
    return classifier, SimulatedOracle(X, y), X, X_validate, y_validate


def run(start, option):
    """Validation accuracy after each round."""
    pretrained_classifier, expert, X, X_validate, y_validate = start
    classifier = deepcopy(pretrained_classifier).set_params(warm_start=True, **option)
    by_round = {}

    def measure():
        if getattr(classifier, "rounds_", []):
            by_round[classifier.rounds_[-1]["round"]] = classifier.score(X_validate, y_validate)

    def oracle(queries):
        measure()
        return expert(queries)

    classifier.fit(X, oracle=oracle)
    measure()
    return list(by_round.values())


def of_data(name):
    return [record for record in read(RESULTS) if record["data"] == name]


def combination(record):
    """What the table has a line for."""
    return record["clusterer"], record.get("distance", "-"), record["confidence"]


def best_on_digits():
    """The record with the best decay of each combination, on the digits at seed 0."""
    chosen = {}
    for record in of_data("digits"):
        key = combination(record)
        if record["seed"] == 0 and (key not in chosen or record["by_round"][-1] > chosen[key]["by_round"][-1]):
            chosen[key] = record
    return chosen


def run_all(name, n_seeds):
    """Fit what is missing."""
    for seed in range(n_seeds):
        start = None
        every_decay = name == "digits" and seed == 0
        for option in OPTIONS:
            if not every_decay and option.get("decay") != best_on_digits()[combination(option)].get("decay"):
                continue
            if any(r["seed"] == seed and option.items() <= r.items() for r in of_data(name)):
                continue
            start = start or pretrained(name, seed)
            record = {"data": name, "seed": seed, **option, "by_round": run(start, option)}
            keep(RESULTS, record)


def best(name):
    """Decay and accuracies (n_seeds, n_rounds) of each combination; a fit without questions left has ended early."""
    tables = {}
    n_rounds = max(len(record["by_round"]) for record in of_data(name))
    for key, winner in best_on_digits().items():
        decay = winner.get("decay", "-")
        rows = [r["by_round"] for r in of_data(name) if combination(r) == key and r.get("decay", "-") == decay]
        if not rows:
            continue
        tables[key] = decay, np.array([row + row[-1:] * (n_rounds - len(row)) for row in rows])
    return tables


def report(name, plot):
    chosen = best(name)
    n_rounds = max(table.shape[1] for _, table in chosen.values())
    print("| clusterer | distance | confidence | decay |", " | ".join(f"round {r + 1}" for r in range(n_rounds)), "|")
    print("|" + "---|" * (4 + n_rounds))
    for key, (decay, table) in chosen.items():
        cells = [f"{100 * column.mean():.1f}" for column in table.T]
        if len(table) > 1:
            cells = [f"{cell} ({100 * column.std(ddof=1):.1f})" for cell, column in zip(cells, table.T, strict=True)]
        print("|", " | ".join([*key, str(decay), *cells]), "|")
    if plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for (clusterer, distance, confidence), (_, table) in chosen.items():
            axes.plot(
                range(1, table.shape[1] + 1),
                100 * table.mean(0),
                marker="o" if distance == "mahalanobis" else "s" if distance == "euclidean" else "*",
                linestyle="-" if clusterer == "gmm" else "--",
                label=f"{clusterer}, {confidence}" + (f", {distance}" if distance != "-" else ""),
            )
        n_seeds = max(len(table) for _, table in chosen.values())
        axes.set(xlabel="round", ylabel="validation accuracy (%)", title=f"{name}, mean of {n_seeds} seeds")
        axes.set_xticks(range(1, n_rounds + 1))
        figure.legend(loc="outside right", fontsize=7)
        figure.savefig(PICTURE / f"comparison_{name}.png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["digits", "mnist"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", action="store_true", help="print the table and draw the figure, fit nothing")
    arguments = parser.parse_args()
    if not arguments.plot:
        run_all(arguments.data, arguments.seeds)
    report(arguments.data, arguments.plot)


if __name__ == "__main__":
    main()
