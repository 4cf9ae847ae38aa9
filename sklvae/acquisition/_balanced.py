"""Three reasons to ask, added up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._checks import check_n, is_number, require
from ._distances import FromOne, chunks, nearest_squared, spaced, squared_distances, typical_distance
from ._scores import entropy

__all__ = ["informative_representative_diverse"]

MOST_REFERENCES = 2000
"""Rows, evenly spaced, that stand for the pool where similarity to all of it is meant."""


def informative_representative_diverse(
    proba: NDArray[Any],
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    *,
    n: int,
    informative: float = 1.0,
    representative: float = 1.0,
    diverse: float = 1.0,
) -> NDArray[np.int64]:
    """Choose, n times, the row with the largest ``a H(x) + b R(x) + c D(x)``.

    H is the entropy of the prediction over ``ln n_classes``; R the mean similarity
    ``s(x, x') = exp(-|x - x'|^2 / h^2)`` to the pool; D is ``1 - s`` to the nearest of what is labeled or chosen.
    All are in [0, 1]; h is the root mean square distance of the pool's rows.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_classes)
        Class probabilities.
    embedding : ndarray of shape (n_candidates, d)
        The pool; more than 2000 evenly spaced rows do not enter R.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled.
    n : int
        How many to choose.
    informative, representative, diverse : float, default=1.0
        The weights a, b and c.

    Returns
    -------
    ndarray of shape (n,)
        Positions in the pool, in the order of choice; of equal ones, up to rounding, the lowest first.

    References
    ----------
    Tonnaer, 2017, "Active learning in VAE latent space", whose three measures these stand for.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import informative_representative_diverse
    >>> proba, points = np.full((4, 2), 0.5), np.array([[-4.0], [0.0], [0.5], [5.0]])
    >>> informative_representative_diverse(proba, points, np.empty((0, 1)), n=2)
    array([1, 3])
    """
    for name, weight in (("informative", informative), ("representative", representative), ("diverse", diverse)):
        valid = is_number(weight) and 0 <= weight < np.inf
        require(valid, f"informative_representative_diverse: {name}", "a number >= 0", weight)
    check_n(n, len(embedding), "informative_representative_diverse")
    scale = typical_distance(embedding)
    score = informative * entropy(proba) / np.log(max(proba.shape[1], 2))
    references = embedding[spaced(len(embedding), MOST_REFERENCES)]
    for rows in chunks(len(embedding), len(references)):
        similarity = np.exp(-squared_distances(embedding[rows], references) / scale**2)
        score[rows] += representative * similarity.mean(axis=1)
    nearest = nearest_squared(embedding, labeled_embedding)
    squared_from = FromOne(embedding)
    chosen: list[int] = []
    for _ in range(n):
        total = score + diverse * -np.expm1(-nearest / scale**2)
        total[chosen] = -np.inf
        chosen.append(int(total.argmax()))
        np.minimum(nearest, squared_from(chosen[-1]), out=nearest)
    return np.array(chosen)
