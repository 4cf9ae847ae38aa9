import pytest
import torch
from torch import nn

from sklvae.nn import (
    VAE,
    BernoulliLikelihood,
    GaussianLikelihood,
    NeighborVAE,
    TransferNet,
    conv_decoder,
    conv_encoder,
    convolutional_head,
    cut_encoder,
    feedforward_head,
    mlp_decoder,
    mlp_encoder,
    pooled_encoder,
    weighted_layers,
)
from sklvae.objectives import elbo, transfer_loss


def image_vae(event=(2, 9, 7), n_latent=3):
    torch.manual_seed(0)
    shift, scale = torch.rand(event), 1 + torch.rand(event)
    encoder = conv_encoder(event, (8,), 2 * n_latent, channels=(4, 6))
    decoder = conv_decoder(event, (8,), n_latent, channels=(4, 6))
    return VAE(encoder, decoder, GaussianLikelihood(shift, scale), n_latent)


@pytest.mark.parametrize("event", [(1, 4, 4), (2, 7, 5), (3, 11, 6), (1, 28, 28)])
@pytest.mark.parametrize("channels", [(3,), (3, 5)])
def test_every_convolution_learns_from_the_bound_and_images_keep_their_size(event, channels):
    torch.manual_seed(0)  # few channels may all be dead by chance
    encoder = conv_encoder(event, (8,), 6, channels=channels)
    vae = VAE(encoder, conv_decoder(event, (8,), 3, channels=channels), BernoulliLikelihood(event), 3)
    assert vae.decode(torch.zeros(2, 3)).shape == (2, *event)
    bound = elbo(vae, torch.rand(6, *event))
    (bound.log_likelihood - bound.kl).mean().backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "normalization",
    [nn.BatchNorm2d(6), nn.InstanceNorm2d(6, affine=True), nn.GroupNorm(2, 6)],
    ids=lambda layer: type(layer).__name__,
)
def test_a_normalization_of_maps_stays_with_its_convolution(normalization):
    layers = [nn.Conv2d(1, 6, 3), normalization, nn.ReLU(), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 4)]
    encoder = nn.Sequential(*layers)
    assert list(cut_encoder(encoder, 1)) == layers[:3]
    assert weighted_layers(encoder) == [layers[0], *layers[4:]]


def test_a_cut_after_pooled_convolutions_is_a_network_of_maps():
    kept = cut_encoder(pooled_encoder((1, 8, 8), (6,), 4), 2)
    assert kept(torch.rand(3, 1, 8, 8)).shape == (3, 32, 2, 2)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_what_was_cut_off_can_be_put_on_again(n_layers):
    encoder = image_vae().encoder
    kept = cut_encoder(encoder, n_layers)
    assert len(weighted_layers(kept)) == n_layers
    rest = nn.Sequential(*list(encoder)[len(kept) :])
    x = torch.rand(4, 2, 9, 7)
    torch.testing.assert_close(rest(kept(x)), encoder(x))


@pytest.mark.parametrize(("n_layers", "shape"), [(1, (4, 4, 3)), (2, (6, 2, 1)), (3, (8,)), (None, (3,))])
def test_features_are_those_of_the_encoder_on_standardized_inputs(n_layers, shape):
    vae = image_vae()
    net = TransferNet(vae, (2, 9, 7), n_layers=n_layers, head=feedforward_head, n_classes=5, freeze=True).eval()
    assert net.feature_shape == shape
    x = torch.rand(4, 2, 9, 7)
    standard = (x - vae.observation.shift) / vae.observation.scale
    features = vae.encode(x) if n_layers is None else cut_encoder(vae.encoder, n_layers)(standard)
    torch.testing.assert_close(net.classify(x).probs, net.head(features).softmax(dim=1))


def test_latent_features_are_means_alone_whatever_else_the_encoder_gives():
    vae = NeighborVAE(
        mlp_encoder((6,), [8], NeighborVAE.encoder_outputs(3)), mlp_decoder((6,), [8], 3), BernoulliLikelihood((6,)), 3
    )
    net = TransferNet(vae, (6,), n_layers=None, head=feedforward_head, n_classes=2, freeze=True).eval()
    x = torch.rand(4, 6)
    torch.testing.assert_close(net.features(x), vae.encode(x))


@pytest.mark.parametrize("n_layers", [0, 4, 9])
def test_a_cut_that_the_encoder_does_not_have_is_refused(n_layers):
    with pytest.raises(ValueError, match=rf"n_layers must be from 1 to 3 .* got {n_layers} for a Sequential"):
        cut_encoder(image_vae().encoder, n_layers)
    with pytest.raises(ValueError, match="for a Linear"):
        cut_encoder(nn.Linear(2, 2), 1)


@pytest.mark.parametrize("freeze", [True, False])
def test_the_loss_reaches_the_head_and_features_that_are_not_frozen_and_never_the_vae(freeze):
    vae = image_vae()
    net = TransferNet(vae, (2, 9, 7), n_layers=2, head=convolutional_head, n_classes=3, freeze=freeze)
    transfer_loss(net, torch.rand(6, 2, 9, 7), torch.arange(6) % 3)["loss"].mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.head.parameters())
    assert all((parameter.grad is None) == freeze for parameter in net.features.parameters())
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_the_loss_is_the_cross_entropy():
    net = TransferNet(image_vae(), (2, 9, 7), n_layers=3, head=feedforward_head, n_classes=3, freeze=False).eval()
    x, code = torch.rand(6, 2, 9, 7), torch.arange(6) % 3
    logits = net.head(net.features(net.observation.standardize(x)))
    expected = nn.functional.cross_entropy(logits, code, reduction="none")
    torch.testing.assert_close(transfer_loss(net, x, code)["loss"], expected)


def test_frozen_features_are_never_in_training():
    """Statistics of a batch norm move in training even where no gradient flows."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    vae = VAE(encoder, mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    for freeze in (True, False):
        net = TransferNet(vae, (6,), n_layers=2, head=feedforward_head, n_classes=2, freeze=freeze).train()
        net.classify(torch.rand(5, 6))
        assert (net.features[2].num_batches_tracked == 0) == freeze
        assert net.head.training


@pytest.mark.parametrize("shape", [(3, 1, 1), (4, 7, 5), (2, 6, 6)])
def test_a_convolutional_head_takes_maps_of_any_size(shape):
    head = convolutional_head(shape, 4)
    assert head(torch.zeros(2, *shape)).shape == (2, 4)
    kinds = [type(layer).__name__ for layer in head if any(True for _ in layer.parameters())]
    assert kinds == ["Conv2d", "Conv2d", "Linear"]


def test_heads_drop_in_training_only():
    for head, shape in ((feedforward_head, (8,)), (convolutional_head, (2, 4, 4))):
        x, module = torch.rand(3, *shape), head(shape, 2)
        assert not torch.equal(module(x), module(x))
        module.eval()
        torch.testing.assert_close(module(x), module(x), rtol=0, atol=0)
        dense = head(shape, 2, dropout=0.0)
        torch.testing.assert_close(dense(x), dense.eval()(x))


def test_probabilities_keep_their_precision_under_autocast():
    vae = VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)
    net = TransferNet(vae, (6,), n_layers=1, head=feedforward_head, n_classes=3, freeze=False).eval()
    x = torch.rand(5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        probability = net.classify(x).probs
    assert probability.dtype == torch.float32
    torch.testing.assert_close(probability, net.classify(x).probs, atol=0.02, rtol=0.02)
