"""Which slot a row starts in: clusters of an embedding, matched with the labels that are known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import poisson
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from .._labels import UNLABELED, label_kind
from ..graph import between_clusters, merge_clusters, neighbor_embedding, principal_points

__all__ = ["Remedies", "collapse_symptom", "drawn_together", "find_slots", "slot_names"]

OVER = 3
"""Clusters for each slot: small ones are pure, and those that belong together are merged on the graph."""

N_DIMENSIONS = 10
"""Of the embedding, at most."""

SPARSE_SHARE = 0.25
"""A cluster with less than this share of a class's usual density of labels is not of that class."""

FULL_SHARE = 0.8
"""One slot that holds more than this share of the rows is a symptom of collapse."""

EMPTY_SHARE = 0.01
"""Slots that together hold less than this share of the rows hold next to none, and so does one slot that holds less
than this share of what its prior expects."""

ENOUGH_FOUND, ENOUGH_KNOWN = 20, 100
"""Where a prior expects fewer rows in a slot without labels, or of a known class, none is no symptom: it may be chance,
or a network that has hardly begun to learn."""

CHANCE = 0.01
"""Probability below which a lack of labels is no chance."""

STRAYS = 0.1
"""A cluster with less than this share of a class's labels says nothing about their density."""


def find_slots(
    graph: csr_array, z: NDArray[Any], codes: NDArray[np.int64], n_known: int, n_slots: int, seed: int
) -> NDArray[np.int64]:
    """Give every row a slot: of the known class it seems to be of, or a found one.

    Latent vectors are drawn together along the graph and clustered, more finely than there are slots. Clusters in
    which the labels of a class are dense get the slot of that class; the others are merged where the graph
    connects them most.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Neighbors of the rows.
    z : ndarray of shape (n, n_latent)
        Latent vectors.
    codes : ndarray of shape (n,)
        Known classes 0 to ``n_known - 1``, -1 where unlabeled.
    n_known, n_slots : int
        Slots of known classes, which come first, and all slots.
    seed : int
        Decides everything random.

    Returns
    -------
    ndarray of shape (n,)
        Slots; -1 for rows of no known class if there are no other slots. A known label stands.
    """
    points = drawn_together(graph, z, seed).astype(np.float64)
    mixture = GaussianMixture(min(OVER * n_slots, len(z)), reg_covar=1e-3, n_init=2, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a start, not a result
        clusters = np.unique(mixture.fit_predict(points), return_inverse=True)[1]  # components may be empty
    weight = between_clusters(graph, clusters)
    owner = owners(clusters, codes, n_known, weight)
    found = np.flatnonzero(owner < 0)
    owner[found] = n_known + merge_clusters(weight, np.bincount(clusters), found, n_slots - n_known)
    owner[owner >= n_slots] = UNLABELED
    return np.where(codes >= 0, codes, owner[clusters])


def drawn_together(graph: csr_array, z: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """Points that start at the principal components of z and follow the graph, (n, at most N_DIMENSIONS)."""
    return neighbor_embedding(graph, principal_points(z, n_components=N_DIMENSIONS), seed=seed)


def owners(
    clusters: NDArray[np.int64], codes: NDArray[np.int64], n_known: int, weight: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The known class of each cluster, -1 where labels are much sparser than elsewhere in that class.

    A cluster that is so small that it may lack labels by chance is of the class that most of its edges to other
    clusters lead to.
    """
    size = np.bincount(clusters)
    labels = np.zeros((n_known, len(size)))
    labeled = codes >= 0
    np.add.at(labels, (codes[labeled], clusters[labeled]), 1)
    if not labels.size:
        return np.full(len(size), UNLABELED)
    share = labels / np.maximum(labels.sum(axis=1, keepdims=True), 1)
    density = labels / np.maximum(size, 1)
    enough = np.minimum(STRAYS, share.max(axis=1, keepdims=True))  # a class may lie in many clusters
    usual = np.where(share >= enough, density, 0).max(axis=1)
    owner = share.argmax(axis=0)
    dense = density[owner, range(len(size))] > SPARSE_SHARE * np.maximum(usual[owner], np.finfo(float).tiny)
    owner = np.where(dense, owner, UNLABELED)
    by_chance = poisson.cdf(labels, usual[:, None] * size) > CHANCE  # (n_known, n_clusters)
    outside = weight * ~np.eye(len(size), dtype=bool)
    to_class = outside @ (owner[:, None] == np.arange(n_known))
    closest = to_class.argmax(axis=1)
    mostly = to_class.max(axis=1) > outside.sum(axis=1) / 2
    return np.where(~dense & mostly & by_chance[closest, range(len(size))], closest, owner)


def slot_names(known: NDArray[Any], n_extra: int, given: Mapping[int, Any] | None = None) -> NDArray[Any]:
    """Names of the slots: the known classes, then those that were given, and new ones of the same kind.

    Parameters
    ----------
    known : ndarray of shape (n_known,)
        Known classes.
    n_extra : int
        Slots beside them.
    given : mapping of int to label, optional
        Names of found slots, by slot.

    Raises
    ------
    ValueError
        If there are fewer than two slots, or no names of that kind are left.
    """
    given = given or {}
    if len(known) + n_extra < 2:
        raise ValueError(
            f"GMDGMClassifier: there must be at least 2 slots, got {len(known)} known class(es) and "
            f"n_extra={n_extra}. Raise n_extra, or label rows of more classes."
        )
    kinds = {label_kind(name) for name in (*known.tolist(), *given.values())}
    if kinds == {"bool"} and n_extra:
        raise ValueError(
            "GMDGMClassifier: found classes get names of the kind of those in y, but there are only two booleans. "
            "Give y as integers or strings."
        )
    if kinds == {"str"}:
        fresh: Iterator[Any] = (name for i in count() if (name := f"found_{i}") not in known)
    else:
        fresh = count(max([UNLABELED, *known.tolist()]) + 1)
    slots = range(len(known), len(known) + n_extra)
    names = dict(zip(slots, islice(fresh, n_extra), strict=True)) | dict(given)
    for slot in slots:
        while slot not in given and names[slot] in given.values():  # a class has been given this name
            names[slot] = next(fresh)
    return np.array([*known.tolist(), *names.values()])


class Remedies(NamedTuple):
    """What to change where slots collapse."""

    train: str
    """For the classes to come apart."""
    fewer: str
    """For there to be fewer slots without labels, or none."""


def collapse_symptom(sizes: NDArray[np.int64], prior: NDArray[Any], n_known: int, remedies: Remedies) -> str | None:
    """Say what is wrong with slots of these sizes, and what to change; None if nothing is.

    Parameters
    ----------
    sizes : ndarray of shape (n_slots,)
        Unlabeled rows in each slot, known classes first.
    prior : ndarray of shape (n_slots,)
        Shares that were expected.
    n_known : int
        Slots of known classes.
    remedies : Remedies
        What the estimator has to change.
    """
    n_rows, n_extra = sizes.sum(), len(sizes) - n_known
    share = sizes / max(n_rows, 1)
    enough = np.where(np.arange(len(sizes)) < n_known, ENOUGH_KNOWN, ENOUGH_FOUND)
    empty = (share < EMPTY_SHARE * prior) & (n_rows * prior >= enough)
    n_missing, n_empty = np.count_nonzero(empty[:n_known]), np.count_nonzero(empty[n_known:])
    if n_extra and share.max() > FULL_SHARE:
        return (
            f"the slots have collapsed: one holds {share.max():.0%} of the unlabeled rows. If no class is that "
            f"large, {remedies.train}."
        )
    if n_rows and n_extra and n_known and share[n_known:].sum() < EMPTY_SHARE:
        return (
            f"the slots without labels ({n_extra}) hold {share[n_known:].sum():.1%} of the unlabeled rows. If there "
            f"are classes without labels, raise their class_prior, or {remedies.train}; if there are none, "
            f"{remedies.fewer}."
        )
    if n_empty > n_extra / 2:
        return (
            f"{n_empty} of the {n_extra} slots without labels hold next to none of the unlabeled rows. If there are "
            f"so many classes, {remedies.train}; if not, {remedies.fewer}."
        )
    if n_missing:
        return (
            f"{n_missing} of the {n_known} classes with labels hold next to none of the unlabeled rows. If there "
            "are such rows, label more of them, or raise alpha; if not, lower the class_prior of those classes."
        )
    return None
