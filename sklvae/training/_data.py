"""Batches by index: one gather per batch, never one sample at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["IndexBatches", "Rows", "SomeRows", "WithLabeled", "WithNeighbors", "to_batch"]


def to_batch(x: NDArray[Any], event: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Turn rows into a float tensor (B, ...); uint8 pixels become fractions of 255."""
    tensor = torch.from_numpy(np.require(x, requirements=("C", "W"))).to(dtype)
    if x.dtype == np.uint8:
        tensor /= 255
    return tensor.view(len(x), *event)


def is_mapped(x: Any) -> bool:
    """Whether an array is a file, or a view of one."""
    while x is not None and not isinstance(x, np.memmap):
        x = getattr(x, "base", None)
    return x is not None


class Rows(Dataset[dict[str, Tensor]]):
    """Flat rows `x` (n, n_features), left as they are, and columns that belong to them.

    Parameters
    ----------
    x : ndarray or memmap of shape (n, n_features)
        Read only when a batch is asked for.
    event : sequence of int
        Shape of one sample in the network.
    **columns : ndarray of shape (n, ...)
        Further keyword arguments of the objective.
    """

    def __init__(self, x: NDArray[Any], event: Sequence[int], **columns: NDArray[Any]) -> None:
        self.x, self.event, self.on_disk = x, tuple(event), is_mapped(x)
        self.columns = {name: torch.from_numpy(column) for name, column in columns.items()}

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        taken = torch.from_numpy(rows)
        columns = {name: column.index_select(0, taken) for name, column in self.columns.items()}
        return {"x": to_batch(self._read(rows), self.event), **columns}

    def _read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of `x` in the order asked for; a disk is read forwards."""
        if not self.on_disk:
            return self.x[rows]
        order = np.argsort(rows)
        read = np.empty((len(rows), *self.x.shape[1:]), dtype=self.x.dtype)
        read[order] = self.x[rows[order]]
        return read


class SomeRows(Rows):
    """A choice of the rows of `x`, which are not copied; the columns are of the chosen rows alone.

    Parameters
    ----------
    x, event
        As in `Rows`.
    chosen : ndarray of shape (n_chosen,), int64
        Rows of `x`.
    **columns : ndarray of shape (n_chosen, ...)
        Further keyword arguments of the objective.
    """

    def __init__(
        self, x: NDArray[Any], event: Sequence[int], chosen: NDArray[np.int64], **columns: NDArray[Any]
    ) -> None:
        super().__init__(x, event, **columns)
        self.chosen = chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return super()._read(self.chosen[rows])


class WithLabeled(Rows):
    """Rows of which every batch comes with as many labeled ones, drawn anew with replacement, if there are any.

    They are ``x_labeled`` and ``code_labeled``, and ``weight_labeled`` where weights are given.

    Parameters
    ----------
    x, event, **columns
        As in `Rows`.
    codes : ndarray of shape (n,), int64
        Classes of the rows, -1 where unlabeled.
    weights : ndarray of shape (n,), optional
        Of the labels.
    """

    def __init__(
        self,
        x: NDArray[Any],
        event: Sequence[int],
        codes: NDArray[np.int64],
        weights: NDArray[Any] | None = None,
        **columns: NDArray[Any],
    ) -> None:
        super().__init__(x, event, **columns)
        self.codes, self.labeled = torch.from_numpy(codes), np.flatnonzero(codes >= 0)
        self.weights = None if weights is None else torch.from_numpy(weights)

    def __getitem__(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        batch = super().__getitem__(rows)
        if not len(self.labeled):
            return batch
        drawn = self.labeled[torch.randint(len(self.labeled), (len(rows),)).numpy()]
        labeled = {"x_labeled": to_batch(self._read(drawn), self.event), "code_labeled": self.codes[drawn]}
        if self.weights is not None:
            labeled["weight_labeled"] = self.weights[drawn]
        return {**batch, **labeled}


class WithNeighbors(Rows):
    """Rows of which every one comes with a neighbor, drawn anew.

    It is ``x_neighbor``; a row without neighbors comes with itself.

    Parameters
    ----------
    x, event, **columns
        As in `Rows`.
    chance : csr_array of shape (n, n)
        How likely each neighbor of a row is, up to a factor.
    """

    def __init__(self, x: NDArray[Any], event: Sequence[int], chance: csr_array, **columns: NDArray[Any]) -> None:
        super().__init__(x, event, **columns)
        self.neighbors, self.indptr = chance.indices, chance.indptr
        self.passed = np.concatenate([[0.0], np.cumsum(chance.data, dtype=np.float64)])

    def __getitem__(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        first, last = self.indptr[rows], self.indptr[rows + 1]
        before, after = self.passed[first], self.passed[last]
        at = before + torch.rand(len(rows), dtype=torch.float64).numpy() * (after - before)
        edge = np.clip(np.searchsorted(self.passed, at, side="right") - 1, first, np.maximum(last - 1, first))
        alone = first == last
        drawn = np.where(alone, rows, self.neighbors[np.where(alone, 0, edge)])
        return {**super().__getitem__(rows), "x_neighbor": to_batch(self._read(drawn), self.event)}


class IndexBatches:
    """The iterator skorch calls for: shuffled index batches of `Rows`."""

    def __init__(self, dataset: Rows, batch_size: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        nothing = torch.empty(0)  # skorch unpacks (X, y); everything is in X
        for rows in torch.randperm(len(self.dataset)).split(self.batch_size):
            yield self.dataset[rows.numpy()], nothing
