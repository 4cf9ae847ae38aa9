"""The main job on real MNIST; minutes each. The measured figures are in docs/results.md."""

import os

import pytest

from sklvae import ClusterLabelVAEClassifier
from sklvae.datasets import load_mnist
from sklvae.labeling import SimulatedOracle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("SKLVAE_DATA" not in os.environ, reason="SKLVAE_DATA names no folder with mnist.npz"),
]


@pytest.mark.parametrize(
    ("parameters", "n_neighbors", "floor"),
    [
        ({}, 1, 0.95),
        ({"propagation": "cluster", "confidence": "posterior", "n_clusters": 30}, 5, 0.90),
    ],
)
def test_150_answers_label_mnist(parameters, n_neighbors, floor):
    data = load_mnist()
    X, y = data.x_train[:50_000].reshape(50_000, -1), data.y_train[:50_000]
    classifier = ClusterLabelVAEClassifier(random_state=0, **parameters)
    classifier.fit(X, oracle=SimulatedOracle(X, y, n_neighbors=n_neighbors))
    assert classifier.n_queries_ <= 150
    assert classifier.score(data.x_test.reshape(10_000, -1), data.y_test) > floor
    assert (classifier.labels_ == y).mean() > floor - 0.02
