from collections import defaultdict
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_moons
from sklearn.ensemble import RandomForestClassifier

from sklvae.acquisition import partition
from sklvae.estimators import _propagation
from sklvae.estimators._propagation import Known, Plan, Round, Spread, by_cluster, by_graph
from sklvae.graph import knn_graph
from sklvae.labeling import INVALID, SKIP, Answer, forest_opinion

N = 30
LABELS = st.sampled_from(["cat", "dog", "owl", INVALID, SKIP])
ANSWERS = st.lists(st.builds(Answer, LABELS, st.floats(0, 1, width=32)), min_size=4, max_size=4)


def ask_about_clusters(known, seed, answers):
    """One round: its clusters with their answers, and the labels it spreads."""
    asked = []

    def make_query(cluster, index):
        asked.append(cluster)
        return SimpleNamespace(id=len(asked) - 1)

    z = np.random.default_rng(0).normal(size=(N, 2))
    options = SimpleNamespace(n_clusters=4, max_depth=0, confidence="posterior", distance="euclidean", decay=0.1)
    round_ = Round(z, "kmeans", lambda: None, None, (1.0, 0.0), make_query, seed, None)
    conversation = by_cluster(round_, known, Plan(4, 0), options)
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(answers)
    return list(zip(asked, answers, strict=True)), end.value.value


@settings(max_examples=40)
@given(st.lists(ANSWERS, min_size=1, max_size=4))
def test_the_clusters_of_all_rounds_vote_and_the_lead_is_the_confidence(rounds):
    known, mass = Known({}), [defaultdict(float) for _ in range(N)]
    for number, answers in enumerate(rounds):
        pairs, spread = ask_about_clusters(known, number, answers)
        for cluster, answer in pairs:
            for row, posterior in zip(cluster.rows, cluster.posterior, strict=True):
                if answer.is_label:
                    mass[row][answer.label] += answer.confidence * posterior
        for row in range(N):
            ranked = sorted(mass[row].items(), key=lambda item: -item[1])
            lead = ranked[0][1] - (ranked[1][1] if len(ranked) > 1 else 0) if ranked else 0
            assert spread.weight[row] == pytest.approx(lead / (number + 1), abs=1e-6)
            if lead > 1e-6:
                assert spread.classes[spread.code[row]] == ranked[0][0]
            if spread.weight[row] == 0:
                assert spread.code[row] == -1


def test_a_wrong_answer_is_outvoted_by_later_rounds():
    known, right = Known({}), [Answer("cat")] * 4
    ask_about_clusters(known, 0, [Answer("dog"), *right[1:]])
    ask_about_clusters(known, 1, right)
    _, spread = ask_about_clusters(known, 2, right)
    assert spread.classes.tolist() == ["cat", "dog"]
    assert (spread.classes[spread.code] == "cat").all()


def test_a_label_known_for_a_row_stands_against_the_votes():
    pairs, _ = ask_about_clusters(Known({}), 0, [Answer("cat")] * 4)
    one, other, *_ = pairs[0][0].rows.tolist()
    known = Known({one: ("owl", 0.7), other: ("cat", 1.0)})
    _, spread = ask_about_clusters(known, 0, [Answer("cat")] * 4)
    assert spread.classes[spread.code[one]] == "owl"
    assert spread.weight[one] == np.float32(0.7)


@pytest.mark.parametrize("unjudged", [(1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("in_doubt", [1, 3, 5])
def test_later_rounds_ask_where_there_is_doubt_and_no_answer(unjudged, in_doubt):
    """A row that was asked about has an answer, even if it was no label."""
    rng = np.random.default_rng(0)
    blob = rng.permutation(np.repeat(np.arange(6), 20))
    points = 50 * np.eye(6)[blob] + rng.normal(size=(120, 6))
    unsure, sure = (np.where(blob == in_doubt, p, q) for p, q in ((0.75, 0.98), (1.0, 0.6)))
    heard, unheard = np.stack([unsure, 1 - unsure], axis=1), np.stack([sure, 1 - sure], axis=1)
    opinions = (heard, unheard) if unjudged == (0.0, 1.0) else (unheard, heard)
    previous = Spread(np.arange(2), np.zeros(120, dtype=np.int64), np.zeros(120, dtype=np.float32), *opinions)
    first = [int(np.flatnonzero(blob == k)[0]) for k in range(4)]
    known = Known(dict.fromkeys(first[:3], ("cat", 1.0)), asked=set(first[1:]))
    graph = knn_graph(points)
    round_ = Round(
        points, "kmeans", lambda: graph, previous, unjudged, lambda cluster, index: SimpleNamespace(id=index), 0, None
    )
    chosen = round_.candidates(known, Plan(2, 0))
    assert {in_doubt} == {b for cluster in chosen for b in blob[cluster.rows]}
    assert not set(first) & {row for cluster in chosen for row in cluster.rows.tolist()}
    asked = by_graph(round_, known, Plan(2, 0), SimpleNamespace(n_clusters=2, max_depth=0))
    assert len(next(asked)) == 2
    assert [blob[row] for row in known.asked if row not in first] == [in_doubt] * 2


def test_the_first_round_asks_about_the_largest_clusters_without_a_known_label():
    blob = np.random.default_rng(0).permutation(np.repeat(np.arange(6), [30, 20, 20, 20, 15, 25]))
    points = 50 * np.eye(6)[blob] + np.random.default_rng(1).normal(size=(130, 6))
    known = Known({int(np.flatnonzero(blob == k)[0]): ("cat", 1.0) for k in (0, 1, 3)})
    round_ = Round(points, "kmeans", lambda: knn_graph(points), None, (1.0, 0.0), lambda cluster, index: None, 0, None)
    chosen = round_.candidates(known, Plan(3, 0))
    assert [sorted(set(blob[cluster.rows])) for cluster in chosen] == [[5], [2], [4]]


def test_the_first_questions_reach_every_cluster_from_any_seed():
    """One start of k-means misses a cluster at about every other seed."""
    blob = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 30))
    points = 6 * np.eye(12)[blob] + np.random.default_rng(1).normal(size=(360, 12))
    for seed in range(20):
        round_ = Round(points, "kmeans", lambda: None, None, (1.0, 0.0), lambda cluster, index: None, seed, None)
        chosen = round_.candidates(Known({}), Plan(12, 0))
        assert sorted(np.concatenate([cluster.rows for cluster in chosen]).tolist()) == list(range(360))
        assert {frozenset(blob[cluster.rows]) for cluster in chosen} == {frozenset([k]) for k in range(12)}


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("n_questions", [3, 30])
def test_many_known_labels_do_not_make_more_clusters_than_can_be_found(monkeypatch, n_questions, later):
    monkeypatch.setattr(_propagation, "MOST_PARTS", 20)
    seen = []

    def spy(points, n_clusters, seed, **starts):
        seen.append(n_clusters)
        return partition(points, n_clusters, seed, **starts)

    monkeypatch.setattr(_propagation, "partition", spy)
    points, opinion = np.random.default_rng(0).normal(size=(2000, 2)), np.full((2000, 2), 0.5)
    previous = Spread(np.arange(2), np.zeros(2000, dtype=int), np.zeros(2000), opinion, opinion) if later else None
    round_ = Round(points, "kmeans", lambda: None, previous, (1.0, 0.0), lambda cluster, index: None, 0, None)
    chosen = round_.candidates(Known(dict.fromkeys(range(100), ("cat", 1.0))), Plan(n_questions, 0))
    assert (seen, len(chosen)) == ([max(20, n_questions)], n_questions)


def learns_nothing(n_classes, rows, code, confidence, at, *, random_state):
    return np.full((len(at), n_classes), 1 / n_classes)


def labels_spread(table, known, points):
    """What `by_graph` makes of known labels alone, with a forest of the table, or what learns nothing if it is None."""
    graph, learned = knn_graph(points, n_neighbors=5), learns_nothing
    if table is not None:
        learned = partial(forest_opinion, table)
    round_ = Round(points, "kmeans", lambda: graph, None, (1.0, 0.0), None, 0, learned)
    with pytest.raises(StopIteration) as end:
        next(by_graph(round_, Known(known), None, None))
    return end.value.value


@pytest.mark.parametrize("sees", [True, False])
def test_a_column_that_decides_is_seen_by_the_forest(sees):
    """Ten columns of noise beside it hide it from the neighbors."""
    X = np.random.default_rng(0).normal(size=(400, 11))
    y = (X[:, 0] > 0.5).astype(int)
    spread = labels_spread(X if sees else None, {row: (y[row], 1.0) for row in range(60)}, X)
    right = np.mean(spread.code[60:] == y[60:])
    assert right > 0.9 if sees else right < 0.8
    np.testing.assert_allclose(spread.probability.sum(axis=1), 1)
    np.testing.assert_array_equal(spread.code[:60], y[:60])


def test_the_forest_does_not_spoil_what_the_graph_knows():
    """Two crescents; the forest cuts them along the axes."""
    X, y = make_moons(600, noise=0.05, random_state=0)
    known = {row: (y[row], 1.0) for row in range(30)}
    alone, pooled = (labels_spread(table, known, X) for table in (None, X))
    forest = RandomForestClassifier(random_state=0).fit(X[:30], y[:30])
    assert np.mean(alone.code == y) > 0.98
    assert np.mean(pooled.code == y) > 0.98
    assert forest.score(X, y) < 0.95


@pytest.mark.parametrize("known", [[0, 19], [0, 2, 4, 6, 13, 15, 17, 19]])
def test_rows_that_the_graph_leads_to_no_label_get_none(known):
    """Whether there are labels that judge graph and forest, or none."""
    points = np.concatenate([np.linspace(0, 1, 20), np.linspace(50, 51, 20)])[:, None]
    spread = labels_spread(points, {row: ("ab"[row > 9], 1.0) for row in known}, points)
    np.testing.assert_array_equal(spread.code, [0] * 10 + [1] * 10 + [-1] * 20)
    assert not spread.weight[20:].any()


def test_the_order_of_the_answers_says_nothing():
    X = np.random.default_rng(0).normal(size=(60, 3))
    known = {row: ("ab"[row % 2], 1.0) for row in range(20)}
    one, other = (labels_spread(X, labels, X) for labels in (known, dict(reversed(known.items()))))
    np.testing.assert_array_equal(one.probability, other.probability)


def test_a_label_without_confidence_says_nothing():
    X = np.random.default_rng(0).normal(size=(60, 3))
    known = {row: ("ab"[row % 2], 1.0) for row in range(20)}
    wrong = dict.fromkeys(range(20, 40), ("b", 0.0))
    one, other = (labels_spread(X, labels, X) for labels in (known, known | wrong))
    np.testing.assert_array_equal(one.probability, other.probability)
    assert not labels_spread(X, dict.fromkeys(range(4), ("a", 0.0)) | dict.fromkeys([5], ("b", 0.0)), X).weight.any()
