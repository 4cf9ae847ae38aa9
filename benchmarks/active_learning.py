"""Active learning on Fashion-MNIST: the slides' tables and findings.

    python benchmarks/active_learning.py table-margin table-random [--seeds 5]
    python benchmarks/active_learning.py --table

Each fit adds a line of JSON to benchmarks/results/active_learning.jsonl as it ends; a fit that is there already is not
repeated. `--table` prints what is there, `--selections` the classes of the questions of `three-...`, `--diversity` how
different those of a round of `hundreds-...` were; `--validate` prints the accuracy on validation images instead and
keeps nothing.

The first 55,000 training images are the pool; the 5,000 after them are the slides' validation set, on which network,
views and epochs were chosen. The test accuracy after each round is recorded, how many images of each class the round
asked about, and how far apart its images were: the mean distance to the nearest other one of them.

`table-...`: 1000 random labels, then 1000 a round up to 8000. `three-...`: 500 labels in pullover, coat and sneaker,
then 64 a round up to 1396. `hundreds-...`: 10,000 of the images, 200 random labels, then 300 a round up to 2000.
`tens-...`: 5,000 of the images, 40 questions chosen by TypiClust, then 40 a round up to 200. `fifty-...`: 50 labels,
chosen at once, before there is a classifier. What follows is the acquisition. Before there is a classifier, it compares
principal components of the images, or with `-latents` at the end latents of a VAE of all images; in `tens` the first
questions are the medoids of their clusters then.

The classifier is `M2Classifier` with a convolutional q(y|x), which learns on from round to round, but starts anew from
labels spread over a graph in `tens` and `fifty`. After `supervised-` it is that q(y|x) alone, trained anew on labeled
rows for 50 epochs, in `tens` and `fifty` from random labels for 500. `vaal`, `discriminator` (no adversarial term) and
`refit` are `VAALClassifier` with a VAE, and with `-m2` behind it with M2.
"""

import argparse
import itertools
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peers import as_events
from records import keep, mean_and_spread, read
from scipy.special import entr
from sklearn.decomposition import PCA
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, normalize
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.nn import functional as F

from sklvae import ActiveLearningClassifier, M2Classifier, VAALClassifier, VariationalAutoencoder
from sklvae.datasets import load_fashion_mnist
from sklvae.nn import mlp_encoder, pooled_encoder

RESULTS = Path(__file__).parent / "results" / "active_learning.jsonl"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
N_TRAIN, N_CLASSES = 55_000, 10
ACQUISITIONS = (
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
FIRST = ("random", "typiclust", "medoids", "typiclust-latents", "medoids-latents")
OF_INPUTS = ("typiclust", "coreset")
"""Acquisitions that compare principal components; the others compare latents."""

SUPERVISED = ("supervised-random", "supervised-margin")
EPOCHS_OF_HUNDREDS, EPOCHS_OF_TENS = 50, 500
"""Epochs of the supervised network, whose steps would be few with few labels."""

VAAL = {
    "vaal": {},
    "vaal-m2": {"latent": "m2"},
    "discriminator": {"adversarial_weight": 0.0},
    "discriminator-m2": {"adversarial_weight": 0.0, "latent": "m2"},
    "refit": {"discriminator": "refit"},
    "refit-m2": {"discriminator": "refit", "latent": "m2"},
}


def convolutions(event, n_outputs):
    """The library's pooled convolutions and a dense layer, with dropout before the output."""
    network = pooled_encoder(event, (256,), n_outputs)
    return network.insert(len(network) - 1, nn.Dropout(0.3))


def encoder(event, n_outputs):
    """Convolutions for q(y|x), with an output for each of the ten classes, a dense layer for what q(z|x,y) sees."""
    return convolutions(event, n_outputs) if n_outputs == N_CLASSES else mlp_encoder(event, (256,), n_outputs)


def views(x):
    """Mirror half of the images, move each by up to two pixels, and blank a square of nine pixels a side."""
    n, _, height, width = x.shape
    on = {"device": x.device}
    x = torch.where(torch.rand(n, 1, 1, 1, **on) < 0.5, x.flip(-1), x)
    down, right = torch.randint(0, 5, (2, n, 1, 1), **on)
    rows, columns = torch.arange(height, **on).view(1, -1, 1), torch.arange(width, **on)
    x = F.pad(x, (2, 2, 2, 2))[torch.arange(n, **on).view(-1, 1, 1), 0, down + rows, right + columns][:, None]
    y_center, x_center = torch.randint(0, height, (n, 1, 1, 1), **on), torch.randint(0, width, (n, 1, 1, 1), **on)
    blank = ((rows.view(1, 1, -1, 1) - y_center).abs() < 5) & ((columns - x_center).abs() < 5)
    return x.masked_fill(blank, 0.0)


class Seen(nn.Module):
    """The convolutions, which see views of images in training."""

    def __init__(self):
        super().__init__()
        self.network = convolutions((1, 28, 28), N_CLASSES)

    def forward(self, x):
        return self.network(views(x) if self.training else x)


def supervised(max_epochs):
    """`Seen`, trained on labeled rows alone, anew in each round."""
    network = NeuralNetClassifier(
        Seen,
        criterion=nn.CrossEntropyLoss,
        classes=list(range(N_CLASSES)),
        optimizer=torch.optim.AdamW,
        lr=2e-3,
        batch_size=64,
        max_epochs=max_epochs,
        train_split=None,
        callbacks=[LRScheduler("CosineAnnealingLR", T_max=max_epochs)],
        verbose=0,
    )
    return make_pipeline(FunctionTransformer(as_events), network)


def learner(task, name, seed):
    """The acquisition, and the classifier that it is for."""
    rounds = {"batch_size": task.batch_size, "n_rounds": task.n_rounds, "random_state": seed}
    goes_on = task.n_known > 0
    if name.startswith("supervised"):
        network = supervised(EPOCHS_OF_HUNDREDS if goes_on else EPOCHS_OF_TENS)
        return ActiveLearningClassifier(
            network, acquisition=name.removeprefix("supervised-"), initial="random", **rounds
        )
    shared = {
        "augment": views,
        "hidden_units": (256,),
        "batch_size": 64,
        "max_epochs": task.epochs,
        "classes": range(N_CLASSES),
    }
    if name in VAAL:
        latent = {"encoder": encoder if name.endswith("m2") else convolutions, **VAAL[name]}
        acquisition = "discriminative" if name.startswith("refit") else "discriminator"
        return ActiveLearningClassifier(
            VAALClassifier(**latent, **shared), acquisition=acquisition, warm_start=True, **rounds
        )
    m2 = M2Classifier(encoder=encoder, start=None if goes_on else "graph", marginalization="truncated", **shared)
    name, _, latents = name.partition("-")
    embedding = VariationalAutoencoder(n_latent=20, beta=0.3) if latents else PCA(50) if name in OF_INPUTS else None
    if task.n_rounds == 1:
        return ActiveLearningClassifier(m2, initial=name, embedding=embedding, **rounds)
    initial = "medoids" if latents else "typiclust"
    return ActiveLearningClassifier(
        m2, acquisition=name, initial=initial, embedding=embedding, warm_start=goes_on, **rounds
    )


@dataclass
class Task:
    """How many images, labels at the start and questions; epochs a round."""

    names: tuple[str, ...]
    n_images: int
    n_known: int
    batch_size: int
    n_rounds: int
    epochs: int
    classes: tuple[int, ...] = tuple(range(N_CLASSES))

    def data(self, X, y, seed):
        """Images, their labels, and those labels that are known at the start."""
        rng = np.random.default_rng(seed)
        if self.n_images < len(X):
            rows = rng.choice(len(X), self.n_images, replace=False)
            X, y = X[rows], y[rows]
        known = np.full(len(y), -1)
        if len(self.classes) == N_CLASSES:
            rows = rng.choice(len(y), self.n_known, replace=False)
        else:
            counts = np.diff(np.linspace(0, self.n_known, len(self.classes) + 1).astype(int))
            rows = np.concatenate(
                [
                    rng.choice(np.flatnonzero(y == k), n, replace=False)
                    for k, n in zip(self.classes, counts, strict=True)
                ]
            )
        known[rows] = y[rows]
        return X, y, known


DRAWN = {
    "table": ("random", "margin", "supervised-random"),
    "hundreds": ("margin", "badge", "entropy", "typiclust", "random", "coreset", "discriminator-m2"),
}
"""Curves of `--plot`."""

IN_ROUNDS = (*ACQUISITIONS, *VAAL, *SUPERVISED)
TASKS = {
    "table": Task(IN_ROUNDS, N_TRAIN, 1000, batch_size=1000, n_rounds=7, epochs=3),
    "three": Task(IN_ROUNDS, N_TRAIN, 500, 64, n_rounds=14, epochs=1, classes=(2, 4, 7)),
    "hundreds": Task(IN_ROUNDS, 10_000, 200, batch_size=300, n_rounds=6, epochs=3),
    "tens": Task((*ACQUISITIONS, "margin-latents", *SUPERVISED), 5_000, 0, batch_size=40, n_rounds=5, epochs=6),
    "fifty": Task((*FIRST, "supervised-random"), N_TRAIN, 0, 50, n_rounds=1, epochs=3),
}


def distance_to_nearest(images):
    """Mean distance from an image to the nearest other one, pixels as fractions."""
    images = images.reshape(len(images), -1) / 255
    return float(kneighbors_graph(images, 1, mode="distance").data.mean())


def run(task, name, seed, *, validate=False):
    data = load_fashion_mnist()
    X, y, known = task.data(data.x_train[:N_TRAIN], data.y_train[:N_TRAIN].astype(int), seed)
    test = (data.x_train[N_TRAIN:], data.y_train[N_TRAIN:]) if validate else (data.x_test, data.y_test)
    torch.manual_seed(seed)  # for what takes no seed, the supervised network
    model = learner(task, name, seed)
    n_labels, accuracy, selections, apart = [], [], [], []

    def score():
        n_labels.append(int(model.n_queries_ + np.sum(known >= 0)))
        accuracy.append(float(model.score(*test)))

    def oracle(queries):
        if hasattr(model, "estimator_"):
            score()
        rows = [query.index for query in queries]
        selections.append(np.bincount(y[rows], minlength=N_CLASSES).tolist())
        apart.append(distance_to_nearest(X[rows]))
        return y[rows]

    start = time.perf_counter()
    model.fit(X, known, oracle=oracle)
    score()
    seconds = time.perf_counter() - start
    return {
        "n_labels": n_labels,
        "accuracy": accuracy,
        "selections": selections,
        "apart": apart,
        "seconds": seconds,
    }


CONFIGURATIONS = {f"{name}-{how}": partial(run, task, how) for name, task in TASKS.items() for how in task.names}


def table():
    """Print mean (SD) over seeds, a table a task."""
    for task in TASKS:
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


def plot():
    """Draw learning curves of `table-...` and of some of `hundreds-...`."""
    from sklvae.plotting import plot_learning_curves

    for task, names in DRAWN.items():
        curves = {}
        for record in read(RESULTS):
            of_task, name = record["configuration"].split("-", 1)
            if of_task == task and name in names:
                curves.setdefault(name, []).append((record["n_labels"], record["accuracy"]))
        axes = plot_learning_curves(curves, score="test accuracy")
        axes.figure.savefig(IMAGES / f"active_learning_{task}.png", dpi=100)


def selections():
    """Print how many images of each class a round asked about, in the first seed."""
    for record in read(RESULTS):
        if record["seed"] == 0 and record["configuration"].startswith("three"):
            print(f"\n{record['configuration']}")
            for number, counts in enumerate(record["selections"]):
                print(f"round {number:2}  " + "".join(f"{count:5}" for count in counts))
            print("in all    " + "".join(f"{count:5}" for count in np.sum(record["selections"], axis=0)))


def diversity():
    """Print how far apart the questions of a round of `hundreds` were, and over how many classes they spread."""
    print("\n| acquisition | seeds | distance to the nearest | effective number of classes |\n|---|---|---|---|")
    for name in TASKS["hundreds"].names:
        records = [record for record in read(RESULTS) if record["configuration"] == f"hundreds-{name}"]
        if records:
            apart = [np.mean(record["apart"]) for record in records]
            classes = [
                np.exp(entr(normalize(record["selections"], norm="l1")).sum(axis=1)).mean() for record in records
            ]
            print(f"| {name} | {len(records)} | {np.mean(apart):.2f} | {np.mean(classes):.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", choices=[[], *CONFIGURATIONS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5], help="how many, or from which to which")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--selections", action="store_true")
    parser.add_argument("--diversity", action="store_true")
    parser.add_argument("--plot", action="store_true", help="learning curves, into docs/images")
    parser.add_argument("--validate", action="store_true")
    arguments = parser.parse_args()
    for seed, name in itertools.product(range(*arguments.seeds), arguments.configurations):
        if arguments.validate:
            print(name, seed, CONFIGURATIONS[name](seed, validate=True), flush=True)
        elif not any((record["configuration"], record["seed"]) == (name, seed) for record in read(RESULTS)):
            keep(RESULTS, {"configuration": name, "seed": seed, **CONFIGURATIONS[name](seed)})
    if arguments.table:
        table()
    if arguments.selections:
        selections()
    if arguments.diversity:
        diversity()
    if arguments.plot:
        plot()


if __name__ == "__main__":
    main()
