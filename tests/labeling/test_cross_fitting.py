"""Ways to infer labels, pooled as known labels judge them that they have not seen."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics.pairwise import rbf_kernel

from sklvae.labeling import _cross_fitting, _learners, forest_opinion, judged_pool, kernel_opinion

N, N_CLASSES = 200, 3


@pytest.fixture
def truth():
    return np.random.default_rng(0).integers(N_CLASSES, size=N)


def knows(truth, sureness):
    """A way that needs no labels."""
    said = (1 - sureness) / N_CLASSES + sureness * np.eye(N_CLASSES)[truth]
    return lambda rows, code, confidence, at: said[at]


def memorizes(truth):
    """A way that is right and certain where it was told the label, and wrong and certain everywhere else."""

    def way(rows, code, confidence, at):
        said = np.eye(N_CLASSES)[(truth + 1) % N_CLASSES]
        said[rows] = np.eye(N_CLASSES)[code]
        return said[at]

    return way


def test_what_was_learned_by_heart_does_not_flatter(truth):
    known = np.arange(0, N, 4)
    ways = [memorizes(truth), knows(truth, 0.5)]
    pool = judged_pool(ways, N, known, truth[known], np.ones(len(known)), [1, 0], random_state=0)
    assert (pool.argmax(axis=1) == truth).all()
    np.testing.assert_allclose(pool.sum(axis=1), 1)


def test_each_label_is_foretold_once_from_the_others(truth):
    known, calls = np.arange(3, N, 7), []

    def way(rows, code, confidence, at):
        np.testing.assert_array_equal(code, truth[rows])
        np.testing.assert_array_equal(confidence, rows / N)
        calls.append((set(rows), at))
        return np.full((N, N_CLASSES), 1 / N_CLASSES)[at]

    judged_pool([way], N, known, truth[known], known / N, [1.0], random_state=0)
    *folds, (learned, at) = calls
    assert (learned, at.tolist()) == (set(known), list(range(N)))
    assert sorted(np.concatenate([held for _, held in folds])) == known.tolist()
    assert all(learned == set(known) - set(held) for learned, held in folds)


def test_random_state_decides_the_folds(truth):
    known = np.arange(30)

    def folds(random_state):
        held = []

        def way(rows, code, confidence, at):
            held.append(at)
            return np.full((N, N_CLASSES), 1 / N_CLASSES)[at]

        judged_pool([way], N, known, truth[known], np.ones(30), [1.0], random_state=random_state)
        return np.concatenate(held[:-1]).tolist()

    assert folds(0) == folds(0)
    assert folds(0) != folds(1)


@pytest.mark.parametrize("labels", [[2], [0, 1]])
def test_without_a_label_to_judge_by_the_weights_are_the_prior(truth, labels):
    """One label, or two of which neither foretells the other's class."""
    one, other = knows(truth, 0.9), knows((truth + 1) % N_CLASSES, 0.9)
    pool = judged_pool([one, other], N, np.arange(len(labels)), np.array(labels), np.ones(len(labels)), [0, 1])
    np.testing.assert_allclose(pool, other(None, None, None, np.arange(N)))


def test_a_label_counts_as_much_as_it_is_trusted(truth):
    known, wrong = np.arange(100), np.arange(100) % 2 == 0
    code = np.where(wrong, (truth[:100] + 1) % N_CLASSES, truth[:100])
    ways = [knows(truth, 0.9), knows((truth + 1) % N_CLASSES, 0.9)]
    for trusted, right in ((~wrong, truth), (wrong, (truth + 1) % N_CLASSES)):
        pool = judged_pool(ways, N, known, code, np.where(trusted, 1.0, 0.01), [0.5, 0.5], random_state=0)
        assert (pool.argmax(axis=1) == right).all()


def test_the_forest_is_the_one_of_scikit_learn_with_a_column_for_each_class(truth):
    X = np.random.default_rng(1).normal(size=(N, 2)) + truth[:, None]
    known = np.flatnonzero(truth != 1)[:40]
    confidence = np.linspace(0.1, 1, 40)
    said = forest_opinion(X, N_CLASSES, known, truth[known], confidence, np.arange(N), random_state=0)
    forest = RandomForestClassifier(random_state=0).fit(X[known], truth[known], sample_weight=confidence)
    np.testing.assert_array_equal(said[:, [0, 2]], forest.predict_proba(X))
    assert not said[:, 1].any()
    some = np.array([5, 3])
    np.testing.assert_array_equal(
        forest_opinion(X, N_CLASSES, known, truth[known], confidence, some, random_state=0), said[some]
    )
    assert forest_opinion(X, N_CLASSES, known, truth[known], confidence, some[:0]).shape == (0, N_CLASSES)
    other = forest_opinion(X, N_CLASSES, known, truth[known], confidence, np.arange(N), random_state=1)
    assert (other != said).any()


def test_the_kernel_is_exact_while_labels_are_few_and_has_a_column_for_each_class(truth):
    X = np.random.default_rng(1).normal(size=(N, 2)) + truth[:, None]
    known = np.flatnonzero(truth != 1)[:40]
    confidence = np.linspace(0.1, 1, 40)
    said = kernel_opinion(X, N_CLASSES, known, truth[known], confidence, np.arange(N), random_state=0)
    gamma, signs = 1 / X.var(axis=0).sum(), truth[known] - 1
    gram = rbf_kernel(X[known], gamma=gamma)

    def loss(dual):
        """The regression in its dual: ``|f|^2 / 2 + 10 sum_i w_i log(1 + exp(-y_i f_i))``, and an intercept."""
        f = gram @ dual[1:] + dual[0]
        return dual[1:] @ gram @ dual[1:] / 2 + 10 * confidence @ np.logaddexp(0, -signs * f)

    dual = minimize(loss, np.zeros(41), method="L-BFGS-B", options={"maxfun": 10**6, "maxiter": 10**4}).x
    expected = expit(rbf_kernel(X, X[known], gamma=gamma) @ dual[1:] + dual[0])
    np.testing.assert_allclose(said[:, 2], expected, atol=0.01)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert not said[:, 1].any()
    some = np.array([5, 3])
    np.testing.assert_allclose(
        kernel_opinion(X, N_CLASSES, known, truth[known], confidence, some, random_state=0), said[some]
    )
    assert kernel_opinion(X, N_CLASSES, known, truth[known], confidence, some[:0]).shape == (0, N_CLASSES)


def test_the_unit_of_the_points_does_not_matter_to_the_kernel(truth):
    X, known = np.random.default_rng(1).normal(size=(N, 2)) + truth[:, None], np.arange(40)
    one, other = (
        kernel_opinion(unit * X, N_CLASSES, known, truth[known], np.ones(40), np.arange(N), random_state=0)
        for unit in (1.0, 1000.0)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_kernel_of_one_class_is_certain_of_it_and_equal_points_are_no_fault(truth):
    X, known = np.zeros((N, 2)), np.arange(40)
    said = kernel_opinion(X, N_CLASSES, known, np.full(40, 1), np.ones(40), np.arange(3))
    np.testing.assert_array_equal(said, [[0, 1, 0]] * 3)
    shares = np.bincount(truth[:40], minlength=3) / 40
    said = kernel_opinion(X, N_CLASSES, known, truth[:40], np.ones(40), np.arange(3), random_state=0)
    np.testing.assert_allclose(said, [shares] * 3, atol=0.01)


def test_random_state_decides_the_landmarks_where_labels_are_many(truth, monkeypatch):
    monkeypatch.setattr(_learners, "MOST_LANDMARKS", 5)
    X, known = np.random.default_rng(1).normal(size=(N, 2)) + truth[:, None], np.arange(40)
    said = [
        kernel_opinion(X, N_CLASSES, known, truth[known], np.ones(40), np.arange(N), random_state=seed)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.allclose(said[0], said[2])


def test_a_label_of_its_own_for_most_rows_is_no_fault():
    X = np.random.default_rng(0).normal(size=(60, 2))
    said = forest_opinion(X, 40, np.arange(40), np.arange(40), np.ones(40), np.arange(60), random_state=0)
    assert (said[:40].argmax(axis=1) == np.arange(40)).mean() > 0.9


def test_many_labels_are_judged_by_some_and_learned_from_by_some(truth, monkeypatch):
    monkeypatch.setattr(_cross_fitting, "MOST_JUDGES", 10)
    monkeypatch.setattr(_learners, "MOST_LEARNED", 20)
    monkeypatch.setattr(_learners, "BLOCK", 7)
    X, known, seen = np.random.default_rng(0).normal(size=(N, 2)), np.arange(N), []

    def way(rows, code, confidence, at):
        seen.append(rows)
        return forest_opinion(X, N_CLASSES, rows, code, confidence, at, random_state=0)

    pool = judged_pool([way], N, known, truth, np.ones(N), [1.0], random_state=0)
    assert [len(rows) for rows in seen] == [8, 8, 8, 8, 8, N]
    assert {0, N - 1} <= set(np.concatenate(seen[:-1]))
    some = np.linspace(0, N - 1, 20).astype(int)
    forest = RandomForestClassifier(random_state=0).fit(X[some], truth[some], sample_weight=np.ones(20))
    np.testing.assert_array_equal(pool.argmax(axis=1), forest.predict(X))
