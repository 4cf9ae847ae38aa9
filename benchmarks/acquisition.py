"""Acquisitions: time against scikit-activeml, and the memory of a large pool.

    python benchmarks/acquisition.py [--rounds 5]
    python benchmarks/acquisition.py --memory [names ...]

The first (extra `bench`) chooses 100 of 60,000 rows with 20 features, 100 labeled, 10 classes, both packages in
turn in one process on the same arrays. A classifier that does nothing but hand over the probabilities stands in
for theirs. Prints seconds of each round, and medians.

The second chooses 1000 of 1,000,000 rows with 32 features (float64, 10 classes; 8 draws in float32 where sampled
predictions are needed), each acquisition in a process of its own, and prints seconds and the peak of the resident
memory, which includes the interpreter and the data.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
from sklearn.datasets import make_blobs

from sklvae.acquisition import STRATEGIES, query, strategy


def measure(choose):
    start = time.perf_counter()
    choose()
    return time.perf_counter() - start


def data(n_rows, n_features, n_labeled, dtype=np.float64):
    X, y = make_blobs(n_rows, n_features, centers=10, cluster_std=3.0, random_state=0)
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.full(10, 0.3), n_rows).astype(dtype)
    labels = np.where(rng.permutation(n_rows) < n_labeled, y, -1)
    return X.astype(dtype), proba, labels


def against_scikit_activeml(rounds):
    from skactiveml import pool
    from skactiveml.base import SkactivemlClassifier

    X, proba, labels = data(60_000, 20, 100)
    y, unlabeled = np.where(labels >= 0, labels, np.nan), labels < 0

    class Told(SkactivemlClassifier):
        classes_ = np.arange(10)

        def fit(self, X, y, sample_weight=None):
            return self

        def predict_proba(self, X):
            return proba[unlabeled]

    told = {"clf": Told(), "fit_clf": False}
    pairs = {
        "margin": (lambda seed: pool.UncertaintySampling(method="margin_sampling", random_state=seed), told),
        "coreset": (lambda seed: pool.CoreSet(random_state=seed), {}),
        "badge": (lambda seed: pool.Badge(random_state=seed), told),
        "typiclust": (lambda seed: pool.TypiClust(random_state=seed), {}),
    }
    print("acquisition  round  scikit-activeml (s)  ours (s)  ratio")
    for name, (theirs, arguments) in pairs.items():
        times = []
        for seed in range(rounds):
            needed = {"proba": proba, "embedding": X}
            ours = {need: needed[need] for need in strategy(name).needs}
            strange = theirs(seed)
            old = measure(lambda s=strange, a=arguments: s.query(X, y, batch_size=100, **a))
            new = measure(lambda o=ours, s=seed, a=name: query(a, 100, labels=labels, random_state=s, **o))
            times.append((old, new))
            print(f"{name:11}  {seed:5}  {old:19.3f}  {new:8.3f}  {new / old:5.2f}", flush=True)
        old, new = np.median(times, axis=0)
        print(f"{name:11} median  {old:19.3f}  {new:8.3f}  {new / old:5.2f}", flush=True)


def large_pool(name):
    X, proba, labels = data(1_000_000, 32, 1000)
    needs = strategy(name).needs
    given = {"embedding": X, "proba": proba}
    if "sampled_proba" in needs:
        del given["embedding"]
        X = None
        sampled = np.random.default_rng(0).gamma(0.3, size=(8, len(proba), 10)).astype(np.float32)
        for draw in sampled:
            draw += 1e-6
            draw /= draw.sum(axis=1, keepdims=True)
        given["sampled_proba"] = sampled
    given["discriminator"] = proba[:, 0]
    given = {need: given[need] for need in needs if need != "labels"}
    del X, proba
    seconds = measure(lambda: query(name, 1000, labels=labels, random_state=0, **given))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:34}  {seconds:8.1f}  {peak:10.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", nargs="*", metavar="name")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        large_pool(arguments.one)
    elif arguments.memory is None:
        against_scikit_activeml(arguments.rounds)
    else:
        print(f"{'acquisition':34}  seconds  peak (GiB)", flush=True)
        for name in arguments.memory or STRATEGIES:
            subprocess.run([sys.executable, __file__, "--one", name], check=True)


if __name__ == "__main__":
    main()
