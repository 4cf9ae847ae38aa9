"""`attraction` and `augment` of VariationalAutoencoder: neighbors share a direction in the latent space."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from sklvae import VariationalAutoencoder
from sklvae.graph import knn_graph


@pytest.fixture
def images(digits):
    return digits[0].reshape(-1, 8, 8)


def fitted(X, **parameters):
    parameters = {"encoder": "mlp", "hidden_units": (32,), "batch_size": 50, "max_epochs": 3, **parameters}
    return VariationalAutoencoder(random_state=0, **parameters).fit(X)


def likeness(X, **parameters):
    """How much more alike the latents of neighbors are than those of any two rows."""
    edges = knn_graph(X.reshape(len(X), -1)).tocoo()
    cosine = cosine_similarity(fitted(X, max_epochs=20, **parameters).transform(X))
    return cosine[edges.coords].mean() - cosine.mean()


def test_attraction_draws_neighbors_together(images):
    assert likeness(images, attraction=100.0) > likeness(images) + 0.1


def test_attraction_needs_no_images(blobs):
    assert "contrast" in fitted(blobs[0], attraction=10.0).history_[-1]


def test_its_weight_is_that_of_the_contrast_in_the_loss(images):
    record = fitted(images, attraction=7.0, beta=2.0, max_epochs=1).history_[-1]
    expected = record["reconstruction"] + 2 * record["kl"] + 7 * record["contrast"]
    assert record["train_loss"] == pytest.approx(expected, rel=1e-4)


def test_without_attraction_there_are_neither_neighbors_nor_views(images):
    sizes = []

    def same(x):
        sizes.append(len(x))
        return x

    assert "contrast" not in fitted(images, augment=same).history_[-1]
    assert sizes == [2]  # it is tried


def test_augment_makes_the_views(images):
    seen = []

    def mirrored(x):
        seen.append(tuple(x.shape))
        return x.flip(-1)

    fitted(images, attraction=1.0, augment=mirrored, max_epochs=1)
    assert seen == [(2, 1, 8, 8)] + [(50, 1, 8, 8)] * 2 * 4  # tried first; rows and neighbors, in four batches


def test_a_function_makes_the_views_of_a_table_too(blobs):
    plain, shifted = (fitted(blobs[0], attraction=1.0, augment=augment) for augment in ("auto", lambda x: x + 1))
    assert not np.array_equal(plain.transform(blobs[0]), shifted.transform(blobs[0]))


def test_auto_moves_images_and_none_does_not(images):
    seen, moved = {}, {"auto": True, None: False}
    for augment in moved:
        batches = seen.setdefault(augment, [])

        def encoder(event, n_outputs, batches=batches):
            class Watched(torch.nn.Linear):
                def forward(self, x):
                    batches.append(x.detach().clone())
                    return super().forward(x.flatten(1))

            return Watched(64, n_outputs)

        fitted(images, attraction=1.0, augment=augment, encoder=encoder, max_epochs=1, precision="float32")
    known = {row.tobytes() for row in images.astype(np.float32)}
    for augment, batches in seen.items():
        rows = torch.cat(batches).reshape(-1, 8, 8).numpy()
        assert all(row.tobytes() not in known for row in rows) == moved[augment]


def test_the_rate_falls_to_zero_where_neighbors_attract(images):
    def rates(attraction):
        vae = fitted(images, attraction=attraction, max_epochs=2)
        return [group["lr"] for group in vae.net_.optimizer_.param_groups]

    assert rates(0.0) == [1e-3]
    assert rates(1.0)[0] < 1e-6


@pytest.mark.parametrize("wrong", [{"attraction": -1.0}, {"augment": "strong"}, {"augment": 3}])
def test_wrong_values_are_named(images, wrong):
    with pytest.raises(ValueError, match=f"VariationalAutoencoder: {next(iter(wrong))} must be"):
        fitted(images, **wrong)


def test_views_must_have_the_shape_of_the_images(images):
    with pytest.raises(
        ValueError, match=r"augment must take a batch of shape \(n, 1, 8, 8\) .* two samples it raised ValueError"
    ):
        fitted(images, attraction=1.0, augment=lambda x: x[..., :4])
