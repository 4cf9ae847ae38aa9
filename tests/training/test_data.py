from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from sklvae.training import Rows, SomeRows, WithLabeled, WithNeighbors
from sklvae.training._data import IndexBatches, to_batch


def seen(batches, column):
    return torch.cat([batch[column] for batch, _ in batches])


@given(st.integers(1, 60), st.integers(1, 70))
def test_an_epoch_is_a_permutation_in_full_batches(n, batch_size):
    rows = Rows(np.arange(n, dtype=np.float32)[:, None], (1,), code=np.arange(n), weight=np.arange(n) / 7)
    batches = IndexBatches(rows, batch_size)
    drawn = list(batches)
    sizes = [len(batch["x"]) for batch, _ in drawn]
    assert len(batches) == len(sizes)
    assert set(sizes[:-1]) <= {batch_size}
    order = seen(drawn, "code")
    assert sorted(order.tolist()) == list(range(n))
    torch.testing.assert_close(seen(drawn, "x")[:, 0].long(), order)
    torch.testing.assert_close(seen(drawn, "weight"), order.double() / 7)


def test_epochs_differ_and_the_generator_decides_them():
    rows = Rows(np.zeros((50, 1), dtype=np.float32), (1,), code=np.arange(50))
    torch.manual_seed(3)
    first, second = (seen(IndexBatches(rows, 16), "code") for _ in range(2))
    torch.manual_seed(3)
    again = seen(IndexBatches(rows, 16), "code")
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


class Recording(np.memmap):
    """Keeps the rows it is asked for."""

    asked: ClassVar = []

    def __getitem__(self, rows):
        self.asked.append(rows)
        return super().__getitem__(rows)


def test_a_disk_is_read_forwards_with_the_columns_in_step(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.uint8)[:, None])
    rows = Rows(np.load(tmp_path / "x.npy", mmap_mode="r").view(Recording), (1,), code=np.arange(40))
    batches = [batch for batch, _ in IndexBatches(rows, 16)]
    assert [len(asked) for asked in Recording.asked] == [16, 16, 8]
    assert all((np.diff(asked) > 0).all() for asked in Recording.asked)
    assert not (batches[0]["code"].diff() > 0).all()
    for batch in batches:
        torch.testing.assert_close((batch["x"][:, 0] * 255).round().long(), batch["code"])


def test_a_view_of_a_file_is_a_file_too(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert Rows(np.asarray(on_disk)[1:].reshape(-1, 1), (1,)).on_disk
    assert not Rows(np.zeros((4, 2)), (2,)).on_disk


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("writeable", [True, False])
def test_data_are_neither_copied_nor_changed_until_they_are_batches(dtype, writeable):
    x = np.arange(24, dtype=dtype).reshape(4, 6)
    before = x.copy()
    x.flags.writeable = writeable
    rows = Rows(x, (2, 3))
    assert rows.x is x
    assert all(batch["x"].dtype == torch.float32 for batch, _ in IndexBatches(rows, 3))
    np.testing.assert_array_equal(x, before, strict=True)


@given(st.lists(st.integers(0, 255), min_size=6, max_size=6), st.sampled_from([torch.float32, torch.float64]))
def test_pixels_are_fractions_of_the_brightest_and_fill_the_event_row_by_row(pixels, dtype):
    x = np.array([pixels], dtype=np.uint8)
    expected = torch.tensor([[pixels[:3], pixels[3:]]], dtype=dtype) / 255
    torch.testing.assert_close(to_batch(x, (2, 3), dtype), expected, rtol=0, atol=0)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_memory_layout_of_the_data_does_not_matter(order):
    x = np.asarray(np.random.default_rng(0).random((5, 6)), order=order)
    torch.testing.assert_close(to_batch(x, (2, 3), torch.float64), torch.tensor(x.reshape(5, 2, 3)))


@pytest.mark.parametrize("on_disk", [False, True])
def test_chosen_rows_are_read_in_the_order_asked_for_and_not_before(on_disk, tmp_path):
    x = np.arange(40, dtype=np.uint8).reshape(10, 4)
    if on_disk:
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    chosen = np.array([7, 2, 9])
    rows = SomeRows(x, (2, 2), chosen, code=np.array([0, 1, 2]))
    assert len(rows) == 3
    assert rows.x is x
    batch = rows[np.array([2, 0])]
    np.testing.assert_allclose(batch["x"] * 255, x[[9, 7]].reshape(2, 2, 2), rtol=1e-6)
    assert batch["code"].tolist() == [2, 0]


def test_neighbors_are_drawn_as_often_as_they_are_likely():
    chance = csr_array(np.array([[0, 3.0, 1.0, 0], [2.0, 0, 0, 0], [0, 0, 0, 0], [1.0, 1.0, 1.0, 0]]))
    rows = WithNeighbors(np.arange(4, dtype=np.float32)[:, None], (1,), chance)
    torch.manual_seed(0)
    drawn = rows[np.repeat(np.arange(4), 4000)]["x_neighbor"][:, 0].long().view(4, 4000)
    share = torch.stack([drawn == k for k in range(4)]).double().mean(dim=2).T
    expected = torch.tensor([[0, 0.75, 0.25, 0], [1, 0, 0, 0], [0, 0, 1, 0], [1 / 3, 1 / 3, 1 / 3, 0]])
    torch.testing.assert_close(share, expected.double(), atol=0.03, rtol=0)


def test_labeled_rows_come_with_their_weights():
    codes = np.array([-1, 2, -1, 0])
    rows = WithLabeled(np.arange(4, dtype=np.float32)[:, None], (1,), codes, np.array([0, 0.5, 0, 1]))
    batch = rows[np.arange(4).repeat(20)]
    labeled = batch["x_labeled"][:, 0].long()
    assert set(labeled.tolist()) == {1, 3}
    torch.testing.assert_close(batch["code_labeled"], torch.from_numpy(codes)[labeled])
    torch.testing.assert_close(batch["weight_labeled"], torch.tensor([0, 0.5, 0, 1], dtype=torch.float64)[labeled])
