"""One fit of GMDGMClassifier, as a conversation."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..graph import with_latents
from ..labeling import Answer, Query, QueryBatch
from ..nn import ClassVAE
from ..training import fresh_seed
from ._class_vae import started_in
from ._points import inputs_graph
from ._run import N_MEMBERS, Run
from ._slots import find_slots

if TYPE_CHECKING:
    from ._gmdgm import GMDGMClassifier

__all__ = ["SlotRun"]


class SlotRun(Run):
    """Pretrain, start the slots, train on the bounds; then ask, once, what the found slots are.

    Parameters
    ----------
    estimator : GMDGMClassifier
        Whose parameters decide, and which gets the fitted attributes.
    rows : ndarray of shape (n_samples, n_features)
        The data.
    codes : ndarray of shape (n_samples,)
        Known classes, -1 where unlabeled.
    known : ndarray of shape (n_known,)
        Names of the known classes.
    prior : ndarray of shape (n_slots,)
        p(y).
    rng : RandomState
        Decides everything random.
    last : ClassVAE or None
        A trained network to go on from.
    asks : bool
        Whether there is anybody to ask.
    """

    estimator: GMDGMClassifier
    attributes = ("history_",)

    def __init__(
        self,
        estimator: GMDGMClassifier,
        rows: NDArray[Any],
        codes: NDArray[np.int64],
        known: NDArray[Any],
        prior: NDArray[np.float32],
        rng: np.random.RandomState,
        last: ClassVAE | None,
        *,
        asks: bool,
    ) -> None:
        super().__init__(estimator, rows, rng)
        self.codes, self.known, self.prior, self.asks = codes, known, prior, asks
        self.kinds = estimator._kinds(known)
        self.model = last
        self.slots = None if last is None else estimator._slot_probabilities(rows).argmax(axis=1)
        self.done = False

    def state(self) -> dict[str, Any]:
        """What `steps` goes on from."""
        return {"slots": self.slots, "done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where `state` was taken."""
        self.model, self.slots, self.done = self.estimator._model, state["slots"], state["done"]

    def steps(self) -> Generator[QueryBatch, list[Answer], None]:
        """The whole fit, or what is left of it: yields questions and is sent their answers."""
        fitted = self.estimator
        if self.model is None:
            self.model = fitted._build_class_vae(self.rows, self.rng, self.prior)
            z = fitted._pretrain(self.model, self.rows, self.rng)
            self.trained()
        elif self.slots is None:
            z = fitted._latents(self.model, self.rows)
        if self.slots is None:
            self.slots = self._start_slots(self.model, z)
            self.trained()
        if not self.done:
            started = started_in(np.where(self.codes >= 0, self.codes, self.slots))
            fitted._train_bounds(self.model, self.rows, self.codes, self.rng, **started)
            self.done = True
            self.trained()
        fitted._take_up(self.rows, self.codes, self.known)
        asked = self._unnamed() if self.asks else []
        if asked:
            answers = yield self._questions(asked)
            said = {slot: answer.label for slot, answer in zip(asked, answers, strict=True) if answer.is_label}
            fitted._name_slots({**fitted._given, **said})

    def _start_slots(self, model: Any, z: NDArray[Any]) -> NDArray[np.int64]:
        """Cluster the latents of the plain VAE, and teach the slots to the network."""
        fitted = self.estimator
        graph = with_latents(inputs_graph(self.rows, fitted._event), z)
        slots = find_slots(graph, z, self.codes, len(self.known), len(self.prior), fresh_seed(self.rng))
        placed = slots >= 0
        device = fitted._device
        model.set_prior(torch.from_numpy(z[placed]).to(device).float(), torch.from_numpy(slots[placed]).to(device))
        fitted._teach(model, self.rows, slots, self.rng)
        return slots

    def _unnamed(self) -> list[int]:
        """Found slots that hold rows and have no name yet."""
        fitted = self.estimator
        found = range(len(self.known), len(fitted.slots_))
        return [k for k in found if fitted.slot_sizes_[k] and k not in fitted._given]

    def _questions(self, slots: list[int]) -> QueryBatch:
        """What each slot is: its decoded center, and the rows that are most surely in it."""
        fitted = self.estimator
        centers = fitted._decode(np.array(slots), np.zeros((len(slots), fitted._model.n_latent)))
        queries = []
        for number, (slot, x) in enumerate(zip(slots, centers, strict=True)):
            members = np.flatnonzero(fitted._row_probability.argmax(axis=1) == slot)
            members = members[np.argsort(-fitted._row_probability[members, slot], kind="stable")][:N_MEMBERS]
            queries.append(Query(number, x, "center", None, slot, 0, 0, members=members))
        return QueryBatch(queries)
