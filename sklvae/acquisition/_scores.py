"""Scores of what a classifier predicts: pure functions, the highest is asked first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from ._checks import check_n

__all__ = ["bald", "discriminator_score", "entropy", "least_confident", "margin", "top", "variation_ratio"]


def least_confident(proba: NDArray[Any]) -> NDArray[Any]:
    """``1 - max_y p(y|x)``, in [0, 1): how far the prediction is from certain.

    Parameters
    ----------
    proba : ndarray of shape (n, n_classes)
        Class probabilities.

    Returns
    -------
    ndarray of shape (n,)

    References
    ----------
    Lewis and Gale, 1994, "A sequential algorithm for training text classifiers".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import least_confident
    >>> least_confident(np.array([[0.75, 0.25], [0.5, 0.5]]))
    array([0.25, 0.5 ])
    """
    return np.asarray(1 - proba.max(axis=1))


def margin(proba: NDArray[Any]) -> NDArray[Any]:
    """``p_2 - p_1`` of the two most probable classes, in [-1, 0]: 0 is undecided between them.

    Parameters
    ----------
    proba : ndarray of shape (n, n_classes)
        Class probabilities; one class alone has a margin of -1.

    Returns
    -------
    ndarray of shape (n,)

    References
    ----------
    Scheffer, Decomain and Wrobel, 2001, "Active hidden Markov models for information extraction".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import margin
    >>> margin(np.array([[0.75, 0.25, 0.0], [0.5, 0.0, 0.5]]))
    array([-0.5,  0. ])
    """
    if proba.shape[1] < 2:
        return np.full(len(proba), -1.0)
    second, first = np.partition(proba, (-2, -1), axis=1)[:, -2:].T
    return np.asarray(second - first)


def entropy(proba: NDArray[Any]) -> NDArray[Any]:
    """``-sum_y p(y|x) ln p(y|x)``, in nats, from 0 to ``ln n_classes``.

    Parameters
    ----------
    proba : ndarray of shape (..., n_classes)
        Class probabilities; the last axis is summed.

    Returns
    -------
    ndarray of shape (...)

    References
    ----------
    Shannon, 1948, "A mathematical theory of communication", Section 6.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import entropy
    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3)
    array([0.   , 0.693])
    """
    return np.asarray(entr(proba).sum(axis=-1))


def variation_ratio(sampled_proba: NDArray[Any]) -> NDArray[Any]:
    """Share of the draws that do not vote for the class most of them vote for, in [0, 1).

    Parameters
    ----------
    sampled_proba : ndarray of shape (n_draws, n, n_classes)
        Class probabilities of each draw of the model; a draw votes for its most probable class.

    Returns
    -------
    ndarray of shape (n,)

    References
    ----------
    Freeman, 1965, "Elementary applied statistics"; Gal, Islam and Ghahramani, 2017, "Deep Bayesian active
    learning with image data".

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import variation_ratio
    >>> draws = np.eye(2)[[[0, 0], [0, 1], [0, 0], [0, 1]]]  # four draws for two rows
    >>> variation_ratio(draws)
    array([0. , 0.5])
    """
    votes = sampled_proba.argmax(axis=2)
    counts = np.stack([(votes == k).sum(axis=0) for k in range(sampled_proba.shape[2])])
    return np.asarray(1 - counts.max(axis=0) / len(sampled_proba))


def bald(sampled_proba: NDArray[Any]) -> NDArray[Any]:
    """``H[E_w p(y|x,w)] - E_w H[p(y|x,w)]``, in nats: what the label would tell about the model.

    Parameters
    ----------
    sampled_proba : ndarray of shape (n_draws, n, n_classes)
        Class probabilities of each draw w of the model: of its weights, or of z.

    Returns
    -------
    ndarray of shape (n,)
        At least 0.

    References
    ----------
    Houlsby et al., 2011, "Bayesian active learning for classification and preference learning", Equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import bald
    >>> agree, differ = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> bald(np.stack([agree, differ], axis=1)).round(3)  # both undecided, but only the second can be learned
    array([0.   , 0.693])
    """
    gained = entropy(sampled_proba.mean(axis=0)) - entropy(sampled_proba).mean(axis=0)
    return np.maximum(gained, 0)  # rounding


def discriminator_score(discriminator: NDArray[Any]) -> NDArray[Any]:
    """``1 - D(x)``: how sure a discriminator is that the row is not among the labeled ones.

    Parameters
    ----------
    discriminator : ndarray of shape (n,)
        D: probability of "labeled".

    Returns
    -------
    ndarray of shape (n,)

    References
    ----------
    Sinha, Ebrahimi and Darrell, 2019, "Variational adversarial active learning", Section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import discriminator_score
    >>> discriminator_score(np.array([0.75, 0.25]))
    array([0.25, 0.75])
    """
    return np.asarray(1 - discriminator)


def top(score: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Positions of the n highest scores, highest first; of equal ones the lowest position first.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import top
    >>> top(np.array([0.5, 0.9, 0.1, 0.5]), 2)
    array([1, 0])
    """
    check_n(n, len(score), "top")
    least = np.partition(score, len(score) - n)[len(score) - n]
    above = np.flatnonzero(score > least)
    chosen = np.concatenate([above, np.flatnonzero(score == least)[: n - len(above)]])
    return np.asarray(chosen[np.lexsort((chosen, -score[chosen]))], dtype=np.int64)
