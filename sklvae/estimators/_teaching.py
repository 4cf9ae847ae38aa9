"""What a network is trained on, before the first question and after answers: rows as they are, or views of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from ..graph import edge_chances
from ..nn import VAE, NeighborVAE
from ..objectives import beta_vae_loss, cluster_label_loss, neighbor_vae_loss, taught_loss
from ..training import Augment, Rows, WithLabeled, WithNeighbors, choose_augment
from ._base import auto_epochs
from ._propagation import Known, Spread

if TYPE_CHECKING:
    from ._cluster_label import ClusterLabelVAEClassifier

__all__ = ["Plain", "Teaching", "Views", "teaching_of"]

MOST_EPOCHS = {"pretrain": 200, "round": 50, "last": 50}

GUESSED_BELOW = 0.005
"""Share of rows with a known label below which the network's own guesses are taught to views: of few labels they make
more, among many they repeat its errors."""

Taught = tuple[Callable[..., dict[str, Tensor]], Rows]
"""An objective, and the rows that come with what it takes."""


class Teaching(ABC):
    """How long a network is trained, on what, and what it may say.

    Parameters
    ----------
    estimator : ClusterLabelVAEClassifier
        Whose parameters decide.
    rows : ndarray of shape (n_samples, n_features)
        The data.

    Attributes
    ----------
    steps : dict
        Steps of each phase where epochs are "auto": "pretrain", a "round", the "last" round.
    auto_gamma : float
        Weight of labels where `gamma` is "auto".
    unjudged : tuple of float
        Weights of classifier and graph before answers have judged them.
    vae : type of VAE
        The network.
    moves : bool
        Whether predictions are means over small moves.
    """

    steps: ClassVar[Mapping[str, int]]
    auto_gamma: ClassVar[float]
    unjudged: ClassVar[tuple[float, float]]
    vae: type[VAE] = VAE
    moves: bool = False

    def __init__(self, estimator: ClusterLabelVAEClassifier, rows: NDArray[Any]) -> None:
        self.estimator, self.rows, self.event = estimator, rows, estimator._event

    @abstractmethod
    def before_labels(self, inputs_graph: Callable[[], csr_array]) -> Taught:
        """A VAE without labels (cluster-label paper, Equation 1)."""

    @abstractmethod
    def with_labels(self, spread: Spread, known: Known) -> Taught:
        """Training on with labels (Equation 4)."""

    def epochs(self, phase: str) -> int:
        """How many there are of a phase."""
        settings = self.estimator
        epochs = settings.pretrain_epochs if phase == "pretrain" else settings.round_epochs
        if epochs == "auto":
            epochs = auto_epochs(len(self.rows), settings.batch_size, self.steps[phase], MOST_EPOCHS[phase])
        return int(epochs if settings.max_epochs == "auto" else min(epochs, settings.max_epochs))

    def _weights(self) -> dict[str, Any]:
        settings = self.estimator
        return {"beta": settings.beta, "gamma": self.auto_gamma if settings.gamma == "auto" else settings.gamma}

    def _labels(self, spread: Spread) -> dict[str, NDArray[Any]]:
        return {"code": np.maximum(spread.code, 0), "weight": spread.weight}


class Plain(Teaching):
    """Rows as they are: labels are as good as what spreads them."""

    steps: ClassVar = {"pretrain": 4000, "round": 1000, "last": 1000}
    auto_gamma: ClassVar = 50.0
    unjudged: ClassVar = (0.0, 1.0)

    def before_labels(self, inputs_graph: Callable[[], csr_array]) -> Taught:
        """The bound alone."""
        return partial(beta_vae_loss, beta=self.estimator.beta), Rows(self.rows, self.event)

    def with_labels(self, spread: Spread, known: Known) -> Taught:
        """The bound and the labels that are spread."""
        rows = Rows(self.rows, self.event, **self._labels(spread))
        return partial(cluster_label_loss, **self._weights()), rows


class Views(Teaching):
    """Views of rows, to which labels are taught: a classifier that sees them makes more of labels than was spread.

    Parameters
    ----------
    augment : callable
        Makes the views.
    """

    steps: ClassVar = {"pretrain": 2000, "round": 300, "last": 1200}
    auto_gamma: ClassVar = 2000.0
    unjudged: ClassVar = (1.0, 0.0)

    def __init__(self, estimator: ClusterLabelVAEClassifier, rows: NDArray[Any], augment: Augment) -> None:
        super().__init__(estimator, rows)
        self.augment, self.moves = augment, estimator.augment == "auto"
        self.vae = NeighborVAE if estimator.attraction else VAE

    def before_labels(self, inputs_graph: Callable[[], csr_array]) -> Taught:
        """The bound, and the contrast of views of neighbors where there is `attraction`."""
        beta, attraction, augment = self.estimator.beta, self.estimator.attraction, self.augment
        if not attraction:
            return partial(_loss_of_views, augment=augment, beta=beta), Rows(self.rows, self.event)
        rows = WithNeighbors(self.rows, self.event, edge_chances(inputs_graph()))
        return partial(neighbor_vae_loss, beta=beta, attraction=attraction, augment=augment), rows

    def with_labels(self, spread: Spread, known: Known) -> Taught:
        """The bound, spread and known labels, and the network's own guesses while labels are few."""
        codes, weights = known.codes(spread)
        rows = WithLabeled(self.rows, self.event, codes=codes, weights=weights, **self._labels(spread))
        guesses = len(known.labels) < GUESSED_BELOW * len(self.rows)
        return partial(taught_loss, **self._weights(), augment=self.augment, guesses=guesses), rows


def _loss_of_views(vae: VAE, x: Tensor, *, augment: Augment, beta: float) -> dict[str, Tensor]:
    """The bound of views, which are what is decoded, too."""
    return beta_vae_loss(vae, augment(x), beta=beta)


def teaching_of(estimator: ClusterLabelVAEClassifier, rows: NDArray[Any]) -> Teaching:
    """Views where a graph spreads labels and there are any to be made."""
    augment = choose_augment(estimator.augment, estimator._event, rows) if estimator.propagation == "graph" else None
    return Plain(estimator, rows) if augment is None else Views(estimator, rows, augment)
