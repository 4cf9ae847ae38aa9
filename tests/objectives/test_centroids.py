import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from sklvae.nn import CentroidNetwork, Centroids
from sklvae.objectives import centroid_loss, centroid_penalty, draw_evenly, responsibilities, settle


def activations(n=60, d=3, seed=0):
    """Three clumps, in float64."""
    generator = torch.Generator().manual_seed(seed)
    places = 4 * torch.randn(3, d, generator=generator, dtype=torch.float64)
    return places.repeat(n // 3, 1) + torch.randn(n, d, generator=generator, dtype=torch.float64)


def settled(f, n_centroids=3, soft=False, steps=30):
    torch.manual_seed(0)
    centroids = Centroids(n_centroids, f.shape[1]).double()
    centroids.centers.data = f[:n_centroids].clone()
    for _ in range(steps):
        settle(centroids, f, soft=soft)
    return centroids


def test_distances_are_squared_and_relative_to_the_variance():
    f = activations()
    centroids = settled(f)
    centers = centroids.centers.detach()
    by_hand = torch.stack([((f - c) ** 2).sum(1) for c in centers], dim=1) / f.var(dim=0, correction=0).sum()
    torch.testing.assert_close(centroids.distances(f).detach(), by_hand)
    torch.testing.assert_close(centroids.spread(f).mean(), torch.ones((), dtype=torch.float64))


def test_the_hard_penalty_is_the_distance_to_the_nearest_less_what_shrinking_saves():
    f = activations()
    centroids = settled(f)
    nearest = centroids.distances(f).min(dim=1).values
    rho = nearest.mean()
    expected = nearest - rho * (((f - f.mean(0)) ** 2).sum(1) / f.var(dim=0, correction=0).sum() - 1)
    torch.testing.assert_close(centroid_penalty(centroids, f), expected)
    torch.testing.assert_close(centroid_penalty(centroids, f).mean(), rho)


def test_the_soft_penalty_is_the_density_of_an_even_mixture():
    """In units in which the mean variance of a feature is 1: -2/D log density, but for a constant."""
    f, d = activations(), 3
    centroids = settled(f, soft=True)
    unit = (centroids.variance / d).sqrt()
    mixture = MixtureSameFamily(
        Categorical(torch.ones(3, dtype=torch.float64)), Independent(Normal(centroids.centers / unit, 1.0), 1)
    )
    constant = math.log(3) + d / 2 * math.log(2 * math.pi)
    density = -2 / d * (mixture.log_prob(f / unit) + constant)
    expected = density - centroids.unexplained * (centroids.spread(f) - 1)
    torch.testing.assert_close(centroid_penalty(centroids, f, soft=True), expected)
    component = mixture.component_distribution.log_prob((f / unit)[:, None])
    torch.testing.assert_close(responsibilities(centroids, f, soft=True), component.softmax(1))
    assert (centroid_penalty(centroids, f, soft=True) <= centroid_penalty(centroids, f) + 1e-12).all()


@pytest.mark.parametrize("soft", [False, True])
def test_shrinking_or_moving_all_activations_lowers_the_penalty_in_no_way(soft):
    """The plain distance could be made small by shrinking; of this penalty the slope is 0, by either way."""
    f = activations()
    centroids = settled(f, soft=soft, steps=200)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    moved = f.mean(0) + scale * (f - f.mean(0)) + shift
    grads = torch.autograd.grad(centroid_penalty(centroids, moved, soft=soft).mean(), [scale, shift])
    plain = torch.autograd.grad(centroids.distances(f.mean(0) + scale * (f - f.mean(0))).min(1).values.mean(), scale)
    assert plain[0] > 0.1
    torch.testing.assert_close(grads[0], torch.zeros_like(scale), atol=1e-6, rtol=0)
    torch.testing.assert_close(grads[1], torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)
    for factor in (0.01, 100.0):  # ... and in other units nothing changes at all
        other = settled(f * factor, soft=soft, steps=200)
        torch.testing.assert_close(
            centroid_penalty(other, f * factor, soft=soft), centroid_penalty(centroids, f, soft=soft)
        )


def test_settling_is_k_means():
    f = activations()
    reference = KMeans(3, init=f[:3].numpy(), n_init=1, max_iter=100, tol=0).fit(f.numpy())
    centroids = settled(f)
    np.testing.assert_allclose(centroids.centers.detach(), reference.cluster_centers_)
    assert centroids.unexplained.item() == pytest.approx(reference.inertia_ / ((f - f.mean(0)) ** 2).sum().item())


def test_settling_softly_takes_the_mean_by_responsibility():
    f = activations()
    centroids = settled(f, steps=1)
    share = responsibilities(centroids, f, soft=True)
    expected = torch.stack([(share[:, j, None] * f).sum(0) / share[:, j].sum() for j in range(3)])
    usage = settle(centroids, f, soft=True)
    torch.testing.assert_close(centroids.centers.detach(), expected)
    torch.testing.assert_close(usage, share.mean(0))


def test_dead_centroids_come_back_to_samples_of_their_own():
    torch.manual_seed(0)
    f, centroids = activations(), Centroids(5, 3).double()
    centroids.centers.data = torch.cat([f[:1], torch.full((4, 3), 1e3, dtype=torch.float64)])
    assert (settle(centroids, f) > 0).tolist() == [True, False, False, False, False]
    usage = settle(centroids, f)
    assert (usage > 0).all()
    assert usage.sum() == pytest.approx(1)


def test_fewer_different_samples_than_centroids_are_no_harm():
    centroids, f = Centroids(4, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(5, 1)
    for _ in range(3):
        settle(centroids, f)
    assert torch.isfinite(centroids.centers).all()
    assert centroids.unexplained == 0
    settle(centroids, torch.ones(10, 2))  # a layer that is dead
    assert torch.isfinite(centroid_penalty(centroids, torch.ones(10, 2))).all()


def small_model():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    model = CentroidNetwork(network, torch.zeros(4), torch.ones(4), ["1", "3"])
    model.add_centroids([4, 5], [6, 6])
    x, x_labeled, code = torch.randn(8, 4), torch.randn(8, 4), torch.arange(8) % 3
    for centroids, f in zip(model.centroids, model(x)[1], strict=True):
        centroids.centers.data = f[: len(centroids.centers)].detach().clone()
        settle(centroids, f.detach())
    return model, {"x": x, "x_labeled": x_labeled, "code_labeled": code}


def test_the_loss_is_the_papers_sum():
    model, batch = small_model()
    terms = centroid_loss(model.eval(), **batch, beta=0.3)
    logits, labeled = model(batch["x_labeled"])
    _, others = model(batch["x"])
    expected = nn.functional.cross_entropy(logits.logits, batch["code_labeled"], reduction="none")
    for centroids, f_labeled, f in zip(model.centroids, labeled, others, strict=True):
        expected = expected + 0.3 * (centroid_penalty(centroids, f_labeled) + centroid_penalty(centroids, f))
    torch.testing.assert_close(terms["loss"], expected)
    plain = centroid_loss(model, **batch, beta=0.0)
    torch.testing.assert_close(plain["loss"], terms["cross_entropy"])


@pytest.mark.parametrize("soft", [False, True])
def test_a_samples_terms_do_not_depend_on_the_size_of_its_batch(soft):
    model, batch = small_model()
    model.eval()
    together = centroid_loss(model, **batch, beta=0.3, soft=soft)["loss"]
    alone = [
        centroid_loss(model, **{k: v[i : i + 1] for k, v in batch.items()}, beta=0.3, soft=soft)["loss"]
        for i in range(8)
    ]
    torch.testing.assert_close(torch.cat(alone), together)


@pytest.mark.parametrize("soft", [False, True])
def test_every_parameter_and_every_layer_has_a_gradient(soft):
    model, batch = small_model()
    centroid_loss(model, **batch, beta=0.3, soft=soft)["loss"].mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_moments_follow_in_training_only():
    model, batch = small_model()
    before = model.centroids[0].variance
    centroid_loss(model.eval(), **batch, beta=0.3)
    assert model.centroids[0].variance is before
    batch["x"] = 3 * batch["x"]
    for _ in range(200):
        centroid_loss(model.train(), **batch, beta=0.3)
    f = model(torch.cat([batch["x_labeled"], batch["x"]]))[1][0]
    torch.testing.assert_close(
        model.centroids[0].variance, f.var(dim=0, correction=0).sum().detach(), rtol=1e-3, atol=0
    )
    nearest = model.centroids[0].distances(f).min(dim=1).values.mean()
    torch.testing.assert_close(model.centroids[0].unexplained, nearest.detach(), rtol=1e-3, atol=1e-4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 20))
def test_centroids_are_drawn_evenly_over_the_classes(labels, n):
    code = torch.tensor(labels)
    rows = draw_evenly(code, n)
    counts = [int((code[rows] == label).sum()) for label in set(labels)]
    assert len(rows) == n
    assert max(counts) - min(counts) <= 1
    if all(labels.count(label) >= count for label, count in zip(set(labels), counts, strict=True)):
        assert len(set(rows.tolist())) == n  # no row twice where there are enough
