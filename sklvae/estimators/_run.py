"""A fit that asks, as a conversation that can be broken off and taken up again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..labeling import Answer, QueryBatch
from ._codec import Arrays

__all__ = ["N_MEMBERS", "OracleDriven", "Run"]

N_MEMBERS = 16
"""Members of a cluster that a query shows."""


class Run(ABC):
    """One fit of an estimator that asks.

    Parameters
    ----------
    estimator : OracleDriven
        Whose parameters decide, and which gets the fitted attributes.
    rows : ndarray of shape (n_samples, n_features)
        The data.
    rng : RandomState
        Decides everything random; nothing is drawn before `steps`.

    Attributes
    ----------
    kinds : set of str
        Kinds of the labels known before anything is asked.
    attributes : tuple of str
        Names of the fitted attributes that `steps` sets before its last training has ended, without `answers_`.
    """

    kinds: set[str]
    attributes: ClassVar[tuple[str, ...]]

    def __init__(self, estimator: Any, rows: NDArray[Any], rng: np.random.RandomState) -> None:
        self.estimator, self.rows, self.rng = estimator, rows, rng
        self.checkpoint: Callable[[], None] | None = None
        self._whole = True

    @abstractmethod
    def steps(self) -> Generator[QueryBatch, list[Answer], None]:
        """The whole fit, or what is left of it: yields questions and is sent their answers."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What `steps` goes on from, as data; beside the generator, the network and the fitted attributes."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take up where `state` was taken; what was fitted then is there again."""

    def packed(self) -> tuple[dict[str, Any], Arrays]:
        """What is fitted, as JSON and arrays."""
        estimator = self.estimator
        packed: tuple[dict[str, Any], Arrays] = estimator._packed_fit(
            n for n in self.attributes if hasattr(estimator, n)
        )
        return packed

    def unpack(self, fitted: Mapping[str, Any], arrays: Arrays) -> None:
        """Set what `packed` took apart."""
        self.estimator._restore_fit(fitted, arrays)

    def interrupted(self) -> bool:
        """Whether somebody cut the last training short."""
        return bool(self.estimator.net_.interrupted_)

    def trained(self) -> None:
        """A phase of training has come to its end: what is there is kept, unless an interruption cut it short."""
        self._whole = self._whole and not self.interrupted()
        if self.checkpoint is not None and self._whole:
            self.checkpoint()


class OracleDriven(ABC):
    """What the estimators that ask share: their answers, and the session that a fit is."""

    __metadata_request__fit: ClassVar = {"oracle": True}

    session_dir: Any
    warm_start: bool
    answers_: list[Answer]
    _is_clone: ClassVar[bool] = False
    _warm_from_last_fit: ClassVar[bool] = True
    """Whether `warm_start` goes on from an earlier fit, which no session can repeat."""

    @abstractmethod
    def _begin(self, X: ArrayLike, y: ArrayLike | None, *, asks: bool) -> Run:
        """Check everything that can be checked before training, and make the run."""

    @property
    def n_queries_(self) -> int:
        """Questions asked; an answer INVALID or SKIP costs one too."""
        return len(self.answers_)

    def __sklearn_clone__(self) -> Self:
        """A clone keeps a session for each data set: a search fits clones of one configuration to many."""
        copy: Any = super().__sklearn_clone__()  # type: ignore[misc]
        if copy.session_dir is not None:
            copy._is_clone = True
        return copy
