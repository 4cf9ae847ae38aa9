"""Transfer from a VAE: labels per class x head x frozen, fine-tuned or not pretrained at all.

    python benchmarks/vae_transfer.py mnist fashion [--seeds 5]
    python benchmarks/vae_transfer.py color
    python benchmarks/vae_transfer.py --table

Each fit adds a line of JSON to benchmarks/results/vae_transfer.jsonl as it ends; a fit that is there already is not
repeated. `--table` prints what is there. `--validation` scores on the last 10,000 training images, and records
nothing: settings are chosen with it.

`mnist` and `fashion`: a VAE of the first 50,000 training images, one a seed, serves all fits of the seed. Each fit has
the same 1, 2, 4, ..., 64 labeled images per class of its seed. `scratch` is the network that is fine-tuned, with the
encoder's weights drawn anew. Accuracy and top-5 accuracy are of the 10,000 test images.
`color`: 3 x 96 x 96 images of colored bars, made on the fly, for shapes, memory and speed only.
"""

import argparse
import copy
import json
import resource
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from records import keep, mean_and_spread, read
from sklearn.metrics import top_k_accuracy_score

from sklvae import VAETransferClassifier, VariationalAutoencoder
from sklvae.datasets import load_fashion_mnist, load_mnist

RESULTS = Path(__file__).parent / "results" / "vae_transfer.jsonl"
DATA = {"mnist": load_mnist, "fashion": load_fashion_mnist}
LABELS = (1, 2, 4, 8, 16, 32, 64)
HEADS = ("feedforward", "convolutional")
ENCODERS = ("scratch", "frozen", "tuned")
N_TRAIN, N_COLOR = 50_000, 4_000
KEY = ("data", "seed", "labels", "head", "encoder")


def chosen_rows(y, n, seed):
    """n rows of each class; fewer labels are the first of more."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y == label))[:n] for label in range(10)])


def redrawn(vae, seed):
    """The same networks before any training: what a classifier from scratch begins with."""
    vae = copy.deepcopy(vae)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in vae.net_.module_.model.encoder.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return vae


def pretrained(X, seed):
    """A VAE as `VAETransferClassifier` trains it, and the seconds it took."""
    start = time.perf_counter()
    vae = VariationalAutoencoder(encoder="conv2", hidden_units=(256,), n_latent=50, random_state=seed).fit(X)
    return vae, time.perf_counter() - start


def fits(name, seed, labels, heads, encoders, validation):
    """Yield the record of each fit that is missing."""
    wanted = [dict(zip(KEY, (name, seed, *rest), strict=True)) for rest in product(labels, heads, encoders)]
    done = [] if validation else read(RESULTS)
    wanted = [key for key in wanted if not any(key.items() <= record.items() for record in done)]
    if not wanted:
        return
    data = DATA[name]()
    X, y = data.x_train[:N_TRAIN], data.y_train[:N_TRAIN].astype(int)
    scored = (data.x_train[N_TRAIN:], data.y_train[N_TRAIN:]) if validation else (data.x_test, data.y_test)
    vae, vae_seconds = pretrained(X, seed)
    scratch = redrawn(vae, seed)
    for key in wanted:
        rows = chosen_rows(y, key["labels"], seed)
        encoder = key["encoder"]
        start = time.perf_counter()
        model = VAETransferClassifier(
            vae=scratch if encoder == "scratch" else vae,
            head=key["head"],
            freeze=encoder == "frozen",
            random_state=seed,
        ).fit(X[rows], y[rows])
        seconds = time.perf_counter() - start
        probability, truth = model.predict_proba(scored[0]), scored[1].astype(int)
        yield {
            **key,
            "top1": float(np.mean(probability.argmax(axis=1) == truth)),
            "top5": float(top_k_accuracy_score(truth, probability, k=5, labels=model.classes_)),
            "seconds": seconds,
            "vae_seconds": vae_seconds,
        }


def color(seed):
    """Two classes: vertical and horizontal bars of any color, width and place."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=N_COLOR)
    X = rng.integers(0, 64, (N_COLOR, 3, 96, 96), dtype=np.uint8)
    for image, label in zip(X, y, strict=True):
        start, width = rng.integers(0, 80), rng.integers(4, 16)
        canvas = image if label else image.transpose(0, 2, 1)
        canvas[:, start : start + width] = rng.integers(64, 256, (3, 1, 1))
    before, start = peak_memory(), time.perf_counter()
    labels = np.where(np.arange(N_COLOR) < 128, y, -1)
    model = VAETransferClassifier(head="convolutional", max_epochs=3, random_state=seed).fit(X, labels)
    epochs = {phase: [r["dur"] for r in model.history_ if r["phase"] == phase] for phase in ("pretrain", "train")}
    return {
        "data": "color",
        "seed": seed,
        "features": model.net_.module_.model.feature_shape,
        "weights": sum(p.numel() for p in model.vae_.net_.module_.model.parameters()),
        "megabytes_of_x": X.nbytes / 1e6,
        "megabytes_of_fit": (peak_memory() - before) / 1e6,
        "images_a_second_vae": N_COLOR / float(np.median(epochs["pretrain"])),
        "images_a_second_classifier": 128 / float(np.median(epochs["train"])),
        "seconds": time.perf_counter() - start,
    }


def peak_memory():
    """Most bytes that this process has held (Linux counts in kilobytes)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def print_rows(values, columns):
    """Print mean (SD) over seeds of values by (seed, labels, head, encoder)."""
    print("| labels per class | " + " | ".join(" ".join(column) for column in columns) + " | seeds |")
    print("|---" * (len(columns) + 2) + "|")
    for n in LABELS:
        cells, n_seeds = [], 0
        for column in columns:
            found = [value for (_, *key), value in values.items() if tuple(key) == (n, *column)]
            cells.append(mean_and_spread(found))
            n_seeds = max(n_seeds, len(found))
        print(f"| {n} | {' | '.join(cells)} | {n_seeds} |")


def table():
    """Print mean (SD) over seeds: a line for each number of labels, a column for each network; then the gains."""
    records = read(RESULTS)
    for name, figure in product(DATA, ("top1", "top5")):
        values = {tuple(r[k] for k in KEY[1:]): 100 * r[figure] for r in records if r["data"] == name}
        if not values:
            continue
        print(f"\n{name}, {figure} %\n")
        print_rows(values, list(product(HEADS, ENCODERS)))
        gains = {key: v - values[*key[:3], "scratch"] for key, v in values.items() if (*key[:3], "scratch") in values}
        print(f"\n{name}, {figure}: points above scratch, seed by seed\n")
        print_rows(gains, list(product(HEADS, ENCODERS[1:])))
    for record in records:
        if record["data"] == "color":
            print("\n" + json.dumps(record))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", choices=[[], *DATA, "color"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5], help="how many, or from which to which")
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS, help="labels per class")
    parser.add_argument("--heads", nargs="+", default=HEADS, choices=HEADS)
    parser.add_argument("--encoders", nargs="+", default=ENCODERS, choices=ENCODERS)
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    results = None if arguments.validation else RESULTS
    for name in arguments.data:
        if name == "color":
            if not any(record["data"] == "color" for record in read(RESULTS)):
                keep(results, color(seed=0))
            continue
        for seed in range(*arguments.seeds):
            of_seed = fits(name, seed, arguments.labels, arguments.heads, arguments.encoders, arguments.validation)
            for record in of_seed:
                keep(results, record)
    if arguments.table:
        table()


if __name__ == "__main__":
    main()
