"""Opinions that answers judge: the pool, its weights and the temperature, against what the answers were drawn from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from sklvae.labeling import Foretold, fit_log_pool, log_pool, temperature_between

N_CLASSES = 4
LOG_ODDS = arrays(float, (2, 6, N_CLASSES), elements=st.floats(-5, 5))


def drawn(probability, rng):
    """A class for each row, drawn from its probabilities."""
    return (probability.cumsum(axis=1) < rng.random((len(probability), 1))).sum(axis=1)


def foretold(opinions, code):
    return Foretold(np.asarray(opinions), code, np.ones(len(code)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@given(log_odds=LOG_ODDS, power=st.floats(0.1, 2))
@settings(deadline=None)
def test_one_opinion_of_weight_one_is_the_pool(log_odds, power):
    p = softmax(log_odds, axis=-1)
    np.testing.assert_allclose(log_pool(p, [1, 0]), p[0], atol=1e-5)
    np.testing.assert_allclose(log_pool(p, [0, 0]), 1 / N_CLASSES)
    product = p[0] ** power * p[1]
    np.testing.assert_allclose(log_pool(p, [power, 1]), product / product.sum(axis=-1, keepdims=True), atol=1e-5)


def test_an_opinion_rules_nothing_out():
    certain = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(log_pool(certain, [1, 1]), 0.5)


def test_without_answers_the_weights_are_the_prior():
    np.testing.assert_array_equal(fit_log_pool([], prior=(1.0, 0.0)), [1, 0])
    nothing = foretold(np.empty((2, 0, 3)), np.empty(0, dtype=int))
    np.testing.assert_array_equal(fit_log_pool([nothing], prior=(0.0, 1.0)), [0, 1])


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_weight_undoes_an_opinion_that_is_too_sure_or_too_modest(rng, power):
    truth = softmax(2 * rng.normal(size=(5000, N_CLASSES)), axis=1)
    said = truth ** (1 / power)
    said /= said.sum(axis=1, keepdims=True)
    found = fit_log_pool([foretold([said], drawn(truth, rng))], prior=(1.0,))
    np.testing.assert_allclose(found, power, rtol=0.1)


def test_rows_chosen_for_what_the_opinions_said_do_not_bias_the_weights(rng):
    truth = softmax(2 * rng.normal(size=(20_000, N_CLASSES)), axis=1)
    said = truth**2 / (truth**2).sum(axis=1, keepdims=True)
    doubted = np.argsort(said.max(axis=1))[:5000]
    found = fit_log_pool([foretold([said[doubted]], drawn(truth[doubted], rng))], prior=(1.0,))
    np.testing.assert_allclose(found, 0.5, rtol=0.15)


def test_independent_witnesses_are_multiplied_as_bayes_does(rng):
    code = rng.integers(2, size=20_000)
    seen = rng.normal(size=(2, len(code))) + (2 * code - 1)  # log odds of a Gaussian at -1 or 1: 2 x
    said = np.stack([1 / (1 + np.exp(2 * seen)), 1 / (1 + np.exp(-2 * seen))], axis=-1)
    np.testing.assert_allclose(fit_log_pool([foretold(said, code)], prior=(1.0, 0.0)), 1, atol=0.1)


def test_noise_gets_no_weight(rng):
    truth = softmax(2 * rng.normal(size=(5000, N_CLASSES)), axis=1)
    noise = softmax(2 * rng.normal(size=(5000, N_CLASSES)), axis=1)
    found = fit_log_pool([foretold([truth, noise], drawn(truth, rng))], prior=(0.0, 1.0))
    np.testing.assert_allclose(found, [1, 0], atol=0.1)


def test_answers_count_by_their_confidence_and_from_all_rounds(rng):
    truth = softmax(2 * rng.normal(size=(300, N_CLASSES)), axis=1)
    code = drawn(truth, rng)
    wrong = Foretold(truth[None], (code + 1) % N_CLASSES, np.zeros(300))
    right = foretold([truth], code)
    np.testing.assert_allclose(fit_log_pool([right, wrong], (1.0,)), fit_log_pool([right], (1.0,)))
    half, twice = Foretold(truth[None], code, np.full(300, 0.5)), [Foretold(truth[None], code, np.full(300, 0.5))] * 2
    np.testing.assert_allclose(fit_log_pool(twice, (1.0,)), fit_log_pool([right], (1.0,)), rtol=1e-4)
    assert abs(fit_log_pool([half], (1.0,)) - 1) < abs(fit_log_pool([right], (1.0,)) - 1)
    halves = [foretold([truth[part]], code[part]) for part in (slice(100), slice(100, None))]
    np.testing.assert_allclose(fit_log_pool(halves, (1.0,)), fit_log_pool([right], (1.0,)), rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_is_found_again(rng, temperature):
    p = softmax(rng.normal(size=(30_000, N_CLASSES)), axis=1)
    target = log_pool(p[None], [1 / temperature])
    assert temperature_between(p, target) == pytest.approx(temperature, rel=1e-3)


def test_a_temperature_takes_saturated_probabilities_for_what_they_are(rng):
    logits = 25 * rng.normal(size=(5000, N_CLASSES))
    p, target = softmax(logits, axis=1), softmax(logits / 5, axis=1)
    assert temperature_between(p, target) == pytest.approx(5, rel=0.05)


def test_an_opinion_that_was_always_wrong_keeps_a_little_weight():
    sure = np.tile([0.99, 0.01], (20, 1))
    weight = fit_log_pool([foretold([sure, sure], np.ones(20, dtype=int))], prior=(1.0, 0.0))
    assert weight[0] > 0
    assert log_pool([sure, sure], weight).argmax(axis=1).max() == 0


def test_a_temperature_has_bounds():
    p = np.array([[0.6, 0.4]])
    assert temperature_between(p, np.array([[1.0, 0.0]])) == pytest.approx(0.1, rel=1e-2)
    assert temperature_between(p, np.array([[0.5, 0.5]])) == pytest.approx(10, rel=1e-2)
