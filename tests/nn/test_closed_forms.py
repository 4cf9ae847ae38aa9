import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from torch.nn import functional as F

from sklvae.nn import (
    VAE,
    BernoulliLikelihood,
    ClassifiedVAE,
    GaussianLikelihood,
    conv_decoder,
    conv_encoder,
    mlp_decoder,
    mlp_encoder,
)
from sklvae.objectives import beta_vae_loss, cluster_label_loss, elbo


def small_vae(event=(6,), n_latent=2):
    torch.manual_seed(0)
    conv = len(event) == 3
    encoder = (conv_encoder if conv else mlp_encoder)(event, [8], 2 * n_latent)
    decoder = (conv_decoder if conv else mlp_decoder)(event, [8], n_latent)
    return VAE(encoder, decoder, BernoulliLikelihood(event), n_latent)


@pytest.mark.parametrize("event", [(5,), (1, 8, 8), (1, 7, 9), (3, 28, 27), (2, 2, 3)])
def test_a_decoder_gives_the_shape_its_encoder_takes(event):
    vae = small_vae(event)
    x = torch.rand(4, *event)
    posterior = vae.posterior(x)
    assert posterior.batch_shape == (4,)
    assert posterior.event_shape == (2,)
    assert vae.likelihood(posterior.mean).mean.shape == x.shape


def test_every_parameter_gets_a_gradient():
    model = ClassifiedVAE(small_vae((1, 8, 8)), 3)
    x = torch.rand(5, 1, 8, 8)
    terms = cluster_label_loss(model, x, torch.tensor([0, 1, 2, 0, 1]), torch.ones(5), beta=1.0, gamma=1.0)
    terms["loss"].mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_bernoulli_density_is_the_cross_entropy():
    logits, x = torch.randn(4, 6), torch.rand(4, 6)
    expected = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)
    torch.testing.assert_close(BernoulliLikelihood((6,))(logits).log_prob(x), expected)


def test_the_gaussian_density_is_over_the_users_units():
    shift, scale, output = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5]), torch.randn(4, 2)
    likelihood = GaussianLikelihood(shift, scale)
    x = torch.randn(4, 2)
    sigma = scale.numpy() * (1 + likelihood.min_sigma)
    expected = norm(shift + scale * output, sigma).logpdf(x).sum(axis=1)
    np.testing.assert_allclose(likelihood(output).log_prob(x).detach(), expected, rtol=1e-5)
    torch.testing.assert_close(likelihood.standardize(shift + scale * x), x)


def test_the_kl_is_its_closed_form():
    vae, x = small_vae(), torch.rand(4, 6)
    q = vae.posterior(x)
    expected = (q.mean**2 + q.stddev**2 - 1 - 2 * q.stddev.log()).sum(dim=1) / 2
    torch.testing.assert_close(elbo(vae, x).kl, expected)


def test_the_bound_is_the_exact_likelihood_at_the_exact_posterior():
    """One latent, x = W z + noise: every draw of log p(x|z) + log p(z) - log q(z|x) is log p(x)."""
    W, s = torch.tensor([[1.0], [2.0], [-1.0]]), 0.5
    likelihood = GaussianLikelihood(torch.zeros(3), torch.ones(3))
    vae = VAE(mlp_encoder((3,), (), 2), mlp_decoder((3,), (), 1), likelihood, 1).double()
    variance = 1 / (1 + (W**2).sum() / s**2)
    with torch.no_grad():
        likelihood.log_sigma.fill_(np.log(s - likelihood.min_sigma))
        vae.decoder[0].weight.copy_(W)
        vae.decoder[0].bias.zero_()
        vae.encoder[1].weight.copy_(torch.cat([variance * W.T / s**2, torch.zeros(1, 3)]))
        vae.encoder[1].bias.copy_(torch.tensor([0.0, float(torch.expm1(variance.sqrt() - 1e-6).log())]))
    x = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = multivariate_normal(np.zeros(3), (W @ W.T + s**2 * torch.eye(3)).numpy()).logpdf(x.numpy())
    q = vae.posterior(x)
    z = q.rsample()
    drawn = vae.likelihood(z).log_prob(x) + vae.prior().log_prob(z) - q.log_prob(z)
    np.testing.assert_allclose(drawn.detach(), exact, atol=1e-4)


def test_beta_and_gamma_weigh_their_terms():
    model, x = ClassifiedVAE(small_vae(), 3), torch.rand(5, 6)
    code, weight = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1.0, 0.5, 0.0, 0.2, 0.9])
    torch.manual_seed(1)
    terms = cluster_label_loss(model, x, code, weight, beta=3.0, gamma=7.0)
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 3 * terms["kl"] + 7 * terms["cross_entropy"])
    assert terms["cross_entropy"][2] == 0
    torch.manual_seed(1)
    plain = beta_vae_loss(model.vae, x, beta=3.0)
    torch.testing.assert_close(terms["loss"][2], plain["loss"][2])
