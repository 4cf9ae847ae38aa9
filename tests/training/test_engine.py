from functools import partial

import numpy as np
import pytest
import torch

from sklvae.nn import VAE, BernoulliLikelihood, mlp_decoder, mlp_encoder
from sklvae.objectives import beta_vae_loss
from sklvae.training import Options, Rows, choose_device, in_blocks, train
from sklvae.training._data import IndexBatches, to_batch


def options(**changes):
    settings = {"batch_size": 16, "lr": 1e-3, "optimizer": "adam", "device": torch.device("cpu")}
    return Options(**{**settings, "precision": torch.float32, **changes})


def fitted(X, seed=0, max_epochs=3, **changes):
    torch.manual_seed(0)
    vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    net = train(vae, partial(beta_vae_loss, beta=1.0), Rows(X, (6,)), max_epochs=max_epochs, seed=seed,
                options=options(**changes))  # fmt: skip
    return vae, net


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).random((50, 6), dtype=np.float32)


def test_an_epoch_visits_each_row_once_with_its_columns(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(50.0)[:, None])
    for x in (np.arange(50.0)[:, None], np.load(tmp_path / "x.npy", mmap_mode="r")):
        batches = [batch for batch, _ in IndexBatches(Rows(x, (1,), code=np.arange(50)), 16)]
        assert [len(batch["x"]) for batch in batches] == [16, 16, 16, 2]
        seen = torch.cat([batch["x"][:, 0] for batch in batches])
        assert sorted(seen.tolist()) == list(range(50))
        torch.testing.assert_close(torch.cat([batch["code"] for batch in batches]).float(), seen)


def test_pixels_become_fractions_in_the_batch():
    x = np.array([[0, 51, 255, 102]], dtype=np.uint8)
    torch.testing.assert_close(to_batch(x, (1, 2, 2)), torch.tensor([[[[0, 0.2], [1, 0.4]]]]))
    assert x.tolist() == [[0, 51, 255, 102]]


def test_a_seed_decides_the_weights_to_the_bit_whatever_the_caller_did(X):
    first = fitted(X)[0].state_dict()
    torch.rand(7)
    second, other = fitted(X)[0].state_dict(), fitted(X, seed=1)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_generator_of_the_caller(X):
    torch.manual_seed(5)
    vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    before = torch.get_rng_state()
    train(vae, partial(beta_vae_loss, beta=1.0), Rows(X, (6,)), max_epochs=1, seed=0, options=options())
    assert torch.equal(before, torch.get_rng_state())


def test_the_record_of_an_epoch_is_the_mean_over_samples(X):
    _, net = fitted(X, max_epochs=1, batch_size=50, lr=1e-12)
    record = net.history[-1]
    assert record["train_loss"] == pytest.approx(record["reconstruction"] + record["kl"], rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype, X):
    vae, _ = fitted(X)
    rows = np.random.default_rng(1).random((600, 6)).astype(dtype)

    def encode(x):
        return in_blocks(vae, lambda module, batch: module.posterior(batch).mean, x, (6,))

    whole = encode(rows)
    assert whole.dtype == dtype
    np.testing.assert_allclose(
        np.concatenate([encode(rows[i : i + 1]) for i in range(0, 600, 50)]), whole[::50], atol=1e-6
    )
    order = np.random.default_rng(2).permutation(600)
    np.testing.assert_allclose(encode(rows[order]), whole[order], atol=1e-6 if dtype == np.float32 else 1e-12)


def test_a_device_that_is_not_there_is_an_error_with_a_way_out():
    with pytest.raises(ValueError, match='Use device="cpu"'):
        choose_device("abacus:3")
