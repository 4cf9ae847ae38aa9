"""A million points: neighbors, spread labels, and a whole fit, by seconds and by the peak of memory.

    python benchmarks/many_points.py graph [--rows 10000 100000 1000000]
    python benchmarks/many_points.py fit [--rows 10000 100000 1000000]

The points are MNIST's 60,000 training images, each moved a little in as many ways as it takes, on 50 principal
components. `graph` labels 1000 of them at random, and says how many of the others get the right label, and, of 1000
points, with how many of the ten nearest an edge connects them, from either end. `fit` is
`ClusterLabelVAEClassifier(budget=50)` on the points as a table. Each runs in a process of its own; the peak is that of
the process, imports and images and all.
"""

import argparse
import time

import numpy as np
import torch
from records import alone
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from sklvae import ClusterLabelVAEClassifier
from sklvae.datasets import load_mnist
from sklvae.graph import knn_graph, principal_points, spread_labels
from sklvae.labeling import SimulatedOracle
from sklvae.training import seeded, small_affine

CHUNK = 5000


def data(n):
    """Points, (n, 50), and labels, (n,)."""
    mnist = load_mnist()
    rows = np.arange(n) % len(mnist.x_train)
    images = np.empty((n, 28, 28), dtype=np.uint8)
    for start in range(0, n, CHUNK):
        chunk = torch.from_numpy(mnist.x_train[rows[start : start + CHUNK]])[:, None] / 255
        with seeded(start, chunk.device):
            images[start : start + CHUNK] = (255 * small_affine(chunk, 1.0)[:, 0]).round().numpy()
    return PCA().fit_transform(principal_points(images.reshape(n, -1), by_row=True)), mnist.y_train[rows]


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def graph(n):
    """Seconds of the graph, seconds of spreading, share of labels that is right, share of neighbors that is found."""
    points, y = data(n)
    rng = np.random.default_rng(0)
    known, looked_at = rng.choice(n, 1000, replace=False), rng.choice(n, 1000, replace=False)
    found, seconds = timed(knn_graph, points)
    seeds = np.zeros((n, 10))
    seeds[known, y[known]] = 1
    probability, spreading = timed(spread_labels, found, seeds)
    rest = np.setdiff1d(np.arange(n), known)
    right = np.mean(probability[rest].argmax(axis=1) == y[rest])
    search = NearestNeighbors(n_neighbors=11, algorithm="brute").fit(points)
    nearest = search.kneighbors(points[looked_at], return_distance=False)
    others = [near[near != row][:10] for row, near in zip(looked_at, nearest, strict=True)]
    there = [np.isin(near, found[[row]].indices) for row, near in zip(looked_at, others, strict=True)]
    return f"{seconds:.0f} | {spreading:.0f} | {100 * right:.1f} | {100 * np.mean(there):.1f}"


def fit(n):
    """Seconds of a fit, and the share of labels that is right."""
    points, y = data(n)
    classifier = ClusterLabelVAEClassifier(budget=50, random_state=0)
    _, seconds = timed(lambda: classifier.fit(points, oracle=SimulatedOracle(points, y, n_neighbors=1)))
    return f"{seconds:.0f} | {100 * np.mean(classifier.labels_ == y):.1f}"


COLUMNS = {
    graph: "seconds of the graph | of spreading | labels right % | nearest found %",
    fit: "seconds | labels right %",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["graph", "fit"])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    measure = {"graph": graph, "fit": fit}[arguments.what]
    print(f"| points | {COLUMNS[measure]} | peak (GiB) |", flush=True)
    for n in arguments.rows:
        cells, peak = alone(measure, n)
        print(f"| {n} | {cells} | {peak:.1f} |", flush=True)


if __name__ == "__main__":
    main()
