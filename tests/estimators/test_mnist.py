"""The papers' protocols on real MNIST; minutes each. The measured figures are in docs/results.md."""

import os

import numpy as np
import pytest

from sklvae import ClusterLabelVAEClassifier, GMDGMClassifier, M2Classifier
from sklvae.datasets import load_mnist
from sklvae.labeling import SimulatedOracle
from sklvae.metrics import purity

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


def labels_of(classes, n, y):
    """-1 but for n rows of each of the classes."""
    labels = np.full(len(y), -1)
    for label in classes:
        labels[np.random.default_rng(label).choice(np.flatnonzero(y == label), n, replace=False)] = label
    return labels


def test_100_labels_are_enough_for_m2():
    data = load_mnist()
    X, y = data.x_train[:50_000], data.y_train[:50_000].astype(int)
    classifier = M2Classifier(random_state=0).fit(X, labels_of(range(10), 10, y))
    assert classifier.score(data.x_test, data.y_test.astype(int)) > 0.965


def test_classes_without_labels_are_found():
    data = load_mnist()
    X, y = data.x_train[:50_000], data.y_train[:50_000].astype(int)
    classifier = GMDGMClassifier(random_state=0).fit(X, labels_of((0, 1, 2, 8, 9), 100, y))
    known, slots = np.isin(data.y_test, (0, 1, 2, 8, 9)), classifier.predict(data.x_test)
    assert (slots[known] == data.y_test[known]).mean() > 0.97
    assert purity(data.y_test[~known], slots[~known]) > 0.93
    assert purity(data.y_test, slots) > 0.95
