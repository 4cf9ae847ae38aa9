"""The losses of the slides, by hand, and whom they teach."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklvae.nn import M2, VAE, BernoulliLikelihood, ClassifiedVAE, Discriminated, mlp_decoder, mlp_encoder
from sklvae.objectives import classified_loss, elbo, m2_loss, vaal_loss


def networks(latent):
    torch.manual_seed(0)
    if latent == "vae":
        vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
        return Discriminated(ClassifiedVAE(vae, 3)), partial(classified_loss, beta=1.0, alpha=2.0)
    parts = torch.nn.Linear(6, 3), torch.nn.Linear(6, 8), torch.nn.Linear(5, 6)
    m2 = M2(*parts, BernoulliLikelihood((6,)), torch.ones(3) / 3, n_hidden=8, n_latent=2)
    return Discriminated(m2), partial(m2_loss, beta=1.0, alpha=2.0)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    weights = torch.tensor([1.25, 1.25, 0.0, 1.25, 1.25])
    return torch.rand(5, 6), weights, torch.rand(5, 6), torch.tensor([0, 2, 1, 1, 0])


@pytest.mark.parametrize("latent", ["vae", "m2"])
def test_the_terms_are_cross_entropies_of_the_discriminator(latent, batch):
    model, own = networks(latent)
    x, weights, x_labeled, _ = batch
    torch.manual_seed(2)
    terms = vaal_loss(model, *batch, own_loss=own, adversarial_weight=3.0)
    torch.manual_seed(2)
    alone = vaal_loss(model, *batch, own_loss=own, adversarial_weight=0.0)
    raw = [model.discriminator(model.latent(part))[:, 0] for part in (x_labeled, x)]
    one, zero = torch.ones(5), torch.zeros(5)
    bce = partial(F.binary_cross_entropy_with_logits, reduction="none")
    hiding = bce(raw[0], one) + weights * bce(raw[1], one)
    torch.testing.assert_close(terms["adversarial"], hiding)
    torch.testing.assert_close(terms["loss"], alone["loss"] + 3 * hiding)
    told = vaal_loss(model, *batch, own_loss=own, adversarial_weight=3.0, turn="discriminator")
    torch.testing.assert_close(told["loss"], bce(raw[0], one) + weights * bce(raw[1], zero))


@pytest.mark.parametrize("latent", ["vae", "m2"])
def test_each_turn_teaches_its_own(latent, batch):
    model, own = networks(latent)
    vaal_loss(model, *batch, own_loss=own, adversarial_weight=1.0, turn="discriminator")["loss"].mean().backward()
    assert all(p.grad is None for p in model.model.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.discriminator.parameters())
    encoder = model.model.vae.encoder if latent == "vae" else model.model.trunk
    gradients = []
    for weight in (0.0, 1.0):
        model.zero_grad()
        torch.manual_seed(3)
        vaal_loss(model, *batch, own_loss=own, adversarial_weight=weight)["loss"].mean().backward()
        gradients.append(next(encoder.parameters()).grad.clone())
    assert not torch.allclose(*gradients)


def test_the_latent_of_m2_is_the_mean_beside_the_class(batch):
    model, _ = networks("m2")
    latent = model.latent(batch[0])
    torch.testing.assert_close(latent[:, :2], model.model.encode(batch[0]))
    torch.testing.assert_close(latent[:, 2:], model.model.classify(batch[0]).probs)


def test_the_loss_of_a_classified_vae_is_the_sum_of_its_parts(batch):
    model, _ = networks("vae")
    x, _, x_labeled, code = batch
    torch.manual_seed(4)
    terms = classified_loss(model.model, x, x_labeled, code, beta=2.0, alpha=5.0)
    torch.manual_seed(4)
    first, second = elbo(model.model.vae, x), elbo(model.model.vae, x_labeled)
    cross_entropy = F.cross_entropy(model.model.head(second.z), code, reduction="none")
    expected = sum(2 * part.kl - part.log_likelihood for part in (first, second)) + 5 * cross_entropy
    torch.testing.assert_close(terms["loss"], expected)
    assert np.isfinite(terms["loss"].detach().numpy()).all()
