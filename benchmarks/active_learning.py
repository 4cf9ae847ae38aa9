"""Active learning on Fashion-MNIST: the slides' tables and findings.

    python benchmarks/active_learning.py table-margin table-random [--seeds 5]
    python benchmarks/active_learning.py --table

Each fit adds a line of JSON to benchmarks/results/active_learning.jsonl as it ends; a fit that is there already is not
repeated. `--table` prints what is there, `--selections` the classes of the questions of `three-...`, `--validate`
prints the accuracy on validation images instead and keeps nothing.

All use 55,000 training images; the 5,000 after them are the slides' validation set, on which network, views and epochs
were chosen. The test accuracy after each round is recorded, and how many images of each class the round asked about.

`table-...`: 1000 random labels, then 1000 a round up to 8000. `three-...`: 500 labels in pullover, coat and sneaker,
then 64 a round up to 1396. `fifty-...`: 50 labels, chosen at once, before there is a classifier. What follows is the
acquisition. The classifier is `M2Classifier`, with a convolutional q(y|x) where it learns on from round to round;
after `supervised-` it is that q(y|x) alone, trained anew on labeled rows, for 50 epochs. `vaal`, `discriminator` (no
adversarial term) and `refit` are `VAALClassifier` with a VAE, and with `-m2` behind it with M2.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peers import as_events
from records import keep, mean_and_spread, read
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.nn import functional as F

from sklvae import ActiveLearningClassifier, M2Classifier, VAALClassifier
from sklvae.datasets import load_fashion_mnist
from sklvae.nn import mlp_encoder

RESULTS = Path(__file__).parent / "results" / "active_learning.jsonl"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
N_TRAIN, N_CLASSES = 55_000, 10
THREE = (2, 4, 7)
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
OF_INPUTS = ("typiclust", "coreset")
"""Acquisitions that compare principal components; the others compare latents."""

VAAL = {
    "vaal": {},
    "vaal-m2": {"latent": "m2"},
    "discriminator": {"adversarial_weight": 0.0},
    "discriminator-m2": {"adversarial_weight": 0.0, "latent": "m2"},
    "refit": {"discriminator": "refit"},
    "refit-m2": {"discriminator": "refit", "latent": "m2"},
}


def convolutions(event, n_outputs):
    """Three convolutions, each with a normalization of the batch and pooling; then two dense layers."""
    layers, n_inputs = [], event[0]
    for n in (16, 32, 64):
        layers += [nn.Conv2d(n_inputs, n, 3, padding=1), nn.BatchNorm2d(n), nn.ReLU(), nn.MaxPool2d(2)]
        n_inputs = n
    side = event[1] // 8
    layers += [nn.Flatten(), nn.Linear(64 * side * side, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, n_outputs)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


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


def supervised():
    """`Seen`, trained on labeled rows alone, anew in each round."""
    network = NeuralNetClassifier(
        Seen,
        criterion=nn.CrossEntropyLoss,
        classes=list(range(N_CLASSES)),
        optimizer=torch.optim.AdamW,
        lr=2e-3,
        batch_size=64,
        max_epochs=50,
        train_split=None,
        callbacks=[LRScheduler("CosineAnnealingLR", T_max=50)],
        verbose=0,
    )
    return make_pipeline(FunctionTransformer(as_events), network)


def learner(task, name, seed):
    """The acquisition, and the classifier that it is for."""
    rounds = {**ROUNDS[task], "random_state": seed}
    if name.startswith("supervised"):
        return ActiveLearningClassifier(supervised(), acquisition=name.removeprefix("supervised-"), **rounds)
    if task == "fifty":
        return ActiveLearningClassifier(M2Classifier(augment=views), initial=name, **rounds)
    shared = {
        "augment": views,
        "hidden_units": (256,),
        "batch_size": 64,
        "max_epochs": EPOCHS[task],
        "classes": range(N_CLASSES),
    }
    if name in VAAL:
        latent = {"encoder": encoder if name.endswith("m2") else convolutions, **VAAL[name]}
        acquisition = "discriminative" if name.startswith("refit") else "discriminator"
        return ActiveLearningClassifier(
            VAALClassifier(**latent, **shared), acquisition=acquisition, warm_start=True, **rounds
        )
    m2 = M2Classifier(encoder=encoder, start=None, marginalization="truncated", **shared)
    embedding = PCA(50) if name in OF_INPUTS else None
    return ActiveLearningClassifier(m2, acquisition=name, embedding=embedding, warm_start=True, **rounds)


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
    "fifty": {"batch_size": 50, "n_rounds": 1},
}
EPOCHS = {"table": 3, "three": 1}
"""Epochs of a round: a fit goes on from the round before."""


def run(task, name, seed, *, validate=False):
    data = load_fashion_mnist()
    X, y = data.x_train[:N_TRAIN], data.y_train[:N_TRAIN].astype(int)
    test = (data.x_train[N_TRAIN:], data.y_train[N_TRAIN:]) if validate else (data.x_test, data.y_test)
    torch.manual_seed(seed)  # for what takes no seed, the supervised network
    model, known = learner(task, name, seed), known_at_start(task, y, seed)
    n_labels, accuracy, selections = [], [], []

    def score():
        n_labels.append(int(model.n_queries_ + (0 if known is None else np.sum(known >= 0))))
        accuracy.append(float(model.score(*test)))

    def oracle(queries):
        if hasattr(model, "estimator_"):
            score()
        labels = y[[query.index for query in queries]]
        selections.append(np.bincount(labels, minlength=N_CLASSES).tolist())
        return labels

    start = time.perf_counter()
    model.fit(X, known, oracle=oracle)
    score()
    seconds = time.perf_counter() - start
    return {"n_labels": n_labels, "accuracy": accuracy, "selections": selections, "seconds": seconds}


IN_ROUNDS = (*ACQUISITIONS, *VAAL, "supervised-random", "supervised-margin")
NAMES = {
    "table": IN_ROUNDS,
    "three": IN_ROUNDS,
    "fifty": ("random", "typiclust", "coreset", "probcover", "medoids"),
}
CONFIGURATIONS = {f"{task}-{name}": partial(run, task, name) for task, names in NAMES.items() for name in names}


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


def plot():
    """Draw the learning curves of `table-...`."""
    from sklvae.plotting import plot_learning_curves

    curves = {}
    for record in read(RESULTS):
        task, name = record["configuration"].split("-", 1)
        if task == "table":
            curves.setdefault(name, []).append((record["n_labels"], record["accuracy"]))
    axes = plot_learning_curves(curves, score="test accuracy")
    axes.figure.savefig(IMAGES / "active_learning.png", dpi=100)


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
    parser.add_argument("--plot", action="store_true", help="learning curves, into docs/images")
    parser.add_argument("--validate", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.configurations:
        for seed in range(*arguments.seeds):
            if arguments.validate:
                print(name, seed, CONFIGURATIONS[name](seed, validate=True), flush=True)
                continue
            if any((record["configuration"], record["seed"]) == (name, seed) for record in read(RESULTS)):
                continue
            record = {"configuration": name, "seed": seed, **CONFIGURATIONS[name](seed)}
            keep(RESULTS, record)
    if arguments.table:
        table()
    if arguments.selections:
        selections()
    if arguments.plot:
        plot()


if __name__ == "__main__":
    main()
