import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklvae import INVALID, SKIP, GMDGMClassifier
from sklvae.labeling import OracleError
from sklvae.metrics import hungarian_accuracy, purity
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


@pytest.fixture(scope="module")
def four():
    """Four classes, ten labels in each of the first two, none in the others."""
    X, truth = make_blobs(n_samples=240, centers=4, n_features=6, cluster_std=0.6, random_state=1)
    y = np.full(240, -1)
    for label in (0, 1):
        y[np.flatnonzero(truth == label)[:10]] = label
    return X, y, truth


def small(**parameters):
    defaults = {"n_extra": 3, "n_latent": 3, "hidden_units": (32,), "max_epochs": 60, "batch_size": 32}
    return GMDGMClassifier(**{**defaults, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def fitted(four):
    return small().fit(four[0], four[1])


def test_known_classes_are_predicted_and_others_found(four, fitted):
    X, _, truth = four
    assert fitted.known_classes_.tolist() == [0, 1]
    assert fitted.slots_.tolist() == [0, 1, 2, 3, 4]
    holding = fitted.slots_[2:][fitted.slot_sizes_[2:] > 0].tolist()
    assert fitted.found_classes_.tolist() == holding
    assert fitted.classes_.tolist() == [0, 1, *holding]
    predicted = fitted.predict(X)
    known = truth < 2
    assert (predicted[known] == truth[known]).mean() > 0.95
    assert set(predicted[~known]) <= {2, 3, 4}
    assert purity(truth, predicted) > 0.95


def test_every_row_gets_a_label_and_a_known_one_stands(four, fitted):
    X, y, _ = four
    np.testing.assert_array_equal(fitted.labels_[y >= 0], y[y >= 0])
    np.testing.assert_array_equal(fitted.label_confidence_[y >= 0], 1)
    assert ((fitted.label_confidence_ > 0) & (fitted.label_confidence_ <= 1)).all()
    assert fitted.slot_sizes_.sum() == len(X)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_without_labels_it_clusters(four):
    X, _, truth = four
    model = small(n_extra=4).fit(X)
    assert model.known_classes_.tolist() == []
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert hungarian_accuracy(truth, model.predict(X)) > 0.95
    np.testing.assert_array_equal(small(n_extra=4).fit(X, np.full(240, -1)).labels_, model.labels_)


def test_an_oracle_is_asked_once_about_every_found_slot_that_holds_rows(four):
    X, y, truth = four
    batches = []

    def oracle(queries):
        batches.append(queries)
        return [truth[np.linalg.norm(X - query.x, axis=1).argmin()] for query in queries]

    model = small().fit(X, y, oracle=oracle)
    assert len(batches) == 1
    assert model.n_queries_ == len(batches[0]) == np.sum(model.slot_sizes_[2:] > 0)
    assert model.classes_.tolist()[:4] == [0, 1, 2, 3]
    assert model.score(X, truth) > 0.95
    assert (model.labels_ == truth).mean() > 0.95
    for query in batches[0]:
        assert query.kind == "center"
        assert query.x.shape == (6,)
        np.testing.assert_array_equal(model.slots_[query.cluster], np.bincount(truth[query.members]).argmax())


def test_an_invalid_answer_leaves_a_slot_its_name(four):
    X, y, _ = four
    model = small().fit(X, y, oracle=lambda queries: [INVALID] * len(queries))
    assert model.slots_.tolist() == [0, 1, 2, 3, 4]


def test_an_oracle_that_raises_leaves_a_trained_model_and_the_answers(four, fitted):
    X, y, _ = four
    model = small()

    def oracle(queries):
        yield 7
        raise OSError("no line")

    with pytest.raises(OracleError, match="after 1 answers, which are kept"):
        model.fit(X, y, oracle=oracle)
    assert [answer.label for answer in model.answers_] == [7]
    np.testing.assert_array_equal(model.predict(X), fitted.predict(X))


def test_cluster_and_label_names_slots_and_sums_those_of_a_class(four):
    X, y, truth = four
    model = small(n_extra=4).fit(X, y)
    before, slots = model.predict_proba(X), model.predict(X)
    few = np.where(np.arange(240) % 4 == 0, truth, -1)
    assert model.cluster_and_label(X, few) is model
    named = np.unique(slots[few >= 0])  # a slot of a few rows may hold none of these
    assert set(model.slots_[named].tolist()) == {0, 1, 2, 3}
    assert model.score(X, truth) > 0.95
    after = model.predict_proba(X)
    for label in (2, 3):
        expected = before[:, np.flatnonzero(model.slots_ == label)].sum(axis=1)
        np.testing.assert_allclose(after[:, model.classes_.tolist().index(label)], expected, atol=1e-6)


def test_a_slot_named_after_a_known_class_is_not_found(four):
    X, y, _ = four
    model = small(n_extra=2).fit(X, y)
    before = model.found_classes_.tolist()
    slots = model.predict(X)
    model.cluster_and_label(X, np.where(slots == before[0], 1, -1))  # a part of class 1, it turns out
    assert model.found_classes_.tolist() == before[1:]
    assert model.classes_.tolist() == [0, 1, *before[1:]]


def test_string_classes_get_found_names_and_can_be_renamed(four):
    X, y, truth = four
    names = np.array(["ant", "bee", "cat", "dog"])
    some = np.array([names[label] if label >= 0 else None for label in y], dtype=object)
    model = small(n_extra=2).fit(X, some)
    assert model.known_classes_.tolist() == ["ant", "bee"]
    assert model.found_classes_.tolist() == ["found_0", "found_1"]
    model.cluster_and_label(X, names[truth])
    assert model.classes_.tolist() == sorted(names)
    assert (model.predict(X) == names[truth]).mean() > 0.95
    assert (model.labels_ == names[truth]).mean() > 0.95


def test_clusters_can_be_named_with_strings(four):
    X, _, truth = four
    names = np.array(["ant", "bee", "cat", "dog"])
    model = small(n_extra=5).fit(X).cluster_and_label(X, names[truth])
    assert set(names) <= set(model.classes_.tolist())
    assert (model.predict(X) == names[truth]).mean() > 0.95


def test_samples_of_a_class_lie_in_it(four, fitted):
    X, _, truth = four
    for label in (0, 1):
        drawn = fitted.sample(50, label=label)
        distance = np.linalg.norm(drawn.mean(axis=0) - np.stack([X[truth == k].mean(axis=0) for k in range(4)]), axis=1)
        assert distance.argmin() == label
    assert fitted.sample(3).shape == (3, 6)
    with pytest.raises(ValueError, match=r"label must be one of the classes \[0, 1, 2.*\], got 9"):
        fitted.sample(1, label=9)


# A likelihood that does not fit may empty the extra slots, and says so; that is another test's matter.
@pytest.mark.filterwarnings("ignore:GMDGMClassifier")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_extra", 4),
        ("alpha", 1.0),
        ("class_prior", [0.3, 0.3, 0.2, 0.1, 0.1]),
        ("marginalization", "exact"),
        ("augment", torch.zeros_like),
        ("pretrain_epochs", 5),
        ("n_latent", 2),
        ("beta", 0.1),
        ("likelihood", "bernoulli"),
        ("encoder", lambda event, n_outputs: torch.nn.Linear(6, n_outputs)),
        ("hidden_units", (16,)),
        ("image_shape", (2, 3)),
        ("batch_size", 64),
        ("max_epochs", 3),
        ("lr", 1e-2),
        ("optimizer", "sgd"),
        ("precision", "bfloat16"),
        ("random_state", 1),
    ],
)
def test_a_parameter_changes_the_result(name, value, four):
    X = (four[0] - four[0].min()) / np.ptp(four[0])
    start = {"max_epochs": 8, "lr": 5e-3, "likelihood": "gaussian", "precision": "float32"}
    if name == "image_shape":
        start["encoder"] = "mlp"
        changed = small(**{**start, "encoder": "auto"}, image_shape=value)
    else:
        changed = small(**{**start, name: value})
    before, after = (model.fit(X, four[1]).score_samples(X) for model in (small(**start), changed))
    assert not np.allclose(before, after, rtol=1e-6)


def test_same_seed_same_result_to_the_bit_and_copies_agree(four, fitted, tmp_path):
    X, y, _ = four
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)
    fitted.save(tmp_path / "model.safetensors")
    loaded = GMDGMClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.sample(2, label=0), fitted.sample(2, label=0))
    assert loaded.cluster_and_label(X, four[2]).score(X, four[2]) > 0.95


@pytest.mark.filterwarnings("ignore:GMDGMClassifier")  # in the end three slots are left for one class
def test_warm_start_goes_on_and_starts_anew_where_the_slots_differ(four):
    X, y, truth = four
    model = small(warm_start=True).fit(X, y)
    n_epochs = len(model.history_)
    more = y.copy()
    more[np.flatnonzero(truth == 0)[:30]] = 0
    model.fit(X, more)
    assert [record["phase"] for record in model.history_[n_epochs:]] == ["train"] * (len(model.history_) - n_epochs)
    more[np.flatnonzero(truth == 2)[:5]] = 2
    model.fit(X, more)
    assert model.known_classes_.tolist() == [0, 1, 2]
    assert model.history_[0]["phase"] == "pretrain"


@pytest.mark.filterwarnings("ignore:GMDGMClassifier")  # with half of the rows a slot may swallow two classes
def test_it_searches_in_a_pipeline(four):
    X, y, _ = four
    pipe = make_pipeline(StandardScaler(), small(max_epochs=5))
    search = GridSearchCV(
        pipe,
        {"gmdgmclassifier__n_extra": [2, 3]},
        cv=SemiSupervisedSplit(n_splits=2),
        scoring=masked_scorer("accuracy"),
    )
    assert search.fit(X, y).best_score_ > 0.5


def test_transform_and_back_keeps_images_in_their_shape_and_dtype():
    digits = load_digits()
    X = (digits.images[:200] * 15).astype(np.uint8)
    model = small(max_epochs=100, hidden_units=(64,)).fit(X, np.where(digits.target[:200] < 3, digits.target[:200], -1))
    z = model.transform(X)
    assert z.shape == (200, 3)
    assert model.inverse_transform(z).shape == X.shape
    assert model.inverse_transform(z).dtype == model.sample(2).dtype == np.uint8
    assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize(
    ("parameters", "labels", "match"),
    [
        ({"n_extra": -1}, None, "n_extra must be an integer >= 0, got -1"),
        ({"n_extra": 1}, None, "at least 2 slots, got 0 known"),
        ({"n_extra": 0}, [0], "at least 2 slots, got 1 known"),
        ({"class_prior": [0.5, 0.5]}, [0, 1], r"5 positive probabilities that sum to 1, .* got \[0.5, 0.5\]"),
        ({"class_prior": [0.3] * 5}, [0, 1], r"sum 1.5"),
        ({"class_prior": [1.0, 0, 0, 0, 0]}, [0, 1], "positive"),
    ],
)
def test_bad_input_says_what_is_wrong(parameters, labels, match, four):
    X, y, _ = four
    y = None if labels is None else np.where(np.isin(y, labels), y, -1)
    with pytest.raises(ValueError, match=match):
        small(**parameters).fit(X, y)


def test_booleans_have_no_names_for_found_classes(four):
    with pytest.raises(ValueError, match="only two booleans"):
        small().fit(four[0], four[2] < 2)


def test_one_known_class_is_enough_beside_found_ones(four):
    X, y, truth = four
    model = small(n_extra=5).fit(X, np.where(y == 0, 0, -1))
    assert (model.predict(X[truth == 0]) == 0).mean() > 0.9
    assert purity(truth, model.predict(X)) > 0.9


def test_collapse_is_told_with_its_symptom_and_a_remedy(four):
    X, _, truth = four
    with pytest.warns(
        UserWarning, match=r"the slots without labels \(3\) hold 0.0% .*; if there are none, lower n_extra"
    ):
        small().fit(X, np.where(np.arange(240) % 2, truth, -1))
    rng = np.random.default_rng(0)
    lump = np.concatenate([rng.normal(size=(225, 6)), rng.normal(size=(15, 6)) + 30])
    with pytest.warns(UserWarning, match=r"one holds 9\d% of the unlabeled rows"):
        small(n_extra=1).fit(lump, np.where(np.arange(240) < 10, 0, -1))


def test_with_all_rows_labeled_it_is_a_classifier(four):
    X, _, truth = four
    model = small(n_extra=0).fit(X[::2], truth[::2])
    np.testing.assert_array_equal(model.labels_, truth[::2])
    assert model.found_classes_.tolist() == []
    assert model.score(X[1::2], truth[1::2]) > 0.95


def test_naming_slots_without_a_label_is_an_error(four, fitted):
    with pytest.raises(ValueError, match="needs the label of one row at least, got 240 unlabeled rows"):
        fitted.cluster_and_label(four[0], np.full(240, -1))


def test_naming_one_slot_leaves_the_others_apart(four):
    X, _, truth = four
    model = small(n_extra=6).fit(X)
    row = np.flatnonzero(truth == 3)[0]
    model.cluster_and_label(X, np.where(np.arange(240) == row, 3, -1))
    assert (model.predict(X)[truth != 3] != 3).mean() > 0.95
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    np.testing.assert_allclose(model.label_confidence_, model.predict_proba(X).max(axis=1), atol=1e-6)


def test_names_of_another_kind_are_refused(four, fitted):
    X, _, truth = four
    with pytest.raises(ValueError, match=r"kind of \[0, 1\] are required, got \['ant', 'bee', 'cat', 'dog'\]"):
        pickle.loads(pickle.dumps(fitted)).cluster_and_label(X, np.array(["ant", "bee", "cat", "dog"])[truth])


def test_warm_start_keeps_the_names_and_asks_about_the_rest_only(four):
    X, y, truth = four
    model = small(warm_start=True).fit(X, y)
    model.cluster_and_label(X, np.where(truth == 2, 2, -1))
    named = model.slots_.tolist()
    asked = []
    model.fit(X, y, oracle=lambda queries: asked.extend(query.cluster for query in queries) or [SKIP] * len(queries))
    assert model.slots_.tolist() == named
    assert all(model.slots_[slot] != 2 for slot in asked)


def test_a_collapse_that_is_an_error_leaves_a_usable_model(four):
    X, _, truth = four
    model = small()
    with pytest.raises(UserWarning, match="slots without labels"):  # warnings are errors here
        model.fit(X, np.where(np.arange(240) % 2, truth, -1))
    assert model.n_queries_ == 0
    assert (model.predict(X) == truth).mean() > 0.9


def test_a_row_of_which_nothing_is_in_a_class_is_of_all_alike(fitted):
    fitted = copy.copy(fitted)
    fitted.slot_sizes_ = np.where(np.arange(len(fitted.slots_)) < 2, fitted.slot_sizes_, 0)
    fitted.classes_ = fitted.known_classes_
    unused = np.eye(len(fitted.slots_))[[-1, 0]]
    np.testing.assert_allclose(fitted._summed(unused), [[0.5, 0.5], [1, 0]])
