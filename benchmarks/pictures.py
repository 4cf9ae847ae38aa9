"""The paper's Figures 2, 5 and 6 on MNIST: decoded centers and t-SNE of the latents, before and after.

    python benchmarks/pictures.py

Writes docs/images/centers_before.png, centers_after.png, latent_before.png, latent_after.png and, of the classes 4
and 9 alone, latent_4_9_before.png and latent_4_9_after.png.
"""

from pathlib import Path

import numpy as np

from sklvae import ClusterLabelVAEClassifier
from sklvae.datasets import load_mnist
from sklvae.labeling import SimulatedOracle
from sklvae.plotting import plot_latent, plot_queries

PICTURES = Path(__file__).parent.parent / "docs" / "images"


def main():
    data = load_mnist()
    X, y = data.x_train[:50_000], data.y_train[:50_000]
    expert = SimulatedOracle(X, y)
    classifier = ClusterLabelVAEClassifier(
        propagation="cluster",
        confidence="posterior",
        n_clusters=30,
        encoder="conv",
        hidden_units=(256,),
        random_state=0,
    )

    def oracle(queries):
        if queries[0].id == 0:
            draw_latent("before")
        return expert(queries)

    def draw_latent(when):
        z = classifier.transform(X[:10_000])
        for name, rows in (("latent", np.arange(2500)), ("latent_4_9", np.flatnonzero(np.isin(y[:10_000], [4, 9])))):
            axes = plot_latent(z[rows], y[rows], max_samples=2500, random_state=0)
            axes.figure.savefig(PICTURES / f"{name}_{when}.png", dpi=60)

    classifier.fit(X, oracle=oracle)
    draw_latent("after")
    for when, number in (("before", 0), ("after", classifier.rounds_[-1]["round"])):
        asked = [answer for answer in classifier.answers_ if answer.query.round == number]
        plot_queries(asked).savefig(PICTURES / f"centers_{when}.png", dpi=60)


if __name__ == "__main__":
    main()
