import numpy as np
import pytest
import torch
from torch import nn

from sklvae.training import _inference as inference_module
from sklvae.training import choose_device, choose_precision, in_blocks


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2))


def by_hand(module, x):
    """The network in numpy and float64."""
    first, second = ([p.detach().double().numpy() for p in module[i].parameters()] for i in (1, 4))
    return np.tanh(x.reshape(len(x), -1) @ first[0].T + first[1]) @ second[0].T + second[1]


def apply(module, batch):
    return module(batch)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13), (np.uint8, 1e-5)])
@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
def test_every_row_goes_through_the_network_in_the_precision_of_the_data(dtype, tolerance, n):
    module = network()
    x = np.random.default_rng(0).integers(0, 256, (n, 6)).astype(dtype)
    x = x if dtype == np.uint8 else x / dtype(255)
    found = in_blocks(module, apply, x, (2, 3))
    assert found.dtype == (np.float64 if dtype == np.float64 else np.float32)
    fractions = x / 255 if dtype == np.uint8 else x.astype(np.float64)
    np.testing.assert_allclose(found, by_hand(module, fractions), atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_a_row_gives_the_same_in_any_subset_and_order(dtype, tolerance):
    module, rng = network(), np.random.default_rng(0)
    x = rng.normal(size=(700, 6)).astype(dtype)
    whole = in_blocks(module, apply, x, (6,))
    for rows in (rng.permutation(700), rng.permutation(700)[:300], np.array([699]), np.arange(699, 0, -7)):
        np.testing.assert_allclose(in_blocks(module, apply, x[rows], (6,)), whole[rows], atol=tolerance)


def test_the_network_keeps_its_precision_and_its_weights():
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    in_blocks(module, apply, np.random.default_rng(0).normal(size=(5, 6)), (6,))
    after = module.state_dict()
    assert all(after[name].dtype == torch.float32 and torch.equal(before[name], after[name]) for name in before)


def test_dropout_and_gradients_are_off():
    module, x = network().train(), np.random.default_rng(0).random((5, 6), dtype=np.float32)
    first = in_blocks(module, apply, x, (6,))
    module.train()
    np.testing.assert_array_equal(in_blocks(module, apply, x, (6,)), first)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_pixels_are_made_float_no_more_than_a_block_at_a_time(monkeypatch):
    made = []

    def spy(x, *arguments):
        made.append((len(x), x.dtype))
        return to_batch(x, *arguments)

    to_batch = inference_module.to_batch
    monkeypatch.setattr(inference_module, "to_batch", spy)
    in_blocks(network(), apply, np.zeros((1000, 6), dtype=np.uint8), (6,))
    assert sum(n for n, _ in made) == 1000
    assert max(n for n, _ in made) <= inference_module.BLOCK < 1000
    assert {dtype for _, dtype in made} == {np.dtype(np.uint8)}


def test_read_only_rows_of_a_file_are_read(tmp_path):
    x = np.random.default_rng(0).random((300, 6), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(in_blocks(network(), apply, on_disk, (6,)), in_blocks(network(), apply, x, (6,)))


def test_auto_is_a_device_that_works_and_a_device_is_itself():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error_with_a_way_out():
    with pytest.raises(ValueError, match=r"""device must be "auto" .*, got 'cuda' .* Use device="cpu"\."""):
        choose_device("cuda")


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_precision_is_what_the_processor_multiplies(native, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert choose_precision("auto", torch.device("cpu")) == expected
    assert choose_precision("float32", torch.device("cpu")) == torch.float32
    assert choose_precision("bfloat16", torch.device("cpu")) == torch.bfloat16
    assert choose_precision("auto", torch.device("meta")) == torch.float32
