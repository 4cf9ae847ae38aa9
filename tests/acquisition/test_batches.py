"""Each batch against a slow, obvious reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import entropy as shannon

from sklvae.acquisition import (
    _clusters,
    _cover,
    badge,
    farthest_first,
    informative_representative_diverse,
    medoids,
    partition,
    prob_cover,
    pure_radius,
    typiclust,
)

SEEDS = st.integers(0, 10_000)


def some(seed, n=60, n_labeled=5, d=3, n_classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n_labeled, d)), rng.dirichlet(np.full(n_classes, 0.5), n)


def blobs(sizes, seed=0, d=2):
    """Clusters that nobody can mistake, and which of them each point is of."""
    rng = np.random.default_rng(seed)
    cluster = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return 100 * np.eye(max(len(sizes), d))[cluster] + rng.normal(size=(len(cluster), max(len(sizes), d))), cluster


@pytest.mark.parametrize("n_labeled", [0, 1, 7])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_farthest_first_is_greedy(n_labeled, offset):
    pool, labeled, _ = some(0, n_labeled=n_labeled)
    chosen = [] if n_labeled else [int(cdist(pool, pool.mean(axis=0)[None]).argmin())]
    while len(chosen) < 12:
        distance = cdist(pool, np.concatenate([labeled, pool[chosen]])).min(axis=1)
        chosen.append(int(distance.argmax()))
    assert farthest_first(pool + offset, labeled + offset, n=12).tolist() == chosen


def test_farthest_first_of_copies_still_chooses_different_rows():
    chosen = farthest_first(np.ones((6, 2)), np.ones((1, 2)), n=6)
    assert sorted(chosen.tolist()) == list(range(6))


def reference_badge(proba, embedding, n, seed):
    rng = np.random.RandomState(seed)
    one_hot = np.eye(proba.shape[1])[proba.argmax(axis=1)]
    gradient = np.stack([np.outer(p - y, x).ravel() for p, y, x in zip(proba, one_hot, embedding, strict=True)])
    chosen = [int(np.linalg.norm(gradient, axis=1).argmax())]
    while len(chosen) < n:
        squared = cdist(gradient, gradient[chosen], "sqeuclidean").min(axis=1)
        drawn = rng.uniform() * squared.sum()
        chosen.append(next(i for i, reached in enumerate(np.cumsum(squared)) if reached > drawn))
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_badge_is_k_means_plus_plus_on_the_gradients(seed):
    pool, _, proba = some(seed)
    assert badge(proba, pool, n=15, random_state=seed).tolist() == reference_badge(proba, pool, 15, seed)


def test_badge_never_takes_a_copy_while_there_is_something_else():
    pool, _, proba = some(3, n=6)
    pool, proba = np.tile(pool, (4, 1)), np.tile(proba, (4, 1))
    for dtype in (np.float64, np.float32):
        for seed in range(5):
            chosen = badge(proba.astype(dtype), pool.astype(dtype), n=6, random_state=seed)
            assert sorted((chosen % 6).tolist()) == list(range(6))
    assert sorted(badge(proba, pool, n=24, random_state=0).tolist()) == list(range(24))


def test_certain_rows_are_copies_of_each_other_to_badge():
    pool, _, proba = some(0)
    proba[:50] = np.eye(4)[0]
    for seed in range(5):
        assert (badge(proba, pool, n=10, random_state=seed) < 50).sum() <= 1


def typicality(points, i, members, k):
    others = [j for j in members if j != i]
    return 1 / np.sort(cdist(points[[i]], points[others])[0])[: min(k, len(others))].mean()


def test_typiclust_takes_the_most_typical_of_the_largest_clusters_without_labels():
    points, cluster = blobs([9, 14, 11, 6, 12])
    labeled = [int(np.flatnonzero(cluster == 1)[0])]  # the largest is known already
    pool = np.setdiff1d(np.arange(len(points)), labeled)
    expected = []
    for k in (4, 2, 0, 3):
        members = np.flatnonzero(cluster == k)
        expected.append(max(members, key=lambda i, m=members: typicality(points, i, m, 4)))
    chosen = typiclust(points[pool], points[labeled], n=4, random_state=0, n_neighbors=4)
    assert pool[chosen].tolist() == expected


def test_neighbors_decide_what_is_typical():
    pool, labeled, _ = some(0, n=80, n_labeled=0)
    batches = {tuple(typiclust(pool, labeled, n=4, random_state=0, n_neighbors=k)) for k in (1, 5, 20)}
    assert len(batches) == 3


def test_typiclust_goes_around_again_when_clusters_run_out(monkeypatch):
    monkeypatch.setattr(_clusters, "partition", lambda points, n_clusters, random_state: np.array([0, 0, 0, 1, 1, 0]))
    points = np.array([[0.0], [1.0], [2.5], [9.0], [9.5], [1.2]])  # the last is labeled
    assert typiclust(points[:5], points[5:], n=5, random_state=0).tolist() == [3, 1, 4, 0, 2]


@pytest.mark.parametrize("names", [["MOST_EXACT", "BATCH"], ["MOST_MEMBERS"]])
def test_clusters_of_many_points_are_found_in_parts(monkeypatch, names):
    points, cluster = blobs([30, 20, 10])
    for name in names:
        monkeypatch.setattr(_clusters, name, 2 if name != "BATCH" else 40)
    assert cluster[typiclust(points, points[:0], n=3, random_state=0)].tolist() == [0, 1, 2]


def test_no_cluster_of_few_points_is_empty():
    points = np.random.default_rng(0).normal(size=(200, 5))
    assert len(np.unique(partition(points, 150, random_state=0))) == 150


def test_medoids_are_the_members_nearest_to_the_mean():
    points, cluster = blobs([9, 14, 11])
    expected = []
    for k in (1, 2, 0):
        members = np.flatnonzero(cluster == k)
        # nearest to the mean is the same as least sum of squared distances to the members
        total = cdist(points[members], points[members], "sqeuclidean").sum(axis=1)
        expected.append(int(members[total.argmin()]))
    assert medoids(points, n=3, random_state=0).tolist() == expected


def test_medoids_of_fewer_distinct_points_are_different_rows():
    points = np.repeat([[0.0], [5.0]], [3, 4], axis=0)
    chosen = medoids(points, n=5, random_state=0)
    assert len(set(chosen.tolist())) == 5
    assert points[chosen[:2], 0].tolist() == [5.0, 0.0]


def reference_cover(pool, labeled, n, delta):
    within = cdist(pool, pool) <= delta * (1 + 1e-9)
    covered = (cdist(pool, labeled) <= delta * (1 + 1e-9)).any(axis=1)
    chosen = []
    while len(chosen) < n and not covered.all():
        chosen.append(int((within & ~covered).sum(axis=1).argmax()))
        covered |= within[chosen[-1]]
    return chosen, covered.all()


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([1.0, 1.5, 2.0]))
def test_prob_cover_is_a_greedy_cover_also_on_a_grid(seed, delta):
    rng = np.random.default_rng(seed)
    pool, labeled = rng.integers(0, 9, (40, 2)).astype(float), rng.integers(0, 9, (3, 2)).astype(float)
    expected, _ = reference_cover(pool, labeled, 6, delta)
    chosen = prob_cover(pool, labeled, n=6, delta=delta).tolist()
    assert chosen[: len(expected)] == expected
    assert len(set(chosen)) == 6


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([np.float32, np.float64]), st.sampled_from([0.5, 1.0, 3.0]))
def test_a_cover_never_takes_a_row_twice(seed, dtype, delta):
    pool = np.random.default_rng(seed).integers(0, 4, (30, 2)).astype(dtype) + 1000
    assert sorted(prob_cover(pool, pool[:2] + 1, n=30, delta=delta).tolist()) == list(range(30))


def test_once_all_is_covered_the_farthest_follow():
    pool = np.array([[0.0], [1.0], [10.0], [11.0], [12.0]])
    assert prob_cover(pool, pool[:0], n=4, delta=1.0).tolist()[:2] == [3, 0]
    rest = farthest_first(pool[[1, 2, 4]], pool[[3, 0]], n=2)
    assert prob_cover(pool, pool[:0], n=4, delta=1.0).tolist()[2:] == np.array([1, 2, 4])[rest].tolist()


def test_evenly_spaced_rows_stand_for_a_large_pool(monkeypatch):
    pool, labeled, _ = some(0)
    monkeypatch.setattr(_cover, "MOST_COVERED", 20)
    nodes = np.linspace(0, 59, 20).astype(int)
    expected, _ = reference_cover(pool[nodes], labeled, 4, 0.8)
    assert prob_cover(pool, labeled, n=4, delta=0.8).tolist() == nodes[expected].tolist()


@settings(max_examples=10)
@given(SEEDS, st.sampled_from([0.7, 0.9, 0.95]))
def test_that_share_of_the_balls_is_pure_and_no_wider_ones_are(seed, purity):
    points = np.random.default_rng(seed).normal(size=(80, 2))
    cluster = partition(points, 4, 0)
    strangers = cluster[:, None] != cluster

    def pure(radius):
        return 1 - ((cdist(points, points) <= radius) & strangers).any(axis=1).mean()

    radius = pure_radius(points, purity, 4, 0)
    assert pure(radius * (1 - 1e-6)) >= purity
    assert pure(radius * (1 + 1e-6)) <= purity + 1 / 80


def test_options_of_the_cover_are_used():
    pool, labeled, _ = some(0, n=300)
    default = prob_cover(pool, labeled, n=5, random_state=0).tolist()
    for options in ({"delta": 0.2}, {"purity": 0.5}, {"n_clusters": 40}):
        assert prob_cover(pool, labeled, n=5, random_state=0, **options).tolist() != default


def test_one_cluster_is_covered_by_one_ball():
    pool, _, _ = some(0)
    assert pure_radius(pool, 0.95, 1) == pytest.approx(cdist(pool, pool).max())


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.0, 1.0, 0.3), (2.0, 0.0, 1.0), (1.0, 0.5, 0.0)])
@pytest.mark.parametrize("n_labeled", [0, 4])
def test_informative_representative_and_diverse_add_up(weights, n_labeled):
    pool, labeled, proba = some(1, n_labeled=n_labeled)
    squared_scale = cdist(pool, pool, "sqeuclidean").mean()
    similarity = np.exp(-cdist(pool, pool, "sqeuclidean") / squared_scale)
    chosen = []
    while len(chosen) < 8:
        totals = []
        for i in range(len(pool)):
            known = [*labeled, *pool[chosen]]
            nearest = max((np.exp(-np.sum((pool[i] - x) ** 2) / squared_scale) for x in known), default=0.0)
            three = shannon(proba[i]) / np.log(4), similarity[i].mean(), 1 - nearest
            totals.append(-np.inf if i in chosen else np.dot(weights, three))
        chosen.append(int(np.argmax(totals)))
    names = dict(zip(("informative", "representative", "diverse"), weights, strict=True))
    assert informative_representative_diverse(proba, pool, labeled, n=8, **names).tolist() == chosen


@settings(max_examples=15)
@given(SEEDS, st.floats(0.01, 100))
def test_batches_know_neither_order_nor_place_nor_unit(seed, unit):
    rng = np.random.default_rng(seed)
    pool, labeled, proba = some(seed)
    order = rng.permutation(len(pool))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]

    def moved(points):
        return unit * (points @ turn + 7)

    batches = {
        "coreset": lambda x, known, p, scale: farthest_first(x, known, n=6),
        "prob_cover": lambda x, known, p, scale: prob_cover(x, known, n=6, delta=0.9 * scale)[:1],
        "three": lambda x, known, p, scale: informative_representative_diverse(p, x, known, n=6),
    }
    for name, batch in batches.items():
        expected = batch(pool, labeled, proba, 1.0)
        found = order[batch(moved(pool)[order], moved(labeled), proba[order], unit)]
        if name == "prob_cover":  # several balls may hold as many
            within = cdist(pool, pool) <= 0.9
            free = cdist(pool, labeled).min(axis=1) > 0.9
            assert (within & free)[found].sum() == (within & free)[expected].sum()
        else:
            np.testing.assert_array_equal(found, expected)


def test_more_starts_make_a_partition_no_worse_and_often_better():
    points = np.random.default_rng(0).normal(size=(300, 3))

    def scatter(seed, n_init):
        cluster = partition(points, 12, seed, n_init=n_init)
        return sum(((points[cluster == k] - points[cluster == k].mean(axis=0)) ** 2).sum() for k in range(12))

    one, four = (np.array([scatter(seed, n_init) for seed in range(10)]) for n_init in (1, 4))
    assert (four <= one + 1e-9).all()
    assert np.mean(four < one) > 0.5


@given(SEEDS, st.integers(1, 80))
def test_of_a_partition_each_point_is_nearest_to_the_mean_of_its_own_cluster(seed, n_clusters):
    points = np.random.default_rng(seed).normal(size=(60, 2))
    cluster = partition(points, n_clusters, seed)
    assert len(np.unique(cluster)) <= min(n_clusters, 60)
    if n_clusters <= 50:  # Lloyd's algorithm has come to its end
        means = np.stack([points[cluster == k].mean(axis=0) for k in np.unique(cluster)])
        np.testing.assert_array_equal(np.unique(cluster)[cdist(points, means).argmin(axis=1)], cluster)
