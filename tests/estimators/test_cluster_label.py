import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from skorch.callbacks import Callback

from sklvae import INVALID, SKIP, ClusterLabelVAEClassifier
from sklvae.labeling import Answer, MemoizingOracle, SimulatedOracle
from sklvae.training import NonFiniteLossError


@pytest.mark.parametrize("propagation", ["graph", "cluster"])
def test_a_few_answers_label_everything(propagation, blobs, quick, truth):
    X, y = blobs
    classifier = quick(propagation=propagation).fit(X, oracle=truth(y))
    assert (classifier.labels_ == y).mean() > 0.95
    assert classifier.score(X, y) > 0.95
    assert classifier.n_queries_ == len(classifier.answers_) <= 12
    assert classifier.label_confidence_.shape == (120,)
    assert classifier.label_confidence_.min() >= 0
    assert classifier.label_confidence_.max() <= 1
    assert [record["round"] for record in classifier.rounds_] == list(range(len(classifier.rounds_)))
    assert sum(record["n_queries"] for record in classifier.rounds_) == classifier.n_queries_


def test_digits_are_learned_from_50_answers():
    """The floor of the main job; the measured figures are in docs/results.md."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
    classifier = ClusterLabelVAEClassifier(budget=50, random_state=0).fit(X, oracle=SimulatedOracle(X, y))
    assert classifier.n_queries_ == 50
    assert classifier.score(X_test, y_test) > 0.9
    assert (classifier.labels_ == y).mean() > 0.9


def test_queries_of_the_paper_are_decoded_centers(digits, quick, truth):
    X, y = digits
    oracle = truth(y)
    images = X.reshape(-1, 8, 8)
    quick(propagation="cluster", encoder="mlp").fit(images, oracle=oracle)
    for queries in oracle.batches:
        assert np.asarray(queries).shape == (len(queries), 8, 8)
        for query in queries:
            assert query.kind == "center"
            assert query.index is None
            assert query.x.dtype == images.dtype
            assert 0 <= query.members.min() <= query.members.max() < len(X)
    first = oracle.batches[0]
    assert first[0].suggestion is None
    label, probability = oracle.batches[-1][0].suggestion
    assert label in range(10)
    assert 0 <= probability <= 1


def test_queries_of_the_graph_are_rows_of_X_and_never_asked_twice(blobs, quick, truth):
    X, y = blobs
    oracle = truth(y)
    quick().fit(X, oracle=oracle)
    queries = [query for batch in oracle.batches for query in batch]
    assert [query.id for query in queries] == list(range(12))
    assert len({query.index for query in queries}) == 12
    for query in queries:
        assert query.kind == "sample"
        np.testing.assert_array_equal(query.x, X[query.index])


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({"n_clusters": 4, "budget": 20, "n_rounds": 4}, [10, 4, 3, 3]),
        ({"n_clusters": 9, "budget": 12, "n_rounds": 3}, [9, 2, 1]),
        ({"n_clusters": 4, "budget": 12, "n_rounds": 1}, [12]),
        ({"n_clusters": 4, "budget": 4, "n_rounds": 5}, [4]),
    ],
)
def test_half_of_the_questions_come_first_and_later_rounds_share_the_rest(settings, shares, blobs, quick, truth):
    X, y = blobs
    classifier = quick(**settings).fit(X, oracle=truth(y))
    assert [record["n_queries"] for record in classifier.rounds_] == shares


def test_the_answer_about_a_row_is_its_label_as_sure_as_it_was_given(blobs, quick):
    X, _ = blobs
    classifier = quick().fit(X, oracle=lambda queries: [Answer("ab"[query.index % 2], 0.7) for query in queries])
    rows = [answer.query.index for answer in classifier.answers_]
    assert classifier.labels_[rows].tolist() == [answer.label for answer in classifier.answers_]
    np.testing.assert_allclose(classifier.label_confidence_[rows], 0.7)


def test_labels_in_y_stand_and_are_not_asked(blobs, quick, truth):
    X, y = blobs
    known = np.where(np.arange(len(y)) % 10 == 0, y, -1)
    for propagation in ("graph", "cluster"):
        oracle = truth(y)
        classifier = quick(propagation=propagation).fit(X, known, oracle=oracle)
        rows = np.flatnonzero(known >= 0)
        np.testing.assert_array_equal(classifier.labels_[rows], y[rows])
        np.testing.assert_array_equal(classifier.label_confidence_[rows], 1)
        asked = {query.index for batch in oracle.batches for query in batch}
        assert asked == {None} if propagation == "cluster" else not asked & set(rows.tolist())


@pytest.mark.parametrize("propagation", ["graph", "cluster"])
def test_partial_labels_alone_are_enough(propagation, blobs, quick):
    X, y = blobs
    partial = np.where(np.arange(len(y)) % 10 == 0, y, -1)
    classifier = quick(propagation=propagation).fit(X, partial)
    assert classifier.n_queries_ == 0
    assert classifier.score(X, y) > 0.9


def test_string_classes_and_unlabeled_none(blobs, quick):
    X, y = blobs
    names = np.array(["ant", "bee", "cat"])[y].astype(object)
    names[np.arange(len(y)) % 5 != 0] = None
    classifier = quick().fit(X, names)
    assert classifier.classes_.tolist() == ["ant", "bee", "cat"]
    assert set(classifier.predict(X)) <= {"ant", "bee", "cat"}
    assert classifier.labels_.dtype == object


def test_an_invalid_center_is_split_into_parts_that_are_asked_about(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)

    def oracle(queries):
        return [INVALID if query.level == 0 and query.cluster == 0 else label
                for query, label in zip(queries, expert(queries), strict=True)]  # fmt: skip

    classifier = quick(propagation="cluster", n_clusters=3, budget=9, n_rounds=1).fit(X, oracle=oracle)
    assert [query.level for batch in expert.batches for query in batch] == [0, 0, 0, 1, 1, 1]
    assert classifier.rounds_[0]["n_invalid"] == 1
    assert (classifier.labels_ == y).mean() > 0.9


def test_max_depth_and_budget_end_the_splitting(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)

    def doubts(queries):
        return [label if query.cluster else INVALID for query, label in zip(queries, expert(queries), strict=True)]

    settings = {"propagation": "cluster", "n_clusters": 3, "n_rounds": 1}
    assert quick(**settings, budget=30, max_depth=0).fit(X, oracle=doubts).n_queries_ == 3
    assert quick(**settings, budget=5, max_depth=2).fit(X, oracle=doubts).n_queries_ == 5
    deep = quick(**settings, budget=30, max_depth=2)
    deep.fit(X, oracle=lambda q: [INVALID if query.level < 2 and query.cluster in (0, 3) else label
                                  for query, label in zip(q, expert(q), strict=True)])  # fmt: skip
    assert max(answer.query.level for answer in deep.answers_) == 2


def test_skip_is_no_label_and_costs_a_question(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)

    def oracle(queries):
        return [SKIP if query.id % 3 == 0 else label for query, label in zip(queries, expert(queries), strict=True)]

    classifier = quick().fit(X, oracle=oracle)
    assert classifier.n_queries_ == 12
    assert sum(record["n_skipped"] for record in classifier.rounds_) == 4
    assert SKIP not in classifier.labels_.tolist()


def test_confidence_of_the_oracle_scales_that_of_the_labels(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)
    settings = {"propagation": "cluster", "n_rounds": 1, "budget": 6}
    sure = quick(**settings).fit(X, oracle=expert)
    half = quick(**settings).fit(X, oracle=lambda q: (expert(q), np.full(len(q), 0.5)))
    np.testing.assert_allclose(half.label_confidence_, sure.label_confidence_ / 2, rtol=1e-6)


def test_a_fitted_classifier_is_an_oracle(blobs, quick):
    X, y = blobs
    expert = KNeighborsClassifier(1).fit(X, y)
    assert quick().fit(X, oracle=expert.predict).score(X, y) > 0.95


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_clusters", 4),
        ("clusterer", "kmeans"),
        ("clusterer", MiniBatchKMeans(n_init=1)),
        ("clusterer", BayesianGaussianMixture(max_iter=5)),
        ("distance", "mahalanobis"),
        ("confidence", "exponential"),
        ("confidence", "posterior"),
        ("confidence", lambda d: 1 / (1 + d)),
        ("decay", 3.0),
        ("gamma", 0.5),
        ("pretrain_epochs", 3),
        ("round_epochs", 3),
        ("n_rounds", 1),
        ("budget", 6),
        ("propagation", "graph"),
        ("n_latent", 3),
        ("beta", 4.0),
        ("likelihood", "gaussian"),
        ("hidden_units", (16,)),
        ("encoder", "conv"),
        ("batch_size", 32),
        ("max_epochs", 2),
        ("lr", 1e-2),
        ("optimizer", "sgd"),
        ("precision", "bfloat16"),
        ("random_state", 1),
    ],
)
def test_a_parameter_changes_the_result(name, value, digits, quick, truth):
    X, y = digits
    settings = {"propagation": "cluster", "image_shape": (8, 8), "encoder": "mlp", "max_epochs": 4,
                "precision": "float32", "lr": 1e-3}  # fmt: skip
    if name in ("n_clusters", "n_rounds", "budget"):
        settings["max_epochs"] = 2
    results = [quick(**{**settings, **change}).fit(X, oracle=truth(y)) for change in ({}, {name: value})]
    first, second = ([c.labels_, c.label_confidence_, c.predict_proba(X)] for c in results)
    assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_max_depth_is_tested_above_and_classes_restricts_answers(blobs, quick, truth):
    X, y = blobs
    with pytest.raises(ValueError, match=r"query \d+ must be one of the classes \[0, 1\]"):
        quick(classes=[0, 1]).fit(X, oracle=truth(y))
    with pytest.raises(ValueError, match=r"y holds \[2\]"):
        quick(classes=[0, 1]).fit(X, y)


def test_callbacks_are_called_and_verbose_shows_a_bar(blobs, quick, capfd):
    class Counter(Callback):
        epochs = 0

        def on_epoch_end(self, net, **kwargs):
            Counter.epochs += 1

    X, y = blobs
    classifier = quick(callbacks=[Counter()], verbose=1).fit(X, y)
    assert Counter.epochs == len(classifier.history_)
    assert "it/s" in capfd.readouterr().err


def test_warm_start_skips_pretraining(blobs, quick, truth):
    X, y = blobs
    classifier = quick(warm_start=True)
    phases = [{record["phase"] for record in classifier.fit(X, oracle=truth(y)).history_} for _ in range(2)]
    assert "pretrain" in phases[0]
    assert "pretrain" not in phases[1]


def test_samples_of_a_class_look_like_it(blobs, quick):
    X, y = blobs
    classifier = quick(max_epochs=150).fit(X, y)
    for label in (0, 1, 2):
        drawn = classifier.sample(50, label=label)
        assert drawn.shape == (50, 5)
        assert (KNeighborsClassifier(1).fit(X, y).predict(drawn) == label).mean() > 0.8
    with pytest.raises(ValueError, match="label must be one of"):
        classifier.sample(1, label=7)


def test_same_seed_same_result_to_the_bit(digits, quick, truth):
    X, y = digits
    first, second = (quick().fit(X, oracle=truth(y)) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    np.testing.assert_array_equal(first.label_confidence_, second.label_confidence_)


def test_memoizing_oracle_answers_a_second_fit_without_asking(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)
    memory = MemoizingOracle(expert)
    for _ in range(2):
        quick().fit(X, oracle=memory)
    assert sum(map(len, expert.batches)) == 12


def test_uint8_images_give_uint8_queries(digits, quick, truth):
    X, y = digits
    pixels = np.rint(X * 255).astype(np.uint8).reshape(-1, 8, 8)
    oracle = truth(y)
    classifier = quick(propagation="cluster").fit(pixels, oracle=oracle)
    assert np.asarray(oracle.batches[0]).dtype == np.uint8
    assert classifier.inverse_transform(classifier.transform(pixels[:3])).dtype == np.uint8
    assert classifier.likelihood_ == "bernoulli"
    np.testing.assert_allclose(
        classifier.predict_proba(pixels), classifier.predict_proba(pixels.reshape(200, 64)), atol=1e-6
    )


def test_interruption_in_a_round_leaves_a_usable_classifier(blobs, quick, truth):
    class Interrupt(Callback):
        calls = 0

        def on_epoch_begin(self, net, **kwargs):
            Interrupt.calls += 1
            if Interrupt.calls == 25:
                raise KeyboardInterrupt

    X, y = blobs
    classifier = quick(callbacks=[Interrupt()])
    with pytest.warns(UserWarning, match="Interrupted while training round 0"):
        classifier.fit(X, oracle=truth(y))
    assert classifier.predict(X).shape == (120,)
    assert len(classifier.answers_) == 6


def test_interruption_in_pretraining_leaves_a_trained_vae(blobs, quick, truth):
    class Interrupt(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    X, y = blobs
    classifier = quick(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt, match="before the first question"):
        classifier.fit(X, oracle=truth(y))
    assert classifier.transform(X).shape == (120, 10)


def test_answers_with_their_own_confidence(blobs, quick, truth):
    X, y = blobs
    expert = truth(y)
    classifier = quick().fit(X, oracle=lambda q: [Answer(label, 0.9) for label in expert(q)])
    assert {answer.confidence for answer in classifier.answers_} == {0.9}


def test_a_class_that_was_named_once_stays_a_class(blobs, quick):
    def oracle(queries):
        return ["rare" if query.id == 0 else ("left", "right")[query.id % 2] for query in queries]

    classifier = quick(propagation="cluster").fit(blobs[0], oracle=oracle)
    assert classifier.rounds_[-1]["round"] == 1
    assert classifier.classes_.tolist() == ["left", "rare", "right"]


def test_warm_start_refuses_another_kind_of_data(blobs, digits, quick):
    classifier = quick(warm_start=True).fit(*blobs)
    with pytest.raises(ValueError, match=r"warm_start=True goes on from a network for .* Use warm_start=False"):
        classifier.fit(*digits)


def test_a_failed_second_fit_leaves_nothing_of_the_first(blobs, quick, truth):
    X, y = blobs
    classifier = quick().fit(X, y)

    def oracle(queries):
        raise ConnectionError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        classifier.fit(X, oracle=oracle)
    with pytest.raises(NotFittedError):
        classifier.predict(X)


def test_a_second_fit_that_fails_before_its_first_question_leaves_no_network(blobs, quick, truth):
    X, y = blobs
    classifier = quick().fit(X, y)
    with pytest.raises(NonFiniteLossError):
        classifier.set_params(lr=1e30).fit(X + 5, oracle=truth(y))
    with pytest.raises(NotFittedError):
        classifier.transform(X)


def test_a_warm_start_without_answers_keeps_the_network_to_start_from(blobs, quick, truth):
    X, y = blobs
    classifier = quick(warm_start=True).fit(X, y)

    def oracle(queries):
        raise ConnectionError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        classifier.fit(X, oracle=oracle)
    classifier.fit(X, oracle=truth(y))
    assert "pretrain" not in {record["phase"] for record in classifier.history_}
