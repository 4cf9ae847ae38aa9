"""What the first questions about images are worth, by the clusters they are about: right labels when they are spread.

    python benchmarks/first_questions.py digits mnist fashion [--seeds 3] [--table]

A VAE with views of neighbors is trained as `ClusterLabelVAEClassifier` trains it before its first question; then the
typical rows of 10, 25 and 75 clusters (the first questions of a budget of 10, 50 and 150) get their true label, and the
graph spreads it. The accuracy is that on all training images: no test image is seen, and no network is trained on
labels. Adds a line of JSON to benchmarks/results/first_questions.jsonl for each seed.
"""

import argparse
from itertools import product
from pathlib import Path
from unittest.mock import patch

import cluster_label
import numpy as np
from records import alone, keep, mean_and_spread, read

from sklvae import ClusterLabelVAEClassifier
from sklvae.acquisition import partition
from sklvae.estimators import _propagation
from sklvae.estimators._points import input_points, side_by_side
from sklvae.estimators._slots import drawn_together
from sklvae.graph import spread_labels
from sklvae.labeling import SimulatedOracle, find_clusters

RESULTS = Path(__file__).parent / "results" / "first_questions.jsonl"
LOADERS = {"mnist": cluster_label.mnist, "fashion": cluster_label.fashion, "digits": cluster_label.digit_images}
QUESTIONS = [10, 25, 75]
WAYS = {
    "k-means of directions": lambda at, n, seed: partition(at["directions"], n, seed, n_init=_propagation.N_STARTS),
    "one start of it": lambda at, n, seed: partition(at["directions"], n, seed),
    "k-means of directions beside inputs": lambda at, n, seed: partition(
        at["beside inputs"], n, seed, n_init=_propagation.N_STARTS
    ),
    "mixture of directions": lambda at, n, seed: mixture(at["directions"], n, seed),
    "mixture of points that follow the graph": lambda at, n, seed: mixture(at["following"], n, seed),
}
"""The cluster of each row; the first is ours. A row near the mean of the directions is typical for the last, too."""


def mixture(points, n_clusters, seed):
    """The component of each row, of a mixture of Gaussians with full covariances."""
    cluster = np.empty(len(points), dtype=int)
    for k, found in enumerate(find_clusters(points, np.arange(len(points)), "gmm", n_clusters, seed=seed)):
        cluster[found.rows] = k
    return cluster


def typical(points, cluster):
    """Of each cluster the row nearest to its mean."""
    rows = []
    for k in np.unique(cluster):
        members = np.flatnonzero(cluster == k)
        rows.append(members[np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1).argmin()])
    return np.array(rows)


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
    """Accuracy of spread labels, and classes that were met, by clusters and number of questions."""
    X, y, *_ = LOADERS[data](seed)
    round_, classifier = first_round(X, y, seed)
    graph, directions = round_.graph(), round_.points
    inputs = input_points(X.reshape(len(X), -1), classifier._event)
    following = drawn_together(graph, directions, round_.seed)
    at = {"directions": directions, "beside inputs": side_by_side(inputs, directions), "following": following}
    record = {"data": data, "seed": seed}
    for (way, clusters), n in product(WAYS.items(), QUESTIONS):
        rows = typical(at["beside inputs" if "beside" in way else "directions"], clusters(at, n, round_.seed))
        seeds = np.zeros((len(X), int(y.max()) + 1))
        seeds[rows, y[rows]] = 1
        right = spread_labels(graph, seeds).argmax(axis=1) == y
        record[f"{way}, {n}"] = {"accuracy": float(right.mean()), "classes": len(np.unique(y[rows]))}
    return record


def table():
    """Print mean (SD) over seeds, and the fewest classes that were met."""
    records = read(RESULTS)
    print("| data | seeds | clusters | " + " | ".join(f"{n}: labels %, classes" for n in QUESTIONS) + " |")
    print("|---" * (3 + len(QUESTIONS)) + "|")
    for data, way in product(LOADERS, WAYS):
        rows = [record for record in records if record["data"] == data]
        cells = []
        for n in QUESTIONS if rows else ():
            figures = [row[f"{way}, {n}"] for row in rows]
            right = mean_and_spread([100 * figure["accuracy"] for figure in figures])
            cells.append(f"{right}, {min(figure['classes'] for figure in figures)}")
        if cells:
            print(f"| {data} | {len(rows)} | {way} | {' | '.join(cells)} |")


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
