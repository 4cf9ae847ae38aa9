"""What goes wrong in the middle of a fit, and what is left then."""

import numpy as np
import pytest
from sklearn.cluster import Birch
from sklearn.mixture import GaussianMixture
from skorch.callbacks import Callback, EarlyStopping

from sklvae import INVALID, SKIP, M2Classifier, VariationalAutoencoder
from sklvae.labeling import MemoizingOracle, OracleError
from sklvae.training import NonFiniteLossError


def stop_early():
    return EarlyStopping(monitor="train_loss", patience=1, threshold=1e9, threshold_mode="abs", sink=lambda text: None)


def test_early_stopping_ends_a_phase_and_is_no_interruption(blobs, quick, truth):
    X, y = blobs
    classifier = quick(callbacks=[stop_early()], max_epochs=50).fit(X, oracle=truth(y))
    phases = [record["phase"] for record in classifier.history_]
    assert all(phases.count(phase) < 10 for phase in phases)
    assert {"pretrain", "round 0", "round 1"} == set(phases)
    vae = VariationalAutoencoder(callbacks=[stop_early()], max_epochs=50, random_state=0).fit(X)
    assert len(vae.history_) < 10


def make_infinite(net):
    net.module_.objective.keywords["gamma"] = np.inf


def run_out_of_memory(net):
    for parameter in net.module_.parameters():
        parameter.data += 1
    raise MemoryError("no more")


class BreakRound(Callback):
    """Breaks the second round."""

    def on_train_begin(self, net, **kwargs):
        if "round 1" in getattr(self, "phases", []):
            self.breaks(net)

    def __init__(self, phases, breaks):
        self.phases, self.breaks = phases, breaks


@pytest.mark.parametrize(("breaks", "error"), [(make_infinite, NonFiniteLossError), (run_out_of_memory, MemoryError)])
def test_a_round_that_breaks_leaves_the_classifier_of_the_round_before(breaks, error, blobs, quick, truth):
    X, y = blobs
    phases, expert = [], truth(y)
    classifier = quick(callbacks=[BreakRound(phases, breaks)])
    before = []

    def oracle(queries):
        if queries[0].round == 1:
            before.append(classifier.predict_proba(X))
            phases.append("round 1")
        return expert(queries)

    with pytest.raises(error):
        classifier.fit(X, oracle=oracle)
    np.testing.assert_array_equal(classifier.predict_proba(X), before[0])
    assert len(classifier.answers_) == 12


def test_a_round_of_skips_has_its_record(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)
    classifier = quick().fit(X, oracle=lambda q: [SKIP] * len(q) if q[0].round == 0 else expert(q))
    assert [record["n_skipped"] for record in classifier.rounds_] == [6, 0]
    assert sum(record["n_queries"] for record in classifier.rounds_) == classifier.n_queries_


def test_a_split_takes_its_questions_from_later_rounds(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)
    classifier = quick(propagation="cluster", n_clusters=4, n_rounds=2, budget=8)
    classifier.fit(X, oracle=lambda q: [INVALID if query.level == 0 and query.cluster == 0 else label
                                        for query, label in zip(q, expert(q), strict=True)])  # fmt: skip
    assert [answer.query.level for answer in classifier.answers_] == [0] * 4 + [1] * 4
    assert classifier.n_queries_ == 8


def test_an_unusable_clusterer_is_refused_before_anything_is_trained(blobs, quick, truth):
    X, y = blobs
    classifier = quick(clusterer=Birch())
    with pytest.raises(ValueError, match="clusterer must have"):
        classifier.fit(X, oracle=truth(y))
    assert not hasattr(classifier, "net_")


def test_too_many_clusters_are_refused_before_any_is_sought(blobs, quick, truth, monkeypatch):
    X, y = blobs
    monkeypatch.setattr(GaussianMixture, "fit", None)
    with pytest.raises(ValueError, match="X must have at least n_clusters=5000 samples, got 120"):
        quick(n_clusters=5000, budget=5000).fit(X, oracle=truth(y))
    with pytest.raises(ValueError, match="budget must cover the clusters of the first round"):
        quick(n_clusters=5000).fit(X, oracle=truth(y))


def test_a_refused_answer_is_asked_again_and_the_others_are_not(blobs, quick, truth):
    X, y = blobs
    asked, expert = [], truth(y)

    def clumsy(queries):
        for query, label in zip(queries, expert(queries), strict=True):
            asked.append(query.id)
            yield 99 if len(asked) == 3 else label

    oracle = MemoizingOracle(clumsy)
    classifier = quick(classes=[0, 1, 2])
    with pytest.raises(ValueError, match="query 2 must be one of the classes"):
        classifier.fit(X, oracle=oracle)
    classifier.fit(X, oracle=oracle)
    assert asked == [0, 1, 2, *range(2, 12)]


def test_the_answers_of_a_fit_that_failed_are_not_asked_for_again(blobs, quick, truth):
    X, y = blobs
    asked, expert = [], truth(y)

    def tired(queries):
        for query, label in zip(queries, expert(queries), strict=True):
            asked.append(query.id)
            if len(asked) == 9:
                raise ConnectionError
            yield label

    classifier = quick()
    with pytest.raises(OracleError, match=r"answers=estimator\.answers_"):
        classifier.fit(X, oracle=tired)
    again = quick().fit(X, oracle=MemoizingOracle(tired, answers=classifier.answers_))
    assert asked == [*range(9), *range(8, 12)]
    np.testing.assert_array_equal(again.predict_proba(X), quick().fit(X, oracle=expert).predict_proba(X))


@pytest.mark.parametrize(
    ("reply", "match"),
    [(lambda q: [0] * (len(q) - 1), "one answer per query"), (lambda q: ([0] * len(q), [2] * len(q)), "confidence in")],
)
def test_a_wrong_reply_is_the_same_error_through_a_memoizing_oracle(reply, match, blobs, quick):
    with pytest.raises(ValueError, match=match):
        quick().fit(blobs[0], oracle=MemoizingOracle(reply))


def test_an_answer_of_another_kind_than_y_names_its_query(blobs, quick):
    X, y = blobs
    some = np.where(np.arange(len(y)) % 20 == 0, y, -1)
    with pytest.raises(ValueError, match=r"query 0 must be a label of the same kind .* answers before it are kept"):
        quick().fit(X, some, oracle=lambda queries: ["zero"] * len(queries))


@pytest.mark.parametrize("make", [lambda quick: quick(), lambda quick: M2Classifier(max_epochs=1, hidden_units=(8,))])
def test_labels_of_unsigned_classes_are_integers(make, blobs, quick):
    X, y = blobs
    classifier = make(quick).fit(X, y.astype(np.uint8))
    assert classifier.labels_.dtype.kind == "i"
    np.testing.assert_array_equal(classifier.labels_, y)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5])
def test_samples_are_counted_in_whole_positive_numbers(n_samples, blobs):
    vae = VariationalAutoencoder(max_epochs=1, random_state=0).fit(blobs[0])
    with pytest.raises(ValueError, match="n_samples, an integer >= 1, got"):
        vae.sample(n_samples)
    with pytest.raises(ValueError, match="is the same for all classes"):
        vae.sample(1, label=0)
