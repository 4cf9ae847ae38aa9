import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import multivariate_normal

from sklvae.nn import (
    VAE,
    BernoulliLikelihood,
    ClassifiedVAE,
    GaussianLikelihood,
    conv_decoder,
    conv_encoder,
    mlp_decoder,
    mlp_encoder,
    pooled_encoder,
)
from sklvae.objectives import elbo


def vae_of(event, likelihood, hidden_units=(8,), n_latent=3):
    torch.manual_seed(0)
    conv = len(event) == 3
    return VAE(
        (conv_encoder if conv else mlp_encoder)(event, hidden_units, 2 * n_latent),
        (conv_decoder if conv else mlp_decoder)(event, hidden_units, n_latent),
        likelihood,
        n_latent,
    )


def likelihoods(event):
    shift, scale = torch.rand(event), 1 + torch.rand(event)
    return [BernoulliLikelihood(event), GaussianLikelihood(shift, scale)]


@pytest.mark.parametrize("event", [(5,), (1, 6, 6), (2, 7, 5), (3, 2, 9)])
@pytest.mark.parametrize("hidden_units", [(), (8,), (8, 4)])
def test_every_parameter_learns_from_the_bound(event, hidden_units):
    for likelihood in likelihoods(event):
        vae = vae_of(event, likelihood, hidden_units)
        bound = elbo(vae, torch.rand(6, *event))
        (bound.log_likelihood - bound.kl).mean().backward()
        for name, parameter in vae.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_networks_without_hidden_units_are_affine():
    a, b = torch.rand(4, 6), torch.rand(4, 6)
    encoder, decoder = mlp_encoder((2, 3), (), 5), mlp_decoder((2, 3), (), 6)
    for network, shape in ((encoder, (4, 2, 3)), (decoder, (4, 6))):
        x, y = a.view(shape), b.view(shape)
        middle = (network(x) + network(y)) / 2
        torch.testing.assert_close(network((x + y) / 2), middle, atol=1e-6, rtol=1e-5)


def test_a_decoder_mirrors_the_widths_of_its_encoder():
    def widths(network):
        return [(m.in_features, m.out_features) for m in network if isinstance(m, torch.nn.Linear)]

    encoder, decoder = mlp_encoder((6,), (9, 5), 4), mlp_decoder((6,), (9, 5), 4)
    assert widths(decoder) == [(o, i) for i, o in reversed(widths(encoder))]


def test_a_convolution_sees_the_same_pattern_wherever_it_stands():
    """Shifting an image by the stride shifts the feature map by one, away from the border."""
    torch.manual_seed(0)
    convolution = conv_encoder((1, 12, 12), (), 4)[0]
    x = torch.zeros(1, 1, 12, 12)
    x[..., 3:6, 3:6] = torch.rand(3, 3)
    moved = convolution(torch.roll(x, (2, 4), dims=(2, 3)))
    expected = torch.roll(convolution(x), (1, 2), dims=(2, 3))
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-5)


def test_pooled_convolutions_are_normalized_over_the_batch():
    """By hand, and at any scale of the weights."""
    torch.manual_seed(0)
    network = pooled_encoder((2, 7, 9), (), 4, channels=(5,))
    x = torch.rand(6, 2, 7, 9)
    maps = torch.nn.functional.conv2d(x, network[0].weight, padding=1)
    variance, mean = torch.var_mean(maps, dim=(0, 2, 3), correction=0, keepdim=True)
    positive = ((maps - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
    pooled = positive[..., :6, :8].reshape(6, 5, 3, 2, 4, 2).amax(dim=(3, 5))
    expected = network[-1](pooled.flatten(1))
    torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        network[0].weight *= 10
    torch.testing.assert_close(network(x), expected, atol=1e-3, rtol=1e-3)


def test_a_trained_pooled_network_sees_each_sample_by_itself():
    torch.manual_seed(0)
    network = pooled_encoder((1, 8, 8), (6,), 4).train()
    x = torch.rand(9, 1, 8, 8)
    in_training = network(x)
    together = network.eval()(x)
    assert not torch.allclose(in_training, together)  # statistics of the batch there, those seen before here
    torch.testing.assert_close(network(x[3:4]), together[3:4], atol=1e-6, rtol=1e-5)


def test_the_prior_is_a_standard_normal():
    z = torch.randn(7, 3)
    vae = vae_of((5,), BernoulliLikelihood((5,)))
    expected = multivariate_normal(np.zeros(3), np.eye(3)).logpdf(z.numpy())
    np.testing.assert_allclose(vae.prior().log_prob(z), expected, rtol=1e-5)


def test_the_posterior_of_a_row_is_independent_across_latents_and_of_its_batch():
    vae = vae_of((5,), BernoulliLikelihood((5,)))
    x, z = torch.rand(4, 5), torch.randn(4, 3)
    q = vae.posterior(x)
    expected = [
        multivariate_normal(m.numpy(), np.diag(s.numpy() ** 2)).logpdf(row.numpy())
        for m, s, row in zip(q.mean.detach(), q.stddev.detach(), z, strict=True)
    ]
    np.testing.assert_allclose(q.log_prob(z).detach(), expected, rtol=1e-4)
    torch.testing.assert_close(vae.posterior(x[2:3]).mean, q.mean[2:3])


def test_a_posterior_keeps_a_width_however_extreme_the_input():
    vae = vae_of((5,), BernoulliLikelihood((5,)))
    q = vae.posterior(torch.tensor([[1e4] * 5, [-1e4] * 5]))
    assert (q.stddev > 0).all()
    assert torch.isfinite(q.log_prob(q.rsample())).all()


def test_densities_stay_in_single_precision_under_autocast():
    vae = ClassifiedVAE(vae_of((5,), BernoulliLikelihood((5,))), 2)
    x = torch.rand(4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        q = vae.vae.posterior(x)
        z = q.mean
        terms = [q.log_prob(z), vae.vae.likelihood(z).log_prob(x), vae.classify(z).logits]
    assert [term.dtype for term in terms] == [torch.float32] * 3
    torch.testing.assert_close(z, vae.vae.posterior(x).mean, atol=0.02, rtol=0.02)


def test_the_classifier_is_a_softmax_layer_on_the_latents():
    model = ClassifiedVAE(vae_of((5,), BernoulliLikelihood((5,))), 4)
    z = torch.randn(6, 3)
    weight, bias = (p.detach().numpy() for p in model.head.parameters())
    expected = softmax(z.numpy() @ weight.T + bias, axis=1)
    np.testing.assert_allclose(model.classify(z).probs.detach(), expected, rtol=1e-4, atol=1e-6)
