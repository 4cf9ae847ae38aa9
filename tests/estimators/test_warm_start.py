"""What `warm_start` goes on from, in every estimator that has one, and what it refuses."""

import numpy as np
import pytest
import torch

from sklvae import (
    CentroidRegularizedClassifier,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    M2Classifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)

QUICK = {"max_epochs": 2, "warm_start": True, "random_state": 0}


@pytest.fixture
def partly(blobs):
    X, truth = blobs
    return X, np.where(np.arange(len(X)) % 4 == 0, truth, -1), truth


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize(
    "estimator",
    [
        VariationalAutoencoder(**QUICK, hidden_units=(8,)),
        M2Classifier(**QUICK, hidden_units=(8,)),
        GMDGMClassifier(**QUICK, hidden_units=(8,), n_extra=1),
        ClusterLabelVAEClassifier(**QUICK, hidden_units=(8,), n_clusters=3, n_rounds=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore:GMDGMClassifier|M2Classifier")  # after so few epochs
def test_parameters_that_describe_another_network_are_refused(estimator, partly):
    X, y, _ = partly
    estimator.fit(X, y)
    before = estimator.transform(X)
    message = rf"{type(estimator).__name__}: warm_start=True goes on from .* another one now. Set them back, or use"
    with pytest.raises(ValueError, match=message):
        estimator.set_params(hidden_units=(9,)).fit(X, y)
    np.testing.assert_array_equal(estimator.transform(X), before)
    estimator.set_params(warm_start=False).fit(X, y)


def test_centroids_and_dropout_of_a_network_that_goes_on(partly):
    X, y, _ = partly
    model = CentroidRegularizedClassifier(**QUICK, module_params={"hidden_units": (8, 8)}, layers=["1"]).fit(X, y)
    model.set_params(layers=["3"], output_dropout=0.5, input_dropout=0.25).fit(X, y)
    network = model.net_.module_.model
    assert (network.layers, network.output_dropout, network.input_dropout) == (("3",), 0.5, 0.25)
    assert list(model.centroids_) == ["3"]
    for changed in ({"n_centroids": 5}, {"module_params": {"hidden_units": (9, 8)}}):
        with pytest.raises(ValueError, match="CentroidRegularizedClassifier: warm_start=True goes on from the network"):
            model.set_params(**changed).fit(X, y)


def test_rows_that_started_in_clusters_are_held_where_they_are(partly):
    X, y, _ = partly
    names = {"classes": [0, 1, 2], "start": "clusters", "hidden_units": (16,)}
    model = M2Classifier(**{**QUICK, "max_epochs": 40, "batch_size": 16}, **names).fit(X, np.where(y == 1, -1, y))
    before, n_epochs = model.predict(X), len(model.history_)
    model.fit(X, np.where(y == 1, -1, y))
    assert all("held" in record for record in model.history_[n_epochs:])
    assert np.mean(model.predict(X) == before) > 0.95


def test_a_vae_is_kept_where_the_classes_differ(partly):
    X, y, _ = partly
    model = VAETransferClassifier(**QUICK, hidden_units=(8,)).fit(X, np.where(y == 2, -1, y))
    vae, before = model.vae_, weights(model.vae_._model)
    model.fit(X, y)
    assert model.vae_ is vae
    assert all(torch.equal(before[name], value) for name, value in vae._model.state_dict().items())
    assert model.classes_.tolist() == [0, 1, 2]
    assert [record["phase"] for record in model.history_] == ["pretrain"] * 2 + ["train"] * 2


def test_labels_that_were_learned_cannot_stop_training_early(partly):
    X, _, truth = partly
    model = VAETransferClassifier(**QUICK, hidden_units=(8,), early_stopping=True).fit(X, truth)
    assert "stop" in [record["phase"] for record in model.history_]
    n_epochs = len(model.history_)
    model.fit(X, truth)
    assert {record["phase"] for record in model.history_[n_epochs:]} == {"train"}
