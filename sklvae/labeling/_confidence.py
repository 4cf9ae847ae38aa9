"""How far a center's label is trusted at a member of its cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._clusters import Cluster

__all__ = ["CONFIDENCES", "confidence_of"]

Decay = Callable[[NDArray[Any]], NDArray[Any]]


def exponential(distance: NDArray[Any], decay: float) -> NDArray[Any]:
    """exp(-a d) (cluster-label paper, Equation 2)."""
    return np.exp(-decay * distance)


def gaussian(distance: NDArray[Any], decay: float) -> NDArray[Any]:
    """exp(-a d^2) (cluster-label paper, Equation 3)."""
    return np.exp(-decay * distance**2)


CONFIDENCES = {"exponential": exponential, "gaussian": gaussian}


def confidence_of(cluster: Cluster, confidence: str | Decay, distance: str, decay: float) -> NDArray[Any]:
    """Confidence f in [0, 1] of a cluster's label at each of its members, before the answer's own.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    confidence : {"gaussian", "exponential", "posterior"} or callable
        ``exp(-a d^2)``, ``exp(-a d)``, the posterior probability of the cluster, or a function of the
        distances.
    distance : {"euclidean", "mahalanobis"}
        d, from the center; Mahalanobis by the cluster's own covariance.
    decay : float
        a, per unit of distance (or its square).

    Returns
    -------
    ndarray of shape (n_members,)

    Raises
    ------
    ValueError
        If a callable gives anything but one number in [0, 1] a member.

    References
    ----------
    Cluster-label paper, Section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import Cluster, confidence_of
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> cluster = Cluster(np.arange(3), points, center=points[0], covariance=np.eye(2), posterior=np.ones(3))
    >>> confidence_of(cluster, "gaussian", "euclidean", decay=1.0).round(3)
    array([1.   , 0.368, 0.018])
    """
    if confidence == "posterior":
        return cluster.posterior
    d = getattr(cluster, distance)()
    if isinstance(confidence, str):
        return CONFIDENCES[confidence](d, decay)
    weight = np.asarray(confidence(d), dtype=float)
    if weight.shape != d.shape or not ((weight >= 0) & (weight <= 1)).all():
        raise ValueError(
            f"confidence must map an array of {len(d)} distances to as many numbers in [0, 1], got {weight!r}."
        )
    return weight
