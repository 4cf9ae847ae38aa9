import copy
import pickle
import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import make_scorer, top_k_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklvae import VAETransferClassifier, VariationalAutoencoder
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer
from sklvae.nn import convolutional_head, feedforward_head

DIGITS = load_digits()
IMAGES, TRUTH = (DIGITS.images[:300] * 15).astype(np.uint8), DIGITS.target[:300]
LABELS = np.where(np.arange(300) < 60, TRUTH, -1)


def small(**parameters):
    defaults = {"n_latent": 4, "hidden_units": (32,), "max_epochs": 25, "batch_size": 32}
    return VAETransferClassifier(**{**defaults, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def partly():
    """Three classes, five labels each."""
    X, truth = make_blobs(n_samples=180, centers=3, n_features=6, cluster_std=0.8, random_state=0)
    y = np.full(180, -1)
    for label in range(3):
        y[np.flatnonzero(truth == label)[:5]] = label
    return X, y, truth


@pytest.fixture(scope="module")
def vae():
    settings = {"encoder": "conv2", "hidden_units": (32,), "n_latent": 4, "batch_size": 32, "max_epochs": 15}
    return VariationalAutoencoder(**settings, random_state=0).fit(IMAGES)


@pytest.fixture(scope="module")
def fitted(vae):
    return small(vae=vae).fit(IMAGES, LABELS)


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_few_labels_are_enough(partly):
    X, y, truth = partly
    model = small(max_epochs=40, lr=1e-2).fit(X, y)
    assert model.score(X, truth) > 0.95
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.labels_[y >= 0], y[y >= 0])
    np.testing.assert_array_equal(model.label_confidence_[y >= 0], 1)
    np.testing.assert_array_equal(model.labels_[y < 0], model.predict(X[y < 0]))
    np.testing.assert_allclose(model.label_confidence_[y < 0], model.predict_proba(X[y < 0]).max(axis=1), rtol=1e-6)
    assert {record["phase"] for record in model.history_} == {"pretrain", "train"}


def test_pretraining_is_what_a_frozen_encoder_is_worth():
    """A frozen encoder that was trained on all rows, against one that was not, under the same head."""
    images, truth = DIGITS.images[:600].astype(np.float32) / 16, DIGITS.target[:600]
    labeled = np.concatenate([np.flatnonzero(truth == k)[:4] for k in range(10)])
    settings = {"hidden_units": (64,), "n_latent": 10, "batch_size": 64, "random_state": 0}
    trained, random = (
        VariationalAutoencoder(max_epochs=n, lr=lr, **settings).fit(images.reshape(600, -1))
        for n, lr in ((60, 1e-3), (1, 1e-9))
    )
    pretrained, scratch = (
        VAETransferClassifier(vae=vae, cut="latent", freeze=True, lr=1e-2, max_epochs=200, random_state=0)
        .fit(images[labeled], truth[labeled])
        .score(images, truth)
        for vae in (trained, random)
    )
    assert pretrained > scratch + 0.05


@pytest.mark.parametrize("freeze", [True, False])
def test_the_given_vae_stays_as_it_is_and_a_copy_is_fine_tuned(vae, freeze):
    before, parameters = weights(vae._model), copy.deepcopy(vae.get_params())
    model = small(vae=vae, freeze=freeze).fit(IMAGES, LABELS)
    assert model.vae_ is vae
    assert same(before, weights(vae._model))
    assert vae.get_params() == parameters
    assert {record["phase"] for record in model.history_} == {"train"}
    tuned = model.net_.module_.model.features
    assert torch.equal(tuned[0].weight, vae._model.encoder[0].weight) == freeze
    z = model.transform(IMAGES)
    np.testing.assert_array_equal(z, vae.transform(IMAGES))
    np.testing.assert_array_equal(model.inverse_transform(z), vae.inverse_transform(z))
    np.testing.assert_array_equal(model.score_samples(IMAGES[:9]), vae.score_samples(IMAGES[:9]))


def test_the_vae_that_is_trained_here_can_be_given_to_another():
    first = small(max_epochs=3).fit(IMAGES, LABELS)
    plain = VariationalAutoencoder(encoder="conv2", n_latent=4, hidden_units=(32,), max_epochs=3, batch_size=32)
    assert set(weights(first.vae_._model)) == set(weights(plain.fit(IMAGES)._model))
    second = small(vae=first.vae_, max_epochs=3, head="convolutional").fit(IMAGES, LABELS)
    np.testing.assert_array_equal(first.transform(IMAGES), second.transform(IMAGES))


def test_a_smaller_rate_moves_the_encoder_less(vae):
    def moved(rate):
        tuned = small(vae=vae, encoder_lr=rate).fit(IMAGES, LABELS).net_.module_.model.features
        return (tuned[0].weight - vae._model.encoder[0].weight).abs().max()

    assert moved(1e-6) < moved(1e-4) / 20 < moved(1e-2) / 400


@pytest.mark.parametrize(
    ("parameters", "shape"),
    [
        ({}, (32,)),
        ({"cut": "hidden"}, (32,)),
        ({"cut": "latent"}, (4,)),
        ({"cut": 1}, (16, 4, 4)),
        ({"cut": 2}, (32, 2, 2)),
        ({"cut": 3}, (32,)),
        ({"head": "convolutional"}, (32, 2, 2)),
        ({"head": "convolutional", "cut": 1}, (16, 4, 4)),
        ({"head": convolutional_head, "cut": 1}, (16, 4, 4)),
    ],
)
def test_the_encoder_is_cut_where_the_user_says(parameters, shape, vae):
    model = small(vae=vae, max_epochs=1, **parameters).fit(IMAGES, LABELS)
    assert model.net_.module_.model.feature_shape == shape
    assert model.predict_proba(IMAGES[:3]).shape == (3, 10)


def test_an_encoder_that_cannot_be_cut_gives_its_latents(partly):
    class Own(nn.Module):
        def __init__(self, event, n_outputs):
            super().__init__()
            self.map = nn.Linear(*event, n_outputs)

        def forward(self, x):
            return self.map(x)

    X, y, _ = partly
    for settings in ({"encoder": Own}, {"hidden_units": ()}):
        assert small(max_epochs=1, **settings).fit(X, y).net_.module_.model.feature_shape == (4,)
        with pytest.raises(
            ValueError, match=r"cut must be 'latent' for an encoder that is no nn.Sequential .* got 'hidden'"
        ):
            small(cut="hidden", **settings).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vae", None),
        ("cut", 1),
        ("head", "convolutional"),
        ("freeze", True),
        ("encoder_lr", 1e-4),
        ("early_stopping", True),
        ("n_latent", 5),
        ("beta", 9.0),
        ("likelihood", "gaussian"),
        ("encoder", "conv"),
        ("hidden_units", (16,)),
        ("image_shape", (4, 16)),
        ("batch_size", 16),
        ("max_epochs", 4),
        ("lr", 1e-2),
        ("optimizer", "sgd"),
        ("precision", "bfloat16"),
        ("random_state", 1),
    ],
)
def test_a_parameter_changes_the_result(name, value, vae):
    start = {"max_epochs": 3, "precision": "float32", **({"vae": vae} if name == "vae" else {})}
    X = IMAGES.reshape(300, 64) if name == "image_shape" else IMAGES
    start |= {"image_shape": (8, 8)} if name == "image_shape" else {}
    before, after = (small(**settings).fit(X, LABELS) for settings in (start, {**start, name: value}))
    assert not np.allclose(before.predict_proba(X), after.predict_proba(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("early_stopping", "n", "fraction", "held_out"),
    [("auto", 99, 0.2, 0), ("auto", 100, 0.2, 60), (True, 4, 0.2, 3), (True, 10, 0.5, 15), (False, 100, 0.2, 0)],
)
def test_labels_are_held_out_of_each_class_where_there_are_enough(early_stopping, n, fraction, held_out):
    X, truth = make_blobs(n_samples=330, centers=3, n_features=6, cluster_std=0.8, random_state=0)
    y = np.full(330, -1)
    for label in range(3):
        y[np.flatnonzero(truth == label)[:n]] = label
    model = small(early_stopping=early_stopping, validation_fraction=fraction, max_epochs=2).fit(X, y)
    codes = y[y >= 0]
    chosen = model._choose_held_out(model.classes_, codes, np.random.RandomState(0))
    assert np.bincount(codes[chosen], minlength=3).tolist() == [held_out // 3] * 3
    assert any("valid_loss" in record for record in model.history_) == (held_out > 0)


def test_early_stopping_finds_the_number_of_epochs_for_all_labels(vae):
    """Labels that mean nothing: what is learned of them is worse and worse on those held out."""
    y = np.random.default_rng(0).integers(2, size=300)
    settings = {"vae": vae, "max_epochs": 200, "lr": 1e-2}
    model = small(**settings, early_stopping=True).fit(IMAGES, y)
    missed = [record["valid_missed"] for record in model.history_ if record["phase"] == "stop"]
    best = np.argmin(missed) + 1
    assert len(missed) == min(best + 27, 107)  # a quarter of the epochs that 1000 steps of 32 of 300 rows are
    assert [record["phase"] for record in model.history_] == ["stop"] * len(missed) + ["train"] * best
    assert model.net_.max_epochs == best
    whole = small(**settings, early_stopping=False).fit(IMAGES, y)
    assert [record["phase"] for record in whole.history_] == ["train"] * 107  # 1000 steps of 32 rows


def test_warm_start_trains_the_head_first_and_all_of_it_then(vae):
    model = small(vae=vae, freeze=True, warm_start=True, max_epochs=5).fit(IMAGES, LABELS)
    before = weights(model.net_.module_.model)
    model.set_params(freeze=False, encoder_lr=1e-12, lr=1e-12).fit(IMAGES, LABELS)
    after = weights(model.net_.module_.model)
    for name in before:
        torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=0)
    assert [record["epoch"] for record in model.history_] == list(range(1, 11))
    model.set_params(head="convolutional", lr=1e-3).fit(IMAGES, LABELS)  # another head begins anew
    assert model.vae_ is vae
    model.fit(IMAGES, np.where(LABELS == 9, -1, LABELS))
    assert model.classes_.tolist() == list(range(9))
    assert len(model.history_) == 5


def test_warm_start_does_not_train_its_vae_again():
    model = small(warm_start=True, max_epochs=2).fit(IMAGES, LABELS)
    before = weights(model.vae_._model)
    model.fit(IMAGES, LABELS)
    assert same(before, weights(model.vae_._model))
    assert [record["phase"] for record in model.history_] == ["pretrain"] * 2 + ["train"] * 4
    clone_of_it = model.vae_
    assert model.set_params(warm_start=False).fit(IMAGES, LABELS).vae_ is not clone_of_it


def test_a_clone_keeps_the_fitted_vae(vae):
    model = small(vae=vae, head="convolutional")
    copied = clone(model)
    assert copied.vae is vae
    assert copied.head == "convolutional"
    assert not hasattr(copied, "net_")
    assert clone(make_pipeline(model))[0].vae is vae


def test_head_and_freeze_are_searched_with_one_vae(vae):
    search = GridSearchCV(
        small(vae=vae, max_epochs=10),
        {"head": ["feedforward", "convolutional"], "freeze": [False, True]},
        cv=SemiSupervisedSplit(n_splits=2, random_state=0),
        scoring=masked_scorer("accuracy"),
        error_score="raise",
    ).fit(IMAGES, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert search.best_estimator_.vae is vae


def test_it_searches_in_a_pipeline(partly):
    X, y, _ = partly
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(max_epochs=10, lr=1e-2)),
        {"vaetransferclassifier__freeze": [False, True]},
        cv=SemiSupervisedSplit(n_splits=2),
        scoring=masked_scorer("accuracy"),
    )
    assert search.fit(X, y).best_score_ > 0.5


def test_the_top_k_accuracy_of_scikit_learn_takes_the_probabilities(fitted):
    top = [top_k_accuracy_score(TRUTH, fitted.predict_proba(IMAGES), k=k, labels=fitted.classes_) for k in (1, 3, 5)]
    assert top[0] == fitted.score(IMAGES, TRUTH) < top[1] < top[2]
    scorer = make_scorer(top_k_accuracy_score, k=3, response_method="predict_proba")
    assert scorer(fitted, IMAGES, TRUTH) == top[1]


def test_copies_and_files_give_the_same_bits(fitted, tmp_path):
    expected = fitted.predict_proba(IMAGES)
    np.testing.assert_array_equal(clone(fitted).fit(IMAGES, LABELS).predict_proba(IMAGES), expected)
    fitted.save(tmp_path / "model.safetensors")
    loaded = VAETransferClassifier.load(tmp_path / "model.safetensors", device="cpu")
    assert loaded.vae is None
    assert loaded.vae_.device == "cpu"
    for copied in (pickle.loads(pickle.dumps(fitted)), loaded):
        np.testing.assert_array_equal(copied.predict_proba(IMAGES), expected)
        np.testing.assert_array_equal(copied.transform(IMAGES), fitted.transform(IMAGES))
        np.testing.assert_array_equal(copied.sample(2), fitted.sample(2))
        np.testing.assert_array_equal(copied.labels_, fitted.labels_)
        assert copied.history_ == fitted.history_
    again = small(vae=loaded.vae_, max_epochs=1).fit(IMAGES, LABELS)
    assert again.vae_ is loaded.vae_


def test_a_file_holds_the_vae_that_was_trained_here(partly, tmp_path):
    X, y, _ = partly
    model = small(max_epochs=2, cut="latent").fit(X, y)
    model.save(tmp_path / "model.safetensors")
    loaded = VAETransferClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.vae_.score_samples(X), model.score_samples(X))


def test_color_images_in_either_shape_give_the_same():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 3, 96, 96), dtype=np.uint8)
    y = np.where(np.arange(40) < 20, np.arange(40) % 2, -1)
    settings = {"max_epochs": 1, "hidden_units": (8,), "head": "convolutional"}
    square = small(**settings).fit(images, y)
    flat = small(image_shape=(3, 96, 96), **settings).fit(images.reshape(40, -1), y)
    assert square.net_.module_.model.feature_shape == (32, 24, 24)
    np.testing.assert_array_equal(square.predict_proba(images), flat.predict_proba(images.reshape(40, -1)))
    assert square.sample(1).shape == (1, 3, 96, 96)
    assert flat.sample(1).shape == (1, 27648)
    assert square.sample(1).dtype == np.uint8


def test_uint8_images_are_never_expanded_as_a_whole():
    """48 MB of pixels would be 192 MB as float32."""
    images = np.zeros((1750, 3, 96, 96), dtype=np.uint8)
    images[::2] = 200
    y = np.arange(1750) % 2
    settings = {"max_epochs": 1, "n_latent": 2, "hidden_units": (), "batch_size": 500, "encoder": "mlp"}
    tracemalloc.start()
    try:
        small(**settings).fit(images, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.6 * images.nbytes  # a batch as it is read, and what belongs to the columns


def test_string_classes_with_none(partly):
    X, y, truth = partly
    names = np.array(["ant", "bee", "cat"])
    some = np.array([names[label] if label >= 0 else None for label in y], dtype=object)
    model = small(max_epochs=40, lr=1e-2).fit(X, some)
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert (model.predict(X) == names[truth]).mean() > 0.95


def test_a_vae_of_pixels_serves_fractions_and_flat_rows(vae):
    X = IMAGES.reshape(300, 64) / 255
    model = small(vae=vae, max_epochs=2).fit(X, LABELS)
    assert isinstance(model.net_.module_.model.features[0], nn.Conv2d)
    np.testing.assert_allclose(model.transform(X), vae.transform(IMAGES), atol=1e-4)
    assert model.sample(2).shape == (2, 64)


def test_the_heads_by_name_are_those_of_the_networks(vae):
    for name, factory, cut in (("feedforward", feedforward_head, "hidden"), ("convolutional", convolutional_head, 2)):
        named, made = (small(vae=vae, max_epochs=2, cut=cut, head=head).fit(IMAGES, LABELS) for head in (name, factory))
        np.testing.assert_array_equal(named.predict_proba(IMAGES), made.predict_proba(IMAGES))
    other = small(vae=vae, max_epochs=2, head=partial(feedforward_head, n_hidden=7)).fit(IMAGES, LABELS)
    assert other.net_.module_.model.head[2].out_features == 7
