"""Opinions on the classes of rows, weighed by how well they foretold answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

__all__ = ["Foretold", "fit_log_pool", "log_pool", "temperature_between"]

LEAST, TINY = 1e-6, float(np.finfo(np.float32).tiny)
"""Probability that none falls short of in a pool, where no opinion rules a class out; and one that stands for 0."""

LEAST_WEIGHT = 0.1
"""Of an opinion that the prior goes by: however wrong it was, what it says is better than nothing."""

MOST_ROWS = 10_000
"""Rows, evenly spaced, that a temperature is found on."""

COLDEST, HOTTEST = 0.1, 10.0


@dataclass(frozen=True)
class Foretold:
    """Answers, and opinions on their rows that have not learned from them.

    Attributes
    ----------
    opinions : ndarray of shape (n_opinions, n, n_classes)
        Class probabilities.
    code : ndarray of shape (n,)
        The classes that were answered.
    confidence : ndarray of shape (n,)
        Weight of each answer, in [0, 1].
    """

    opinions: NDArray[Any]
    code: NDArray[np.int64]
    confidence: NDArray[np.float64]


def log_pool(
    opinions: Sequence[NDArray[Any]] | NDArray[Any], weight: Sequence[float] | NDArray[Any]
) -> NDArray[np.float64]:
    """Logarithmic opinion pool, ``p(y)`` proportional to ``prod_k p_k(y) ** weight_k``.

    Parameters
    ----------
    opinions : sequence of n_opinions ndarrays of shape (n, n_classes)
        Class probabilities; those under 1e-6 count as 1e-6.
    weight : array-like of shape (n_opinions,)
        At least 0. Weights of sum 1 average opinions; a larger sum makes them surer, a smaller one less sure.

    Returns
    -------
    ndarray of shape (n, n_classes)

    References
    ----------
    Genest and Zidek, 1986, "Combining probability distributions: a critique and an annotated bibliography", Section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import log_pool
    >>> log_pool(np.array([[[0.8, 0.2]], [[0.5, 0.5]]]), [0.5, 1.0]).round(3)
    array([[0.667, 0.333]])
    """
    return np.asarray(softmax(_log_odds(opinions, np.asarray(weight)), axis=-1))


def fit_log_pool(foretold: Sequence[Foretold], prior: Sequence[float]) -> NDArray[np.float64]:
    """Weights with which the pool of the opinions would have foretold the answers best.

    An opinion is judged by answers that it has not learned from (they came after it, or were held out), so that what it
    has learned of others does not flatter it.
    Rows may have been chosen for what the opinions said of them: given that, answers are as they would be elsewhere.
    Of classes that had not been named yet the opinions say nothing, and answers that name them judge nothing.

    Parameters
    ----------
    foretold : sequence of Foretold
        Of each round.
    prior : sequence of float, one for each opinion
        The weights where there are no answers; the penalty on leaving them is the squared distance, in nats. No weight
        is negative, and none that is positive here falls below 0.1.

    Returns
    -------
    ndarray of shape (n_opinions,)

    References
    ----------
    Dawid, 1984, "Present position and potential developments: the prequential approach": judging forecasts by what came
    after them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import Foretold, fit_log_pool
    >>> sure, even = np.array([[0.99, 0.01]] * 40), np.full((40, 2), 0.5)
    >>> wrong_every_fourth = (np.arange(40) % 4 == 0).astype(int)
    >>> weight = fit_log_pool([Foretold(np.stack([sure, even]), wrong_every_fourth, np.ones(40))], prior=(1.0, 0.0))
    >>> weight.round(2)
    array([0.25, 0.  ])
    """
    start = np.asarray(prior, dtype=float)

    def loss(weight: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """And its gradient: what each opinion makes of the answer, less its mean over the pool."""
        total, slope = ((weight - start) ** 2).sum(), 2 * (weight - start)
        for answers in foretold:
            each = np.log(np.maximum(answers.opinions, LEAST))
            log_p = log_softmax(_log_odds(answers.opinions, weight), axis=-1)
            answered = np.arange(len(log_p)), answers.code
            total -= answers.confidence @ log_p[answered]
            slope = slope - (each[:, *answered] - (np.exp(log_p) * each).sum(axis=-1)) @ answers.confidence
        return float(total), slope

    bounds = [(LEAST_WEIGHT if weight > 0 else 0.0, None) for weight in start]
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def temperature_between(probability: NDArray[Any], target: NDArray[Any]) -> float:
    """The temperature T at which ``softmax(log(probability) / T)`` is nearest to other probabilities.

    Nearest by the cross-entropy, mean over rows: the mean log odds of the target, on the scale of `probability`.

    Parameters
    ----------
    probability, target : ndarray of shape (n, n_classes)
        Class probabilities of the same rows.

    Returns
    -------
    float
        From 0.1 to 10.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, 2017, "On calibration of modern neural networks", Section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import log_pool, temperature_between
    >>> p = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
    >>> round(temperature_between(p, log_pool(p[None], [0.5])), 3)
    2.0
    """
    some = slice(None, None, -(-len(probability) // MOST_ROWS))
    log_p, target = np.log(np.maximum(probability[some], TINY)), target[some]

    def cross_entropy(log_temperature: float) -> float:
        return -float((target * log_softmax(log_p / np.exp(log_temperature), axis=-1)).sum(axis=-1).mean())

    found = minimize_scalar(cross_entropy, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def _log_odds(opinions: Sequence[NDArray[Any]] | NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float64]:
    """Up to a constant for each row."""
    return np.asarray(sum(w * np.log(np.maximum(p, LEAST)) for w, p in zip(weight, opinions, strict=True)))
