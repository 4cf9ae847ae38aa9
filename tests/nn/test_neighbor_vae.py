import torch
from torch.nn import functional as F

from sklvae.nn import VAE, BernoulliLikelihood, NeighborVAE, mlp_decoder, mlp_encoder


def test_posterior_and_direction_are_parts_of_one_output():
    encoder = mlp_encoder((6,), [8], NeighborVAE.encoder_outputs(2))
    vae = NeighborVAE(encoder, mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    x = torch.rand(5, 6)
    output = encoder(x)
    torch.testing.assert_close(vae.encode(x), output[:, :2])
    torch.testing.assert_close(vae.direction(x), F.normalize(output[:, 4:], dim=1))
    torch.testing.assert_close(vae.direction(x).norm(dim=1), torch.ones(5))


def test_the_posterior_is_that_of_a_plain_vae_with_the_same_weights():
    encoder = mlp_encoder((6,), [8], NeighborVAE.encoder_outputs(2))
    plain = mlp_encoder((6,), [8], VAE.encoder_outputs(2))
    state = {name: value[:4] if name.startswith("3") else value for name, value in encoder.state_dict().items()}
    plain.load_state_dict(state)
    decoder, observation, x = mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), torch.rand(5, 6)
    one, other = NeighborVAE(encoder, decoder, observation, 2), VAE(plain, decoder, observation, 2)
    torch.testing.assert_close(one.posterior(x).mean, other.posterior(x).mean)
    torch.testing.assert_close(one.posterior(x).stddev, other.posterior(x).stddev)


def test_a_plain_vae_has_the_directions_of_its_posterior_means():
    vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    x = torch.rand(5, 6)
    posterior, direction = vae.posterior_and_direction(x)
    torch.testing.assert_close(posterior.mean, vae.encode(x))
    torch.testing.assert_close(direction, vae.encode(x) / vae.encode(x).norm(dim=1, keepdim=True))
    torch.testing.assert_close(vae.direction(x), direction)
