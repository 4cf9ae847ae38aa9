"""What every estimator asks of images and of an encoder of one's own."""

import re

import numpy as np
import pytest
from torch import nn

from sklvae import (
    CentroidRegularizedClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    M2Classifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)

LATENT = [VariationalAutoencoder, VAETransferClassifier, M2Classifier, GMDGMClassifier]


def quick(kind, **parameters):
    network = {} if kind is CentroidRegularizedClassifier else {"hidden_units": (8,)}
    return kind(**{"max_epochs": 1, "random_state": 0, **network, **parameters})


@pytest.mark.parametrize("kind", LATENT)
@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (lambda shape, n: nn.Linear(64, n + 1), r"; it gave shape \(2, .*\) for 2 samples"),
        (lambda shape, n: nn.Linear(63, n), "; it raised RuntimeError"),
        (lambda shape, n: None, "; it raised AttributeError"),
        (lambda shape: nn.Linear(64, 8), "; it raised TypeError: .* takes 1 positional argument"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(kind, encoder, message, digits):
    wanted = (
        rf"{kind.__name__}: encoder must be a factory f\(event_shape, n_outputs\) of a module that gives .* \(64,\)"
    )
    with pytest.raises(ValueError, match=wanted + message):
        quick(kind, encoder=encoder).fit(*digits)


@pytest.mark.parametrize("kind", LATENT)
def test_a_module_is_no_factory(kind, digits):
    with pytest.raises(ValueError, match=r"encoder must be .* a module factory \(no module\)"):
        quick(kind, encoder=nn.Linear(64, 8)).fit(*digits)


@pytest.mark.parametrize(
    "kind", [*LATENT, CentroidRegularizedClassifier, ClusterLabelVAEClassifier], ids=lambda kind: kind.__name__
)
@pytest.mark.filterwarnings("ignore:GMDGMClassifier|M2Classifier")  # after one epoch
def test_images_of_another_shape_are_refused_and_flat_rows_are_not(kind, digits):
    X, y = digits
    more = {"n_clusters": 2, "n_rounds": 1} if kind is ClusterLabelVAEClassifier else {}
    model = quick(kind, **more).fit(X.reshape(-1, 8, 8), y)
    with pytest.raises(ValueError, match=r"images must have the shape \(1, 8, 8\) .* got \(1, 4, 16\)"):
        model.transform(X.reshape(-1, 4, 16))
    np.testing.assert_array_equal(model.transform(X), model.transform(X.reshape(-1, 1, 8, 8)))
    with pytest.raises(
        ValueError, match=r"X must be a table \(n, features\), or images .* got shape \(200, 1, 1, 8, 8\)"
    ):
        model.fit(X.reshape(-1, 1, 1, 8, 8), y)


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 9)])
def test_one_image_is_no_set_of_images(shape):
    X = np.random.default_rng(0).random((20, *shape), dtype=np.float32)
    model = quick(VariationalAutoencoder, encoder="mlp").fit(X)
    with pytest.raises(ValueError, match=rf"X must hold images, got one of shape {re.escape(str(shape))}.*newaxis"):
        model.transform(X[0])
    assert model.transform(X[0][np.newaxis]).shape == model.transform(X[0].reshape(1, -1)).shape == (1, 10)


def test_channels_that_seem_to_be_last_are_warned_of():
    X = np.random.default_rng(0).random((20, 9, 8, 3), dtype=np.float32)
    with pytest.warns(UserWarning, match=r"shape \(20, 9, 8, 3\) is taken as \(n, channels, .*transpose"):
        quick(VariationalAutoencoder, encoder="mlp").fit(X)
    quick(VariationalAutoencoder, encoder="mlp").fit(X.transpose(0, 3, 1, 2))
    quick(VariationalAutoencoder, encoder="mlp").fit(np.ascontiguousarray(X[:, :, :4]))  # maps of 4 x 3, too


@pytest.mark.parametrize("kind", [ClusterLabelVAEClassifier, M2Classifier], ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore:M2Classifier")  # after one epoch
def test_images_that_differ_in_brightness_alone_have_neighbors(kind):
    brightness = np.linspace(0, 1, 60, dtype=np.float32)
    y = np.where(np.arange(60) % 4 == 0, brightness > 0.5, -1)
    model = quick(kind).fit(np.broadcast_to(brightness[:, None, None], (60, 8, 8)), y)
    assert np.isin(model.labels_, [0, 1]).all()


@pytest.mark.parametrize("kind", [*LATENT, ClusterLabelVAEClassifier], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("encoder", "widths"), [("conv3", (128,)), ("conv2", (500, 500)), ("mlp", (500, 500))])
@pytest.mark.filterwarnings("ignore:GMDGMClassifier|M2Classifier")  # after one epoch
def test_auto_makes_dense_layers_narrower_behind_pooled_convolutions(kind, encoder, widths, digits):
    X, y = digits[0][:40].reshape(-1, 8, 8), digits[1][:40]
    more = {"n_clusters": 2, "n_rounds": 1} if kind is ClusterLabelVAEClassifier else {}
    auto, given, other = (
        quick(kind, encoder=encoder, hidden_units=hidden, **more).fit(X, y).transform(X)
        for hidden in ("auto", widths, (8,))
    )
    np.testing.assert_array_equal(auto, given)
    assert not np.array_equal(auto, other)
