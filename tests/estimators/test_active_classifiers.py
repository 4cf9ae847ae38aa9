"""What the classifier of ActiveLearningClassifier sees and gives: any classifier, its draws, its classes."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier

from sklvae import (
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    M2Classifier,
    VAALClassifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)
from sklvae.acquisition import bald
from sklvae.estimators._wrapped import weight_argument
from sklvae.labeling import Answer


def tiny(kind=M2Classifier, **parameters):
    return kind(max_epochs=2, hidden_units=(8,), n_latent=2, batch_size=64, **parameters)


class Spy(ClassifierMixin, BaseEstimator):
    """A nearest-neighbor classifier that keeps what it is fitted on."""

    def __init__(self, warm_start=False, random_state=None):
        self.warm_start, self.random_state = warm_start, random_state

    def fit(self, X, y):
        self.fits_ = [*(self.fits_ if self.warm_start else []), (X, y)]
        self.model_ = KNeighborsClassifier(1).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class TakesAll(Spy):
    """The same, to which -1 is an unlabeled row."""

    def fit(self, X, y):
        super().fit(X[y != -1], y[y != -1])
        self.fits_[-1] = X, y
        return self


def fitted_on(learner, estimator, X, y, **parameters):
    """The X and y of the last fit of a spy."""
    return learner(estimator, n_rounds=1, **parameters).fit(X, y, oracle=lambda q: [0] * len(q))


def test_plain_classifiers_see_labeled_rows_only(blobs, learner):
    X, y = blobs
    known = np.where(np.arange(120) % 20 == 0, y, -1)
    seen, labels = fitted_on(learner, Spy(), X, known).estimator_.fits_[-1]
    assert len(seen) == len(labels) == 10
    assert (labels >= 0).all()
    seen, labels = fitted_on(learner, TakesAll(), X, known, fit_on="all").estimator_.fits_[-1]
    assert len(seen) == 120
    assert np.sum(labels == -1) == 110


@pytest.mark.parametrize(
    "estimator",
    [
        tiny(),
        tiny(GMDGMClassifier, n_extra=0),
        tiny(ClusterLabelVAEClassifier),
        LabelSpreading(gamma=0.1),
        SelfTrainingClassifier(GaussianNB()),
        make_pipeline(StandardScaler(), tiny()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_semi_supervised_classifiers_see_all_rows(estimator, blobs, truth, monkeypatch, learner):
    X, y = blobs
    kind = type(estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator)
    lengths, fit = [], kind.fit

    def spy(self, X, y, **arguments):
        lengths.append((len(X), int(np.sum(np.asarray(y) == -1))))
        return fit(self, X, y, **arguments)

    monkeypatch.setattr(kind, "fit", spy)
    known = np.where(np.arange(120) % 20 == 0, y, -1)
    learner(estimator, n_rounds=1).fit(X, known, oracle=truth(y))
    assert lengths == [(120, 114), (120, 110)]
    lengths.clear()
    if kind is M2Classifier:
        learner(estimator, n_rounds=1, fit_on="labeled").fit(X, known, oracle=truth(y))
        assert lengths == [(6, 0), (10, 0)]


@pytest.mark.filterwarnings("ignore:GMDGMClassifier")  # once all three classes are known, the other slots stay empty
def test_a_learner_may_find_classes_that_nobody_has_named(blobs, truth, learner):
    X, y = blobs
    known = np.where((np.arange(120) % 8 == 0) & (y < 2), y, -1)
    model = learner(tiny(GMDGMClassifier, n_extra=2), n_rounds=1, batch_size=5).fit(X, known, oracle=truth(y))
    assert model.n_queries_ == 5
    assert len(model.classes_) > len({0, 1, *(answer.label for answer in model.answers_)})
    np.testing.assert_array_equal(model.classes_, model.estimator_.classes_)
    assert set(model.predict(X)) <= set(model.classes_)
    assert model.predict_proba(X).shape == (120, len(model.classes_))


def test_warm_start_goes_on_while_the_classes_are_the_same(blobs, learner):
    X, y = blobs

    def oracle(queries):
        return ["c" if q.round == 2 and q.id % 4 == 0 else "ab"[y[q.index] % 2] for q in queries]

    cold, warm = (
        learner(Spy(), n_rounds=5, warm_start=w, initial="random").fit(X, oracle=oracle) for w in (0 > 1, True)
    )
    assert len(cold.estimator_.fits_) == 1
    assert len(warm.estimator_.fits_) == 3  # begun anew in round 2, when c came, then gone on with
    in_pipeline = learner(make_pipeline(StandardScaler(), Spy()), n_rounds=5, warm_start=True, initial="random")
    assert len(in_pipeline.fit(X, oracle=oracle).estimator_[-1].fits_) == 3


class Silent(Spy):
    """Says nothing of rows it has not seen, as LabelSpreading where no label arrives."""

    def predict_proba(self, X):
        seen = (X[:, None] == self.fits_[-1][0][None]).all(axis=2).any(axis=1)
        return np.where(seen[:, None], super().predict_proba(X), np.nan)


def test_a_row_of_which_the_classifier_says_nothing_is_undecided(blobs, truth, learner):
    X, y = blobs
    oracle = truth(y)
    fitted = learner(Silent()).fit(X, oracle=oracle)
    assert {q.suggestion[1] for q in oracle.batches[2]} == {1 / 3}
    asked = [a.query.index for a in fitted.answers_]
    np.testing.assert_array_equal(fitted.label_confidence_[asked], 1)
    np.testing.assert_allclose(np.delete(fitted.label_confidence_, asked), 1 / 3)


def test_an_estimator_of_a_random_state_of_its_own_keeps_it(blobs, truth, learner):
    X, y = blobs
    seeds = [learner(Spy(random_state=s)).fit(X, oracle=truth(y)).estimator_.random_state for s in (7, None, None)]
    assert seeds[0] == 7
    assert isinstance(seeds[1], int)
    assert seeds[1] == seeds[2]


def test_a_part_that_is_fitted_already_is_left_as_it_is(blobs, truth, learner):
    X, y = blobs
    fitted = tiny(VariationalAutoencoder).fit(X)
    learned = learner(tiny(VAETransferClassifier, vae=fitted), n_rounds=1).fit(X, oracle=truth(y))
    assert fitted.random_state is None
    assert learned.estimator_.random_state is not None
    forest = learner(BaggingClassifier(DecisionTreeClassifier()), n_rounds=1).fit(X, oracle=truth(y)).estimator_
    assert forest.estimator.random_state is not None


def votes_of(members, X, n_classes, features=None):
    """Slowly, a row of each member's own probabilities at a time."""
    draws = np.zeros((len(members), len(X), n_classes))
    for m, member in enumerate(members):
        columns = range(X.shape[1]) if features is None else features[m]
        for k, code in enumerate(member.classes_):
            draws[m, :, int(code)] = member.predict_proba(X[:, list(columns)])[:, k]
    return draws


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(4),
        BaggingClassifier(DecisionTreeClassifier(), 4, max_features=3),
        VotingClassifier([("nb", GaussianNB()), ("tree", DecisionTreeClassifier())], voting="soft"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_members_of_an_ensemble_are_draws(estimator, blobs, learner):
    X, y = blobs
    names = np.array(["ant", "bee", "cat"])[y]
    known = np.where(np.arange(120) % 15 == 0, names, None)
    fitted = learner(estimator, acquisition="bald", n_rounds=1)

    def oracle(queries):
        inner = fitted.estimator_
        draws = votes_of(inner.estimators_, X, 3, getattr(inner, "estimators_features_", None))
        asked, left = [q.index for q in queries], np.flatnonzero(known == None)  # noqa: E711
        np.testing.assert_allclose(bald(draws[:, asked]), np.sort(bald(draws[:, left]))[::-1][:4], rtol=1e-5)
        return names[asked]

    assert fitted.fit(X, known, oracle=oracle).n_queries_ == 4


@pytest.mark.parametrize(
    "inner", [LogisticRegression(max_iter=1000), GaussianNB(), make_pipeline(StandardScaler(), LogisticRegression())]
)
def test_answers_weigh_as_much_as_they_are_sure(inner, blobs, learner):
    X, y = blobs
    sure = np.where(np.arange(120) % 3 == 0, 0.0, 0.5)

    def expert(queries):
        rows = [query.index for query in queries]
        return np.where(sure[rows] > 0, y[rows], (y[rows] + 1) % 3), sure[rows]

    fitted = learner(inner, acquisition="random", batch_size=15).fit(X, oracle=expert)
    labels = {answer.query.index: answer.label for answer in fitted.answers_}
    rows = sorted(labels)
    weight = {f"{inner.steps[-1][0]}__" if isinstance(inner, Pipeline) else "": np.maximum(sure[rows], 1e-6)}
    weight = {f"{prefix}sample_weight": value for prefix, value in weight.items()}
    expected = clone(inner).fit(X[rows], [labels[row] for row in rows], **weight)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X), rtol=1e-6, atol=1e-9)
    assert fitted.score(X, y) > 0.95
    unsure = clone(inner).fit(X[rows], [labels[row] for row in rows])
    assert not np.allclose(fitted.predict_proba(X), unsure.predict_proba(X), atol=1e-3)


def test_confidences_are_no_weights_where_the_classifier_takes_none(blobs, learner):
    X, y = blobs
    expert = lambda queries: [Answer(y[query.index], 0.5) for query in queries]  # noqa: E731
    assert learner(KNeighborsClassifier(1)).fit(X, oracle=expert).score(X, y) > 0.95


def test_members_of_a_vote_see_a_frame_as_it_is(blobs, truth, learner):
    X, y = blobs
    frame = pd.DataFrame(X, columns=list("abcde"))
    members = [
        (part, make_pipeline(ColumnTransformer([("some", "passthrough", list(part))]), GaussianNB()))
        for part in ("ab", "cd", "ae")
    ]
    fitted = learner(VotingClassifier(members, voting="soft"), acquisition="bald").fit(frame, oracle=truth(y))
    assert fitted.score(frame, y) > 0.9


@pytest.mark.parametrize("last", [RandomForestClassifier(5), BaggingClassifier(LogisticRegression(), 5)])
def test_members_of_an_ensemble_see_sparse_rows(last, blobs, truth, learner):
    X, y = blobs
    inner = make_pipeline(KBinsDiscretizer(encode="onehot", quantile_method="averaged_inverted_cdf"), last)
    assert learner(inner, acquisition="bald", batch_size=10).fit(X, oracle=truth(y)).score(X, y) > 0.8


def test_weights_are_not_for_what_may_not_hand_them_on():
    inside = LogisticRegression()
    for estimator in (CalibratedClassifierCV(inside), BaggingClassifier(inside), VotingClassifier([("a", inside)])):
        assert weight_argument(estimator) is None
    assert weight_argument(RandomForestClassifier()) == "sample_weight"
    pipeline = make_pipeline(StandardScaler(), inside)
    assert weight_argument(pipeline) == "logisticregression__sample_weight"
    with config_context(enable_metadata_routing=True):
        assert weight_argument(pipeline) is None


def test_probabilities_are_checked_only_for_what_reads_them(blobs, truth, learner):
    class Timid(LogisticRegression):
        def predict_proba(self, X):
            return 0.9 * super().predict_proba(X)

    X, y = blobs
    assert learner(Timid(), acquisition="random").fit(X, oracle=truth(y)).n_queries_ == 12
    with pytest.raises(ValueError, match="each row of proba must sum to 1"):
        learner(Timid(), acquisition="margin").fit(X, oracle=truth(y))


def test_the_discriminator_of_a_pipeline_is_asked(blobs, learner):
    X, y = blobs
    known, vaal = np.where(np.arange(120) < 9, y, -1), make_pipeline(StandardScaler(), tiny(VAALClassifier))
    fitted = learner(vaal, acquisition="discriminator", n_rounds=1)

    def oracle(queries):
        scaler, last = fitted.estimator_
        told = last.predict_labeled(scaler.transform(X))
        asked = [query.index for query in queries]
        np.testing.assert_allclose(told[asked], np.sort(told[9:])[:4])
        return y[asked]

    assert fitted.fit(X, known, oracle=oracle).n_queries_ == 4


@pytest.mark.parametrize("kind", [M2Classifier, GMDGMClassifier, ClusterLabelVAEClassifier])
def test_draws_of_z_are_probabilities_that_disagree(kind, digits):
    X, y = digits
    more = {"n_extra": 0} if kind is GMDGMClassifier else {}
    model = tiny(kind, random_state=0, **more).fit(X, np.where(np.arange(200) < 100, y, -1))
    draws = model.sample_proba(X, n_draws=5)
    assert draws.shape == (5, 200, 10)
    np.testing.assert_allclose(draws.sum(axis=2), 1, rtol=1e-4)
    assert np.ptp(draws, axis=0).max() > 1e-3
    np.testing.assert_array_equal(draws, model.sample_proba(X, n_draws=5))
    np.testing.assert_allclose(model.sample_proba(X[7:9], n_draws=5), draws[:, 7:9], atol=1e-6)
    with pytest.raises(ValueError, match="n_draws, an integer >= 1, got 0"):
        model.sample_proba(X, n_draws=0)


def test_draws_of_m2_are_the_classes_in_proportion_to_the_bound(digits):
    """By Bayes' rule, a class and a row at a time."""
    X, y = digits
    fitted = tiny(random_state=0).fit(X, y)
    model, noise = fitted._model.double(), np.random.RandomState(0).standard_normal((2, 2))
    x = torch.from_numpy(X[:3])
    draws = fitted.sample_proba(X[:3], n_draws=2)
    with torch.no_grad():
        for d, eps in enumerate(noise):
            for i in range(3):
                weights = []
                for k in range(10):
                    one = torch.eye(10, dtype=torch.float64)[[k]]
                    posterior = model.posterior(model.features(x[[i]]), one)
                    z = posterior.mean + posterior.stddev * torch.from_numpy(eps)
                    kl = torch.distributions.kl_divergence(posterior, model.prior(one))
                    weights.append(float(model.likelihood(z, one).log_prob(x[[i]]) - kl + np.log(0.1)))
                expected = np.exp(np.array(weights) - np.logaddexp.reduce(weights))
                np.testing.assert_allclose(draws[d, i], expected, atol=1e-6)
    model.float()


@pytest.mark.parametrize("estimator", [tiny(), make_pipeline(StandardScaler(), RandomForestClassifier(3))])
def test_batch_bald_works_on_what_gives_draws(estimator, blobs, truth, learner):
    X, y = blobs
    assert learner(estimator, acquisition="batch_bald").fit(X, oracle=truth(y)).n_queries_ == 12


def test_string_classes_and_bool_classes(blobs, learner):
    X, y = blobs
    for names in (np.array(["ant", "bee", "cat"]), np.array([True, False, True])):
        for inner in (LogisticRegression(), tiny()):
            fitted = learner(inner).fit(X, oracle=lambda q, names=names: names[y[[one.index for one in q]]])
            np.testing.assert_array_equal(fitted.classes_, np.unique(names))
            assert set(fitted.predict(X)) <= set(names)
            assert set(fitted.labels_) <= set(names)


@pytest.mark.parametrize(
    "inner",
    [
        LabelSpreading(gamma=0.1),
        SelfTrainingClassifier(GaussianNB()),
        make_pipeline(StandardScaler(), LabelSpreading(gamma=0.1)),
    ],
    ids=lambda inner: type(inner).__name__,
)
@pytest.mark.parametrize("names", [["cat", "ant", "bee"], [True, False, True]], ids=["str", "bool"])
def test_classifiers_that_take_integers_beside_minus_one_learn_other_classes(inner, names, blobs, learner):
    """As they learn integers in the same order."""
    X, y = blobs
    names = np.array(names)
    classes, codes = np.unique(names[y], return_inverse=True)
    few = np.arange(120) % 15 == 0
    suggested = {}

    def oracle(labels):
        def expert(queries):
            suggested.setdefault(labels.dtype.kind, []).extend(q.suggestion[0] for q in queries)
            return labels[[q.index for q in queries]]

        return expert

    named = learner(inner).fit(X, np.where(few, names[y], None), oracle=oracle(names[y]))
    coded = learner(inner).fit(X, np.where(few, codes, -1), oracle=oracle(codes))
    np.testing.assert_array_equal(named.classes_, classes)
    np.testing.assert_array_equal(named.predict_proba(X), coded.predict_proba(X))
    np.testing.assert_array_equal(named.predict(X), classes[coded.predict(X)])
    np.testing.assert_array_equal(named.labels_, classes[coded.labels_.astype(int)])
    assert suggested[names.dtype.kind] == classes[suggested["i"]].tolist()
    assert named.score(X, names[y]) == coded.score(X, codes)


def test_a_classifier_to_which_minus_one_is_a_class_is_named(blobs, learner):
    X, y = blobs
    some = np.where(np.arange(120) % 20 == 0, np.array(["ant", "bee", "cat"])[y], None)
    with pytest.raises(ValueError, match=r'Spy takes it for a class\. Use fit_on="labeled"'):
        learner(Spy(), fit_on="all").fit(X, some)
    with pytest.raises(ValueError, match=r'LogisticRegression takes it for a class\. Use fit_on="labeled"'):
        learner(fit_on="all").fit(X, np.where(np.arange(120) % 20 == 0, y, -1))
