"""Ask and tell, and fits that broke off."""

import datetime

import numpy as np
import pytest
from skorch.callbacks import Callback

from sklvae import (
    INVALID,
    SKIP,
    ClusterLabelVAEClassifier,
    GMDGMClassifier,
    LabelingSession,
    M2Classifier,
)
from sklvae.estimators._session import _same
from sklvae.labeling import Answer, OracleError, Query


@pytest.fixture
def tiny_slots():
    def make(**parameters):
        defaults = {"n_extra": 3, "max_epochs": 30, "batch_size": 32, "hidden_units": (16,), "n_latent": 3}
        return GMDGMClassifier(**{**defaults, "random_state": 0, **parameters})

    return make


def mixed(y):
    """Labels with a confidence, an INVALID and a SKIP."""

    def answer(query):
        row = query.members[0] if query.index is None else query.index
        special = {1: Answer(INVALID), 2: Answer(SKIP)}
        return special.get(query.id, Answer(int(y[row]), 0.5 + query.id / 100))

    return answer


@pytest.mark.parametrize("propagation", ["graph", "cluster"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_answers_in_any_order_give_the_fit_of_an_oracle(propagation, in_folder, blobs, tiny, tmp_path, assert_same_fit):
    X, y = blobs
    answer = mixed(y)
    whole = tiny(propagation=propagation).fit(X, oracle=lambda queries: [answer(query) for query in queries])
    part_by_part = tiny(propagation=propagation, session_dir=tmp_path if in_folder else None)
    with LabelingSession(part_by_part, X) as session:
        while queries := session.ask():
            some = np.random.default_rng(len(queries)).permutation(len(queries))[: max(1, len(queries) // 2)]
            session.tell({queries[i].id: answer(queries[i]) for i in some})
        assert session.finish() is part_by_part
    assert_same_fit(whole, part_by_part, X)


def test_found_slots_are_asked_about_in_a_session(blobs, tiny_slots, tmp_path, assert_same_fit, nobody):
    X, y = blobs
    known = np.where((y == 0) & (np.arange(len(y)) < 60), 0, -1)
    model = tiny_slots(session_dir=tmp_path)
    with LabelingSession(model, X, known) as session:
        queries = session.ask()
        session.tell({queries[-1].id: 7})
        assert [query.id for query in session.ask()] == [query.id for query in queries[:-1]]
        session.tell([SKIP] * (len(queries) - 1))
        session.finish()
    assert 7 in model.found_classes_
    oracle = tiny_slots().fit(X, known, oracle=lambda queries: [SKIP] * (len(queries) - 1) + [7])
    assert_same_fit(oracle, model, X)
    again = tiny_slots(session_dir=tmp_path).fit(X, known, oracle=nobody)
    assert_same_fit(again, model, X)


def test_every_way_of_telling_names_the_same_queries(blobs, tiny, assert_same_fit):
    X, y = blobs

    def by_id(queries):
        return {query.id: int(y[query.index]) for query in queries}

    def by_query(queries):
        return [Answer(int(y[query.index]), query=query) for query in reversed(queries)]

    def whole(queries):
        return (y[[query.index for query in queries]], np.ones(len(queries)))

    fits = []
    for way in (by_id, by_query, whole):
        session = LabelingSession(tiny(), X)
        while queries := session.ask():
            session.tell(way(queries))
        fits.append(session.finish())
    for fit in fits[1:]:
        assert_same_fit(fits[0], fit, X)


def test_the_last_answer_counts_and_an_undone_one_is_open_again(blobs, tiny, tmp_path):
    X, y = blobs
    estimator = tiny(session_dir=tmp_path)
    session = LabelingSession(estimator, X)
    first, second, *others = session.ask()
    session.tell({second.id: 5, first.id: 6})
    session.tell({second.id: 7})
    assert [(answer.query.id, answer.label) for answer in estimator.answers_] == [(0, 6), (1, 7)]
    session.close()
    session = LabelingSession(estimator, X)  # what stands survives, in the order it was told
    session.ask()
    assert session.undo().id == second.id
    assert session.undo().id == first.id
    assert estimator.n_queries_ == 0
    with pytest.raises(ValueError, match="no answer to undo"):
        session.undo()
    assert len(session.ask()) == len(others) + 2
    session.tell({query.id: int(y[query.index]) for query in (first, second, *others)})
    session.ask()
    with pytest.raises(ValueError, match="no answer to undo"):
        session.undo()
    with pytest.raises(ValueError, match=r"0 is not the id of a query that ask gave last; those are \[4, 5"):
        session.tell({0: 1})
    kept = session._folder.log._database.execute("SELECT question, reply, label FROM answer ORDER BY number").fetchall()
    assert kept[:5] == [
        (1, "label", "5"),
        (0, "label", "6"),
        (1, "label", "7"),
        (1, "undone", None),
        (0, "undone", None),
    ]
    session.close()


def test_a_wrong_answer_is_refused_and_those_before_it_are_kept(blobs, tiny, tmp_path):
    X, _ = blobs
    estimator = tiny(session_dir=tmp_path, classes=["a", "b"])
    with LabelingSession(estimator, X) as session:
        queries = session.ask()
        with pytest.raises(ValueError, match=r"query 1 must be one of the classes \['a', 'b'\]; got 'c'"):
            session.tell({0: "a", 1: "c", 2: "b"})
        with pytest.raises(ValueError, match=r"query 3 must be a confidence in \[0, 1\]"):
            session.tell({2: "b", 3: Answer("b", 2)})
        with pytest.raises(ValueError, match=f"one answer per query, {len(queries) - 2} in all"):
            session.tell(["a"] * (len(queries) - 3))
        assert [answer.label for answer in estimator.answers_][:2] == ["a", "a"]
    with LabelingSession(tiny(session_dir=tmp_path, classes=["a", "b"]), X) as session:
        assert 0 not in {query.id for query in session.ask()}


def test_answers_are_of_one_kind_unless_the_only_other_one_is_replaced(blobs, tiny):
    session = LabelingSession(tiny(), blobs[0])
    session.ask()
    session.tell({0: 1})
    with pytest.raises(ValueError, match="query 1 must be a label of the same kind"):
        session.tell({1: "one"})
    session.tell({0: "one"})
    session.tell({1: "two"})


def test_only_labels_that_can_be_written_are_taken_into_a_folder(blobs, tiny, tmp_path):
    X, _ = blobs
    with LabelingSession(tiny(session_dir=tmp_path), X) as session:
        session.ask()
        with pytest.raises(ValueError, match="query 0 must be a string, a number or a boolean"):
            session.tell({0: datetime.date(2020, 1, 1)})
        assert session.estimator.answers_ == []
    with pytest.raises(ValueError, match=r"query 0 must be a string.* The 0 answers before it are kept"):
        tiny(session_dir=tmp_path).fit(X, oracle=lambda queries: [datetime.date(2020, 1, 1)] * len(queries))


def test_a_session_with_open_questions_is_not_finished_and_a_closed_one_is_over(blobs, tiny):
    session = LabelingSession(tiny(), blobs[0])
    with pytest.raises(ValueError, match="4 questions are open, from query 0 on"):
        session.finish()
    session.close()
    for call in (session.ask, session.undo, session.finish, lambda: session.tell({})):
        with pytest.raises(ValueError, match="is closed"):
            call()


def test_nothing_is_told_before_something_is_asked(blobs, tiny):
    session = LabelingSession(tiny(), blobs[0])
    for answers in ([1, 2, 3], 1, []):
        with pytest.raises(ValueError, match=r"no question is open\. Call ask first"):
            session.tell(answers)
    with pytest.raises(ValueError, match="0 is not the id of a query that ask gave last"):
        session.tell({0: 1})


def test_the_estimators_with_sessions_are_named_to_others(blobs, nobody):
    with pytest.raises(ValueError, match=r"M2Classifier asks nobody, so it has no sessions\. Use ClusterLabelVAECl"):
        LabelingSession(M2Classifier(), blobs[0])


class CtrlC(Callback):
    """Breaks a training off; which one is no parameter."""

    left = None

    def on_train_begin(self, net, **kwargs):
        CtrlC.left = None if CtrlC.left is None else CtrlC.left - 1

    def on_batch_end(self, net, **kwargs):
        if CtrlC.left == 0:
            CtrlC.left = None
            raise KeyboardInterrupt


@pytest.mark.parametrize("propagation", ["graph", "cluster"])
def test_a_fit_that_broke_off_goes_on_where_it_was(propagation, blobs, tiny, tmp_path, assert_same_fit):
    X, y = blobs
    answer, asked = mixed(y), []
    whole = tiny(propagation=propagation).fit(X, oracle=lambda queries: [answer(query) for query in queries])

    def tired(queries):
        for query in queries:
            if asked.count(query.id) == 0 and query.id in (3, 6):
                asked.append(query.id)
                raise ConnectionError
            asked.append(query.id)
            yield answer(query)

    estimator = tiny(propagation=propagation, session_dir=tmp_path)
    for n_kept in (3, 6):
        with pytest.raises(OracleError, match=f"after {n_kept} answers.*the same session_dir"):
            estimator.fit(X, oracle=tired)
        assert estimator.n_queries_ == n_kept
    estimator.fit(X, oracle=tired)
    assert sorted(asked) == sorted([*range(whole.n_queries_), 3, 6])
    assert_same_fit(whole, estimator, X)


def test_a_finished_fit_trains_and_asks_nothing_again(
    blobs, tiny, truth, tmp_path, monkeypatch, assert_same_fit, nobody
):
    X, y = blobs
    done = tiny(session_dir=tmp_path).fit(X, oracle=truth(y))
    monkeypatch.setattr(ClusterLabelVAEClassifier, "_train", lambda *args, **kwargs: pytest.fail("trained again"))
    assert_same_fit(tiny(session_dir=str(tmp_path)).fit(X, oracle=nobody), done, X)


def test_a_phase_that_was_interrupted_is_trained_again_in_full(blobs, tiny, truth, tmp_path, assert_same_fit):
    X, y = blobs
    whole = tiny(callbacks=[CtrlC()]).fit(X, oracle=truth(y))
    CtrlC.left = 2
    with pytest.warns(UserWarning, match="Interrupted while training round 0"):
        tiny(callbacks=[CtrlC()], session_dir=tmp_path).fit(X, oracle=truth(y))
    expert = truth(y)
    resumed = tiny(callbacks=[CtrlC()], session_dir=tmp_path).fit(X, oracle=expert)
    assert min(query.id for batch in expert.batches for query in batch) == 4
    assert_same_fit(whole, resumed, X)


def test_labels_alone_are_kept_in_a_session_too(blobs, tiny, tmp_path, monkeypatch, assert_same_fit):
    X, y = blobs
    some = np.where(np.arange(len(y)) % 10 == 0, y, -1)
    first = tiny(session_dir=tmp_path).fit(X, some)
    assert_same_fit(tiny().fit(X, some), first, X)
    monkeypatch.setattr(ClusterLabelVAEClassifier, "_train", lambda *args, **kwargs: pytest.fail("trained again"))
    assert_same_fit(tiny(session_dir=tmp_path).fit(X, some), first, X)


def test_without_a_seed_the_session_keeps_the_one_it_drew(blobs, tiny, truth, tmp_path, assert_same_fit, nobody):
    X, y = blobs
    first = tiny(random_state=None, session_dir=tmp_path).fit(X, oracle=truth(y))
    next(tmp_path.rglob("checkpoint.safetensors")).unlink()
    again = tiny(random_state=None, session_dir=tmp_path).fit(X, oracle=nobody)
    assert_same_fit(first, again, X)


def test_a_generator_moves_on_when_the_fit_is_done_and_not_before(blobs, tiny, truth, tmp_path, assert_same_fit):
    X, y = blobs
    plain, kept = np.random.RandomState(3), np.random.RandomState(3)
    whole = tiny(random_state=plain).fit(X, oracle=truth(y))
    estimator = tiny(random_state=kept, session_dir=tmp_path)
    with pytest.raises(OracleError):
        estimator.fit(X, oracle=lambda queries: 1 / 0)
    estimator.fit(X, oracle=truth(y))
    assert_same_fit(whole, estimator, X)
    assert plain.randint(1000) == kept.randint(1000)


def test_queries_that_were_asked_come_back_as_they_were(digits, tiny, tmp_path):
    X, y = digits
    pixels = np.rint(X * 255).astype(np.uint8).reshape(-1, 8, 8)

    def asked(rounds):
        with LabelingSession(tiny(session_dir=tmp_path, propagation="cluster", encoder="mlp"), pixels) as session:
            for _ in range(rounds):
                session.tell([int(y[query.members[0]]) for query in session.ask()])
            return session.ask()

    for one, other in zip(asked(1), asked(0), strict=True):
        assert vars(one).keys() == vars(other).keys()
        assert (one.suggestion, one.kind, one.index, one.cluster) == (
            other.suggestion,
            other.kind,
            other.index,
            other.cluster,
        )
        assert one.x.dtype == other.x.dtype == np.uint8
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.members, other.members)


@pytest.mark.parametrize(
    ("asked", "near", "far"),
    [
        (np.array([0, 100, 7], dtype=np.uint8), [1, 99, 8], [0, 102, 7]),
        (np.array([0, 5000]), [4, 5000], [0, 5006]),
        (np.array([1e-4, 2e-4]), [1e-4, 2.0001e-4], [2e-4, 1e-4]),
        (np.array([-1e4, 0], dtype=np.float32), [-1e4, 5], [-1e4, 20]),
        (np.zeros(2), [0, 0], [0, 1e-9]),
    ],
)
def test_a_center_is_the_one_that_was_asked_about_but_for_rounding(asked, near, far):
    def query(x):
        return Query(0, np.asarray(x, dtype=asked.dtype), "center", None, 1, 0, 0, members=np.array([4]))

    assert _same(query(asked), query(asked))
    assert _same(query(near), query(asked))
    assert not _same(query(far), query(asked))
