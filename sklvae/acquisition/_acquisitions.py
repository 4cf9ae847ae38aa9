"""What chooses a batch from a pool."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._checks import is_number, needs_of, require
from ._distances import chunks
from ._pool import N_AXES, Pool
from ._scores import top

__all__ = ["Acquisition", "Score", "Scored", "Selection", "Stochastic", "Uniform"]

ARGUMENT_OF = {"labeled_embedding": "embedding", "labeled_proba": "proba", "labeled_codes": "labels"}
"""The argument of `query` that an attribute of `Pool` comes from, where it is not its own name."""


class Acquisition(Protocol):
    """Anything that chooses a batch: an object with these two.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import query
    >>> class EveryOther:
    ...     needs = ()
    ...
    ...     def select(self, pool, n, random_state):
    ...         return np.arange(0, len(pool), 2)[:n]  # positions in pool.rows, not rows
    >>> query(EveryOther(), 2, labels=[1, -1, -1, -1])
    array([1, 3])
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Arguments of `query` that it cannot do without."""

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Choose n different positions in `pool.rows`, in the order in which to ask."""


@dataclass(frozen=True)
class _Function:
    """A function of arrays of a pool.

    Attributes
    ----------
    function : callable
        What is called.
    takes : tuple of str
        The attributes of `Pool` that are its positional arguments.
    options : mapping
        Its keyword arguments, where they are not the default.
    """

    function: Callable[..., NDArray[Any]]
    takes: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """Arguments of `query` that it cannot do without."""
        return tuple(dict.fromkeys(ARGUMENT_OF.get(name, name) for name in self.takes))

    @property
    def known_options(self) -> list[str]:
        """Names of the keyword arguments that the function has."""
        signature = inspect.signature(self.function).parameters.values()
        return [p.name for p in signature if p.kind is p.KEYWORD_ONLY and p.name not in ("n", "random_state")]


@dataclass(frozen=True)
class Score(_Function):
    """The n rows with the highest score.

    Attributes
    ----------
    function : callable
        Gives the scores, (n_candidates,).
    takes : tuple of str
        The attributes of `Pool` that are its positional arguments.
    options : mapping
        Its keyword arguments, where they are not the default.
    row_by_row : bool
        Whether a row's score depends on that row alone: the pool is then scored in chunks.
    """

    row_by_row: bool = True

    def __post_init__(self) -> None:
        names = ", ".join(N_AXES)
        require(
            not self.row_by_row or set(self.takes) <= N_AXES.keys(),
            "Score: takes",
            f"of {names} with row_by_row=True, use row_by_row=False for anything else",
            self.takes,
        )

    def score(self, pool: Pool) -> NDArray[Any]:
        """Scores of the candidates, (n_candidates,)."""
        if not self.row_by_row:
            return self.function(*(getattr(pool, name) for name in self.takes), **self.options)
        scores = np.empty(len(pool))
        for rows in chunks(len(pool), sum(pool.arrays[name].size for name in self.takes) // pool.n_rows):
            scores[rows] = self.function(*(pool.part(name, rows) for name in self.takes), **self.options)
        return scores

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Positions of the highest scores; equal ones in random order."""
        return highest(self.score(pool), n, random_state)


@dataclass(frozen=True)
class Selection(_Function):
    """A function that chooses the batch as a whole: it is also given `n`, and `random_state` if it takes that."""

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Positions that the function chooses."""
        drawn = "random_state" in inspect.signature(self.function).parameters
        seeded = {"random_state": random_state} if drawn else {}
        return self.function(*(getattr(pool, name) for name in self.takes), n=n, **seeded, **self.options)


def power(score: NDArray[Any], beta: float) -> NDArray[Any]:
    """A chance in proportion to ``score^beta``."""
    if score.min() < 0:
        raise ValueError(
            f'Stochastic: form "power" requires scores >= 0, got {score.min():g}. Use form="softmax" or "rank".'
        )
    with np.errstate(divide="ignore"):
        return np.asarray(beta * np.log(score))


def softmax(score: NDArray[Any], beta: float) -> NDArray[Any]:
    """A chance in proportion to ``exp(beta score)``."""
    return np.asarray(beta * score)


def rank(score: NDArray[Any], beta: float) -> NDArray[Any]:
    """A chance in proportion to ``rank^-beta``, 1 the highest score."""
    ranks = np.empty(len(score))
    ranks[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return np.asarray(-beta * np.log(ranks))


FORMS = {"power": power, "softmax": softmax, "rank": rank}


@dataclass(frozen=True)
class Stochastic:
    """A batch drawn without replacement, with chances that grow with a score, instead of its n highest.

    Near-copies have near-equal scores, so the highest n are often copies of each other; chance spreads them.
    Drawn by adding Gumbel noise to the log of the chance and taking the highest n.

    Attributes
    ----------
    base : Score
        The score.
    beta : float
        How closely chance follows the score: 0 is random, a large one the highest n.
    form : {"power", "softmax", "rank"}
        A chance in proportion to ``score^beta``, ``exp(beta score)``, or ``rank^-beta``.

    References
    ----------
    Kirsch et al., 2023, "Stochastic batch acquisition: a simple baseline for deep active learning".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import Stochastic, query, strategy
    >>> proba = np.array([[0.5, 0.5], [1.0, 0.0], [0.6, 0.4]])
    >>> drawn = query(Stochastic(strategy("entropy")), 2, proba=proba, random_state=0)
    >>> sorted(drawn.tolist())  # never the certain row
    [0, 2]
    """

    base: Score
    beta: float = 1.0
    form: str = "power"

    def __post_init__(self) -> None:
        require(hasattr(self.base, "score"), "Stochastic: base", "a Score, as strategy('entropy') is", self.base)
        require(self.form in FORMS, "Stochastic: form", f"one of {', '.join(map(repr, FORMS))}", self.form)
        valid = is_number(self.beta) and 0 <= self.beta < np.inf
        require(valid, "Stochastic: beta", "a finite number >= 0", self.beta)

    @property
    def needs(self) -> tuple[str, ...]:
        """Arguments of `query` that the score cannot do without."""
        return self.base.needs

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Positions drawn."""
        order = random_state.permutation(len(pool))  # what is equal has no rank
        log_chance = FORMS[self.form](self.base.score(pool)[order], self.beta)
        return np.asarray(order[top(log_chance + random_state.gumbel(size=len(pool)), n)], dtype=np.int64)


@dataclass(frozen=True)
class Uniform:
    """A batch drawn at random."""

    needs: tuple[str, ...] = ()

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Positions drawn."""
        return np.asarray(random_state.permutation(len(pool))[:n], dtype=np.int64)


@dataclass(frozen=True)
class Scored:
    """The n rows with the highest value of a function of the pool; how `query` reads a plain callable.

    Attributes
    ----------
    function : callable
        Takes a `Pool`, gives one number for each of its `rows`. Its attribute `needs`, if it has one, names the
        arguments of `query` that it cannot do without, so that `ActiveLearningClassifier` gives them.
    """

    function: Callable[[Pool], Any]

    @property
    def needs(self) -> tuple[str, ...]:
        """Arguments of `query` that the function cannot do without."""
        return needs_of(self.function)

    def score(self, pool: Pool) -> NDArray[Any]:
        """Scores of the candidates, (n_candidates,)."""
        score = np.asarray(self.function(pool), dtype=float)
        if score.shape != (len(pool),) or np.isnan(score).any():
            raise ValueError(
                f"acquisition: {self.function!r} must give one number, and no nan, for each of the {len(pool)} "
                f"candidates; got shape {score.shape}{' with nan' if np.isnan(score).any() else ''}."
            )
        return score

    def select(self, pool: Pool, n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
        """Positions of the highest values; equal ones in random order."""
        return highest(self.score(pool), n, random_state)


def highest(score: NDArray[Any], n: int, random_state: np.random.RandomState) -> NDArray[np.int64]:
    """Positions of the n highest scores, highest first.

    Equal ones come in random order: trees and nearest neighbors give few different scores, and rows are often sorted.
    """
    order = random_state.permutation(len(score))
    return np.asarray(order[top(score[order], n)], dtype=np.int64)
