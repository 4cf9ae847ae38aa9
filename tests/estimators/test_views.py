"""Views of images in ClusterLabelVAEClassifier: what they are asked for, and what they do."""

import pickle

import numpy as np
import pytest
import torch
from scipy.special import softmax
from skorch.callbacks import Callback

from sklvae import load
from sklvae.acquisition import partition
from sklvae.estimators import _propagation, _teaching
from sklvae.graph import knn_graph
from sklvae.labeling import SKIP, OracleError
from sklvae.nn import VAE
from sklvae.nn._neighbor_vae import N_DIRECTIONS
from sklvae.training import small_moves


@pytest.fixture
def images(digits):
    X, y = digits
    return X.reshape(-1, 8, 8), y


@pytest.fixture
def quick_images(quick, images, truth):
    """Fit to 200 digits, with a budget for one question of each class and some more."""
    X, y = images

    def fit(oracle=None, **parameters):
        classifier = quick(**{"n_clusters": 10, "budget": 16, "max_epochs": 3, **parameters})
        return classifier.fit(X, oracle=oracle or truth(y))

    return fit


def terms(classifier):
    return {name for record in classifier.history_ for name in record}


def test_auto_teaches_views_of_images_only(quick_images, quick, blobs, truth):
    X, y = blobs
    assert {"contrast", "guessed", "known"} <= terms(quick_images())
    assert not {"contrast", "guessed", "known"} & terms(quick_images(augment=None))
    assert not {"contrast", "guessed", "known"} & terms(quick().fit(X, oracle=truth(y)))
    assert not {"contrast", "guessed", "known"} & terms(quick_images(propagation="cluster"))


def test_auto_leaves_tables_as_they_are(quick, blobs, truth):
    X, y = blobs
    auto, none = (quick(augment=augment).fit(X, oracle=truth(y)) for augment in ("auto", None))
    np.testing.assert_array_equal(auto.predict_proba(X), none.predict_proba(X))


def test_guesses_are_taught_while_labels_are_few(quick, images, truth, monkeypatch):
    X, y = (np.repeat(part, 12, axis=0) for part in images)  # 2400 rows: guesses go with fewer than 12 labels
    given, taught_loss = [], _teaching.taught_loss

    def noted(*batch, guesses, **settings):
        given.append(guesses)
        return taught_loss(*batch, guesses=guesses, **settings)

    monkeypatch.setattr(_teaching, "taught_loss", noted)
    fitted = quick(n_clusters=10, n_rounds=2, budget=16, max_epochs=1).fit(X, oracle=truth(y))
    assert [record["n_queries"] for record in fitted.rounds_] == [10, 6]
    half = len(given) // 2
    assert given == [True] * half + [False] * half
    guessed = [record["guessed"] for record in fitted.history_ if record["phase"].startswith("round")]
    assert guessed[-1] == 0


def implied_gamma(classifier):
    """What the loss of the last epoch, less the bound's terms, makes of the terms of the labels."""
    last = classifier.history_[-1]
    taught = sum(last.get(name, 0) for name in ("cross_entropy", "guessed", "known"))
    return (last["train_loss"] - last["reconstruction"] - last["kl"]) / taught


def test_labels_weigh_more_where_there_are_views(quick_images, quick, blobs, truth):
    X, y = blobs
    assert implied_gamma(quick_images()) == pytest.approx(2000, rel=1e-3)
    assert implied_gamma(quick_images(gamma=7.0)) == pytest.approx(7, rel=1e-3)
    assert implied_gamma(quick_images(augment=None)) == pytest.approx(50, rel=1e-3)
    assert implied_gamma(quick_images(propagation="cluster")) == pytest.approx(50, rel=1e-3)
    assert implied_gamma(quick().fit(X, oracle=truth(y))) == pytest.approx(50, rel=1e-3)


def test_a_forest_has_a_say_in_tables_and_none_in_images(quick):
    X = np.random.default_rng(0).uniform(size=(300, 64))
    y = (X[:, 0] > 0.5).astype(int)
    known, right = np.where(np.arange(300) < 80, y, -1), []
    for image_shape in (None, (8, 8)):
        fitted = quick(image_shape=image_shape, max_epochs=3).fit(X, known)
        right.append(np.mean(fitted.labels_[80:] == y[80:]))
    assert right[0] > 0.8 > 0.7 > right[1]


def test_a_function_makes_the_views_of_rows_and_neighbors(quick_images):
    seen = []

    def shifted(x):
        seen.append(tuple(x.shape[1:]))
        return torch.roll(x, 1, dims=-1)

    quick_images(augment=shifted)
    assert set(seen) == {(1, 8, 8)}


def test_views_must_have_the_shape_of_the_images(quick_images):
    with pytest.raises(
        ValueError, match=r"augment must take a batch of shape \(n, 1, 8, 8\) .* two samples it raised ValueError"
    ):
        quick_images(augment=lambda x: x[..., :4])
    with pytest.raises(ValueError, match="augment"):
        quick_images(augment="strong")


def test_attraction_makes_neighbors_alike(quick_images, images):
    X, _ = images
    edges = knn_graph(X.reshape(len(X), -1)).tocoo()

    def likeness(attraction):
        model = quick_images(attraction=attraction, max_epochs=15, round_epochs=1)._model
        with torch.no_grad():
            direction = model.direction(torch.from_numpy(X.astype(np.float32))[:, None]).numpy()
        cosine = direction @ direction.T
        return cosine[edges.coords].mean() - cosine.mean()

    assert likeness(100.0) > likeness(1e-6) + 0.2


def test_without_attraction_latents_take_the_place_of_directions(quick_images, monkeypatch):
    seen = []

    def spy(points, *args, **starts):
        seen.append(points.shape[1])
        return partition(points, *args, **starts)

    monkeypatch.setattr(_propagation, "partition", spy)
    fit = quick_images(attraction=0.0, n_rounds=2)
    assert type(fit._model) is VAE
    assert seen == [fit.n_latent] * 2
    assert "contrast" not in terms(fit)
    assert "known" in terms(fit)  # labels are taught to views all the same
    before = [record["phase"] for record in fit.history_].count("pretrain")
    assert before == fit.max_epochs


@pytest.mark.parametrize("attraction", [0.0, 100.0])
def test_pretraining_sees_views(quick_images, attraction):
    """Blank views: the decoder is taught nothing but blank images."""
    fit = quick_images(attraction=attraction, augment=torch.zeros_like, round_epochs=1, max_epochs=40, lr=1e-2)
    assert fit.sample(20).mean() < 0.1


def test_what_views_share_is_clustered_first_and_later_inputs_beside_it(quick_images, quick, blobs, truth, monkeypatch):
    seen = []

    def spy(points, *args, **starts):
        seen.append(points.shape)
        return partition(points, *args, **starts)

    monkeypatch.setattr(_propagation, "partition", spy)
    fit = quick_images(n_rounds=3)
    n_inputs, n_directions = 100, fit.net_.module_.model.vae.n_directions.item()
    first, *later = seen
    assert first == (len(fit.labels_), n_directions)
    assert later == [(len(fit.labels_), n_inputs + n_directions)] * 2
    X, y = blobs
    table = quick(n_rounds=2).fit(X, oracle=truth(y))
    assert seen[3:] == [(len(X), table.n_latent)] * 2


def test_labels_are_what_is_known_and_else_what_the_classifier_says(quick_images, images):
    X, y = images
    one_round, classifier = (
        quick_images(n_rounds=n, oracle=lambda queries: [(int(9 - y[q.index])) for q in queries]) for n in (1, 2)
    )
    asked = [answer.query.index for answer in classifier.answers_]
    np.testing.assert_array_equal(classifier.labels_[asked], 9 - y[asked])
    np.testing.assert_array_equal(classifier.label_confidence_[asked], 1)
    classifier, asked = one_round, [answer.query.index for answer in one_round.answers_]  # nothing has judged it
    others = np.setdiff1d(np.arange(len(X)), asked)
    np.testing.assert_array_equal(classifier.labels_[others], classifier.predict(X)[others])
    probability = classifier.predict_proba(X).max(axis=1)
    np.testing.assert_allclose(classifier.label_confidence_[others], probability[others], atol=1e-6)


def test_predictions_are_of_the_mean_over_small_moves(quick_images, images, tmp_path):
    X, _ = images
    moves = [view.numpy()[:, 0] for view in small_moves(torch.from_numpy(X)[:, None])]

    def by_hand(fit, views):
        head = fit.net_.module_.model.head
        z = np.mean([fit.transform(view) for view in views], axis=0)
        return softmax((z @ head.weight.detach().numpy().T + head.bias.detach().numpy()) / fit.temperature_, axis=1)

    fit = quick_images()
    np.testing.assert_allclose(fit.predict_proba(X), by_hand(fit, moves), rtol=1e-4)
    for still in (quick_images(augment=None), quick_images(augment=lambda x: x), quick_images(propagation="cluster")):
        np.testing.assert_allclose(still.predict_proba(X), by_hand(still, [X]), rtol=1e-4)
    fit.save(tmp_path / "fit.sklvae")
    for same in (load(tmp_path / "fit.sklvae"), fit.set_params(augment=None)):  # as it was fitted, not as it would be
        np.testing.assert_allclose(same.predict_proba(X), by_hand(same, moves), rtol=1e-4)


def test_the_only_round_of_a_fit_is_its_last(quick_images, images, quick, truth, monkeypatch):
    """It trains for as long as a last round, and its opinions are what `predict` says."""
    X, y = images
    phases, epochs = [], _teaching.Teaching.epochs

    def spy(teaching, phase):
        phases.append(phase)
        return epochs(teaching, phase)

    monkeypatch.setattr(_teaching.Teaching, "epochs", spy)
    some, all_skipped = np.where(np.arange(len(X)) < 100, y, -1), lambda queries: [SKIP] * len(queries)
    for parameters, labels, oracle, trained in (
        ({}, y, None, ["last"]),
        ({}, some, None, ["round", "last"]),
        ({}, None, truth(y), ["round", "last"]),
        ({"n_rounds": 1}, None, truth(y), ["last"]),
        ({"budget": 6}, None, truth(y), ["last"]),
        ({"budget": 500, "n_rounds": 5}, some, all_skipped, ["last"]),
        ({"budget": 60, "n_rounds": 3}, some, truth(y), ["round", "round", "last"]),
    ):
        phases.clear()
        quick(max_epochs=1, **parameters).fit(X, labels, oracle=oracle)
        assert phases == ["pretrain", *trained]

    class Stops(Callback):
        epochs = 0

        def on_epoch_begin(self, net, **kwargs):
            Stops.epochs += 1
            if Stops.epochs == 5:  # three of pretraining
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Interrupted while training round 0"):
        fit = quick_images(callbacks=[Stops()])
    others = np.setdiff1d(np.arange(len(X)), [answer.query.index for answer in fit.answers_])
    np.testing.assert_array_equal(fit.labels_[others], fit.predict(X)[others])


def test_how_sure_the_answers_are_counts(quick_images, images):
    _, y = images
    sure = quick_images(oracle=lambda queries: (y[[q.index for q in queries]], np.ones(len(queries))))
    doubtful = quick_images(oracle=lambda queries: (y[[q.index for q in queries]], np.full(len(queries), 0.2)))
    known = [[record["known"] for record in fit.history_ if "known" in record] for fit in (sure, doubtful)]
    assert known[1][0] < 0.5 * known[0][0]


def test_a_saved_fit_of_images_predicts_as_before(quick_images, images, tmp_path):
    X, _ = images
    classifier = quick_images()
    classifier.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), classifier.predict_proba(X))
    assert again.score_samples(X).shape == (len(X),)


@pytest.mark.parametrize("attraction", [0.0, 100.0])
def test_a_fit_that_waits_for_its_first_answer_can_be_pickled(attraction, quick, images):
    X, _ = images
    classifier = quick(n_clusters=10, budget=10, n_rounds=1, max_epochs=1, attraction=attraction)
    with pytest.raises(OracleError):
        classifier.fit(X, oracle=lambda queries: 1 / 0)
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.transform(X), classifier.transform(X))


def test_a_session_of_images_goes_on_as_if_it_had_never_stopped(quick_images, images, truth, tmp_path):
    X, y = images
    whole, expert = quick_images(), truth(y)

    def tires(queries):
        if queries[0].id >= 10:
            raise RuntimeError("enough for today")
        return expert(queries)

    with pytest.raises(RuntimeError, match="enough for today"):
        quick_images(oracle=tires, session_dir=tmp_path)
    resumed = quick_images(oracle=expert, session_dir=tmp_path)
    assert len(resumed.history_) == len(whole.history_)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    np.testing.assert_array_equal(resumed.labels_, whole.labels_)


def test_going_on_from_a_fit_of_images_keeps_its_directions(images, quick, truth, monkeypatch):
    X, y = images
    widths = []

    def seen(points, *args, **kwargs):
        widths.append(points.shape[1])
        return partition(points, *args, **kwargs)

    monkeypatch.setattr(_propagation, "partition", seen)
    classifier = quick(n_clusters=10, budget=10, n_rounds=1, max_epochs=3, warm_start=True)
    classifier.fit(X, oracle=truth(y))
    before = len(classifier.history_)
    classifier.fit(X, oracle=truth(y))
    assert {record["phase"] for record in classifier.history_} == {"round 0"}
    assert before > len(classifier.history_)
    assert widths == [N_DIRECTIONS] * 2
