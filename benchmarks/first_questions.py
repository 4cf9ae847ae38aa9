"""What the first questions about images are worth: right labels when they are spread, with and without a part.

    python benchmarks/first_questions.py mnist fashion [--seeds 3] [--table]

A VAE with views of neighbors is trained as `ClusterLabelVAEClassifier` trains it before its first question; then the
typical rows of 10, 25 and 75 clusters (the first questions of a budget of 10, 50 and 150) get their true label, and the
graph spreads it. The accuracy is that on all training images: no test image is seen, and no network is trained on
labels. Adds a line of JSON to benchmarks/results/first_questions.jsonl for each seed.
"""

import argparse
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from unittest.mock import patch

import cluster_label
import numpy as np
from records import alone, keep, mean_and_spread, read

from sklvae import ClusterLabelVAEClassifier
from sklvae.estimators import _propagation
from sklvae.graph import spread_labels
from sklvae.labeling import SimulatedOracle

RESULTS = Path(__file__).parent / "results" / "first_questions.jsonl"
LOADERS = {"mnist": cluster_label.mnist, "fashion": cluster_label.fashion, "digits": cluster_label.digit_images}
QUESTIONS = [10, 25, 75]
POINTS = ["following", "directions"]
"""What is clustered: points that follow the graph, or directions."""
MERGED = {"merged": True, "not merged": False}
"""Whether there are more clusters first, and small ones are merged on the graph."""


class Ready(Exception):
    """The first round is there."""


def first_round(X, y, seed):
    """What the first round works on, and the classifier whose round it is."""
    found = []

    def stop(round_, known, plan, settings):
        found.append(round_)
        raise Ready
        yield

    classifier = ClusterLabelVAEClassifier(budget=50, random_state=seed)
    with patch.dict(_propagation.PROPAGATIONS, graph=stop):
        try:
            classifier.fit(X, oracle=SimulatedOracle(X, y))
        except Ready:
            return found[0], classifier


def run(data, seed):
    """Accuracy of spread labels, and classes that were met, by variant and number of questions."""
    X, y, *_ = LOADERS[data](seed)
    round_, classifier = first_round(X, y, seed)
    round_ = replace(round_, graph=cache(round_.graph))
    places = [round_.points, round_.directions]
    record = {"data": data, "seed": seed}
    for (name, points), merged, n in product(zip(POINTS, places, strict=True), MERGED, QUESTIONS):
        with nullcontext() if MERGED[merged] else patch.object(_propagation.Round, "_merge", None):
            clusters = replace(round_, points=points).clusters(np.arange(len(X)), n, classifier)
        known = _propagation.Known({})
        rows = [_propagation._typical_row(cluster, known) for cluster in clusters]
        seeds = np.zeros((len(X), int(y.max()) + 1))
        seeds[rows, y[rows]] = 1
        right = spread_labels(round_.graph(), seeds).argmax(axis=1) == y
        record[f"{name}, {merged}, {n}"] = {"accuracy": float(right.mean()), "classes": len(np.unique(y[rows]))}
    return record


def table():
    """Print mean (SD) over seeds, and the fewest classes that were met."""
    records = read(RESULTS)
    print("| data | seeds | points | " + " | ".join(f"{n}: labels %, classes" for n in QUESTIONS) + " |")
    print("|---" * (3 + len(QUESTIONS)) + "|")
    for data, name, merged in product(LOADERS, POINTS, MERGED):
        rows = [record for record in records if record["data"] == data]
        cells = []
        for n in QUESTIONS if rows else ():
            figures = [row[f"{name}, {merged}, {n}"] for row in rows]
            right = mean_and_spread([100 * figure["accuracy"] for figure in figures])
            cells.append(f"{right}, {min(figure['classes'] for figure in figures)}")
        if cells:
            print(f"| {data} | {len(rows)} | {name}, {merged} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", choices=[[], *LOADERS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for seed, data in product(range(arguments.seeds), arguments.data):
        if (data, seed) not in {(record["data"], record["seed"]) for record in read(RESULTS)}:
            keep(RESULTS, alone(run, data, seed)[0])
    if arguments.table:
        table()


if __name__ == "__main__":
    main()
