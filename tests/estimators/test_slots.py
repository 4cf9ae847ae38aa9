"""Slots: how they are found, whose they are, what they are called, and when something is wrong with them."""

import re

import numpy as np
import pytest

from sklvae.estimators._slots import Remedies, collapse_symptom, find_slots, owners, slot_names
from sklvae.graph import between_clusters, knn_graph, merge_clusters

EVEN = (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("sizes", "prior", "n_known", "symptom"),
    [
        ([850, 50, 50, 50], EVEN, 1, "one holds 85%.*train so"),
        ([600, 395, 5, 0], EVEN, 2, r"without labels \(2\) hold 0.5%.*if there are none, have fewer"),
        ([500, 0, 0, 500], EVEN, 1, "2 of the 3 slots without labels hold next to none.*if not, have fewer"),
        ([0, 500, 250, 250], EVEN, 2, "1 of the 2 classes with labels hold next to none"),
        ([0, 500, 250, 250], (0.01, 0.49, 0.25, 0.25), 2, None),  # so few are expected that none may be chance
        ([500, 0, 250, 250], EVEN, 1, None),  # a slot to spare is none too many
        ([0, 130, 130, 130], EVEN, 1, None),  # so few may be chance
        ([30, 0, 0, 30], EVEN, 1, None),
        ([1000, 0, 0, 0], EVEN, 4, "3 of the 4 classes with labels hold next to none"),
        ([970, 10, 10, 10], EVEN, 4, None),  # classes are of different sizes
        ([0, 0, 0, 0], EVEN, 2, None),
        ([700, 647, *[0] * 13], [1 / 15] * 15, 0, "13 of the 15 slots without labels"),
        ([4000, 3000, 3000, *[0] * 197], [1 / 200] * 200, 0, "197 of the 200 slots without labels"),
    ],
)
def test_each_symptom_of_collapse_has_its_words(sizes, prior, n_known, symptom):
    remedies = Remedies(train="train so", fewer="have fewer")
    said = collapse_symptom(np.array(sizes), np.array(prior), n_known, remedies)
    assert said is None if symptom is None else re.search(symptom, said)


def test_clusters_belong_to_a_class_where_its_labels_are_dense():
    clusters = np.repeat([0, 1, 2], 100)
    codes = np.full(300, -1)
    codes[:20], codes[100:115], codes[200] = 0, 0, 0  # a stray label in the third
    apart = np.eye(3)
    assert owners(clusters, codes, 1, apart).tolist() == [0, 0, -1]
    assert owners(clusters, np.full(300, -1), 0, apart).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(("n_rows", "edges_to_class", "expected"), [(12, 3, 0), (12, 1, -1), (100, 3, -1)])
def test_a_cluster_without_labels_is_of_a_class_if_that_may_be_chance_and_most_edges_lead_there(
    n_rows, edges_to_class, expected
):
    clusters = np.repeat([0, 1, 2], [100, 100, n_rows])
    codes = np.full(len(clusters), -1)
    codes[:20] = 0
    weight = np.array([[9, 0, edges_to_class], [0, 9, 2], [edges_to_class, 2, 9]])
    assert owners(clusters, codes, 1, weight).tolist() == [0, -1, expected]


def test_found_clusters_are_merged_where_the_graph_connects_them():
    points = np.concatenate([np.random.default_rng(0).normal(size=(60, 2)) + shift for shift in ([0, 0], [50, 0])])
    clusters = np.concatenate([points[:60, 0] > 0, 2 + (points[60:, 0] > 50)]).astype(int)
    weight = between_clusters(knn_graph(points), clusters)
    assert merge_clusters(weight, np.bincount(clusters), np.arange(4), 2).reshape(2, 2).tolist() in (
        [[0, 0], [1, 1]],
        [[1, 1], [0, 0]],
    )


def test_more_slots_than_rows_is_no_reason_to_fail():
    z = np.random.default_rng(0).normal(size=(12, 2))
    slots = find_slots(knn_graph(z), z, np.full(12, -1), 0, 20, seed=0)
    assert slots.min() >= 0
    assert slots.max() < 20


def test_slots_that_nobody_named_never_take_the_name_of_a_class():
    known = np.array([0, 1])
    assert slot_names(known, 3).tolist() == [0, 1, 2, 3, 4]
    assert slot_names(known, 3, {2: 3}).tolist() == [0, 1, 3, 5, 4]  # the slot called 3 makes way, 4 stays
    assert slot_names(known, 3, {2: 3, 4: 5}).tolist() == [0, 1, 3, 6, 5]
    assert slot_names(np.array(["ant", "found_0"]), 2).tolist() == ["ant", "found_0", "found_1", "found_2"]
    assert slot_names(np.array([], dtype=int), 3, {1: "ant"}).tolist() == ["found_0", "ant", "found_2"]
    assert slot_names(np.array([-5, -3]), 3).tolist() == [-5, -3, 0, 1, 2]  # -1 is no name
    assert slot_names(np.array([125], dtype=np.int8), 4).tolist() == [125, 126, 127, 128, 129]


def test_sparse_labels_of_a_class_of_many_clusters_do_not_claim_another():
    """Twenty clusters of a class, five labels in each; one stray label among 400 rows of another."""
    clusters = np.concatenate([np.repeat(np.arange(20), 100), np.full(400, 20)])
    codes = np.full(len(clusters), -1)
    codes[np.arange(0, 2000, 20)] = 0
    codes[2100] = 0
    assert owners(clusters, codes, 1, np.eye(21)).tolist() == [0] * 20 + [-1]
