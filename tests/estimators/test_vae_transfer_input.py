"""What VAETransferClassifier refuses, and how it says so."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from torch import nn

from sklvae import VAETransferClassifier, VariationalAutoencoder

DIGITS = load_digits()
IMAGES = (DIGITS.images[:300] * 15).astype(np.uint8)
LABELS = np.where(np.arange(300) < 60, DIGITS.target[:300], -1)


def small(**parameters):
    return VAETransferClassifier(**{"hidden_units": (32,), "max_epochs": 1, "random_state": 0, **parameters})


def broken(feature_shape, n_classes):
    raise TypeError("no such layer")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cut": 0}, r"cut must be one of 'auto', 'hidden', 'latent' or an integer >= 1, got 0"),
        ({"cut": "middle"}, "cut must be one of"),
        ({"cut": 4}, r"cut must be 'latent', or keep from 1 to 3 of the 4 layers with weights .* got 4"),
        (
            {"head": "dense"},
            r"head must be one of 'feedforward', 'convolutional' or a module factory \(no module\), got 'dense'",
        ),
        ({"head": nn.Linear(32, 10)}, "head must be one of .* or a module factory"),
        ({"head": "convolutional", "cut": "hidden"}, r"needs maps .* but cut='hidden' gives features of shape \(32,\)"),
        ({"head": lambda shape, n: nn.Linear(31, n)}, r"gives the shape \(32,\); it raised RuntimeError"),
        ({"head": lambda shape, n: nn.Linear(32, 3)}, r"gives 10 numbers.*it gave shape \(2, 3\) for 2 samples"),
        ({"head": lambda shape, n: nn.Flatten(), "hidden_units": (10,)}, "it has no parameters"),
        ({"head": broken}, "it raised TypeError: no such layer"),
        ({"head": lambda shape, n: None}, "it raised AttributeError"),
        ({"freeze": "yes"}, "freeze must be a bool"),
        ({"encoder_lr": 0}, "encoder_lr must be a finite number > 0"),
        ({"early_stopping": "maybe"}, "early_stopping must be one of 'auto' or a bool"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be a number in \(0, 1\), got 1.0"),
        ({"validation_fraction": 0.0}, "validation_fraction must be"),
        ({"vae": "fitted"}, "vae must be None or a fitted VariationalAutoencoder, got 'fitted'"),
        ({"vae": VariationalAutoencoder()}, r"vae must be fitted, got VariationalAutoencoder\(\). Call its fit"),
        ({"encoder": "conv2", "image_shape": (2, 32)}, 'encoder="conv2" needs images of at least 4 x 4'),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_trained(parameters, message, monkeypatch):
    monkeypatch.setattr(VariationalAutoencoder, "fit", None)
    X = IMAGES.reshape(300, 64) if "image_shape" in parameters else IMAGES
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(X, LABELS)


@pytest.mark.parametrize(
    ("X", "y", "parameters", "message"),
    [
        (IMAGES, None, {}, "requires y to be passed, but the target y is None"),
        (IMAGES, np.full(300, -1), {}, r"got 0 class\(es\) among 0 labeled of 300 rows. Label more rows"),
        (IMAGES, np.where(LABELS == 3, 3, -1), {}, r"at least 2 classes, got 1 class\(es\)"),
        (IMAGES, LABELS[:-1], {}, "inconsistent numbers of samples"),
        (IMAGES[:12], np.arange(12) % 10, {"early_stopping": True}, r"needs two labels of each class.* got one of \[2"),
        (DIGITS.data[:300], LABELS, {"head": "convolutional"}, "needs an encoder that is an nn.Sequential with conv"),
    ],
)
def test_bad_data_is_refused_before_anything_is_trained(X, y, parameters, message, monkeypatch):
    monkeypatch.setattr(VariationalAutoencoder, "fit", None)
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(X, y)


def test_a_vae_of_other_features_is_refused(blobs):
    vae = VariationalAutoencoder(encoder="mlp", hidden_units=(8,), max_epochs=1, random_state=0).fit(IMAGES)
    with pytest.raises(ValueError, match=r"fitted on the features of X, got one fitted on 64 features, and X with 5\."):
        small(vae=vae).fit(*blobs)
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\], got values from 0 to 16"):
        small(vae=vae).fit(DIGITS.data[:300], LABELS)
    of_images = VariationalAutoencoder(encoder="conv2", hidden_units=(8,), max_epochs=1, random_state=0).fit(IMAGES)
    with pytest.raises(
        ValueError, match=r"the shape of those in X, got one fitted on \(1, 8, 8\), and X with \(1, 4, 16"
    ):
        small(vae=of_images).fit(IMAGES.reshape(-1, 4, 16), LABELS)
    frame = pd.DataFrame(blobs[0], columns=list("abcde"))
    of_table = VariationalAutoencoder(max_epochs=1).fit(frame)
    with pytest.raises(ValueError, match=r"in their order, got one fitted on \['a', .* and X with \['e'"):
        small(vae=of_table).fit(frame[list("edcba")], blobs[1])
    assert small(vae=of_table, max_epochs=1).fit(frame, blobs[1]).transform(frame).shape == (120, 10)
