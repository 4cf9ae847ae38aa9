"""The paper's Figures 2, 5 and 6 on MNIST: decoded centers and t-SNE of the latents, before and after.

    python benchmarks/pictures.py

Writes docs/images/centers_before.png, centers_after.png, latent_before.png and latent_after.png.
"""

from pathlib import Path

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
        axes = plot_latent(classifier.transform(X[:5000]), y[:5000], max_samples=2500, random_state=0)
        axes.figure.savefig(PICTURES / f"latent_{when}.png", dpi=60)

    classifier.fit(X, oracle=oracle)
    draw_latent("after")
    for when, number in (("before", 0), ("after", classifier.rounds_[-1]["round"])):
        asked = [answer for answer in classifier.answers_ if answer.query.round == number]
        plot_queries(asked).savefig(PICTURES / f"centers_{when}.png", dpi=60)


if __name__ == "__main__":
    main()
