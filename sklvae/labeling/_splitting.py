"""Asking about clusters, and splitting those that are no single class."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from ._answers import INVALID, Answer
from ._clusters import Cluster
from ._queries import Query, QueryBatch

__all__ = ["ask_clusters"]

Asked = list[tuple[Cluster, Answer]]


def ask_clusters(
    clusters: Sequence[Cluster],
    query_for: Callable[[Cluster], Query | None],
    split: Callable[[Cluster, int], Sequence[Cluster]],
    *,
    n_clusters: int,
    max_depth: int,
    spare: int,
) -> Generator[QueryBatch, list[Answer], Asked]:
    """Ask about each cluster; split the invalid ones into sub-clusters and ask about those, level by level.

    A generator: it yields the questions of a level and is sent their answers.

    Parameters
    ----------
    clusters : sequence of Cluster
        The first level.
    query_for : callable
        Makes the question about a cluster, or gives None where there is nothing left to ask.
    split : callable
        ``split(cluster, k)`` gives its sub-clusters.
    n_clusters : int
        Sub-clusters of a split.
    max_depth : int
        How often a cluster may be split.
    spare : int
        Questions that may be asked beyond the first level.

    Returns
    -------
    list of (Cluster, Answer)
        Every answer with the cluster it is about.

    References
    ----------
    Cluster-label paper, Section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import INVALID, Answer, Query, ask_clusters, find_clusters
    >>> def split(c, k):
    ...     return find_clusters(c.points, c.rows, "kmeans", k, seed=0, level=c.level + 1)
    >>> def query_for(c):
    ...     return Query(0, c.center, "center", None, cluster=0, level=c.level, round=0, members=c.rows)
    >>> points = np.array([[0.0], [1.0], [8.0], [9.0]])
    >>> clusters = find_clusters(points, np.arange(4), "kmeans", 1, seed=0)
    >>> conversation = ask_clusters(clusters, query_for, split, n_clusters=2, max_depth=1, spare=2)
    >>> [query.x.tolist() for query in next(conversation)]
    [[4.5]]
    >>> sorted(query.x.tolist() for query in conversation.send([Answer(INVALID)]))
    [[0.5], [8.5]]
    """
    asked: Asked = []
    while clusters:
        pairs = [(c, query) for c in clusters if (query := query_for(c)) is not None]
        if not pairs:
            break
        answers = yield QueryBatch([query for _, query in pairs])
        level = [(cluster, answer) for (cluster, _), answer in zip(pairs, answers, strict=True)]
        asked += level
        invalid = [c for c, a in level if a.label is INVALID and c.level < max_depth]
        clusters = []
        for cluster in sorted(invalid, key=len, reverse=True):
            k = min(n_clusters, spare, len(cluster))
            if k >= 2:
                clusters += split(cluster, k)
                spare -= k
    return asked
