import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from torch import nn

from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE, GaussianLikelihood, mlp_decoder, mlp_encoder
from sklvae.objectives import beta_vae_loss, cluster_label_loss, elbo

N_DRAWS = 10_000


class LinearGaussian:
    """x = shift + scale (W z + s noise): everything about it is known in closed form.

    The columns of W are orthogonal, so that the exact posterior has independent latents.
    """

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.W = np.linalg.qr(rng.normal(size=(5, 2)))[0] * [1.5, 0.4]
        self.s = rng.uniform(0.3, 1.0)
        self.shift, self.scale = rng.normal(size=5) * 4, rng.uniform(0.5, 2, size=5)
        self.variance = 1 / (1 + (self.W**2).sum(axis=0) / self.s**2)  # of the exact posterior
        self.gain = self.variance[:, None] * self.W.T / self.s**2

    def sample(self, n, rng):
        noise = rng.normal(size=(n, 5))
        return self.shift + self.scale * (rng.normal(size=(n, 2)) @ self.W.T + self.s * noise)

    def log_marginal(self, x):
        D = np.diag(self.scale)
        covariance = D @ (self.W @ self.W.T + self.s**2 * np.eye(5)) @ D
        return multivariate_normal(self.shift, covariance).logpdf(x)

    def posterior_mean(self, x):
        return (x - self.shift) / self.scale @ self.gain.T

    def vae(self, gain, mean, variance):
        """A VAE with this likelihood and q(z|x) = N(gain (x - shift) / scale + mean, variance)."""
        likelihood = GaussianLikelihood(torch.tensor(self.shift), torch.tensor(self.scale))
        encoder, decoder = mlp_encoder((5,), (), 4), mlp_decoder((5,), (), 2)
        raw = np.log(np.expm1(np.sqrt(variance) - 1e-6))
        with torch.no_grad():
            likelihood.log_sigma.fill_(np.log(self.s - likelihood.min_sigma))
            encoder[-1].weight.copy_(torch.tensor(np.vstack([gain, np.zeros((2, 5))])))
            encoder[-1].bias.copy_(torch.tensor(np.concatenate([mean, raw])))
            decoder[0].weight.copy_(torch.tensor(self.W))
            decoder[0].bias.zero_()
        return VAE(encoder, decoder, likelihood, 2).double()


def mean_bound(vae, x, seed=0):
    """Bounds averaged over many draws, and their standard errors, in float64."""
    torch.manual_seed(seed)
    with torch.no_grad():
        bounds = [elbo(vae, torch.tensor(row).expand(N_DRAWS, -1)) for row in x]
    drawn = torch.stack([bound.log_likelihood - bound.kl for bound in bounds]).numpy()
    return drawn.mean(axis=1), drawn.std(axis=1) / np.sqrt(N_DRAWS)


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_tight_at_the_exact_posterior(seed):
    model = LinearGaussian(seed)
    x = model.sample(4, np.random.default_rng(seed))
    # Weights are stored in float32 before they are doubled: that is the tolerance beside the draws'.
    bound, error = mean_bound(model.vae(model.gain, np.zeros(2), model.variance), x)
    assert (np.abs(bound - model.log_marginal(x)) < 5 * error + 1e-4).all()


@pytest.mark.parametrize("seed", range(3))
def test_any_other_posterior_loses_exactly_its_divergence_from_the_exact_one(seed):
    model, rng = LinearGaussian(seed), np.random.default_rng(seed + 10)
    x = model.sample(4, rng)
    gain = model.gain + 0.2 * rng.normal(size=(2, 5))
    mean, variance = 0.5 * rng.normal(size=2), model.variance * rng.uniform(0.3, 3, size=2)
    bound, error = mean_bound(model.vae(gain, mean, variance), x)
    away = (x - model.shift) / model.scale @ gain.T + mean - model.posterior_mean(x)
    ratio = variance / model.variance
    divergence = (away**2 / model.variance + ratio - 1 - np.log(ratio)).sum(axis=1) / 2
    assert (divergence > 0.05).all()
    assert (np.abs(model.log_marginal(x) - divergence - bound) < 5 * error + 1e-4).all()
    assert (bound < model.log_marginal(x)).all()


@pytest.fixture
def model():
    torch.manual_seed(0)
    vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    return ClassifiedVAE(vae, 3)


def with_the_same_draws(objective, *arguments, **options):
    torch.manual_seed(1)
    return objective(*arguments, **options)


def without_noise(vae):
    """Make the posterior so narrow that a draw is its mean: raw scales of -50."""
    last = vae.encoder[-1]
    with torch.no_grad():
        last.weight[vae.n_latent :] = 0
        last.bias[vae.n_latent :] = -50
    return vae


@settings(max_examples=20)
@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1))
def test_the_loss_is_linear_in_beta_gamma_and_confidence(beta, gamma, confidence):
    torch.manual_seed(0)
    vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    model, x, code = ClassifiedVAE(vae, 3), torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])

    def loss(beta, gamma, confidence):
        weight = torch.full((5,), confidence)
        return with_the_same_draws(cluster_label_loss, model, x, code, weight, beta=beta, gamma=gamma)["loss"]

    nothing = loss(0.0, 0.0, 1.0)
    expected = nothing + beta * (loss(1.0, 0.0, 1.0) - nothing)
    expected = expected + gamma * confidence * (loss(0.0, 1.0, 1.0) - nothing)
    torch.testing.assert_close(loss(beta, gamma, confidence), expected, rtol=1e-3, atol=1e-3)


def test_without_confidence_or_gamma_the_loss_is_that_of_the_beta_vae(model):
    x, code = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    plain = with_the_same_draws(beta_vae_loss, model.vae, x, beta=2.0)["loss"]
    for weight, gamma in ((torch.zeros(5), 7.0), (torch.ones(5), 0.0)):
        terms = with_the_same_draws(cluster_label_loss, model, x, code, weight, beta=2.0, gamma=gamma)
        torch.testing.assert_close(terms["loss"], plain, rtol=0, atol=0)


def test_a_label_without_confidence_teaches_nothing(model):
    x, weight = torch.rand(5, 6), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    gradients = []
    for code in ([0, 1, 2, 0, 1], [0, 2, 2, 1, 1]):  # they differ where the weight is 0
        model.zero_grad()
        terms = with_the_same_draws(cluster_label_loss, model, x, torch.tensor(code), weight, beta=1.0, gamma=3.0)
        terms["loss"].mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_cross_entropy_is_that_of_the_draw_in_nats(model):
    x, code = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    terms = with_the_same_draws(cluster_label_loss, model, x, code, torch.ones(5), beta=1.0, gamma=1.0)
    z = with_the_same_draws(elbo, model.vae, x).z
    expected = nn.functional.cross_entropy(model.head(z), code, reduction="none")
    torch.testing.assert_close(terms["cross_entropy"], expected)


def test_repeated_rows_leave_the_mean_loss_and_its_gradient_as_they_were(model):
    without_noise(model.vae)
    x, code, weight = torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1]), torch.rand(5)

    def mean_and_gradient(times):
        model.zero_grad()
        repeated = (part.repeat_interleave(times, dim=0) for part in (x, code, weight))
        loss = cluster_label_loss(model, *repeated, beta=2.0, gamma=3.0)["loss"].mean()
        loss.backward()
        return [loss.detach(), *(p.grad.clone() for p in model.parameters())]

    for once, thrice in zip(mean_and_gradient(1), mean_and_gradient(3), strict=True):
        torch.testing.assert_close(thrice, once, rtol=1e-4, atol=1e-5)


def test_reconstruction_is_summed_over_features_and_divergence_over_latents(model):
    x = torch.rand(5, 6)
    bound, q = elbo(model.vae, x), model.vae.posterior(x)
    per_latent = (q.mean**2 + q.stddev**2 - 1 - 2 * q.stddev.log()) / 2
    torch.testing.assert_close(bound.kl, per_latent.sum(dim=1))
    logits = model.vae.decoder(bound.z)
    per_feature = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    torch.testing.assert_close(-bound.log_likelihood, per_feature.sum(dim=1))


def test_a_draw_is_one_of_the_posterior(model):
    x = torch.rand(1, 6).expand(N_DRAWS, -1)
    with torch.no_grad():
        z, q = with_the_same_draws(elbo, model.vae, x).z, model.vae.posterior(x[:1])
    error = q.stddev[0] / N_DRAWS**0.5
    assert ((z.mean(dim=0) - q.mean[0]).abs() < 5 * error).all()
    assert ((z.std(dim=0) - q.stddev[0]).abs() < 5 * error).all()
