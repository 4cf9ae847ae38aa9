"""When asking has told enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ._checks import is_number, is_whole, require
from ._distances import spaced

__all__ = [
    "Progress",
    "StopAfter",
    "StopWhenIndistinguishable",
    "StopWhenStable",
    "StoppingRule",
    "indistinguishable",
    "separability",
]

MOST_COMPARED = 5000
"""Rows of each kind, evenly spaced, that a discriminator is fitted on."""

N_FOLDS = 5

DISCRIMINATORS = (
    make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)),
    RandomForestClassifier(50, min_samples_leaf=5, class_weight="balanced", random_state=0),
)
"""One for borders, one for places that are labeled in the midst of others."""


@dataclass(frozen=True)
class Progress:
    """What is known after a round.

    Attributes
    ----------
    rounds : sequence of mapping
        The records so far, as in `rounds_` of `ActiveLearningClassifier`; the last is that of this round.
    labeled : ndarray of shape (n_rows,), bool
        Which rows have labels.
    embedding : callable
        Gives the points of all rows, (n_rows, d); it computes them when it is called.
    """

    rounds: Sequence[Mapping[str, Any]]
    labeled: NDArray[np.bool_]
    embedding: Callable[[], NDArray[Any]]


StoppingRule = Callable[[Progress], bool]
"""A function that says whether to stop asking, after each round; there need not be a classifier yet.

An attribute `needs` names what it cannot do without: "embedding".
"""


@dataclass(frozen=True)
class StopAfter:
    """Stop once so much has been spent.

    Attributes
    ----------
    n_queries : int, default=None
        Questions.
    seconds : float, default=None
        Seconds of asking, choosing and training. With it the clock, too, decides the result.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import Progress, StopAfter
    >>> rounds = [{"n_queries": 30, "seconds": 2.0}, {"n_queries": 30, "seconds": 2.5}]
    >>> progress = Progress(rounds, np.array([True]), lambda: np.eye(1))
    >>> StopAfter(n_queries=60)(progress), StopAfter(seconds=60)(progress)
    (True, False)
    """

    n_queries: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        n, seconds = self.n_queries, self.seconds
        require(n is not None or seconds is not None, "StopAfter", "given n_queries or seconds", None)
        require(n is None or is_whole(n), "StopAfter: n_queries", "an integer >= 1, or None", n)
        require(seconds is None or (is_number(seconds) and seconds > 0), "StopAfter: seconds", "> 0, or None", seconds)

    def __call__(self, progress: Progress) -> bool:
        """Whether one of the two is spent."""
        limits = {"n_queries": self.n_queries, "seconds": self.seconds}
        return any(
            limit is not None and sum(record[name] for record in progress.rounds) >= limit
            for name, limit in limits.items()
        )


@dataclass(frozen=True)
class StopWhenStable:
    """Stop once predictions have hardly changed for some rounds.

    Attributes
    ----------
    agreement : float in (0, 1], default=0.99
        Share of the rows that are predicted as in the round before, at least, in each of those rounds.
    n_rounds : int, default=3
        How many rounds.

    References
    ----------
    Bloodgood and Vijay-Shanker, 2009, "A method for stopping active learning based on stabilizing predictions"; they
    measure agreement by Cohen's kappa.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import Progress, StopWhenStable
    >>> rounds = [{"agreement": 0.8}, {"agreement": 0.995}, {"agreement": 1.0}]
    >>> progress = Progress(rounds, np.array([True]), lambda: np.eye(1))
    >>> StopWhenStable(n_rounds=2)(progress), StopWhenStable(n_rounds=3)(progress)
    (True, False)
    """

    agreement: float = 0.99
    n_rounds: int = 3

    def __post_init__(self) -> None:
        share = self.agreement
        require(is_number(share) and 0 < share <= 1, "StopWhenStable: agreement", "in (0, 1]", share)
        require(is_whole(self.n_rounds), "StopWhenStable: n_rounds", "an integer >= 1", self.n_rounds)

    def __call__(self, progress: Progress) -> bool:
        """Whether the last rounds agree; one without a classifier before it (nan) does not."""
        last = [record["agreement"] for record in progress.rounds[-self.n_rounds :]]
        return len(last) == self.n_rounds and all(share >= self.agreement for share in last)


@dataclass(frozen=True)
class StopWhenIndistinguishable:
    """Stop once a discriminator cannot tell labeled from unlabeled rows: the labels cover the data.

    Random questions cover the data from the start, so that with them it says nothing. Few labels say little: at the
    default it takes some 140 of them to be sure, and 535 rows in all, or it never stops.

    Attributes
    ----------
    separability : float in (0.5, 1], default=0.55
        Area under the ROC curve, by the function of that name, which it must be at most, surely (`indistinguishable`).

    References
    ----------
    Active learning slides ("stop when the discriminator is unable to differentiate"); Gissin and Shalev-Shwartz, 2019,
    "Discriminative active learning".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import Progress, StopWhenIndistinguishable
    >>> points = np.random.default_rng(0).normal(size=(200, 2))
    >>> apart, spread = points[:, 0] > 1, np.arange(200) % 4 == 0
    >>> [StopWhenIndistinguishable(0.7)(Progress([], labeled, lambda: points)) for labeled in (apart, spread)]
    [False, True]
    """

    separability: float = 0.55
    needs: ClassVar = ("embedding",)

    def __post_init__(self) -> None:
        limit = self.separability
        valid = is_number(limit) and 0.5 < limit <= 1
        require(valid, "StopWhenIndistinguishable: separability", "in (0.5, 1]", limit)

    def __call__(self, progress: Progress) -> bool:
        """Whether the labels cover the data."""
        area = separability(progress.embedding(), progress.labeled)
        return indistinguishable(area, progress.labeled, self.separability)


def separability(embedding: NDArray[Any], labeled: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of what tells labeled from unlabeled rows that it was not fitted on.

    That is a logistic regression or a random forest, whichever does better.

    Parameters
    ----------
    embedding : ndarray of shape (n_rows, d)
        Points; of more than 5000 of a kind, evenly spaced ones stand for all.
    labeled : ndarray of shape (n_rows,), bool
        Which of them have labels.

    Returns
    -------
    float
        Mean over five folds. 0.5: they cannot be told apart; 1: they are separate. 1 where a kind has fewer than
        five rows, too few to say.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import separability
    >>> separability(np.arange(20.0)[:, None], np.arange(20) < 10)
    1.0
    """
    kinds = [np.flatnonzero(labeled), np.flatnonzero(~labeled)]
    if min(map(len, kinds)) < N_FOLDS:
        return 1.0
    rows = np.concatenate([kind[spaced(len(kind), MOST_COMPARED)] for kind in kinds])
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    areas = [cross_val_score(m, embedding[rows], labeled[rows], cv=folds, scoring="roc_auc") for m in DISCRIMINATORS]
    return max(float(area.mean()) for area in areas)


def indistinguishable(area: float, labeled: NDArray[np.bool_], limit: float = 0.55) -> bool:
    """Whether labeled rows are surely no easier to tell from the others than an area under the ROC curve says.

    ``max(area, 0.5) + 2 sqrt((n_1 + n_2 + 1) / (12 n_1 n_2)) <= limit``: the root is the standard error of the area of
    two kinds, of n_1 and n_2 rows, that are alike.

    Parameters
    ----------
    area : float
        What `separability` found.
    labeled : ndarray of shape (n_rows,), bool
        Which rows have labels.
    limit : float, default=0.55
        The area.

    Returns
    -------
    bool

    References
    ----------
    Mann and Whitney, 1947, "On a test of whether one of two random variables is stochastically larger than the other".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import indistinguishable
    >>> [indistinguishable(0.5, np.arange(5000) < n) for n in (20, 100, 500)]
    [False, False, True]
    """
    one = min(int(np.sum(labeled)), MOST_COMPARED)
    other = min(int(np.sum(~labeled)), MOST_COMPARED)
    return bool(max(area, 0.5) + 2 * np.sqrt((one + other + 1) / max(12 * one * other, 1)) <= limit)
