from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr

from sklvae.acquisition import _batch_bald, bald, batch_bald

SEEDS = st.integers(0, 10_000)


def draws(seed, n_draws=5, n=15, n_classes=3):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=(n_draws, n))


def information(sampled, batch):
    """I(labels of the batch; draw), over every labeling."""
    n_draws, _, n_classes = sampled.shape
    labelings = product(range(n_classes), repeat=len(batch))
    p = np.array(
        [[np.prod([draw[i, y] for i, y in zip(batch, ys, strict=True)]) for draw in sampled] for ys in labelings]
    )
    return entr(p.mean(axis=1)).sum() - entr(p).sum() / n_draws


def reference(sampled, n):
    chosen = []
    while len(chosen) < n:
        rest = [i for i in range(sampled.shape[1]) if i not in chosen]
        chosen.append(max(rest, key=lambda i: information(sampled, [*chosen, i])))
    return chosen


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_greedy_in_the_information_of_all_its_labels(monkeypatch, seed, block):
    monkeypatch.setattr(_batch_bald, "BLOCK", block)
    sampled = draws(seed)
    assert batch_bald(sampled, n=4).tolist() == reference(sampled, 4)


@settings(max_examples=20)
@given(SEEDS)
def test_neither_the_order_of_rows_nor_of_draws_nor_of_classes_matters(seed):
    rng = np.random.default_rng(seed)
    sampled = draws(seed)
    order = rng.permutation(15)
    shuffled = sampled[rng.permutation(5)][:, order][:, :, rng.permutation(3)]
    np.testing.assert_array_equal(order[batch_bald(shuffled, n=4)], batch_bald(sampled, n=4))


@settings(max_examples=20)
@given(SEEDS)
def test_what_a_row_adds_never_grows(seed):
    sampled = draws(seed)
    share, posterior = np.ones(1), np.full((1, 5), 0.2)
    before = bald(sampled)
    for pick in range(4):
        share, posterior = _batch_bald._told(share, posterior, sampled[:, pick], np.random.RandomState(0))
        after = _batch_bald._conditional_bald(share, posterior, sampled)
        assert (after <= before + 1e-12).all()
        before = after


def test_drawn_labelings_tell_on_average_what_all_of_them_do(monkeypatch):
    sampled = draws(0)
    monkeypatch.setattr(_batch_bald, "MOST_LABELINGS", 100)
    exact = [information(sampled, [0, 1, 2, 3, 4, i]) - information(sampled, [0, 1, 2, 3, 4]) for i in range(5, 15)]
    found = []
    for seed in range(20):
        share, posterior = np.ones(1), np.full((1, 5), 0.2)
        rng = np.random.RandomState(seed)
        for pick in range(5):
            share, posterior = _batch_bald._told(share, posterior, sampled[:, pick], rng)
        assert len(share) == 100
        assert share.sum() == pytest.approx(1)
        found.append(_batch_bald._conditional_bald(share, posterior, sampled[:, 5:]))
    assert np.std(found, axis=0).max() > 0  # they are drawn
    np.testing.assert_allclose(np.mean(found, axis=0), exact, atol=0.01)


def test_only_the_rows_with_the_highest_bald_are_looked_at(monkeypatch):
    sampled = draws(0)
    monkeypatch.setattr(_batch_bald, "MOST_CANDIDATES", 6)
    rows = np.sort(np.argsort(-bald(sampled))[:6])
    assert batch_bald(sampled, n=4).tolist() == rows[reference(sampled[:, rows], 4)].tolist()
    assert len(set(batch_bald(sampled, n=9, random_state=0).tolist())) == 9


def test_when_all_is_told_the_highest_bald_follow(monkeypatch):
    sampled = draws(0)
    monkeypatch.setattr(_batch_bald, "ALL_TOLD", np.log(5) - information(sampled, reference(sampled, 2)) + 1e-9)
    first = reference(sampled, 2)
    rest = [i for i in np.argsort(-bald(sampled)) if i not in first]
    assert batch_bald(sampled, n=6).tolist() == first + rest[:4]


def test_a_copy_of_a_certain_row_tells_nothing_and_waits_for_the_rest():
    bits = np.arange(8)[:, None] >> np.arange(3) & 1  # each of eight draws is certain of three rows
    sampled = np.eye(2)[np.tile(bits, 4)]
    chosen = batch_bald(sampled, n=12, random_state=0)
    assert chosen[:3].tolist() == [0, 1, 2]
    assert sorted(chosen.tolist()) == list(range(12))
