"""Both ways between our acquisitions and the strategies of scikit-activeml, on a stand-in and on the real ones."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from sklvae.acquisition import bald, entropy, from_skactiveml, margin, query, strategy, to_skactiveml


def known(n=60, n_labeled=12, seed=0):
    X, y = make_blobs(n, 3, centers=3, cluster_std=3.0, random_state=seed)
    labels = np.where(np.random.default_rng(seed).permutation(n) < n_labeled, y, -1)
    return X, labels, GaussianNB().fit(X[labels >= 0], labels[labels >= 0]).predict_proba(X)


def with_nan(labels):
    return np.where(labels >= 0, labels, np.nan)


class Uncertain(BaseEstimator):
    """What a pool strategy of scikit-activeml looks like from outside."""

    def __init__(self, missing_label=np.nan, random_state=None):
        self.missing_label = missing_label
        self.random_state = random_state

    def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1, return_utilities=False):
        if fit_clf:
            clf = clone(clf).fit(X, y)
        assert np.isnan(y[candidates]).all()
        return candidates[np.argsort(margin(-np.sort(-clf.predict_proba(X[candidates]))))[::-1][:batch_size]]


class Disagreeing(Uncertain):
    def query(self, X, y, ensemble, fit_ensemble=True, candidates=None, batch_size=1):
        sampled = np.stack([member.predict_proba(X[candidates]) for member in ensemble])
        return candidates[np.argsort(-bald(sampled))[:batch_size]]


class Drawing(Uncertain):
    def query(self, X, y, candidates, batch_size):
        return np.random.RandomState(self.random_state).permutation(candidates)[:batch_size]


def test_their_strategy_sees_our_probabilities():
    X, labels, proba = known()
    acquisition = from_skactiveml(Uncertain())
    assert acquisition.needs == ("embedding", "proba")
    given = {"labels": labels, "embedding": X, "proba": proba}
    np.testing.assert_array_equal(query(acquisition, 5, **given), query("margin", 5, **given))
    np.testing.assert_array_equal(query(Uncertain(), 5, **given), query("margin", 5, **given))


def test_their_ensemble_is_our_draws():
    X, labels, _ = known()
    sampled = np.random.default_rng(0).dirichlet(np.ones(3), (4, 60))
    acquisition = from_skactiveml(Disagreeing())
    assert acquisition.needs == ("embedding", "sampled_proba")
    given = {"labels": labels, "embedding": X, "sampled_proba": sampled}
    np.testing.assert_array_equal(query(acquisition, 5, **given), query("bald", 5, **given))


class MeanOfLabels(BaseEstimator):
    """A classifier that can be fitted on y with nan."""

    def fit(self, X, y):
        some = ~np.isnan(y)
        self.model_ = GaussianNB().fit(X[some], y[some])
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def test_a_classifier_of_ones_own_is_fitted():
    X, labels, proba = known()
    acquisition = from_skactiveml(Uncertain(), clf=MeanOfLabels())
    assert acquisition.needs == ("embedding",)
    chosen = query(acquisition, 5, labels=labels, embedding=X)
    np.testing.assert_array_equal(chosen, query("margin", 5, labels=labels, proba=proba))


def test_probabilities_cannot_be_fitted_nor_asked_about_other_rows():
    X, labels, proba = known()

    class Fits(Uncertain):
        def query(self, X, y, clf, candidates, batch_size):
            return clf.fit(X, y)

    class Asks(Uncertain):
        def query(self, X, y, clf, candidates, batch_size):
            return clf.predict_proba(X + 1)

    for acquisition in (Fits(), Asks()):
        with pytest.raises(ValueError, match="Give it a classifier that can: from_skactiveml"):
            query(acquisition, 2, labels=labels, embedding=X, proba=proba)


def test_a_strategy_that_fails_is_told_what_to_give_it():
    class Partial(Uncertain):
        def query(self, X, y, clf, candidates=None, batch_size=1):
            return clf.partial_fit(X, y)

    X, labels, proba = known()
    with pytest.raises(AttributeError, match="partial_fit") as error:
        query(Partial(), 2, embedding=X, labels=labels, proba=proba)
    assert "query of Partial failed" in error.value.__notes__[0]
    assert "from_skactiveml(strategy, clf=...)" in error.value.__notes__[0]


def test_our_seed_decides_unless_theirs_is_set_and_their_strategy_stays_as_it_was():
    X, labels, _ = known()
    free = Drawing()
    batches = {tuple(query(free, 4, labels=labels, embedding=X, random_state=seed)) for seed in (0, 0, 1, 2)}
    assert len(batches) == 3
    assert free.random_state is None
    fixed = {tuple(query(Drawing(random_state=5), 4, labels=labels, embedding=X, random_state=s)) for s in (0, 1)}
    assert len(fixed) == 1


def test_a_mark_that_could_be_a_class_is_refused():
    X, labels, proba = known()
    for mark in (1, None):
        with pytest.raises(ValueError, match="missing_label must be nan"):
            query(Uncertain(missing_label=mark), 2, labels=labels, embedding=X, proba=proba)


@pytest.mark.parametrize("name", ["coreset", "typiclust", "random"])
def test_ours_serves_there(name):
    X, labels, _ = known()
    served = to_skactiveml(name, random_state=3)
    expected = query(name, 5, labels=labels, embedding=X, random_state=3)
    np.testing.assert_array_equal(served.query(X, with_nan(labels), batch_size=5), expected)
    np.testing.assert_array_equal(clone(served).query(X, with_nan(labels), batch_size=5), expected)


def test_their_classifier_gives_us_probabilities():
    X, labels, proba = known()
    served = to_skactiveml("entropy")
    expected = query("entropy", 5, labels=labels, proba=proba)
    y = with_nan(labels)
    np.testing.assert_array_equal(served.query(X, y, clf=MeanOfLabels(), batch_size=5), expected)
    fitted = MeanOfLabels().fit(X, y)
    np.testing.assert_array_equal(served.query(X, y, clf=fitted, fit_clf=False, batch_size=5), expected)
    with pytest.raises(ValueError, match="needs proba"):
        served.query(X, y, batch_size=5)


def test_labels_there_are_compared_with_the_classes_of_the_classifier():
    X, labels, proba = known()
    y, kinds = with_nan(labels), np.array([-1.0, 4.0, 7.0])
    renamed = np.where(labels >= 0, kinds[labels], np.nan)
    expected = query("farthest_per_class", 5, labels=labels, proba=proba, embedding=X)
    for some in (y, renamed):
        chosen = to_skactiveml("farthest_per_class").query(X, some, MeanOfLabels(), batch_size=5)
        np.testing.assert_array_equal(chosen, expected)
    fitted = MeanOfLabels().fit(X, renamed)
    with pytest.raises(ValueError, match=r"y holds .*not one of the classes \[-1.0, 4.0, 7.0\]"):
        to_skactiveml("entropy").query(X, y, fitted, fit_clf=False)


def test_their_ensemble_gives_us_draws():
    X, labels, _ = known()
    some = labels >= 0
    members = [LogisticRegression(C=c).fit(X[some], labels[some]) for c in (1e-3, 0.1, 10.0)]
    sampled = np.stack([member.predict_proba(X) for member in members])
    chosen = to_skactiveml("bald").query(X, with_nan(labels), ensemble=members, fit_ensemble=False, batch_size=5)
    np.testing.assert_array_equal(chosen, query("bald", 5, labels=labels, sampled_proba=sampled))


@pytest.mark.parametrize(("missing", "kinds"), [(np.nan, [-1.0, 1.0, 2.0]), (-5, [-1, 1, 2]), (None, ["a", "b", "c"])])
def test_minus_one_may_be_a_class_there(missing, kinds):
    X, labels, _ = known()
    y = np.array([kinds[label] if label >= 0 else missing for label in labels], dtype=object)
    if missing is not None:
        y = y.astype(float)
    found = to_skactiveml("coreset", missing_label=missing).query(X, y, batch_size=5)
    np.testing.assert_array_equal(found, query("coreset", 5, labels=labels, embedding=X))


def test_candidates_are_rows_or_new_samples():
    X, labels, _ = known()
    served, y = to_skactiveml("coreset"), with_nan(labels)
    rows = np.flatnonzero(labels < 0)[10:20]
    chosen = served.query(X, y, candidates=rows, batch_size=3)
    np.testing.assert_array_equal(chosen, query("coreset", 3, labels=labels, candidates=rows, embedding=X))
    some = labels >= 0
    among_new, utilities = served.query(X[some], y[some], candidates=X[rows], batch_size=3, return_utilities=True)
    np.testing.assert_array_equal(rows[among_new], chosen)
    assert utilities.shape == (3, 10)


def test_utilities_are_the_scores_before_each_choice():
    X, labels, proba = known()
    y = with_nan(labels)
    chosen, utilities = to_skactiveml("entropy").query(X, y, MeanOfLabels(), batch_size=3, return_utilities=True)
    assert utilities.shape == (3, 60)
    for step, row in enumerate(chosen):
        taken = np.union1d(np.flatnonzero(labels >= 0), chosen[:step])
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(utilities[step])), taken)
        assert np.nanargmax(utilities[step]) == row
        np.testing.assert_allclose(np.delete(utilities[step], taken), np.delete(entropy(proba), taken))


def test_without_a_score_the_choice_is_useful_and_nothing_else():
    X, labels, _ = known()
    chosen, utilities = to_skactiveml("coreset").query(X, with_nan(labels), batch_size=3, return_utilities=True)
    np.testing.assert_array_equal(np.nanargmax(utilities, axis=1), chosen)
    np.testing.assert_array_equal(np.nansum(utilities, axis=1), 1)
    np.testing.assert_array_equal(np.isnan(utilities).sum(axis=1), [12, 13, 14])


@pytest.mark.slow
def test_the_real_ones_choose_as_ours_do():
    """Needs scikit-activeml (extra `bench`)."""
    from skactiveml import pool

    X, labels, proba = known()
    y = with_nan(labels)
    given = {"labels": labels, "embedding": X, "proba": proba, "random_state": 0}
    sampled = np.random.default_rng(0).dirichlet(np.ones(3), (4, 60))
    same = {
        "margin": pool.UncertaintySampling(method="margin_sampling"),
        "entropy": pool.UncertaintySampling(method="entropy"),
        "least_confident": pool.UncertaintySampling(method="least_confident"),
        "coreset": pool.CoreSet(),
        "bald": pool.GreedyBALD(),
        "batch_bald": pool.BatchBALD(n_MC_samples=2000),
    }
    for name, theirs in same.items():
        n = 3 if name == "batch_bald" else 8
        expected = query(name, n, sampled_proba=sampled, **given)
        np.testing.assert_array_equal(query(theirs, n, sampled_proba=sampled, **given), expected, err_msg=name)
    # Those that draw, or choose by another rule of the same family: a batch all the same.
    for theirs in (pool.Badge(), pool.TypiClust(), pool.RandomSampling(), pool.Falcun(), pool.ContrastiveAL()):
        chosen = query(theirs, 8, **given)
        assert len(set(chosen.tolist())) == 8
        assert (labels[chosen] == -1).all()
    with pytest.warns(UserWarning, match="maximum purity"):  # it has none to compare with one radius
        cover = pool.ProbCover(deltas=[1.5], n_classes=3).query(X, y, batch_size=1, return_utilities=True)[1]
    ours = query(strategy("prob_cover", delta=1.5), 1, labels=labels, embedding=X)
    assert cover[0, ours[0]] == np.nanmax(cover)
    wrapped = pool.SubSamplingWrapper(to_skactiveml("coreset"), max_candidates=20, random_state=0)
    assert len(wrapped.query(X, y, batch_size=4)) == 4
