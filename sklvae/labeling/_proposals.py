"""Which rows are worth a question once something is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["undecided_rows"]

N_STEPS = 3
"""Steps of averaging over neighbors: doubt that a neighborhood shares, not that of one odd sample."""


def undecided_rows(spread: NDArray[Any], predicted: NDArray[Any], graph: csr_array, n_rows: int) -> NDArray[np.int64]:
    """Rows in the neighborhoods where two opinions are undecided or contradict each other.

    The doubt of a row is 1 minus the smaller of the two margins, and 1 where the opinions differ; it is
    averaged over the graph.

    Parameters
    ----------
    spread, predicted : ndarray of shape (n, n_classes)
        Class probabilities by the graph and by the classifier.
    graph : csr_array of shape (n, n)
        Weights between neighbors.
    n_rows : int
        How many rows to give.

    Returns
    -------
    ndarray of shape (n_rows,)
        Most doubtful first.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from sklvae.labeling import undecided_rows
    >>> spread = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]])
    >>> undecided_rows(spread, spread, csr_array(np.eye(3)), n_rows=2)
    array([1, 2])
    """
    doubt = 1 - np.minimum(_margin(spread), _margin(predicted))
    doubt[spread.argmax(axis=1) != predicted.argmax(axis=1)] = 1
    degree = np.asarray(graph.sum(axis=1)).ravel()
    for _ in range(N_STEPS):
        doubt = (graph @ doubt) / np.maximum(degree, np.finfo(float).tiny)
    return np.argsort(-doubt, kind="stable")[:n_rows]


def _margin(probability: NDArray[Any]) -> NDArray[Any]:
    if probability.shape[1] < 2:
        return np.ones(len(probability))
    second, first = np.partition(probability, (-2, -1), axis=1)[:, -2:].T
    return np.asarray(first - second)
