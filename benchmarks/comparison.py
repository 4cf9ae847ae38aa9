"""The paper's Figures 3 and 4: clusterer x distance x confidence, accuracy per round.

    python benchmarks/comparison.py digits [--seeds 5]
    python benchmarks/comparison.py mnist [--seeds 3]
    python benchmarks/comparison.py digits --plot

As in the paper a validation part, 30% of the training images, is what the accuracy is measured on; test images
play no part. Fits that are in benchmarks/results/comparison.jsonl are not repeated. The decay of each distance and
confidence function is the one of three that does best on the validation part, over all seeds.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
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


def run(name, option, seed):
    """Validation accuracy after each round."""
    X, y, X_validate, y_validate = {"digits": digits, "mnist": mnist}[name](seed)
    expert = SimulatedOracle(X, y)
    classifier = ClusterLabelVAEClassifier(propagation="cluster", random_state=seed, **SETTINGS[name], **option)
    by_round = {}

    def measure():
        if getattr(classifier, "rounds_", []):
            by_round[classifier.rounds_[-1]["round"]] = classifier.score(X_validate, y_validate)

    def oracle(queries):
        measure()
        return expert(queries)

    classifier.fit(X, oracle=oracle)
    measure()
    return {"data": name, "seed": seed, **option, "by_round": list(by_round.values())}


def read():
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def best(name):
    """Accuracies (n_seeds, n_rounds) of each option but decay, at the decay that did best at the end."""
    chosen = {}
    for option in OPTIONS:
        rows = [r for r in read() if r["data"] == name and all(r.get(k) == v for k, v in option.items())]
        if not rows:
            continue
        n_rounds = max(len(row["by_round"]) for row in rows)
        table = np.array([row["by_round"] + row["by_round"][-1:] * (n_rounds - len(row["by_round"])) for row in rows])
        key = (option["clusterer"], option.get("distance", "-"), option["confidence"])
        if key not in chosen or table[:, -1].mean() > chosen[key][1][:, -1].mean():
            chosen[key] = (option.get("decay", "-"), table)
    return chosen


def report(name, plot):
    chosen = best(name)
    n_rounds = max(table.shape[1] for _, table in chosen.values())
    print("| clusterer | distance | confidence | decay |", " | ".join(f"round {r + 1}" for r in range(n_rounds)), "|")
    print("|" + "---|" * (4 + n_rounds))
    for key, (decay, table) in chosen.items():
        cells = [f"{100 * m:.1f} ({100 * s:.1f})" for m, s in zip(table.mean(0), table.std(0, ddof=1), strict=True)]
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
        axes.set(xlabel="round", ylabel="validation accuracy (%)", title=name)
        axes.legend(fontsize=7, ncols=2)
        figure.savefig(PICTURE / f"comparison_{name}.png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["digits", "mnist"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", action="store_true", help="print the table and draw the figure, fit nothing")
    arguments = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    if not arguments.plot:
        done = {json.dumps({k: v for k, v in r.items() if k != "by_round"}, sort_keys=True) for r in read()}
        for seed, option in itertools.product(range(arguments.seeds), OPTIONS):
            key = json.dumps({"data": arguments.data, "seed": seed, **option}, sort_keys=True)
            if key not in done:
                with RESULTS.open("a") as file:
                    file.write(json.dumps(run(arguments.data, option, seed)) + "\n")
    report(arguments.data, arguments.plot)


if __name__ == "__main__":
    main()
