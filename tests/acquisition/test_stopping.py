"""Rules that end the asking."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from sklvae.acquisition import (
    Progress,
    StopAfter,
    StopWhenIndistinguishable,
    StopWhenStable,
    indistinguishable,
    separability,
)


def progress(rounds=(), labeled=(True,), embedding=((0.0,),)):
    return Progress(list(rounds), np.asarray(labeled), lambda: np.asarray(embedding))


def test_questions_and_seconds_are_summed_over_the_rounds():
    rounds = [{"n_queries": 5, "seconds": 40.0}, {"n_queries": 6, "seconds": 10.0}]
    assert [StopAfter(n_queries=n)(progress(rounds)) for n in (11, 12)] == [True, False]
    assert [StopAfter(seconds=s)(progress(rounds)) for s in (50, 51)] == [True, False]


def test_stable_means_every_one_of_the_last_rounds():
    shares = [float("nan"), 0.99, 0.5, 0.99, 0.995]
    found = [StopWhenStable(0.99, 2)(progress({"agreement": a} for a in shares[:n])) for n in range(1, 6)]
    assert found == [False, False, False, False, True]
    assert not StopWhenStable(0.995, 2)(progress({"agreement": a} for a in shares))
    assert not StopWhenStable(0.99, 3)(progress({"agreement": a} for a in shares))


def test_separability_is_that_of_gaussians_a_known_distance_apart():
    """Two unit Gaussians d apart: the best area under the curve is Phi(d / sqrt 2)."""
    rng, labeled = np.random.default_rng(0), np.arange(4000) % 4 == 0
    points = rng.normal(size=(4000, 1))
    assert separability(points, labeled) == pytest.approx(0.5, abs=0.04)
    assert separability(points + 1.0 * labeled[:, None], labeled) == pytest.approx(0.760, abs=0.02)


def test_labels_in_the_midst_of_the_others_are_told_apart():
    """No line does it: a disk within a square; the best that can be done is 1."""
    points = np.random.default_rng(0).uniform(-1, 1, size=(1500, 2))
    assert separability(points, np.linalg.norm(points, axis=1) < 0.5) > 0.98


def test_too_few_rows_say_nothing():
    points = np.zeros((20, 2))
    assert separability(points, np.arange(20) < 4) == separability(points, np.arange(20) >= 4) == 1
    assert not StopWhenIndistinguishable()(progress(labeled=np.arange(20) < 4, embedding=points))


def test_the_threshold_decides():
    points, labeled = np.random.default_rng(0).normal(size=(400, 2)), np.arange(400) % 3 == 0
    value = separability(points, labeled)
    at = progress(labeled=labeled, embedding=points)
    assert StopWhenIndistinguishable(value + 0.08)(at)
    assert not StopWhenIndistinguishable(max(0.5, value + 0.04))(at)
    labeled = points[:, 0] > 0.5
    assert not StopWhenIndistinguishable(0.9)(progress(labeled=labeled, embedding=points))


@pytest.mark.parametrize(("n_labeled", "limit"), [(20, 0.55), (70, 0.6), (200, 0.55)])
def test_rows_that_are_alike_are_surely_so_in_one_draw_of_forty(n_labeled, limit):
    """Their area is a Mann-Whitney statistic: it reaches the limit less two standard errors as a normal one does."""
    rng, labeled = np.random.default_rng(0), np.arange(1000) < n_labeled
    areas = np.array([roc_auc_score(labeled, rng.random(1000)) for _ in range(2000)])
    margin = (limit - 0.5) / areas.std() - 2
    called = np.mean([indistinguishable(area, labeled, limit) for area in areas])
    assert called == pytest.approx(norm.cdf(margin) if margin > 0 else 0, abs=0.03)
    apart = np.mean([indistinguishable(area + limit - 0.5, labeled, limit) for area in areas])
    assert apart < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StopAfter(), "StopAfter must be given n_queries or seconds, got None"),
        (lambda: StopAfter(n_queries=0), "n_queries must be an integer >= 1, or None, got 0"),
        (lambda: StopAfter(n_queries="3"), "n_queries must be an integer >= 1, or None, got '3'"),
        (lambda: StopAfter(seconds=-1), "seconds must be > 0, or None, got -1"),
        (lambda: StopAfter(seconds="a"), "seconds must be > 0, or None, got 'a'"),
        (lambda: StopWhenStable(agreement=1.5), r"agreement must be in \(0, 1\], got 1.5"),
        (lambda: StopWhenStable(n_rounds=2.5), "n_rounds must be an integer >= 1, got 2.5"),
        (lambda: StopWhenStable(n_rounds=0), "n_rounds must be an integer >= 1, got 0"),
        (lambda: StopWhenIndistinguishable(0.3), r"separability must be in \(0.5, 1\], got 0.3"),
        (lambda: StopWhenIndistinguishable(0.5), r"separability must be in \(0.5, 1\], got 0.5"),
    ],
)
def test_wrong_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
