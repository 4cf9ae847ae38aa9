import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.datasets import make_blobs

import sklvae.acquisition as acquisition_module
from sklvae.acquisition import (
    STRATEGIES,
    Pool,
    Score,
    Stochastic,
    _distances,
    as_acquisition,
    badge,
    entropy,
    expected_norm,
    farthest_first,
    query,
    strategy,
)

DRAWN = ["random", "badge", "power_entropy", "power_bald"]
"""Another seed, another batch; where k-means starts matters less."""


def known(n=60, n_labeled=12, dtype=np.float64, seed=0):
    """All that an acquisition may need to know, and labels."""
    X, y = make_blobs(n, 3, centers=3, cluster_std=3.0, random_state=seed)
    rng = np.random.default_rng(seed)
    arrays = {
        "embedding": X,
        "proba": rng.dirichlet(np.full(3, 0.5), n),
        "sampled_proba": rng.dirichlet(np.full(3, 0.5), (4, n)),
        "discriminator": rng.uniform(size=n),
    }
    labels = np.where(rng.permutation(n) < n_labeled, y, -1)
    return {name: array.astype(dtype) for name, array in arrays.items()}, labels


def needed(name, arrays):
    return {need: arrays[need] for need in as_acquisition(name).needs if need != "labels"}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_it_needs_is_enough_for_a_batch_of_unlabeled_rows(name, dtype):
    arrays, labels = known(dtype=dtype)
    rows = query(name, 7, labels=labels, random_state=0, **needed(name, arrays))
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == 7
    assert (labels[rows] == -1).all()
    np.testing.assert_array_equal(query(name, 7, labels=labels, random_state=0, **needed(name, arrays)), rows)


@pytest.mark.parametrize(("name", "need"), [(name, need) for name in STRATEGIES for need in STRATEGIES[name].needs])
def test_what_is_missing_is_named(name, need):
    arrays, labels = known()
    given_ = {**arrays, "labels": labels}
    del given_[need]
    with pytest.raises(ValueError, match=f"{name}.* needs {need}"):
        query(name, 2, **given_)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_batch_may_be_all_that_is_left(name):
    arrays, labels = known(n_labeled=52)
    rows = query(name, 8, labels=labels, random_state=0, **needed(name, arrays))
    assert sorted(rows.tolist()) == np.flatnonzero(labels < 0).tolist()


@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_that_was_given_is_changed(name):
    arrays, labels = known(n_labeled=12)
    before, state = copy.deepcopy((arrays, labels)), np.random.get_state()[1].copy()  # noqa: NPY002
    query(name, 5, labels=labels, random_state=0, **arrays)
    if "labels" not in as_acquisition(name).needs:
        query(name, 5, random_state=0, **arrays)
    for array, old in zip([*arrays.values(), labels], [*before[0].values(), before[1]], strict=True):
        np.testing.assert_array_equal(array, old)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", STRATEGIES)
def test_rows_are_of_the_data_set_whatever_lies_between_them(name):
    """Rows that are no candidates only move the numbers of those that are."""
    arrays, labels = known()
    keep = np.sort(np.random.default_rng(1).permutation(60)[:40])
    arrays["proba"][keep[:20]] = np.eye(3)[labels[keep[:20]]]
    few = {k: v[:, keep] if k == "sampled_proba" else v[keep] for k, v in arrays.items()}
    some = np.flatnonzero(labels[keep] < 0)
    of_few = query(name, 4, labels=labels[keep], random_state=0, **few)
    far = np.where(np.isin(np.arange(60), keep), labels, -1)
    of_all = query(name, 4, labels=far, candidates=keep[some], random_state=0, **arrays)
    np.testing.assert_array_equal(of_all, keep[of_few])


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_size_of_a_chunk_does_not_matter(monkeypatch, name):
    arrays, labels = known()
    expected = query(name, 6, labels=labels, random_state=0, **arrays)
    monkeypatch.setattr(_distances, "VALUES", 50)
    np.testing.assert_array_equal(query(name, 6, labels=labels, random_state=0, **arrays), expected)


@pytest.mark.parametrize("name", DRAWN)
def test_the_seed_decides(name):
    arrays, labels = known()
    batches = {tuple(query(name, 5, labels=labels, random_state=seed, **arrays)) for seed in range(8)}
    assert len(batches) > 4
    rng = np.random.RandomState(0)
    assert tuple(query(name, 5, labels=labels, random_state=rng, **arrays)) in batches


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_acquisition_travels_to_other_processes(name):
    arrays, labels = known()
    again = pickle.loads(pickle.dumps(copy.deepcopy(strategy(name))))
    np.testing.assert_array_equal(
        query(again, 3, labels=labels, random_state=0, **arrays),
        query(name, 3, labels=labels, random_state=0, **arrays),
    )


def test_the_table_of_the_package_is_that_of_the_code():
    table = re.findall(r"^(\w+)  +(\w[\w, ]*?)  +\w", acquisition_module.__doc__, re.MULTILINE)
    documented = {name: tuple(needs.split(", ")) for name, needs in table if name != "name"}
    assert documented == {name: found.needs or ("nothing",) for name, found in STRATEGIES.items()}


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 10))
def test_a_name_is_its_function_at_the_candidates(seed, n):
    arrays, labels = known(seed=seed, n_labeled=seed % 20)
    rows, labeled = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
    x, p = arrays["embedding"], arrays["proba"]
    expected = {
        "entropy": np.argsort(-entropy(p[rows]), kind="stable")[:n],
        "coreset": farthest_first(x[rows], x[labeled], n=n),
        "badge": badge(p[rows], x[rows], n=n, random_state=seed),
    }
    for name, positions in expected.items():
        np.testing.assert_array_equal(query(name, n, labels=labels, random_state=seed, **arrays), rows[positions])


def test_labels_of_any_kind_mean_the_columns_of_the_classes():
    arrays, labels = known()
    expected = query("distant_least_confident", 5, labels=labels, **arrays)
    names = np.array(["ant", "bee", "cat"])
    words = [names[label] if label >= 0 else None for label in labels]
    np.testing.assert_array_equal(query("distant_least_confident", 5, labels=words, **arrays), expected)
    backwards = {**arrays, "proba": arrays["proba"][:, ::-1]}
    found = query("distant_least_confident", 5, labels=words, classes=names[::-1], **backwards)
    np.testing.assert_array_equal(found, expected)


def test_labels_that_lack_a_class_need_the_names_of_the_columns():
    arrays, labels = known()
    labels[labels == 1] = -1
    with pytest.raises(ValueError, match=r"proba has 3 columns, .* 2 classes.*classes=classifier.classes_"):
        query("farthest_per_class", 5, labels=labels, **arrays)
    assert len(query("farthest_per_class", 5, labels=labels, classes=[0, 1, 2], **arrays)) == 5


def test_options_reach_the_function():
    arrays, labels = known()
    rows, labeled = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
    score = expected_norm(arrays["embedding"][rows], arrays["embedding"][labeled], labels[labeled], bandwidth=3.0)
    chosen = query(strategy("expected_norm", bandwidth=3.0), 3, labels=labels, **arrays)
    np.testing.assert_array_equal(chosen, rows[np.argsort(-score)[:3]])
    assert chosen.tolist() != query("expected_norm", 3, labels=labels, **arrays).tolist()
    assert strategy("power_bald", beta=3.0, form="rank").beta == 3.0


@pytest.mark.parametrize("form", ["power", "softmax", "rank"])
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_a_score_is_drawn_in_proportion_to_its_chance(form, beta):
    arrays, _ = known(n=5)
    score = entropy(arrays["proba"])
    ranks = 1.0 + (score[None] > score[:, None]).sum(axis=1)
    chance = {"power": score**beta, "softmax": np.exp(beta * score), "rank": ranks**-beta}[form]
    drawn = Stochastic(strategy("entropy"), beta, form)
    pool, rng = Pool.of(labels=None, classes=None, candidates=None, proba=arrays["proba"]), np.random.RandomState(0)
    counts = np.bincount([drawn.select(pool, 1, rng)[0] for _ in range(3000)], minlength=5)
    assert chisquare(counts, 3000 * chance / chance.sum()).pvalue > 1e-3


def test_a_negative_score_has_no_power_but_has_a_rank():
    arrays, labels = known()
    with pytest.raises(ValueError, match=r'requires scores >= 0, got -.*form="softmax" or "rank"'):
        query(Stochastic(strategy("margin")), 2, labels=labels, **arrays)
    assert len(query(Stochastic(strategy("margin"), form="rank"), 2, labels=labels, random_state=0, **arrays)) == 2


def test_a_callable_is_a_score_of_the_pool():
    arrays, labels = known()
    expected = query("entropy", 5, labels=labels, **arrays)
    chosen = query(lambda pool: entropy(pool.proba), 5, labels=labels, **arrays)
    np.testing.assert_array_equal(chosen, expected)
    drawn = query(Stochastic(as_acquisition(lambda pool: pool.rows)), 5, labels=labels, random_state=0)
    assert len(drawn) == 5


def test_the_function_behind_a_name_stands_for_it():
    arrays, labels = known()
    for function, name in ((entropy, "entropy"), (badge, "badge"), (farthest_first, "coreset")):
        chosen = (query(a, 5, labels=labels, random_state=0, **arrays).tolist() for a in (function, name))
        assert next(chosen) == next(chosen)


def test_a_callable_says_what_it_needs():
    arrays, labels = known()

    def near(pool):
        return -np.linalg.norm(pool.embedding, axis=1)

    with pytest.raises(ValueError, match=r"reads embedding: points .*Got none. Give query embedding="):
        query(near, 2, labels=labels)
    near.needs = ("embedding",)
    assert as_acquisition(near).needs == ("embedding",)
    with pytest.raises(ValueError, match="Scored needs embedding: points"):
        query(near, 2, labels=labels)
    near.needs = ("latents",)
    with pytest.raises(ValueError, match="Scored needs 'latents', which is none of proba, embedding"):
        query(near, 2, labels=labels, **arrays)


def test_a_score_of_single_rows_takes_arrays_of_all_rows():
    with pytest.raises(ValueError, match=r"Score: takes must be of proba, .* use row_by_row=False .*labeled_embedding"):
        Score(expected_norm, ("embedding", "labeled_embedding", "labeled_codes"))


@pytest.mark.parametrize("name", ["margin", "entropy", "bald", "power_entropy", "discriminator", "rank"])
def test_equal_scores_are_chosen_at_random(name):
    """A tree gives few different probabilities, and rows are often sorted."""
    proba = np.repeat(np.array([[0.5, 0.5], [1.0, 0.0]]), [4, 60], axis=0)
    draws = np.stack([proba, proba])
    draws[:, :4] = np.eye(2)[:, None]
    arrays = {"proba": proba, "sampled_proba": draws, "discriminator": proba[:, 0]}
    chooser = Stochastic(strategy("margin"), beta=30.0, form="rank") if name == "rank" else name
    chosen = np.array([query(chooser, 10, random_state=seed, **arrays) for seed in range(150)])
    assert np.sort(chosen[:, :4]).tolist() == [[0, 1, 2, 3]] * 150
    assert set(chosen[:, 4:].ravel().tolist()) == set(range(4, 64))


CHOOSING = ["discriminative", "farthest_per_class", "coreset", "badge", "typiclust", "medoids", "prob_cover"]
CHOOSING += ["batch_bald", "informative_representative_diverse"]


@pytest.mark.parametrize("name", CHOOSING)
@pytest.mark.parametrize("n", [0, 4, 2.5])
def test_functions_choose_no_more_than_there_is(name, n):
    arrays, labels = known(n=6, n_labeled=3)
    pool = Pool.of(labels=labels, classes=[0, 1, 2], candidates=None, **arrays)
    with pytest.raises(ValueError, match=r": n must be an integer from 1 to the number of candidates, 3, got"):
        STRATEGIES[name].select(pool, n, np.random.RandomState(0))
    assert len(STRATEGIES[name].select(pool, 3, np.random.RandomState(0))) == 3


def test_rounded_probabilities_are_probabilities():
    proba = np.array([[1 + 1e-7, -1e-7], [0.5, 0.5], [0.4, 0.6]])
    assert sorted(query("power_entropy", 2, proba=proba, random_state=0).tolist()) == [1, 2]
    draws = np.stack([proba, proba[:, ::-1], proba[:, ::-1]])[:2]
    draws[1, 0] = draws[0, 0]
    assert 0 not in query("bald", 2, sampled_proba=draws, random_state=0)


class Chooses:
    needs = ()

    def __init__(self, positions):
        self.positions = positions

    def select(self, pool, n, random_state):
        return self.positions


def test_an_object_chooses_by_itself():
    assert query(Chooses([2, 0]), 2, labels=[-1, 1, -1, -1]).tolist() == [3, 0]


@pytest.mark.parametrize("positions", [[0], [0, 0], [0, 3], [-1, 0], [[0, 1]]])
def test_a_choice_that_is_none_is_refused(positions):
    with pytest.raises(ValueError, match="Chooses must choose 2 different positions from 0 to 2"):
        query(Chooses(positions), 2, labels=[-1, 1, -1, -1])


def bad(**changes):
    arrays, labels = known()
    return {"acquisition": "random", "n": 2, "labels": labels, **arrays, **changes}


def with_nan(array):
    array = array.copy()
    array.flat[3] = np.nan
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acquisition": "entropi"}, "must be one of random, .*power_bald; got 'entropi'"),
        ({"acquisition": Stochastic}, "one with query; got <class"),
        ({"acquisition": None}, "one with query; got None"),
        ({"acquisition": 3}, "a function of a Pool, .*got 3"),
        ({"n": 0}, "n must be an integer >= 1, got 0"),
        ({"n": 2.5}, "n must be an integer >= 1, got 2.5"),
        ({"n": True}, "n must be an integer >= 1, got True"),
        ({"n": 49}, "at most the number of candidates, 48; got 49"),
        ({"labels": [0, 1, -1]}, "60 in embedding, .*3 in labels"),
        ({"labels": [str(i % 2 - 1) for i in range(60)]}, "not the mark of an unlabeled row"),
        ({"classes": [0, 1]}, "labels holds 2, which is not one of classes"),
        ({"candidates": [1.5]}, "candidates must be row numbers"),
        ({"candidates": [3, 60]}, "rows from 0 to 59, got 3 to 60"),
        ({"candidates": [-1]}, "rows from 0 to 59, got -1"),
        ({"candidates": []}, "candidates must be row numbers"),
        ({"embedding": np.ones(60)}, r"embedding must be points .*shape \(60,\)"),
        ({"embedding": with_nan(known()[0]["embedding"])}, "embedding contains NaN"),
        ({"proba": with_nan(known()[0]["proba"])}, "proba contains NaN"),
        ({"proba": np.ones((60, 3))}, "each row of proba must sum to 1, row 0 sums to 3"),
        ({"proba": np.tile([-1.0, 1.0, 1.0], (60, 1))}, "proba must be probabilities, got from -1 to 1"),
        ({"sampled_proba": known()[0]["proba"]}, "sampled_proba must be class probabilities of several draws"),
        ({"discriminator": np.full(60, 2.0)}, "discriminator must be probabilities, got from 2 to 2"),
        ({"acquisition": lambda pool: [1.0]}, r"one number.*48 candidates; got shape \(1,\)"),
        ({"acquisition": lambda pool: np.full(48, np.nan)}, "with nan"),
    ],
)
def test_bad_input_is_told_what_is_required(changes, message):
    with pytest.raises(ValueError, match=message):
        query(**bad(**changes))


def test_candidates_are_unlabeled_rows_given_once():
    arrays, labels = known()
    free, taken = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
    with pytest.raises(ValueError, match=f"candidate {taken[0]} has a label already"):
        query("random", 1, labels=labels, candidates=[free[0], taken[0]], **arrays)
    with pytest.raises(ValueError, match="holds a row twice"):
        query("random", 1, labels=labels, candidates=[free[0], free[0]], **arrays)
    chosen = query("coreset", 3, labels=labels, candidates=free[5:8], **arrays)
    assert sorted(chosen.tolist()) == free[5:8].tolist()


def test_nothing_at_all_is_no_pool():
    with pytest.raises(ValueError, match="no array was given"):
        query("random", 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("typiclust", {"n_neighbors": 0}, "n_neighbors must be an integer >= 1, got 0"),
        ("prob_cover", {"delta": -1.0}, "delta must be a number > 0 or None, got -1.0"),
        ("prob_cover", {"purity": 1.0}, r"purity must be a number in \(0, 1\), got 1.0"),
        ("prob_cover", {"n_clusters": 0}, "n_clusters must be an integer >= 1, got 0"),
        ("expected_norm", {"bandwidth": 0.0}, "bandwidth must be a number > 0 or None, got 0.0"),
        ("informative_representative_diverse", {"diverse": -1.0}, "diverse must be a number >= 0, got -1.0"),
        ("power_bald", {"beta": -1.0}, "beta must be a finite number >= 0, got -1.0"),
        ("power_bald", {"form": "sum"}, "form must be one of 'power', 'softmax', 'rank', got 'sum'"),
        ("coreset", {"delta": 1.0}, "'coreset' has no option 'delta'. It has: none"),
        ("random", {"delta": 1.0}, "'random' has no option 'delta'. It has: none"),
        ("prob_cover", {"radius": 1.0}, "'prob_cover' has no option 'radius'. It has: delta, purity, n_clusters"),
    ],
)
def test_a_bad_option_is_told_what_is_required(name, options, message):
    arrays, labels = known()
    with pytest.raises(ValueError, match=message):
        query(strategy(name, **options), 2, labels=labels, **arrays)


def test_only_a_score_can_be_drawn_by():
    with pytest.raises(ValueError, match="base must be a Score"):
        Stochastic(strategy("coreset"))


@pytest.mark.parametrize("name", ["margin", "coreset", "badge", "typiclust"])
def test_a_file_is_a_pool(tmp_path, name):
    arrays, labels = known()
    for key, array in arrays.items():
        np.save(tmp_path / f"{key}.npy", array)
    on_disk = {key: np.load(tmp_path / f"{key}.npy", mmap_mode="r") for key in arrays}
    expected = query(name, 5, labels=labels, random_state=0, **arrays)
    np.testing.assert_array_equal(query(name, 5, labels=labels, random_state=0, **on_disk), expected)
