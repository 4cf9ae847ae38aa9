"""Draws of a centroid-regularized classifier: predictions with dropout left on."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.datasets import make_blobs
from torch import nn

from sklvae import CentroidRegularizedClassifier


@pytest.fixture(scope="module")
def rows():
    """Three classes, and a label for fifteen of the rows."""
    X, y = make_blobs(n_samples=180, centers=3, n_features=6, cluster_std=0.8, random_state=0)
    return X.astype(np.float32), np.where(np.arange(180) < 15, y, -1)


def around(module, layer, **parameters):
    defaults = {"max_epochs": 1, "batch_size": 32, "random_state": 0}
    return CentroidRegularizedClassifier(module=module, layers=[layer], **{**defaults, **parameters})


def normalizing(event, n_classes):
    return nn.Sequential(nn.Linear(event[0], 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, n_classes))


class Attends(nn.Module):
    """Each feature is a token; the fused layer of evaluation mode drops nothing."""

    def __init__(self, event, n_classes):
        super().__init__()
        self.embed, self.head = nn.Linear(1, 8), nn.Linear(8, n_classes)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)

    def forward(self, x):
        return self.head(self.layer(self.embed(x[..., None])).mean(1))


@pytest.mark.parametrize("inside", [True, False])
def test_draws_are_of_dropout(inside):
    """A linear network of two features: each is there, doubled, or dropped."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    layers = [nn.Identity(), nn.Dropout(0.5 if inside else 0.0), nn.Linear(2, 2)]

    def linear(event, n_classes):
        return nn.Sequential(*layers)

    fitted = around(linear, "0", input_dropout=0.0 if inside else 0.5)
    fitted.fit(X, np.where(np.arange(60) < 20, (X[:, 0] > 0).astype(int), -1))
    weight, bias = (p.detach().numpy().astype(float) for p in fitted._model.network[2].parameters())
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    draws = fitted.sample_proba(X, n_draws=200)
    assert draws.shape == (200, 60, 2)
    kept = np.array([[0, 0], [0, 2], [2, 0], [2, 2]])
    possible = [softmax(z * some @ weight.T + bias, axis=1) for some in kept]
    found = np.array([np.isclose(draws, one, atol=1e-4).all(axis=2) for one in possible])
    assert found.any(axis=0).all()
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0.25, atol=0.02)
    np.testing.assert_array_equal(fitted.sample_proba(X, n_draws=200), draws)
    np.testing.assert_allclose(fitted.predict_proba(X), softmax(z @ weight.T + bias, axis=1), atol=1e-4)


def test_draws_leave_the_normalization_and_the_generators_as_they_are(rows):
    X, y = rows
    fitted = around(normalizing, "2", output_dropout=0.5).fit(X, y)
    before, state = fitted.predict_proba(X[:5]), torch.get_rng_state()
    draws = fitted.sample_proba(X)
    assert draws.shape == (16, 180, 3)
    assert draws.std(axis=0).min(axis=0).min() > 0
    np.testing.assert_array_equal(fitted.predict_proba(X[:5]), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(part.training for part in fitted._model.modules())


def test_draws_need_dropout(rows):
    X, y = rows
    with pytest.raises(AttributeError, match="sample_proba"):
        CentroidRegularizedClassifier(max_epochs=1).fit(X, y).sample_proba(X)
    foreign = around(normalizing, "2").fit(X, y)
    with pytest.raises(ValueError, match=r"draws need dropout, .* Use output_dropout=0.5, or nn.Dropout"):
        foreign.sample_proba(X)
    with pytest.raises(ValueError, match="needs n_draws, an integer >= 1, got 0"):
        foreign.sample_proba(X, 0)


def test_draws_of_attention_differ(rows):
    X, y = rows
    fitted = around(Attends, "head").fit(X, y)
    fused = torch.backends.mha.get_fastpath_enabled()
    assert fitted.sample_proba(X).std(axis=0).min() > 1e-3
    assert torch.backends.mha.get_fastpath_enabled() == fused
