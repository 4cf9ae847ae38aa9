"""Active learning on Fashion-MNIST: the slides' tables and findings.

    python benchmarks/active_learning.py table-margin table-random [--seeds 5]
    python benchmarks/active_learning.py --table

Each fit adds a line of JSON to benchmarks/results/active_learning.jsonl as it ends; a fit that is there already is not
repeated. `--table` prints what is there, `--selections` the classes of the questions of `three-...`.

All use 55,000 training images; the 5,000 after them are the slides' validation set and are left out. The test accuracy
after each round is recorded, and how many images of each class the round asked about.

`table-...`: 1000 random labels, then 1000 a round up to 8000. `three-...`: 500 labels in pullover, coat and sneaker,
then 64 a round up to 1396. `fifty-...`: no label, 10 questions a round up to 50. What follows is the acquisition on an
`M2Classifier`; `supervised` is a dense network on the same random labels alone. `vaal`, `discriminator` (no adversarial
term) and `refit` are `VAALClassifier` with a VAE, and with `-m2` behind it with M2.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from records import keep, mean_and_spread, read
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklvae import ActiveLearningClassifier, M2Classifier, VAALClassifier
from sklvae.datasets import load_fashion_mnist

RESULTS = Path(__file__).parent / "results" / "active_learning.jsonl"
N_TRAIN = 55_000
THREE = (2, 4, 7)
NAMED = (
    "random",
    "least_confident",
    "entropy",
    "margin",
    "badge",
    "coreset",
    "typiclust",
    "bald",
    "farthest_per_class",
    "distant_least_confident",
)
VAAL = {
    "vaal": {},
    "vaal-m2": {"latent": "m2"},
    "discriminator": {"adversarial_weight": 0.0},
    "discriminator-m2": {"adversarial_weight": 0.0, "latent": "m2"},
    "refit": {"discriminator": "refit"},
    "refit-m2": {"discriminator": "refit", "latent": "m2"},
}


def as_fractions(X):
    return np.asarray(X, dtype=np.float32).reshape(len(X), -1) / 255


def learner(name, seed, **rounds):
    """The acquisition, and the classifier that it is for."""
    if name == "supervised":
        network = MLPClassifier((500, 500), early_stopping=False, max_iter=60)
        return ActiveLearningClassifier(
            make_pipeline(FunctionTransformer(as_fractions), network),
            acquisition="random",
            initial="random",
            random_state=seed,
            **rounds,
        )
    if name in VAAL:
        acquisition = "discriminative" if name.startswith("refit") else "discriminator"
        return ActiveLearningClassifier(
            VAALClassifier(**VAAL[name]), acquisition=acquisition, random_state=seed, **rounds
        )
    initial = "random" if name == "random" else "typiclust"
    embedding = PCA(50) if name == "typiclust" else None
    return ActiveLearningClassifier(
        M2Classifier(), acquisition=name, initial=initial, embedding=embedding, random_state=seed, **rounds
    )


def known_at_start(task, y, seed):
    rng, known = np.random.default_rng(seed), np.full(len(y), -1)
    if task == "table":
        rows = rng.choice(len(y), 1000, replace=False)
    elif task == "three":
        rows = np.concatenate([rng.choice(np.flatnonzero(y == k), n, replace=False)
                               for k, n in zip(THREE, (166, 167, 167), strict=True)])  # fmt: skip
    else:
        return None
    known[rows] = y[rows]
    return known


ROUNDS = {
    "table": {"batch_size": 1000, "n_rounds": 7},
    "three": {"batch_size": 64, "n_rounds": 14},
    "fifty": {"batch_size": 10, "n_rounds": 5},
}


def run(task, name, seed):
    data = load_fashion_mnist()
    X, y = data.x_train[:N_TRAIN], data.y_train[:N_TRAIN].astype(int)
    X_test, y_test = data.x_test, data.y_test.astype(int)
    model, known = learner(name, seed, **ROUNDS[task]), known_at_start(task, y, seed)
    n_labels, accuracy, selections = [], [], []

    def score():
        n_labels.append(int(model.n_queries_ + (0 if known is None else np.sum(known >= 0))))
        accuracy.append(float(model.score(X_test, y_test)))

    def oracle(queries):
        if hasattr(model, "estimator_"):
            score()
        labels = y[[query.index for query in queries]]
        selections.append(np.bincount(labels, minlength=10).tolist())
        return labels

    start = time.perf_counter()
    model.fit(X, known, oracle=oracle)
    score()
    seconds = time.perf_counter() - start
    return {"n_labels": n_labels, "accuracy": accuracy, "selections": selections, "seconds": seconds}


CONFIGURATIONS = {
    f"{task}-{name}": partial(run, task, name) for task in ROUNDS for name in (*NAMED, *VAAL, "supervised")
}


def table():
    """Print mean (SD) over seeds, a table a task."""
    for task in ROUNDS:
        found = {
            name: [r for r in read(RESULTS) if r["configuration"] == name]
            for name in CONFIGURATIONS
            if name.startswith(task)
        }
        found = {name: records for name, records in found.items() if records}
        sizes = sorted({size for records in found.values() for record in records for size in record["n_labels"]})
        if not found:
            continue
        print(f"\n| {task} | seeds | " + " | ".join(map(str, sizes)) + " | seconds |")
        print("|---" * (len(sizes) + 3) + "|")
        for name, records in found.items():
            scores = [dict(zip(record["n_labels"], record["accuracy"], strict=True)) for record in records]
            cells = [mean_and_spread([100 * score[size] for score in scores if size in score]) for size in sizes]
            seconds = [record["seconds"] for record in records]
            print(f"| {name} | {len(records)} | {' | '.join(cells)} | {min(seconds):.0f} to {max(seconds):.0f} |")


def selections():
    """Print how many images of each class a round asked about, in the first seed."""
    for record in read(RESULTS):
        if record["seed"] == 0 and record["configuration"].startswith("three"):
            print(f"\n{record['configuration']}")
            for number, counts in enumerate(record["selections"]):
                print(f"round {number:2}  " + "".join(f"{count:5}" for count in counts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", choices=[[], *CONFIGURATIONS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5], help="how many, or from which to which")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--selections", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.configurations:
        for seed in range(*arguments.seeds):
            if any((record["configuration"], record["seed"]) == (name, seed) for record in read(RESULTS)):
                continue
            record = {"configuration": name, "seed": seed, **CONFIGURATIONS[name](seed)}
            keep(RESULTS, record)
    if arguments.table:
        table()
    if arguments.selections:
        selections()


if __name__ == "__main__":
    main()
