"""Clusters of latent vectors, whichever clusterer found them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import softmax
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

__all__ = ["CLUSTERERS", "Cluster", "find_clusters", "hard_cluster"]

CLUSTERERS: dict[str, BaseEstimator] = {
    "gmm": GaussianMixture(covariance_type="full", reg_covar=1e-4),
    "kmeans": KMeans(n_init=4),
}


@dataclass(frozen=True, eq=False)
class Cluster:
    """Some rows and the Gaussian around them.

    Attributes
    ----------
    rows : ndarray of shape (n_members,)
        Dataset rows.
    points : ndarray of shape (n_members, d)
        Where they are.
    center : ndarray of shape (d,)
        The clusterer's center.
    covariance : ndarray of shape (d, d)
        Spread about the center.
    posterior : ndarray of shape (n_members,)
        Probability that a member belongs to this cluster and to none of those found with it.
    level : int
        0, or how often it was split off.
    """

    rows: NDArray[np.int64]
    points: NDArray[Any]
    center: NDArray[Any]
    covariance: NDArray[Any]
    posterior: NDArray[Any]
    level: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def euclidean(self) -> NDArray[Any]:
        """Distances of the members from the center, (n_members,)."""
        return np.linalg.norm(self.points - self.center, axis=1)

    def mahalanobis(self) -> NDArray[Any]:
        """Distances in standard deviations of the cluster, (n_members,)."""
        return np.sqrt(_squared_mahalanobis(self.points - self.center, self.covariance))


def find_clusters(
    points: NDArray[Any],
    rows: NDArray[np.int64],
    clusterer: str | BaseEstimator,
    n_clusters: int,
    *,
    seed: int,
    level: int = 0,
) -> list[Cluster]:
    """Cluster points; clusters that hold no point are left out.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        What to cluster.
    rows : ndarray of shape (n,)
        The dataset rows they are.
    clusterer : {"gmm", "kmeans"} or estimator
        A full-covariance Gaussian mixture, k-means, or any scikit-learn estimator that has ``means_`` or
        ``cluster_centers_`` when fitted; its number of clusters and its random state are set here.
    n_clusters : int
        At most so many clusters.
    seed : int
        Seed of the clusterer.
    level : int, default=0
        Level the clusters get.

    Returns
    -------
    list of Cluster

    Raises
    ------
    ValueError
        If the clusterer cannot be told how many clusters to find, cannot predict, or has no centers when
        fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import find_clusters
    >>> points = np.array([[0.0, 0.0], [9.0, 9.0], [0.0, 1.0], [9.0, 8.0]])
    >>> clusters = find_clusters(points, np.array([3, 5, 6, 8]), "kmeans", 2, seed=0)
    >>> sorted((cluster.rows.tolist(), cluster.center.tolist()) for cluster in clusters)
    [([3, 6], [0.0, 0.5]), ([5, 8], [9.0, 8.5])]
    """
    points = points.astype(np.float64, copy=False)
    estimator = _prepared(clusterer, min(n_clusters, len(points)), seed)
    with warnings.catch_warnings():
        # More clusters than distinct points, or not converged: clusters are questions, not results.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assignment = estimator.fit(points).predict(points)
    centers = getattr(estimator, "means_", getattr(estimator, "cluster_centers_", None))
    if centers is None:
        raise _unusable(estimator, "means_ or cluster_centers_ when fitted")
    found, assignment = np.unique(assignment, return_inverse=True)
    centers = centers[found]
    covariances = _covariances(points, assignment, centers)
    if hasattr(estimator, "predict_proba"):
        posterior = estimator.predict_proba(points)[:, found]
    else:
        posterior = _responsibilities(points, centers, covariances, assignment)
    return [
        Cluster(
            rows=rows[assignment == k],
            points=points[assignment == k],
            center=centers[k],
            covariance=covariance,
            posterior=posterior[assignment == k, k],
            level=level,
        )
        for k, covariance in enumerate(covariances)
    ]


def hard_cluster(points: NDArray[Any], rows: NDArray[np.int64]) -> Cluster:
    """The cluster of these rows of all points, each of which is in no other; around their mean."""
    members = points[rows]
    center = members.mean(axis=0, dtype=np.float64)
    return Cluster(rows, members, center, _covariance(members - center), np.ones(len(rows)))


def _prepared(clusterer: str | BaseEstimator, n_clusters: int, seed: int) -> BaseEstimator:
    estimator = clone(CLUSTERERS[clusterer] if isinstance(clusterer, str) else clusterer)
    given = estimator.get_params()
    if not hasattr(estimator, "predict") or not given.keys() & {"n_clusters", "n_components"}:
        raise _unusable(estimator, "a method predict and a parameter n_clusters or n_components")
    ours = {"n_clusters": n_clusters, "n_components": n_clusters, "random_state": seed}
    return estimator.set_params(**{name: value for name, value in ours.items() if name in given})


def _unusable(estimator: BaseEstimator, required: str) -> ValueError:
    return ValueError(
        f"clusterer must have {required}, {type(estimator).__name__} does not. "
        'Use "gmm", "kmeans" or another mixture or centroid clusterer.'
    )


def _covariances(points: NDArray[Any], assignment: NDArray[np.int64], centers: NDArray[Any]) -> NDArray[Any]:
    """One about each center, (n_clusters, d, d)."""
    return np.stack([_covariance(points[assignment == k] - center) for k, center in enumerate(centers)])


def _covariance(centered: NDArray[Any]) -> NDArray[Any]:
    """Covariance about the center, shrunk to its mean variance so that few members do not make it singular."""
    n, d = centered.shape
    scatter = centered.T @ centered
    ridge = max(np.trace(scatter) / (n * d), 1e-6)
    return (scatter + d * ridge * np.eye(d)) / (n + d)


def _squared_mahalanobis(centered: NDArray[Any], covariance: NDArray[Any]) -> NDArray[Any]:
    whitened = solve_triangular(np.linalg.cholesky(covariance), centered.T, lower=True)
    return np.sum(whitened**2, axis=0)


def _responsibilities(
    points: NDArray[Any], centers: NDArray[Any], covariances: NDArray[Any], assignment: NDArray[np.int64]
) -> NDArray[Any]:
    """Posterior of hard clusters seen as a Gaussian mixture, (n, n_clusters)."""
    share = np.unique(assignment, return_counts=True)[1] / len(points)
    log_joint = np.stack(
        [
            np.log(p) - (_squared_mahalanobis(points - mean, cov) + np.linalg.slogdet(cov)[1]) / 2
            for p, mean, cov in zip(share, centers, covariances, strict=True)
        ],
        axis=1,
    )
    return softmax(log_joint, axis=1)
