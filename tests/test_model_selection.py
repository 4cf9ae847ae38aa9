import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.semi_supervised import LabelSpreading

from sklvae.model_selection import SemiSupervisedSplit, masked_scorer

partly_labeled = arrays.arrays(np.int64, st.integers(4, 60), elements=st.integers(-1, 3))


def splits_of(y, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "SemiSupervisedSplit: a class needs two labeled rows")
        return list(SemiSupervisedSplit(**options).split(np.zeros((len(y), 1)), y))


@given(y=partly_labeled, n_splits=st.integers(1, 6), shuffle=st.booleans(), seed=st.integers(0, 99))
def test_labeled_rows_are_tested_once_and_unlabeled_rows_always_train(y, n_splits, shuffle, seed):
    labeled, unlabeled = np.flatnonzero(y != -1), np.flatnonzero(y == -1)
    assume(len(labeled) >= n_splits)
    assume(n_splits > 1 or len(unlabeled))
    splits = splits_of(y, n_splits=n_splits, shuffle=shuffle, random_state=seed)
    assert len(splits) == n_splits
    assert sorted(np.concatenate([test for _, test in splits])) == labeled.tolist()
    for train, test in splits:
        assert np.isin(unlabeled, train).all()
        assert not np.isin(unlabeled, test).any()
        assert sorted([*train, *test]) == list(range(len(y)))


@given(y=partly_labeled, n_splits=st.integers(2, 6), shuffle=st.booleans(), seed=st.integers(0, 99))
def test_every_class_is_dealt_evenly(y, n_splits, shuffle, seed):
    assume(np.count_nonzero(y != -1) >= n_splits)
    splits = splits_of(y, n_splits=n_splits, shuffle=shuffle, random_state=seed)
    sizes = np.array([len(test) for _, test in splits])
    assert np.ptp(sizes) <= 1
    counts = np.array([[np.count_nonzero(y[test] == k) for k in range(4)] for _, test in splits])
    assert (np.ptp(counts, axis=0) <= 1).all()


@given(y=partly_labeled, n_splits=st.integers(2, 6), seed=st.integers(0, 99))
def test_a_class_with_two_labeled_rows_is_in_every_training_set(y, n_splits, seed):
    assume(np.count_nonzero(y != -1) >= n_splits)
    often = [k for k in range(4) if np.count_nonzero(y == k) >= 2]
    for train, _ in splits_of(y, n_splits=n_splits, random_state=seed):
        assert np.isin(often, y[train]).all()


@given(y=partly_labeled, seed=st.integers(0, 99))
def test_renaming_the_classes_in_order_changes_no_split(y, seed):
    assume(np.count_nonzero(y != -1) >= 2)
    names = np.array(["ant", "bee", "cat", "dog", None], dtype=object)
    for ours, theirs in zip(
        splits_of(y, n_splits=2, random_state=seed),
        splits_of(names[y], n_splits=2, random_state=seed),
        strict=True,
    ):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_test_folds_hold_the_class_counts_of_stratified_k_fold():
    y = np.repeat([0, 1, 2], [7, 11, 4])
    ours = splits_of(y, n_splits=4, random_state=0)
    reference = StratifiedKFold(4, shuffle=True, random_state=0).split(np.zeros((len(y), 1)), y)
    counts = [np.bincount(y[test], minlength=3).tolist() for _, test in ours]
    expected = [np.bincount(y[test], minlength=3).tolist() for _, test in reference]
    assert sorted(counts) == sorted(expected)


def test_one_split_holds_out_all_labeled_rows():
    y = np.array([-1, 4, -1, 7, 4])
    [(train, test)] = splits_of(y, n_splits=1)
    assert train.tolist() == [0, 2]
    assert test.tolist() == [1, 3, 4]


def test_the_same_seed_gives_the_same_splits_and_another_gives_others():
    y = np.tile([0, 1, -1], 30)
    first, again, other = (splits_of(y, random_state=seed) for seed in (0, 0, 1))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert not all((a[1] == b[1]).all() for a, b in zip(first, other, strict=True))


def test_splitting_draws_nothing_from_the_global_generator_with_a_seed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    splits_of(np.tile([0, 1, -1], 30), random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_class_with_one_labeled_row_is_warned_about_once():
    y = np.array([0, 0, 0, 5, -1])
    with pytest.warns(UserWarning, match=r"got one of 5\..*trains without its class") as caught:
        list(SemiSupervisedSplit(n_splits=2).split(np.zeros((5, 1)), y))
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize("n_splits", [0, -1, 2.0, "5", True, None])
def test_n_splits_must_be_a_positive_integer(n_splits):
    with pytest.raises(ValueError, match=r"n_splits must be an integer >= 1, got .*Use 1"):
        SemiSupervisedSplit(n_splits).get_n_splits()
    with pytest.raises(ValueError, match="n_splits must be an integer >= 1"):
        splits_of(np.array([0, 1, -1]), n_splits=n_splits)


@pytest.mark.parametrize(
    ("y", "n_splits", "message"),
    [
        ([-1, -1, -1], 2, "some rows must be labeled to be tested, got 3 rows, all unlabeled"),
        ([0, 1, -1], 3, "at most the number of labeled rows, 2, got 3. Lower n_splits"),
        ([0, 1, 1], 1, "needs unlabeled ones to train on, got 3 rows, all labeled. Use n_splits >= 2"),
        (["ant", "-1", "bee"], 2, 'the string "-1"'),
    ],
)
def test_a_y_that_cannot_be_split_is_refused(y, n_splits, message):
    with pytest.raises(ValueError, match=message):
        splits_of(np.array(y), n_splits=n_splits)


def test_y_is_required_and_as_long_as_X():
    with pytest.raises(ValueError, match="y is required, got None"):
        next(SemiSupervisedSplit().split(np.zeros((3, 1))))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(SemiSupervisedSplit().split(np.zeros((3, 1)), [0, 1]))


def test_repr_shows_the_parameters():
    shown = repr(SemiSupervisedSplit(3, random_state=7))
    assert shown == "SemiSupervisedSplit(n_splits=3, random_state=7, shuffle=True)"


@pytest.fixture(scope="module")
def blobs():
    X, truth = make_blobs(120, centers=3, cluster_std=1.5, random_state=0)
    y = np.full(120, -1)
    y[::4] = truth[::4]
    return X, y


@given(y=partly_labeled, prediction=st.integers(0, 3))
def test_the_masked_score_is_the_metric_on_the_labeled_rows(y, prediction):
    assume((y != -1).any())
    X = np.arange(len(y))[:, None]
    model = DummyClassifier(strategy="constant", constant=prediction).fit(np.zeros((4, 1)), np.arange(4))
    guess = np.full(np.count_nonzero(y != -1), prediction)
    assert masked_scorer()(model, X, y) == accuracy_score(y[y != -1], guess)
    assert masked_scorer("f1_macro")(model, X, y) == f1_score(y[y != -1], guess, average="macro")


@pytest.mark.parametrize("mark", [-1, None, np.nan, float("nan"), -1.0])
def test_string_classes_may_stand_beside_any_mark_of_an_unlabeled_row(mark):
    X = np.array([[0.0], [1.0], [9.0], [2.0], [3.0]])
    model = LogisticRegression().fit(X, ["ant", "ant", "bee", "ant", "bee"])
    y = np.array(["ant", mark, "bee", mark, "ant"], dtype=object)
    rows = [0, 2, 4]
    truth = y[rows].astype(str)
    assert masked_scorer("accuracy")(model, X, y) == accuracy_score(truth, model.predict(X[rows]))
    score = masked_scorer("neg_log_loss")(model, X, y)
    assert score == pytest.approx(-log_loss(truth, model.predict_proba(X[rows])))


def test_the_model_sees_the_labeled_rows_of_any_container():
    X, y = np.array([[3.0], [4.0], [5.0]]), np.array([0, -1, 1])
    seen = []

    def scorer(estimator, X, y):
        seen.append((type(X), np.asarray(X).ravel().tolist(), y.tolist()))
        return 0.0

    for container in (X, pd.DataFrame(X, index=[7, 7, 7]), X.tolist()):
        masked_scorer(scorer)(None, container, pd.Series(y, index=[9, 8, 7]))
    kinds = (np.ndarray, pd.DataFrame, list)
    assert seen == [(kind, [3.0, 5.0], [0, 1]) for kind in kinds]


def test_images_keep_their_shape():
    X = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    score = masked_scorer(lambda estimator, X, y: float(X.shape == (2, 2, 2)))(None, X, [0, -1, 1])
    assert score == 1.0


@pytest.mark.parametrize("scoring", ["accuracy", make_scorer(f1_score, average="micro")])
def test_a_scorer_survives_pickling_and_cloning(blobs, scoring):
    X, y = blobs
    model = LabelSpreading().fit(X, y)
    scorer = masked_scorer(scoring)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        assert copy(model, X, y) == scorer(model, X, y)
    assert repr(scorer).startswith("masked_scorer(make_scorer(")


def test_nothing_labeled_is_an_error_not_a_score():
    with pytest.raises(ValueError, match="some rows must be labeled to be scored, got 2 rows, all unlabeled"):
        masked_scorer()(None, np.zeros((2, 1)), np.array([-1, -1]))


@pytest.mark.parametrize("scoring", ["no such scorer", accuracy_score])
def test_what_is_no_scorer_is_refused_at_once(scoring):
    with pytest.raises(ValueError, match=r"scor"):
        masked_scorer(scoring)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_a_semi_supervised_estimator(blobs, routing, n_jobs):
    X, y = blobs
    cv, gammas = SemiSupervisedSplit(3, random_state=0), [1e-9, 1.0]
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            LabelSpreading(),
            {"gamma": gammas},
            cv=cv,
            scoring=masked_scorer(),
            error_score="raise",
            n_jobs=n_jobs,
        )
        search.fit(X, y)
    by_hand = [
        np.mean(
            [
                accuracy_score(y[test], LabelSpreading(gamma=gamma).fit(X[train], y[train]).predict(X[test]))
                for train, test in cv.split(X, y)
            ]
        )
        for gamma in gammas
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], by_hand)
    assert search.best_params_ == {"gamma": 1.0}
    assert search.n_splits_ == 3


def test_cross_val_score_with_string_classes_and_none(blobs):
    X, y = blobs
    names = np.array(["ant", "bee", "cat", None], dtype=object)

    class Spreading(LabelSpreading):
        """Takes None for an unlabeled row, as our estimators do."""

        def fit(self, X, y):
            self.names_ = np.unique([name for name in y if name is not None])
            codes = [-1 if name is None else np.searchsorted(self.names_, name) for name in y]
            return super().fit(X, codes)

        def predict(self, X):
            return self.names_[super().predict(X)]

    cv = SemiSupervisedSplit(3, random_state=0)
    options = {"cv": cv, "scoring": masked_scorer(), "error_score": "raise"}
    scores = cross_val_score(Spreading(gamma=1.0), X, names[y], **options)
    np.testing.assert_array_equal(scores, cross_val_score(LabelSpreading(gamma=1.0), X, y, **options))
