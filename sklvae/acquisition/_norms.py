"""How much a minimum-norm classifier of the embedding would have to change: one solve instead of retraining."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from ._checks import is_number, require
from ._distances import chunks, spaced, squared_distances, typical_distance

__all__ = ["expected_change", "expected_norm"]

RIDGE = 1e-6
"""Added to the diagonal of the kernel, so that copies of a point can be inverted."""

MOST_REFERENCES = 1000
"""Rows, evenly spaced, that a change of the function is measured on."""


def expected_norm(
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    labeled_codes: NDArray[np.int64],
    *,
    bandwidth: float | None = None,
) -> NDArray[Any]:
    """``|f^u|^2 - |f|^2 = (1 - |f(u)|)^2 / S_uu``: the norm that the likeliest label of u would add.

    f is the function of least norm that is 1 on the labeled rows of a class and -1 on the others, f^u the one that
    also fits u with the label that adds least; ``S = K - K_L (K_LL)^-1 K_L^T`` with the kernel
    ``K(x, x') = exp(-|x - x'| / h)``. Of several classes it is the mean over one-versus-rest functions.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled.
    labeled_codes : ndarray of shape (n_labeled,)
        Its labels, 0, 1, ...
    bandwidth : float, default=None
        h, in the unit of the embedding; None is the root mean square distance of its points.

    Returns
    -------
    ndarray of shape (n_candidates,)
        Squared norm, at least 0. The time it takes grows with the square of the number of labeled rows.

    References
    ----------
    Karzand and Nowak, 2019, "Maximin active learning in overparameterized model classes", the function norm; active
    learning slides, score 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import expected_norm
    >>> pool = np.array([[0.0], [1.0], [2.0]])
    >>> expected_norm(pool, np.array([[0.0], [2.0]]), np.array([0, 1]), bandwidth=1.0).argmax()  # on the boundary
    np.int64(1)
    """
    scale = _scale(embedding, bandwidth)
    score = np.empty(len(embedding))
    for rows, _, miss, free in _interpolated(embedding, labeled_embedding, labeled_codes, scale, embedding[:0]):
        score[rows] = miss / free
    return score


def expected_change(
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    labeled_codes: NDArray[np.int64],
    *,
    bandwidth: float | None = None,
) -> NDArray[Any]:
    """``|f^u - f| = (1 - |f(u)|) |S_u| / S_uu``: how far the likeliest label of u would move the function.

    Root mean square over the pool, with f, f^u and S as in `expected_norm`.

    Parameters
    ----------
    embedding : ndarray of shape (n_candidates, d)
        The pool.
    labeled_embedding : ndarray of shape (n_labeled, d)
        What is labeled.
    labeled_codes : ndarray of shape (n_labeled,)
        Its labels, 0, 1, ...
    bandwidth : float, default=None
        h, in the unit of the embedding; None is the root mean square distance of its points.

    Returns
    -------
    ndarray of shape (n_candidates,)
        At least 0. Of a pool of more than 1000 rows, so many evenly spaced ones stand for it.

    References
    ----------
    Karzand and Nowak, 2019, the data-based norm; active learning slides, score 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.acquisition import expected_change
    >>> pool = np.array([[0.0], [1.0], [4.0], [4.1], [4.2]])  # where many are, a label moves many
    >>> expected_change(pool, np.array([[0.0]]), np.array([0]), bandwidth=1.0).argmax()
    np.int64(3)
    """
    scale = _scale(embedding, bandwidth)
    references = embedding[spaced(len(embedding), MOST_REFERENCES)]
    score = np.empty(len(embedding))
    for rows, moved, miss, free in _interpolated(embedding, labeled_embedding, labeled_codes, scale, references):
        score[rows] = np.sqrt(miss * np.mean(moved**2, axis=1)) / free
    return score


def _scale(embedding: NDArray[Any], bandwidth: float | None) -> float:
    valid = bandwidth is None or (is_number(bandwidth) and bandwidth > 0)
    require(valid, "bandwidth", "a number > 0 or None", bandwidth)
    return typical_distance(embedding) if bandwidth is None else bandwidth


def _interpolated(
    embedding: NDArray[Any],
    labeled_embedding: NDArray[Any],
    labeled_codes: NDArray[np.int64],
    scale: float,
    references: NDArray[Any],
) -> Iterator[tuple[slice, NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Yield a chunk of rows u, their S at the references, (1 - |f(u)|)^2, and S_uu."""
    target = np.where(np.eye(max(labeled_codes.max() + 1, 2))[labeled_codes] > 0, 1.0, -1.0)
    gram = _kernel(labeled_embedding, labeled_embedding, scale)
    root = cholesky(gram + RIDGE * np.eye(len(gram)), lower=True)
    weight = cho_solve((root, True), target)
    references_seen = solve_triangular(root, _kernel(labeled_embedding, references, scale), lower=True)
    for rows in chunks(len(embedding), len(labeled_embedding) + len(references)):
        to_labeled = _kernel(embedding[rows], labeled_embedding, scale)
        seen = solve_triangular(root, to_labeled.T, lower=True)  # K_L (K_LL)^-1 K_L^T is its product with itself
        free = 1 + RIDGE - np.einsum("ij,ij->j", seen, seen)
        moved = _kernel(embedding[rows], references, scale) - seen.T @ references_seen
        f = to_labeled @ weight
        # mean_k (y_k - f_k)^2 for y = 1 at one class and -1 at the others, least where f is largest
        miss = ((f + 1) ** 2).mean(axis=1) - 4 * f.max(axis=1) / f.shape[1]
        yield rows, moved, np.maximum(miss, 0), np.maximum(free, RIDGE)


def _kernel(points: NDArray[Any], others: NDArray[Any], scale: float) -> NDArray[Any]:
    if not len(others):
        return np.empty((len(points), 0))
    return np.exp(-np.sqrt(squared_distances(points.astype(np.float64), others.astype(np.float64))) / scale)
