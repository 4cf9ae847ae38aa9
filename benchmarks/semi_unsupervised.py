"""Classes without labels: the GM-DGM paper's protocol, semi-supervised M2, and clustering.

    python benchmarks/semi_unsupervised.py gmdgm [--seeds 10]
    python benchmarks/semi_unsupervised.py --table

Each fit adds a line of JSON to benchmarks/results/semi_unsupervised.jsonl as it ends; a fit that is there already
is not repeated. `--table` prints what is there.

`gmdgm`, `m2` and `fashion`: 50,000 training images, 100 labels in each of the classes 0, 1, 2, 8 and 9, none in 3
to 7, and ten slots without labels. The accuracy is the paper's: each slot is named by its most
common true class in the test data (a purity). `named` names the found slots from ten labeled training images of each
of 3 to 7 instead. `m2` starts from clusters as `gmdgm` does, `m2-plain` from nothing as the paper's. `m2-100` and so
on: as many labels, balanced over the ten classes; `m1m2-100`: M2 on the latents of a VAE that draws neighbors together
(`m1m2-plain-100`: of a plain VAE). `cluster-15`: no labels, 15 slots.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from records import keep, mean_and_spread, read
from sklearn.pipeline import make_pipeline

from sklvae import GMDGMClassifier, M2Classifier, VariationalAutoencoder
from sklvae.datasets import load_fashion_mnist, load_mnist
from sklvae.metrics import hungarian_accuracy, named_accuracy, purity

RESULTS = Path(__file__).parent / "results" / "semi_unsupervised.jsonl"
KNOWN = (0, 1, 2, 8, 9)
N_TRAIN = 50_000


def some_labels(y, classes, n, seed):
    """-1 but for n rows of each of the classes."""
    rng = np.random.default_rng(seed)
    labels = np.full(len(y), -1)
    for label in classes:
        labels[rng.choice(np.flatnonzero(y == label), n, replace=False)] = label
    return labels


def by_majority(y_true, slots):
    """The most common true class of each sample's slot."""
    named = np.empty_like(y_true)
    for slot in np.unique(slots):
        named[slots == slot] = np.bincount(y_true[slots == slot]).argmax()
    return named


def semi_unsupervised(model, load, seed):
    """The paper's protocol."""
    data = load()
    X, y = data.x_train[:N_TRAIN], data.y_train[:N_TRAIN].astype(int)
    labels = some_labels(y, KNOWN, 100, seed)
    start = time.perf_counter()
    classifier = model(random_state=seed).fit(X, labels)
    seconds = time.perf_counter() - start
    y_test, slots = data.y_test.astype(int), classifier.predict(data.x_test)
    named, known = by_majority(y_test, slots), np.isin(y_test, KNOWN)
    few = np.where(labels >= 0, labels, some_labels(y, range(3, 8), 10, seed))
    return {
        "known": float(np.mean(named[known] == y_test[known])),
        "found": float(np.mean(named[~known] == y_test[~known])),
        "overall": purity(y_test, slots),
        "hungarian": hungarian_accuracy(y_test, slots),
        "named": named_accuracy(y_test, slots, few, classifier.predict(X)),
        "seconds": seconds,
    }


def semi_supervised(model, n_labels, seed):
    """Balanced labels of all classes."""
    data = load_mnist()
    X, y = data.x_train[:N_TRAIN], data.y_train[:N_TRAIN].astype(int)
    labels = some_labels(y, range(10), n_labels // 10, seed)
    start = time.perf_counter()
    classifier = model(random_state=seed).fit(X, labels)
    seconds = time.perf_counter() - start
    return {"overall": classifier.score(data.x_test, data.y_test.astype(int)), "seconds": seconds}


def clustering(n_slots, seed):
    """No label at all."""
    data = load_mnist()
    start = time.perf_counter()
    model = GMDGMClassifier(n_extra=n_slots, random_state=seed).fit(data.x_train[:N_TRAIN])
    seconds = time.perf_counter() - start
    slots, y_test = model.predict(data.x_test), data.y_test.astype(int)
    return {
        "overall": purity(y_test, slots),
        "hungarian": hungarian_accuracy(y_test, slots),
        "seconds": seconds,
    }


def m2_with_slots(start, random_state):
    """M2 with the slots of the protocol: the five classes, and ten of half their prior."""
    slots = [*KNOWN, *range(10, 20)]
    prior = [0.1] * 5 + [0.05] * 10
    return M2Classifier(classes=slots, class_prior=prior, start=start, random_state=random_state)


def m1_m2(attraction, random_state):
    """M2 on the latents of a VAE, which may draw neighbors together."""
    vae = VariationalAutoencoder(n_latent=50, encoder="mlp", attraction=attraction, random_state=random_state)
    return make_pipeline(vae, M2Classifier(random_state=random_state))


CONFIGURATIONS = {
    "gmdgm": partial(semi_unsupervised, GMDGMClassifier, load_mnist),
    "m2": partial(semi_unsupervised, partial(m2_with_slots, "clusters"), load_mnist),
    "m2-plain": partial(semi_unsupervised, partial(m2_with_slots, None), load_mnist),
    "fashion": partial(semi_unsupervised, GMDGMClassifier, load_fashion_mnist),
    **{f"m2-{n}": partial(semi_supervised, M2Classifier, n) for n in (100, 600, 1000, 3000)},
    "m1m2-100": partial(semi_supervised, partial(m1_m2, 100.0), 100),
    "m1m2-plain-100": partial(semi_supervised, partial(m1_m2, 0.0), 100),
    **{f"cluster-{n}": partial(clustering, n) for n in (15, 10)},
}
FIGURES = ("known", "found", "overall", "hungarian", "named")


def table():
    """Print mean (SD) over seeds."""
    print("| configuration | seeds | " + " | ".join(FIGURES) + " | seconds |")
    print("|---" * (len(FIGURES) + 3) + "|")
    for name in CONFIGURATIONS:
        rows = [record for record in read(RESULTS) if record["configuration"] == name]
        if not rows:
            continue
        cells = [
            mean_and_spread([100 * row[figure] for row in rows]) if figure in rows[0] else "" for figure in FIGURES
        ]
        seconds = [row["seconds"] for row in rows]
        print(f"| {name} | {len(rows)} | {' | '.join(cells)} | {min(seconds):.0f} to {max(seconds):.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", choices=[[], *CONFIGURATIONS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[10], help="how many, or from which to which")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.configurations:
        for seed in range(*arguments.seeds):
            if any((record["configuration"], record["seed"]) == (name, seed) for record in read(RESULTS)):
                continue
            record = {"configuration": name, "seed": seed, **CONFIGURATIONS[name](seed)}
            keep(RESULTS, record)
    if arguments.table:
        table()


if __name__ == "__main__":
    main()
