"""Diverse gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._checks import check_n

__all__ = ["badge"]


def badge(proba: NDArray[Any], embedding: NDArray[Any], *, n: int, random_state: Any = None) -> NDArray[np.int64]:
    """Choose points with large and different gradients: k-means++ on ``g = (p - e_y) x phi``, y the prediction.

    g is the gradient of the cross-entropy in the last layer, had the predicted class been the answer. It is never
    formed: ``<g_a, g_b> = <r_a, r_b> <phi_a, phi_b>`` with ``r = p - e_y``. The first choice is the longest g, each
    further one is drawn with a chance in proportion to the squared distance from those chosen.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_classes)
        Class probabilities p.
    embedding : ndarray of shape (n_candidates, d)
        What the last layer sees, phi.
    n : int
        How many to choose.
    random_state : int, RandomState or None, default=None
        Decides the draws.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice. Where all that is left has the gradients of what is chosen, all
        of it has the same chance.

    References
    ----------
    Ash et al., 2020, "Deep batch active learning by diverse, uncertain gradient lower bounds", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import badge
    >>> proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    >>> badge(proba, np.array([[1.0], [2.0], [2.0], [3.0]]), n=1)
    array([1])
    """
    check_n(n, len(proba), "badge")
    rng = check_random_state(random_state)
    residual = proba.copy()
    residual[np.arange(len(proba)), proba.argmax(axis=1)] -= 1
    length = np.einsum("ij,ij->i", residual, residual) * np.einsum("ij,ij->i", embedding, embedding)
    rounding = 10 * np.finfo(length.dtype).eps
    nearest = np.full(len(length), np.inf)
    chosen = [int(length.argmax())]
    while len(chosen) < n:
        last = chosen[-1]
        inner = residual @ residual[last]
        inner *= embedding @ embedding[last]
        both = length + length[last]
        squared = both - 2 * inner
        squared[squared <= rounding * both] = 0  # the gradient of the last choice
        np.minimum(nearest, squared, out=nearest)
        nearest[chosen] = 0
        chosen.append(draw(nearest, chosen, rng))
    return np.array(chosen)


def draw(weight: NDArray[Any], taken: list[int], rng: np.random.RandomState) -> int:
    """Draw one position in proportion to its weight; any that is not taken where no weight is left."""
    cumulative = np.cumsum(weight)
    if cumulative[-1] == 0:
        free = np.ones(len(weight))
        free[taken] = 0
        cumulative = np.cumsum(free)
    drawn = min(rng.uniform() * cumulative[-1], np.nextafter(cumulative[-1], 0))
    return int(np.searchsorted(cumulative, drawn, side="right"))
