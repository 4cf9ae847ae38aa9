"""The main job on real data: accuracy by configuration and seed, on unseen test images.

    python benchmarks/cluster_label.py mnist-paper mnist-default digits-default [--seeds 5]
    python benchmarks/cluster_label.py --table

Each fit runs in a process of its own, so that the peak of memory is its own, and adds a line of JSON to
benchmarks/results/cluster_label.jsonl as it ends; a fit that is there already is not repeated. `--table` prints what is
there. The oracle is a `SimulatedOracle` on the true training labels. A row of X (what the default asks about) gets its
own label; for a decoded center (what the paper asks about) the five nearest training images vote, and less than half of
the votes is answered INVALID. In `...-erring` one answer in twenty, at random, is another class. `...-no-contrast` and
the like leave a part out, see `PARTS`; `...-no-kernel-no-gradients` two, and `...-no-kernel-no-gradients-no-contrast`
three: these are from before there were the two.
"""

import argparse
import time
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from records import alone, keep, mean_and_spread, read
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklvae import ClusterLabelVAEClassifier
from sklvae.datasets import load_fashion_mnist, load_mnist
from sklvae.estimators import _cluster_label, _moments, _points, _propagation, _teaching
from sklvae.labeling import SimulatedOracle
from sklvae.objectives import _neighbors, taught_loss
from sklvae.training import _augment, choose_device, choose_precision

RESULTS = Path(__file__).parent / "results" / "cluster_label.jsonl"

PAPER = {
    "propagation": "cluster",
    "confidence": "posterior",
    "clusterer": "gmm",
    "n_clusters": 30,
    "encoder": "conv",
    "hidden_units": (256,),
}


def mnist(seed):
    """The paper's 50,000 training images and the 10,000 test images, as images."""
    data = load_mnist()
    return data.x_train[:50_000], data.y_train[:50_000], data.x_test, data.y_test


def mnist_flat(seed):
    """The same as flat rows, which the default encoder takes as a table."""
    X, y, X_test, y_test = mnist(seed)
    return X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test


def mnist_components(seed):
    """The same rows as their 50 principal components."""
    X, y, X_test, y_test = mnist_flat(seed)
    components = PCA(50, random_state=seed).fit(X / 255)
    return components.transform(X / 255), y, components.transform(X_test / 255), y_test


def fashion(seed):
    """Fashion-MNIST's first 50,000 training images and the 10,000 test images, as images."""
    data = load_fashion_mnist()
    return data.x_train[:50_000], data.y_train[:50_000], data.x_test, data.y_test


def digits(seed):
    """scikit-learn's 8 x 8 digits, a quarter of them for the test, split by seed."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.25, random_state=seed, stratify=y)
    return X, y, X_test, y_test


def digit_images(seed):
    """The same as images."""
    X, y, X_test, y_test = digits(seed)
    return as_images(X), y, as_images(X_test), y_test


def as_images(rows):
    return rows.reshape(-1, 8, 8).astype(np.float32)


CONFIGURATIONS = {
    "mnist-paper": (mnist, PAPER),
    "mnist-default": (mnist_flat, {}),
    "mnist-components": (mnist_components, {}),
    "mnist-images-10": (mnist, {"budget": 10}),
    "mnist-images-50": (mnist, {"budget": 50}),
    "mnist-images-150": (mnist, {}),
    "mnist-images-150-erring": (mnist, {}),
    "fashion-images-50": (fashion, {"budget": 50}),
    "fashion-images-150": (fashion, {}),
    "fashion-images-1000": (fashion, {"budget": 1000}),
    "digits-images-10": (digit_images, {"budget": 10}),
    "digits-images-50": (digit_images, {"budget": 50}),
    "digits-default": (digits, {"budget": 50}),
    "digits-paper": (digits, {**PAPER, "encoder": "auto", "n_clusters": 10, "budget": 50}),
}


def as_if_none_were_known(model, *, weight_labeled, **batch):
    """`taught_loss` of spread labels alone; those of the rows that were asked about are among them."""
    return taught_loss(model, weight_labeled=0 * weight_labeled, **batch)


def no_edges(images, shape):
    """As if no image had any, so that pixels are compared."""
    return np.zeros((len(images), 1))


def what_is_spread(ways, n_samples, rows, code, confidence, prior, *, random_state):
    """In place of `judged_pool`: what the first way says."""
    return ways[0](rows, code, confidence, np.arange(n_samples))


@contextmanager
def as_before():
    """Half the steps before the first question, and a temperature of 0.2 in the contrast, in place of 0.1."""
    with patch.dict(_teaching.Views.steps, pretrain=1000), patch.object(_neighbors, "TEMPERATURE", 0.2):
        yield


PARTS = {
    "kernel": ({}, partial(patch.object, _propagation, "judged_pool", what_is_spread)),
    "gradients": ({}, partial(patch.object, _points, "gradient_histograms", no_edges)),
    "contrast": ({"attraction": 0.0}, nullcontext),
    "views": ({"augment": None, "gamma": 2000.0}, nullcontext),
    "doubt": ({}, partial(patch.object, _propagation, "margin", lambda probability: np.zeros(len(probability)))),
    "pool": ({}, partial(patch.object, _propagation, "fit_log_pool", lambda foretold, unjudged: unjudged)),
    "known": ({}, partial(patch.object, _teaching, "taught_loss", as_if_none_were_known)),
    "guesses": ({}, partial(patch.object, _teaching, "GUESSED_BELOW", 0.0)),
    "strength": ({}, partial(patch.object, _augment, "affine_strength", lambda rows, event: 1.0)),
    "longer": ({}, as_before),
    "falling": ({}, partial(patch.object, _cluster_label, "sees_views", lambda augment, event: False)),
    "units": ({}, partial(patch.object, _moments, "are_components", lambda rows, mean, variance: False)),
}
"""Parts of ours: the parameters, and the context, that leave one out. The kernel of edges beside the graph; gradients,
by which neighbors among images are found (pixels take their place); the contrast of views of neighbors (latents take
the place of directions); views (with them go contrast, small moves in predictions, the falling rate, and the steps of
each phase are those without views); later questions where there is most doubt, in place of the largest clusters without
an answer; the pool of graph and classifier, weighed by how well they foretold answers, in place of the classifier
alone; known labels beside those that are spread, in training; the network's own sure guesses taught to views; the
strength of views that the images bear, in place of the full one; longer pretraining with a colder contrast; the
learning rate that falls to zero in each phase; one unit for all principal components, in place of one for each."""


def takes_part(name, part):
    """Whether there is anything to leave out. MNIST's views have full strength; ten questions are one round."""
    name = name.partition("-no-")[0]
    if part == "units":
        return name == "mnist-components"
    if "-images-" not in name:
        return False
    if part == "strength":
        return not name.startswith("mnist")
    if part == "guesses":
        return not name.startswith("digits") and not name.endswith("-1000")
    return part not in ("doubt", "pool") or not name.endswith("-10")


def leaves_out(names, parts):
    return {f"{name}-no-{part}": (name, part) for name in names for part in parts if takes_part(name, part)}


LEFT_OUT = leaves_out(CONFIGURATIONS, PARTS)
LEFT_OUT |= leaves_out([name for name in LEFT_OUT if name.endswith("-no-kernel")], ["gradients"])
BEFORE = [name for name in LEFT_OUT if name.endswith("-no-kernel-no-gradients")]
LEFT_OUT |= leaves_out(BEFORE, [part for part in PARTS if part not in ("kernel", "gradients")])
ALL = [*CONFIGURATIONS, *LEFT_OUT]


class Erring:
    """An expert who takes one thing in twenty for another."""

    def __init__(self, expert, classes, seed):
        self.expert, self.classes, self.rng = expert, classes, np.random.default_rng(seed)

    def __call__(self, queries):
        answers = [answer.label for answer in self.expert(queries)]
        return [
            self.rng.choice(self.classes[self.classes != label]) if self.rng.random() < 0.05 else label
            for label in answers
        ]


def fill(name, seed):
    """The record of a fit, which is made if it is not there."""
    for record in read(RESULTS):
        if (record["configuration"], record["seed"]) == (name, seed):
            return record
    record, peak = alone(run, name, seed)
    record["peak_gib"] = round(peak, 2)
    keep(RESULTS, record)
    return record


def run(name, seed):
    """Fit one configuration with one seed and measure it after every round."""
    whole, parts = name, []
    while whole in LEFT_OUT:
        whole, part = LEFT_OUT[whole]
        parts.append(PARTS[part])
    load, parameters = CONFIGURATIONS[whole]
    for less, _ in parts:
        parameters = {**parameters, **less}
    X, y, X_test, y_test = load(seed)
    expert = SimulatedOracle(X, y, n_neighbors=5 if parameters.get("propagation") == "cluster" else 1)
    if whole.endswith("-erring"):
        expert = Erring(expert, np.unique(y), seed)
    classifier = ClusterLabelVAEClassifier(random_state=seed, **parameters)
    by_round, measuring = {}, 0.0

    def measure():
        nonlocal measuring
        start = time.perf_counter()
        if getattr(classifier, "rounds_", []):
            by_round[classifier.rounds_[-1]["round"]] = classifier.score(X_test, y_test)
        measuring += time.perf_counter() - start

    def oracle(queries):
        measure()
        return expert(queries)

    start = time.perf_counter()
    with ExitStack() as without:
        for _, leave_out in parts:
            without.enter_context(leave_out())
        classifier.fit(X, oracle=oracle)
    seconds = time.perf_counter() - start - measuring
    measure()
    sure, surest = classifier.label_confidence_ >= 0.95, classifier.label_confidence_ >= 0.99
    right = classifier.labels_ == y
    return {
        "configuration": name,
        "seed": seed,
        "test_accuracy": classifier.score(X_test, y_test),
        "by_round": list(by_round.values()),
        "label_accuracy": float(right[classifier.labels_ != -1].mean()),
        "coverage": float((classifier.labels_ != -1).mean()),
        "sure_accuracy": float(right[sure].mean()) if sure.any() else None,
        "sure_coverage": float(sure.mean()),
        "surest_accuracy": float(right[surest].mean()) if surest.any() else None,
        "surest_coverage": float(surest.mean()),
        "calibration_error": calibration_error(classifier, X_test, y_test),
        "n_queries": classifier.n_queries_,
        "n_invalid": sum(record["n_invalid"] for record in classifier.rounds_),
        "seconds": seconds,
        "still_accuracy": still_accuracy(classifier, X_test, y_test),
        "precision": str(choose_precision("auto", choose_device("auto"))),
    }


def still_accuracy(classifier, X, y):
    """Accuracy without small moves, of a fit whose predictions are over them; None for others."""
    if not classifier._moves:
        return None
    with patch.object(classifier, "_moves", False):
        return classifier.score(X, y)


def calibration_error(classifier, X, y, n_bins=15):
    """Expected calibration error of predict_proba, bins of equal width (Guo et al., 2017, Equation 3)."""
    probability = classifier.predict_proba(X)
    confidence = probability.max(axis=1)
    right = classifier.classes_[probability.argmax(axis=1)] == y
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)]
    return float(np.sum(gaps))


def table():
    """Print mean (SD) over seeds and the worst seed of each configuration, and what its confidence is worth."""
    records = read(RESULTS)
    print(
        "| configuration | seeds | questions | test accuracy % | worst | label accuracy % "
        "| confidence >= 0.99: rows %, right % | calibration error | seconds |"
    )
    print("|---" * 9 + "|")
    for name in ALL:
        rows = [record for record in records if record["configuration"] == name]
        if not rows:
            continue
        test = 100 * np.array([row["test_accuracy"] for row in rows])
        asked = max(row["n_queries"] for row in rows)
        cells = [
            mean_and_spread(test),
            f"{test.min():.1f}",
            f"{mean(rows, 'label_accuracy', 100):.1f}",
            surest(rows),
            f"{mean(rows, 'calibration_error'):.3f}",
            f"{min(row['seconds'] for row in rows):.0f} to {max(row['seconds'] for row in rows):.0f}",
        ]
        print(f"| {name} | {len(rows)} | {asked} | {' | '.join(cells)} |")
    print("\ntest accuracy % after each round")
    for name in CONFIGURATIONS:
        rounds = [100 * np.array(record["by_round"]) for record in records if record["configuration"] == name]
        if rounds and len({len(accuracy) for accuracy in rounds}) == 1:
            print(f"| {name} | {' | '.join(f'{accuracy:.1f}' for accuracy in np.mean(rounds, axis=0))} |")
    moved = [record for record in records if record.get("still_accuracy")]
    if moved:
        print("\ntest accuracy % with small moves when predicting, and of the same fits without")
    for name in CONFIGURATIONS:
        rows = [record for record in moved if record["configuration"] == name]
        if rows:
            cells = [mean_and_spread([100 * row[k] for row in rows]) for k in ("test_accuracy", "still_accuracy")]
            print(f"| {name} | {len(rows)} | {' | '.join(cells)} |")
    parts_table(records)


def parts_table(records):
    """What each part is worth: ours with and without it at the seeds that both have, and the gain of each seed."""
    print("\n| configuration | left out | seeds | test accuracy %: ours, without | gain | calibration error: same |")
    print("|---" * 6 + "|")
    both = [(name, name.removesuffix("-no-kernel-no-gradients"), "kernel, gradients") for name in BEFORE]
    for name, whole, part in both + [(name, *left_out) for name, left_out in LEFT_OUT.items()]:
        ours, less = ({r["seed"]: r for r in records if r["configuration"] == which} for which in (whole, name))
        pairs = [(ours[seed], less[seed]) for seed in less if seed in ours]
        if not pairs:
            continue
        accuracy, error = (
            np.array([[figures[key] for figures in pair] for pair in pairs])
            for key in ("test_accuracy", "calibration_error")
        )
        cells = [", ".join(mean_and_spread(column) for column in 100 * accuracy.T)]
        cells.append(mean_and_spread(100 * (accuracy[:, 0] - accuracy[:, 1]), signed=True))
        cells.append(", ".join(f"{mean:.3f}" for mean in error.mean(axis=0)))
        print(f"| {whole} | {part} | {len(pairs)} | {' | '.join(cells)} |")


def surest(rows):
    """How many rows have a confidence of 0.99 or more, in the mean, and how many of all of these are right."""
    share = np.array([row.get("surest_coverage", np.nan) for row in rows])
    right = np.array([row.get("surest_accuracy") or 0 for row in rows])
    return f"{100 * share.mean():.1f}, {100 * np.sum(share * right) / (share.sum() or np.nan):.2f}"


def mean(rows, figure, times=1):
    """Over the records that have it."""
    values = [times * row[figure] for row in rows if row.get(figure) is not None]
    return np.mean(values) if values else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", choices=[[], *ALL])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.configurations:
        for seed in range(arguments.seeds):
            fill(name, seed)
    if arguments.table:
        table()


if __name__ == "__main__":
    main()
