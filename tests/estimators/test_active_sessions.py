"""Sessions of the estimators that choose rows: ActiveLearningClassifier around any classifier, and VAALClassifier."""

from collections import Counter

import numpy as np
import pandas
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from skorch.callbacks import Callback

from sklvae import (
    INVALID,
    SKIP,
    ActiveLearningClassifier,
    GMDGMClassifier,
    LabelingSession,
    M2Classifier,
    VAALClassifier,
    VAETransferClassifier,
    VariationalAutoencoder,
)
from sklvae.acquisition import Stochastic, StopAfter, StopWhenStable, strategy
from sklvae.estimators._base import LatentEstimator
from sklvae.labeling import Answer, OracleError, SessionError, SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer

SMALL = {"max_epochs": 2, "hidden_units": (8,), "n_latent": 2, "batch_size": 64}
ROUNDS = {"batch_size": 4, "n_rounds": 3, "random_state": 0}
VAAL = {**SMALL, "precision": "float32", "n_rounds": 3, "budget": 12, "random_state": 0}


class Centroids(ClassifierMixin, BaseEstimator):
    """A classifier of somebody else's, which moves on from where it was and draws from its generator."""

    def __init__(self, warm_start=False, random_state=None):
        self.warm_start, self.random_state = warm_start, random_state

    def fit(self, X, y):
        rng = self.random_state if isinstance(self.random_state, np.random.RandomState) else np.random.RandomState(0)
        self.classes_ = np.unique(y)
        means = np.stack([X[y == label].mean(axis=0) for label in self.classes_]) + rng.normal(size=X.shape[1])
        self.centers_ = (self.centers_ + means) / 2 if self.warm_start and hasattr(self, "centers_") else means
        return self

    def predict_proba(self, X):
        near = -np.linalg.norm(X[:, None] - self.centers_, axis=2)
        return np.exp(near) / np.exp(near).sum(axis=1, keepdims=True)


def active(estimator, **parameters):
    return lambda **more: ActiveLearningClassifier(estimator, **{**ROUNDS, **parameters, **more})


MAKES = {
    "logistic": active(LogisticRegression(), acquisition="margin"),
    "forest": active(RandomForestClassifier(5), acquisition="bald", embedding=PCA(2, svd_solver="randomized")),
    "spreading": active(LabelSpreading(gamma=0.1), initial="random", stopping=StopWhenStable(agreement=1.0)),
    "going on": active(SGDClassifier(loss="log_loss"), warm_start=True, acquisition="random"),
    "going on, drawing": active(Centroids(random_state=np.random.RandomState(5)), warm_start=True),
    "pipeline": active(make_pipeline(StandardScaler(), M2Classifier(**SMALL)), n_rounds=2),
    "m2": active(M2Classifier(**SMALL), acquisition="badge"),
    "m2 going on": active(M2Classifier(**SMALL), warm_start=True, acquisition="bald"),
    "m2 drawing": active(M2Classifier(**SMALL, random_state=np.random.RandomState(5)), warm_start=True),
    "gmdgm": active(GMDGMClassifier(**SMALL, n_extra=0), n_rounds=2),
    "transfer": active(VAETransferClassifier(**SMALL)),
    "vaal": lambda **more: VAALClassifier(**VAAL, **more),
    "vaal m2 going on": lambda **more: VAALClassifier(**VAAL, latent="m2", warm_start=True, **more),
    "vaal refit": lambda **more: VAALClassifier(**VAAL, discriminator="refit", **more),
}


def mixed(y):
    """Labels with a confidence, an INVALID and a SKIP."""
    special = {1: Answer(INVALID), 6: Answer(SKIP)}
    return lambda query: special.get(query.id, Answer(int(y[query.index]), 0.5 + query.id / 100))


@pytest.fixture
def trained(monkeypatch):
    """How often a network of ours was trained."""
    phases, train = Counter(), LatentEstimator._train

    def counted(self, *args, phase, **kwargs):
        phases[phase] += 1
        return train(self, *args, phase=phase, **kwargs)

    monkeypatch.setattr(LatentEstimator, "_train", counted)
    return phases


def records(fitted):
    return [{k: v for k, v in record.items() if not k.startswith("seconds")} for record in fitted.rounds_]


@pytest.mark.parametrize("name", MAKES)
def test_a_fit_that_broke_off_goes_on_where_it_was(name, blobs, tmp_path, trained, assert_same_fit, nobody):
    X, y = blobs
    answer, asked = mixed(y), []
    whole = MAKES[name]().fit(X, oracle=lambda queries: [answer(query) for query in queries])
    once, breaks = Counter(trained), (2, 4, 7)

    def tired(queries):
        for query in queries:
            asked.append(query.id)
            if asked.count(query.id) == 1 and query.id in breaks:
                raise ConnectionError
            yield answer(query)

    for n_kept in breaks:
        estimator = MAKES[name](session_dir=tmp_path)
        with pytest.raises(OracleError, match=f"after {n_kept} answers"):
            estimator.fit(X, oracle=tired)
        assert estimator.n_queries_ == n_kept
    estimator.fit(X, oracle=tired)
    assert sorted(asked) == sorted([*range(whole.n_queries_), *breaks])
    assert name == "pipeline" or trained == once + once
    again = MAKES[name](session_dir=tmp_path).fit(X, oracle=nobody)
    assert name == "pipeline" or trained == once + once
    for resumed in (estimator, again):
        assert_same_fit(whole, resumed, X)
        np.testing.assert_equal(records(resumed), records(whole))
        assert resumed.stopped_by_ == whole.stopped_by_
        assert hasattr(resumed, "embedding_") == hasattr(whole, "embedding_")


@pytest.mark.parametrize("name", ["logistic", "m2 going on", "vaal"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_answers_in_any_order_give_the_fit_of_an_oracle(name, in_folder, blobs, tmp_path, assert_same_fit):
    X, y = blobs
    answer = mixed(y)
    whole = MAKES[name]().fit(X, oracle=lambda queries: [answer(query) for query in queries])
    part_by_part = MAKES[name](session_dir=tmp_path if in_folder else None)
    with LabelingSession(part_by_part, X) as session:
        while queries := session.ask():
            session.tell({query.id: 0 for query in queries[-1:]})  # a slip
            session.undo()
            some = np.random.default_rng(len(queries)).permutation(len(queries))[: max(1, len(queries) // 2)]
            session.tell({queries[i].id: answer(queries[i]) for i in some})
        assert session.finish() is part_by_part
    assert_same_fit(whole, part_by_part, X, order=False)


@pytest.mark.parametrize("name", ["logistic", "m2", "vaal"])
def test_labels_alone_are_kept_in_a_session_too(name, blobs, tmp_path, trained, assert_same_fit):
    X, y = blobs
    some = np.where(np.arange(len(y)) % 10 == 0, y, -1)
    whole = MAKES[name]().fit(X, some)
    first = MAKES[name](session_dir=tmp_path).fit(X, some)
    n_trained = trained.total()
    again = MAKES[name](session_dir=tmp_path).fit(X, some)
    assert trained.total() == n_trained
    for kept in (first, again):
        assert_same_fit(whole, kept, X)
    assert again.n_queries_ == 0


def test_a_classifier_that_holds_code_is_kept_and_one_that_holds_no_data_is_fitted_again(
    blobs, tmp_path, trained, truth, nobody, assert_same_fit, monkeypatch
):
    X, y = blobs
    learner = active(M2Classifier(**SMALL, augment=doubled))
    first = learner(session_dir=tmp_path).fit(X, oracle=truth(y))
    n_trained = trained.total()
    assert_same_fit(first, learner(session_dir=tmp_path).fit(X, oracle=nobody), X)
    assert trained.total() == n_trained
    fit = M2Classifier.fit

    def leaves_something(self, X, y):
        fit(self, X, y).something_ = object()
        return self

    monkeypatch.setattr(M2Classifier, "fit", leaves_something)
    other = active(M2Classifier(**SMALL, alpha=3.0))
    first = other(session_dir=tmp_path).fit(X, oracle=truth(y))
    n_trained = trained.total()
    assert_same_fit(first, other(session_dir=tmp_path).fit(X, oracle=nobody), X)
    assert trained.total() > n_trained


def doubled(x):
    return 2 * x


class CtrlC(Callback):
    """Breaks one training off; which one is no parameter."""

    left = None

    def on_train_begin(self, net, **kwargs):
        CtrlC.left = None if CtrlC.left is None else CtrlC.left - 1

    def on_batch_end(self, net, **kwargs):
        if CtrlC.left == 0:
            CtrlC.left = None
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "make",
    [
        active(M2Classifier(**SMALL, callbacks=[CtrlC()])),  # its fit has three phases
        active(VAETransferClassifier(**SMALL, callbacks=[CtrlC()])),
        lambda **more: VAALClassifier(**VAAL, callbacks=[CtrlC()], **more),
    ],
    ids=["m2", "transfer", "vaal"],
)
@pytest.mark.parametrize("phase", [1, 2])
def test_a_round_that_was_interrupted_is_trained_again_in_full(make, phase, blobs, truth, tmp_path, assert_same_fit):
    X, y = blobs
    whole = make().fit(X, oracle=truth(y))
    CtrlC.left = phase
    with pytest.warns(UserWarning, match="was interrupted after"):
        broken_off = make(session_dir=tmp_path).fit(X, oracle=truth(y))
    assert CtrlC.left is None
    assert broken_off.stopped_by_ == "interrupt"
    assert broken_off.n_queries_ == (8 if make().__class__ is VAALClassifier and phase == 2 else 4)
    expert = truth(y)
    assert_same_fit(make(session_dir=tmp_path).fit(X, oracle=expert), whole, X)
    assert broken_off.n_queries_ + sum(map(len, expert.batches)) == 12


@pytest.mark.parametrize("name", ["forest", "vaal"])
def test_without_a_seed_the_session_keeps_the_one_it_drew(name, blobs, truth, tmp_path, nobody, assert_same_fit):
    X, y = blobs
    first = MAKES[name](session_dir=tmp_path).set_params(random_state=None).fit(X, oracle=truth(y))
    next(tmp_path.rglob("checkpoint.safetensors")).unlink()
    again = MAKES[name](session_dir=tmp_path).set_params(random_state=None).fit(X, oracle=nobody)
    assert_same_fit(first, again, X)


def test_rounds_without_two_classes_are_asked_again_from_the_log(blobs, tmp_path, nobody):
    X, _ = blobs
    learner = active(LogisticRegression())
    for oracle in (lambda queries: [7] * len(queries), nobody):
        fitted = learner(session_dir=tmp_path)
        with pytest.raises(ValueError, match="at least 2 classes are needed, but 12 answers gave 1"):
            fitted.fit(X, oracle=oracle)
        assert fitted.n_queries_ == 12
        assert len(fitted.rounds_) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": LogisticRegression(C=2)},
        {"estimator": GaussianNB()},
        {"acquisition": "margin"},
        {"acquisition": strategy("informative_representative_diverse")},
        {"acquisition": strategy("informative_representative_diverse", informative=0.5)},
        {"acquisition": Stochastic(strategy("entropy"), beta=2.0)},
        {"stopping": StopAfter(n_queries=100)},
        {"stopping": [StopAfter(n_queries=101), StopWhenStable()]},
        {"embedding": PCA(3)},
        {"budget": 50},
    ],
)
def test_another_part_makes_another_session(change, blobs, truth, tmp_path, nobody):
    X, y = blobs
    same = {"estimator": LogisticRegression(), "embedding": PCA(2), "acquisition": strategy("entropy"), **ROUNDS}
    for parameters in (same, {**same, **change}):
        expert = truth(y)
        ActiveLearningClassifier(**parameters, session_dir=tmp_path).fit(X, oracle=expert)
        assert expert.batches
    equal = {**same, "estimator": LogisticRegression(), "embedding": PCA(2), "acquisition": strategy("entropy")}
    ActiveLearningClassifier(**equal, session_dir=tmp_path).fit(X, oracle=nobody)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_fitted_part_counts_with_what_it_has_learned(blobs, truth, tmp_path, nobody):
    X, y = blobs
    one, other = (VariationalAutoencoder(**SMALL, random_state=seed).fit(X) for seed in (1, 2))
    other.random_state = 1

    def fitted(vae, oracle):
        return active(VAETransferClassifier(**SMALL, vae=vae))(session_dir=tmp_path).fit(X, oracle=oracle)

    first = fitted(one, truth(y))
    expert = truth(y)
    fitted(other, expert)
    assert expert.batches
    np.testing.assert_array_equal(fitted(one, nobody).predict_proba(X), first.predict_proba(X))


def test_a_part_that_nothing_tells_from_others_has_no_session(blobs, tmp_path, nobody):
    for parameter in ({"acquisition": lambda pool: -pool.rows}, {"stopping": lambda progress: False}):
        (name,) = parameter
        with pytest.raises(ValueError, match=f"with session_dir, {name} must be something that can be told from"):
            active(LogisticRegression(), **parameter)(session_dir=tmp_path).fit(blobs[0], oracle=nobody)
    assert not list(tmp_path.iterdir())


def test_the_fits_of_a_search_do_not_collide_and_are_taken_up_again(blobs, tmp_path, nobody):
    X, y = blobs
    known = np.where(np.arange(120) % 2, y, -1)
    settings = {
        "cv": SemiSupervisedSplit(n_splits=2, random_state=0),
        "scoring": masked_scorer(),
        "error_score": "raise",
    }
    learner = active(LogisticRegression(), n_rounds=1)(session_dir=tmp_path)
    search = GridSearchCV(learner, {"estimator__C": [0.01, 1.0]}, **settings)
    first = search.fit(X, known, oracle=SimulatedOracle(X, y))
    assert len(list(tmp_path.iterdir())) == 5
    again = clone(search).fit(X, known, oracle=nobody)
    np.testing.assert_array_equal(first.cv_results_["mean_test_score"], again.cv_results_["mean_test_score"])


@pytest.mark.parametrize("name", ["logistic", "vaal"])
def test_other_data_a_second_process_and_a_wrong_folder_are_refused(name, blobs, tmp_path, nobody, truth):
    X, y = blobs
    with LabelingSession(MAKES[name](session_dir=tmp_path), X) as session:
        session.ask()
        with pytest.raises(SessionError, match="is in use by another fit"):
            MAKES[name](session_dir=tmp_path).fit(X, oracle=nobody)
    with pytest.raises(ValueError, match=r"other data: values of X differ"):
        MAKES[name](session_dir=tmp_path).fit(X[::-1], oracle=nobody)
    with pytest.raises(ValueError, match="session_dir must be None or a path, got 3"):
        MAKES[name](session_dir=3).fit(X, oracle=truth(y))


def test_a_damaged_checkpoint_is_deleted_and_the_rest_follows_from_the_answers(blobs, truth, tmp_path, nobody):
    X, y = blobs
    for name in ("forest", "m2"):
        folder = tmp_path / name
        whole = MAKES[name](session_dir=folder).fit(X, oracle=truth(y))
        (checkpoint,) = folder.rglob("checkpoint.safetensors")
        checkpoint.write_bytes(checkpoint.read_bytes()[:-3])
        with pytest.raises(SessionError, match=r"Delete checkpoint\.safetensors"):
            MAKES[name](session_dir=folder).fit(X, oracle=nobody)
        checkpoint.unlink()
        again = MAKES[name](session_dir=folder).fit(X, oracle=nobody)
        np.testing.assert_array_equal(again.predict_proba(X), whole.predict_proba(X))


def test_no_file_of_a_session_holds_code(blobs, truth, tmp_path):
    """pickle begins with its protocol; none of ours does, and none names a class of Python."""
    X, y = blobs
    MAKES["forest"](session_dir=tmp_path).fit(X, oracle=truth(y))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".sqlite", ".safetensors", ""}
    for path in files:
        assert b"\x80\x04" not in path.read_bytes()[:100]
        assert b"sklearn.ensemble" not in path.read_bytes() or path.name == "session.json"


def test_a_saved_estimator_leaves_its_session_behind(blobs, truth, tmp_path, assert_same_fit, nobody):
    X, y = blobs
    for fitted in (
        MAKES["vaal"](session_dir=tmp_path / "sessions").fit(X, oracle=truth(y)),
        MAKES["vaal"](session_dir=tmp_path / "sessions").fit(X, oracle=nobody),
    ):
        fitted.save(tmp_path / "vaal.safetensors")
        loaded = VAALClassifier.load(tmp_path / "vaal.safetensors")
        assert loaded.session_dir is None
        assert_same_fit(fitted, loaded, X)
        np.testing.assert_array_equal(loaded.predict_labeled(X), fitted.predict_labeled(X))
        np.testing.assert_equal(loaded.rounds_, fitted.rounds_)
        assert loaded.stopped_by_ == fitted.stopped_by_


def test_frames_and_names_of_classes_are_taken_up(blobs, tmp_path):
    X, y = blobs
    frame, names = pandas.DataFrame(X, columns=list("abcde")), np.array(["ant", "bee", "cat"])[y]
    learner = active(LabelSpreading(gamma=0.1))
    whole = learner().fit(frame, oracle=lambda queries: names[[q.index for q in queries]])

    def tired(queries):
        if queries[0].round == 2:
            raise ConnectionError
        return names[[q.index for q in queries]]

    with pytest.raises(OracleError):
        learner(session_dir=tmp_path).fit(frame, oracle=tired)
    resumed = learner(session_dir=tmp_path).fit(frame, oracle=lambda queries: names[[q.index for q in queries]])
    assert resumed.predict(frame).tolist() == whole.predict(frame).tolist()
    assert resumed.feature_names_in_.tolist() == list("abcde")
    assert resumed.classes_.tolist() == ["ant", "bee", "cat"]
