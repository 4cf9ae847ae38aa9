import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch.nn import functional as F

from sklvae.nn import BernoulliLikelihood, NeighborVAE, mlp_decoder, mlp_encoder
from sklvae.objectives import beta_vae_loss, contrast, neighbor_vae_loss


def slow_contrast(one, other, temperature=0.1):
    """As Equation 1 of the source is written, a loop over every end of every pair."""
    both, n = np.concatenate([one, other]), len(one)
    similarity = cosine_similarity(both) / temperature
    losses = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        others = [similarity[i, k] for k in range(2 * n) if k != i]
        losses.append(-np.log(np.exp(similarity[i, partner]) / np.exp(others).sum()))
    return (np.array(losses[:n]) + np.array(losses[n:])) / 2


def test_contrast_is_the_sources():
    one, other = F.normalize(torch.randn(2, 7, 4, dtype=torch.float64), dim=-1)
    np.testing.assert_allclose(contrast(one, other), slow_contrast(one.numpy(), other.numpy()), rtol=1e-10)


def test_contrast_does_not_depend_on_who_comes_first_or_where():
    one, other = F.normalize(torch.randn(2, 7, 4, dtype=torch.float64), dim=-1)
    order, rotation = torch.randperm(7), torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    torch.testing.assert_close(contrast(other, one), contrast(one, other))
    torch.testing.assert_close(contrast(one[order] @ rotation, other[order] @ rotation), contrast(one, other)[order])


@pytest.fixture
def vae():
    encoder = mlp_encoder((6,), [8], NeighborVAE.encoder_outputs(2))
    return NeighborVAE(encoder, mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)


def test_the_bound_of_a_view_and_the_weighted_contrast_are_added(vae):
    x, neighbor = torch.rand(2, 5, 6)
    terms = {}
    for attraction in (0.0, 3.0):
        torch.manual_seed(0)
        terms[attraction] = neighbor_vae_loss(
            vae, x, neighbor, beta=2.0, attraction=attraction, augment=lambda x: x.flip(1)
        )
    torch.manual_seed(0)
    bound = beta_vae_loss(vae, x.flip(1), beta=2.0)["loss"]
    torch.testing.assert_close(terms[0.0]["loss"], bound)
    torch.testing.assert_close(terms[3.0]["loss"], bound + 3 * terms[3.0]["contrast"])
    expected = contrast(vae.direction(x.flip(1)), vae.direction(neighbor.flip(1)))
    torch.testing.assert_close(terms[3.0]["contrast"], expected)


def test_training_on_the_contrast_brings_partners_together(vae):
    torch.manual_seed(0)
    x = torch.rand(40, 6)
    neighbor = (x + 0.02 * torch.randn_like(x)).clamp(0, 1)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        terms = neighbor_vae_loss(vae, x, neighbor, beta=1.0, attraction=10.0, augment=torch.clone)
        optimizer.zero_grad()
        terms["loss"].mean().backward()
        optimizer.step()
        losses.append(terms["contrast"].mean().item())
    assert losses[-1] < 0.7 * losses[0]
