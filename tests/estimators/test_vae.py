import tracemalloc

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from skorch.callbacks import Callback

from sklvae import VariationalAutoencoder


def test_score_samples_is_the_exact_likelihood_of_a_linear_gaussian_model():
    """With the exact posterior the ELBO is log N(x; shift, scale (W W^T + s^2 I) scale)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4)) * [1, 2, 3, 4] + 5
    vae = VariationalAutoencoder(n_latent=2, hidden_units=(), max_epochs=1, random_state=0).fit(X)
    module = vae.net_.module_.model
    W, s = rng.normal(size=(4, 2)), 0.7
    precision = np.eye(2) + W.T @ W / s**2
    # A diagonal q(z|x) can only be exact where the posterior's covariance is diagonal: rotate W so that it is.
    W = W @ np.linalg.eigh(precision)[1]
    variance = 1 / np.diag(np.eye(2) + W.T @ W / s**2)
    raw = np.log(np.expm1(np.sqrt(variance) - 1e-6))
    with torch.no_grad():
        module.decoder[0].weight.copy_(torch.tensor(W))
        module.decoder[0].bias.zero_()
        module.encoder[1].weight.copy_(torch.tensor(np.vstack([variance[:, None] * W.T / s**2, np.zeros((2, 4))])))
        module.encoder[1].bias.copy_(torch.tensor(np.concatenate([np.zeros(2), raw])))
        module.observation.log_sigma.fill_(np.log(s - module.observation.min_sigma))
    shift, scale = X.mean(axis=0), X.std(axis=0)
    exact = multivariate_normal(shift, scale[:, None] * (W @ W.T + s**2 * np.eye(4)) * scale).logpdf(X)
    bound = vae.score_samples(X)
    np.testing.assert_allclose(bound.mean(), exact.mean(), atol=0.1)
    np.testing.assert_allclose(bound - exact, 0, atol=0.6)  # 16 quasi-random draws of z
    with torch.no_grad():
        module.encoder[1].bias[:2] += 1
    assert vae.score(X) < exact.mean() - 0.5


def test_training_raises_the_bound_and_reconstructs(digits):
    X, _ = digits
    short, long = (VariationalAutoencoder(max_epochs=n, batch_size=32, random_state=0).fit(X) for n in (2, 80))
    assert long.score(X) > short.score(X) + 2
    assert long.history_[-1]["train_loss"] < long.history_[0]["train_loss"]
    back = long.inverse_transform(long.transform(X))
    assert ((back - X) ** 2).mean() < 0.6 * X.var(axis=0).mean()


def test_more_beta_means_less_information(digits):
    X, _ = digits
    little, much = (
        VariationalAutoencoder(beta=beta, max_epochs=40, batch_size=32, random_state=0).fit(X) for beta in (0.5, 8)
    )
    assert much.history_[-1]["kl"] < little.history_[-1]["kl"] / 2


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8)])
def test_images_come_back_in_their_shape(shape, digits):
    images = digits[0].reshape(-1, *shape)
    vae = VariationalAutoencoder(max_epochs=2, random_state=0).fit(images)
    assert isinstance(vae.net_.module_.model.encoder[0], torch.nn.Conv2d)
    assert vae.inverse_transform(vae.transform(images[:5])).shape == (5, *shape)
    assert vae.sample(3).shape == (3, *shape)


def test_flat_images_are_images_where_their_shape_is_given(digits):
    vae = VariationalAutoencoder(image_shape=(8, 8), max_epochs=2, random_state=0).fit(digits[0])
    assert isinstance(vae.net_.module_.model.encoder[0], torch.nn.Conv2d)
    assert vae.sample(3).shape == (3, 64)


def test_the_likelihood_follows_the_data(digits, blobs):
    assert VariationalAutoencoder(max_epochs=1).fit(digits[0]).likelihood_ == "bernoulli"
    assert VariationalAutoencoder(max_epochs=1).fit(blobs[0]).likelihood_ == "gaussian"
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\]"):
        VariationalAutoencoder(max_epochs=1).fit(digits[0]).score_samples(digits[0] * 16)


def test_an_encoder_of_ones_own(blobs):
    def factory(event_shape, n_outputs):
        return torch.nn.Linear(event_shape[0], n_outputs)

    vae = VariationalAutoencoder(encoder=factory, n_latent=3, max_epochs=2).fit(blobs[0])
    assert isinstance(vae.net_.module_.model.encoder, torch.nn.Linear)
    assert vae.transform(blobs[0]).shape == (120, 3)


def test_warm_start_goes_on(blobs):
    vae = VariationalAutoencoder(max_epochs=3, warm_start=True, random_state=0).fit(blobs[0])
    module = vae.net_.module_.model
    vae.fit(blobs[0])
    assert vae.net_.module_.model is module
    assert [record["epoch"] for record in vae.history_] == [1, 2, 3, 4, 5, 6]


def test_an_interruption_keeps_what_was_learned(blobs):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    vae = VariationalAutoencoder(max_epochs=10, callbacks=[Interrupt()], random_state=0)
    with pytest.warns(UserWarning, match="interrupted after 2 of 10 epochs"):
        vae.fit(blobs[0])
    assert len(vae.history_) == 2
    assert np.isfinite(vae.transform(blobs[0])).all()


def test_a_fit_holds_no_float_copy_of_uint8_images():
    X = np.random.default_rng(0).integers(0, 255, (4000, 1024), dtype=np.uint8)
    tracemalloc.start()
    VariationalAutoencoder(hidden_units=(16,), max_epochs=1, random_state=0).fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes  # a float32 copy would be four times that


def test_precision_and_device_are_used(blobs):
    half, full = (
        VariationalAutoencoder(precision=p, device="cpu", max_epochs=2, random_state=0).fit(blobs[0])
        for p in ("bfloat16", "float32")
    )
    assert not np.array_equal(half.transform(blobs[0]), full.transform(blobs[0]))
    np.testing.assert_allclose(half.transform(blobs[0]), full.transform(blobs[0]), atol=0.2)


def test_three_convolutions_see_and_a_dense_network_draws():
    X = np.random.default_rng(0).random((20, 16, 16))
    vae = VariationalAutoencoder(encoder="conv3", hidden_units=(8,), max_epochs=1, random_state=0).fit(X)
    parts = {
        name: [type(layer).__name__ for layer in getattr(vae._model, name).modules()] for name in ("encoder", "decoder")
    }
    assert parts["encoder"].count("Conv2d") == 3
    assert not any(kind.startswith("Conv") for kind in parts["decoder"])
    assert vae.inverse_transform(vae.transform(X)).shape == X.shape


def test_three_convolutions_train_on_a_last_batch_of_one():
    X = np.random.default_rng(0).random((9, 8, 8))
    vae = VariationalAutoencoder(encoder="conv3", hidden_units=(8,), batch_size=4, max_epochs=2, random_state=0).fit(X)
    np.testing.assert_allclose(vae.transform(X[:1]), vae.transform(X)[:1], atol=1e-6)
