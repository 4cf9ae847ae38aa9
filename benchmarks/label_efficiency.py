"""Test accuracy by the number of questions: ours beside others on the same data.

    python benchmarks/label_efficiency.py --data mnist --budgets 10 50 150 [--methods sklvae umap_gmm] [--seeds 5]
    python benchmarks/label_efficiency.py --table --plot

Each fit runs in a process of its own and adds a line to benchmarks/results/label_efficiency.csv as it ends; one that is
there already is not repeated. Ours are the records of `cluster_label.py`, and kept there. Seconds are of fit and
prediction (ours: of the fit), the compilation that UMAP does in its first call included. The other methods are those of
`peers.py`, which need the dependency group `peers` (``pip install --group peers``). Our defaults were chosen on digits,
on validation images of MNIST and Fashion-MNIST, and by the labels of their training images; the others have their own,
or what `peers.py` says. The test images choose nothing.
"""

import argparse
import csv
import time
from itertools import product
from pathlib import Path

import cluster_label
import numpy as np
import records
from peers import METHODS

RESULTS = Path(__file__).parent / "results" / "label_efficiency.csv"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
COLUMNS = ["data", "budget", "method", "seed", "accuracy", "seconds", "peak_gib"]
BUDGETS = {"mnist": [10, 50, 150], "fashion": [50, 150, 1000]}
LOADERS = {"mnist": cluster_label.mnist, "fashion": cluster_label.fashion}
OURS = "sklvae"
ALL = [OURS, *METHODS]


def configuration(data, budget):
    """The name of ours in `cluster_label.py`."""
    return f"{data}-images-{budget}"


def fitted(data, budget, method, seed):
    """Accuracy and seconds of another method."""
    X, y, X_test, y_test = LOADERS[data](seed)
    start = time.perf_counter()
    accuracy = np.mean(METHODS[method](X, y.astype(int), X_test, budget, seed) == y_test)
    return accuracy, time.perf_counter() - start


def ours():
    """The records of `cluster_label.py`, as lines of the file."""
    found = {(record["configuration"], record["seed"]): record for record in records.read(cluster_label.RESULTS)}
    return [
        dict(zip(COLUMNS, (data, budget, OURS, seed, r["test_accuracy"], r["seconds"], r["peak_gib"]), strict=True))
        for data, budgets in BUDGETS.items()
        for budget in budgets
        for (name, seed), r in found.items()
        if name == configuration(data, budget)
    ]


def read():
    """Our records and the lines of the file, with numbers where there are numbers."""
    if not RESULTS.exists():
        return ours()
    with RESULTS.open(newline="") as file:
        kinds = [str, int, str, int, float, float, float]
        return ours() + [
            {name: kind(row[name]) for name, kind in zip(COLUMNS, kinds, strict=True)} for row in csv.DictReader(file)
        ]


def keep(row):
    """Add a line to the file."""
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def run(data, budgets, methods, seeds):
    """Whatever is missing."""
    done = {tuple(row[name] for name in COLUMNS[:4]) for row in read()}
    for seed, name, method in product(range(seeds), data, methods):
        for budget in budgets or BUDGETS[name]:
            if method == OURS:
                cluster_label.fill(configuration(name, budget), seed)
                continue
            if (name, budget, method, seed) in done:
                continue
            (accuracy, seconds), peak = records.alone(fitted, name, budget, method, seed)
            figures = (f"{accuracy:.4f}", f"{seconds:.1f}", f"{peak:.2f}")
            row = dict(zip(COLUMNS, (name, budget, method, seed, *figures), strict=True))
            keep(row)
            print(row, flush=True)


def chosen(rows, data, budget, method):
    return [row for row in rows if (row["data"], row["budget"], row["method"]) == (data, budget, method)]


def table():
    """Print mean (SD) over seeds, and the worst: a line a method, columns by budget."""
    rows = read()
    for data, budgets in BUDGETS.items():
        if not any(row["data"] == data for row in rows):
            continue
        print(f"\n{data}\n\n| method | " + " | ".join(f"{b}: accuracy %, worst" for b in budgets) + " | s | GiB |")
        print("|---" * (len(budgets) + 3) + "|")
        for method in ALL:
            cells, found = [], []
            for budget in budgets:
                here = chosen(rows, data, budget, method)
                found += here
                values = [100 * row["accuracy"] for row in here]
                cells.append(f"{records.mean_and_spread(values)}, {min(values):.1f}" if here else "")
            if found:
                seconds = [row["seconds"] for row in found]
                peak = max(row["peak_gib"] for row in found)
                print(f"| {method} | {' | '.join(cells)} | {min(seconds):.0f} to {max(seconds):.0f} | {peak:.1f} |")


def plot():
    """Accuracy by questions, a picture for each data set."""
    import matplotlib.pyplot as plt

    rows = read()
    for data, budgets in BUDGETS.items():
        if not any(row["data"] == data for row in rows):
            continue
        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        for method in ALL:
            points = [(b, [100 * row["accuracy"] for row in chosen(rows, data, b, method)]) for b in budgets]
            points = [(b, np.mean(v), np.std(v, ddof=1) if len(v) > 1 else 0) for b, v in points if v]
            if points:
                style = {"color": "black", "linewidth": 2.5} if method == OURS else {}
                axes.errorbar(*zip(*points, strict=True), marker="o", capsize=3, label=method, **style)
        axes.set(xscale="log", xlabel="questions", ylabel="test accuracy (%)", title=data)
        axes.set_xticks(budgets, budgets)
        axes.minorticks_off()
        figure.legend(loc="outside right center", fontsize=8)
        figure.savefig(IMAGES / f"label_efficiency_{data}.png", dpi=120)
        plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", choices=list(BUDGETS), default=[])
    parser.add_argument("--budgets", type=int, nargs="*", help="default: those of the table")
    parser.add_argument("--methods", nargs="*", choices=ALL, default=ALL)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--plot", action="store_true")
    arguments = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    for data in arguments.data if OURS in arguments.methods else ():
        for budget in arguments.budgets or BUDGETS[data]:
            if configuration(data, budget) not in cluster_label.CONFIGURATIONS:
                parser.error(f"cluster_label.py has no {configuration(data, budget)}; leave {OURS} out of --methods")
    run(arguments.data, arguments.budgets, arguments.methods, arguments.seeds)
    if arguments.table:
        table()
    if arguments.plot:
        plot()


if __name__ == "__main__":
    main()
