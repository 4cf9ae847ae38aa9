import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from sklvae.labeling import (
    INVALID,
    SKIP,
    Answer,
    Cluster,
    ConsoleOracle,
    LabelStudioFiles,
    MajorityOracle,
    MemoizingOracle,
    OracleError,
    Query,
    QueryBatch,
    Round,
    SimulatedOracle,
    WebOracle,
    ask_clusters,
    confidence_of,
    consult,
    find_clusters,
    read_answers,
)


def batch(X, first=0):
    return QueryBatch(
        [Query(first + i, x, "center", None, i, 0, 0, members=np.array([i])) for i, x in enumerate(np.asarray(X))]
    )


QUERIES = batch(np.arange(6.0).reshape(3, 2), first=5)


@pytest.mark.parametrize(
    "reply",
    [
        [1, 0, 1],
        (1, 0, 1),
        np.array([1, 0, 1]),
        torch.tensor([1, 0, 1]),
        pd.Series([1, 0, 1]),
        ([1, 0, 1], [1.0, 1.0, 1.0]),
        [Answer(1), Answer(0), Answer(1)],
        iter([1, 0, 1]),
    ],
)
def test_every_form_of_reply_gives_the_same_answers(reply):
    answers = list(read_answers(reply, QUERIES))
    assert [answer.label for answer in answers] == [1, 0, 1]
    assert [answer.confidence for answer in answers] == [1, 1, 1]
    assert [answer.query.id for answer in answers] == [5, 6, 7]


def test_two_answers_in_a_tuple_are_no_labels_and_confidences():
    labels = [answer.label for answer in read_answers(("a", "b"), QUERIES[:2])]
    assert labels == ["a", "b"]


@given(st.lists(st.sampled_from([INVALID, SKIP, None, "a", "b"]), min_size=3, max_size=3))
def test_invalid_and_skip_survive_reading(reply):
    labels = [answer.label for answer in read_answers(reply, QUERIES)]
    assert labels == [INVALID if label is None else label for label in reply]


@pytest.mark.parametrize("sentinel", [INVALID, SKIP])
def test_a_sentinel_stays_itself(sentinel):
    assert pickle.loads(pickle.dumps(sentinel)) is sentinel
    assert np.array([sentinel], dtype=object)[0] is sentinel
    assert not Answer(sentinel).is_label


def test_answers_before_an_exception_are_kept():
    def oracle(queries):
        yield "a"
        yield "b"
        raise ConnectionError("gone")

    kept = []
    with pytest.raises(OracleError, match=r"ConnectionError: gone \(after 2 answers") as info:
        consult(oracle, Round(QUERIES, kept.append))
    assert [answer.label for answer in kept] == ["a", "b"]
    assert isinstance(info.value.__cause__, ConnectionError)


def test_a_class_that_is_not_allowed_is_named():
    with pytest.raises(ValueError, match=r"query 6 must be one of the classes \['a'\]; got 'b'"):
        list(read_answers(["a", "b", "a"], QUERIES, classes=["a"]))


@pytest.mark.parametrize("confidence", [-0.1, 1.1, np.nan, "high", None])
def test_a_confidence_outside_the_unit_interval_is_named(confidence):
    with pytest.raises(ValueError, match=r"query 6 must be a confidence in \[0, 1\]"):
        list(read_answers(["a", Answer("b", confidence), "a"], QUERIES))


def test_inputs_are_stacked_for_any_classifier():
    X = np.random.default_rng(0).normal(size=(20, 2))
    expert = KNeighborsClassifier(1).fit(X, np.arange(20) % 3)
    np.testing.assert_array_equal(expert.predict(batch(X)), np.arange(20) % 3)
    assert np.asarray(batch(X), dtype=np.float32).dtype == np.float32
    assert QUERIES.shape == (3, 2)


def test_the_simulated_oracle_votes_like_neighbors_and_doubts_below_the_agreement():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    questions = rng.normal(size=(25, 3))
    proba = KNeighborsClassifier(5).fit(X, y).predict_proba(questions)
    answers = SimulatedOracle(X, y, n_neighbors=5, min_agreement=0.6)(batch(questions))
    for p, answer in zip(proba, answers, strict=True):
        if p.max() < 0.6:
            assert answer.label is INVALID
        else:
            assert answer.label == p.argmax()
            assert answer.confidence == pytest.approx(p.max())


def test_the_simulated_oracle_leaves_unlabeled_rows_out_and_checks_its_neighbors():
    oracle = SimulatedOracle([[0.0], [1.0]], [-1, 1], n_neighbors=1)
    assert oracle(batch([[0.0]]))[0].label == 1
    with pytest.raises(ValueError, match="n_neighbors must be between 1 and the number of labeled rows, 1; got 2"):
        SimulatedOracle([[0.0], [1.0]], [-1, 1], n_neighbors=2)


@pytest.mark.parametrize(
    "oracle",
    [
        SimulatedOracle([[0.0]], [1], 1),
        MemoizingOracle(print),
        MajorityOracle([print]),
        ConsoleOracle(),
        LabelStudioFiles("nowhere", ["a"]),
        WebOracle(),
    ],
    ids=lambda oracle: type(oracle).__name__,
)
def test_scikit_learn_does_not_take_an_oracle_for_data(oracle):
    assert not any(hasattr(oracle, name) for name in ("__len__", "shape", "__array__"))


def test_the_memory_keeps_what_came_before_a_failure_and_forgets_skips():
    asked = []

    def person(queries):
        for query in queries:
            asked.append(query.id)
            if len(asked) == 2:
                raise ConnectionError
            yield SKIP if query.id == 7 else "a"

    memory = MemoizingOracle(person)
    with pytest.raises(ConnectionError):
        list(memory(QUERIES))
    assert [answer.label for answer in memory(QUERIES)] == ["a", "a", SKIP]
    assert len(list(memory(QUERIES))) == 3
    assert asked == [5, 6, 6, 7, 7]
    assert len(memory.answers) == 2


def test_the_memory_starts_with_the_answers_of_a_fit_that_failed():
    asked = []

    def person(queries):
        for query in queries:
            asked.append(query.id)
            yield "b"

    said = [Answer("a", query=QUERIES[0]), Answer(SKIP, query=QUERIES[1])]
    memory = MemoizingOracle(person, answers=said)
    assert [answer.label for answer in memory(QUERIES)] == ["a", "b", "b"]
    assert asked == [6, 7]
    assert [answer.label for answer in memory.answers] == ["a", "b", "b"]
    with pytest.raises(ValueError, match="with queries, got Answer"):
        MemoizingOracle(person, answers=[Answer("a")])
    with pytest.raises(ValueError, match="with queries, got 'a'"):
        MemoizingOracle(person, answers=["a"])


@pytest.mark.parametrize("clusterer", ["gmm", "kmeans"])
def test_clusters_partition_the_rows_and_measure_from_their_centers(clusterer):
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(50, 2)) + shift for shift in (0, 8, -8)])
    rows = rng.permutation(1000)[:150]
    clusters = find_clusters(points, rows, clusterer, 3, seed=0)
    assert sorted(np.concatenate([cluster.rows for cluster in clusters])) == sorted(rows)
    for cluster in clusters:
        assert len(cluster) == 50
        np.testing.assert_allclose(cluster.center, cluster.points.mean(axis=0), atol=0.1)
        offset = cluster.points - cluster.center
        np.testing.assert_allclose(cluster.euclidean() ** 2, (offset**2).sum(axis=1))
        inverse = np.linalg.inv(cluster.covariance)
        np.testing.assert_allclose(cluster.mahalanobis() ** 2, np.einsum("ni,ij,nj->n", offset, inverse, offset))
        assert cluster.posterior.min() > 0.99
        d = cluster.euclidean()
        np.testing.assert_allclose(confidence_of(cluster, "gaussian", "euclidean", 0.3), np.exp(-0.3 * d**2))
        np.testing.assert_allclose(confidence_of(cluster, "exponential", "euclidean", 0.3), np.exp(-0.3 * d))


def test_splitting_goes_level_by_level_biggest_first_within_the_spare_questions():
    def cluster(rows, level):
        points = np.zeros((len(rows), 1))
        return Cluster(np.array(rows), points, points[0], np.eye(1), np.ones(len(rows)), level)

    def split(whole, k):
        return [cluster(part, whole.level + 1) for part in np.array_split(whole.rows, k)]

    def query_for(one):
        return Query(0, np.zeros(1), "center", None, 0, one.level, 0, members=one.rows)

    conversation = ask_clusters(
        [cluster([0, 1], 0), cluster(range(2, 9), 0)], query_for, split, n_clusters=3, max_depth=1, spare=4
    )
    first = next(conversation)
    assert len(first) == 2
    second = conversation.send([Answer(INVALID), Answer(INVALID)])
    assert [len(query.members) for query in second] == [3, 2, 2]
    with pytest.raises(StopIteration) as end:
        conversation.send([Answer("a"), Answer(INVALID), Answer("b")])
    assert len(end.value.value) == 5
