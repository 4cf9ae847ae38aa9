import pytest
import torch
from torch import nn

from sklvae.nn import ResNet


def test_width_64_is_resnet_18():
    """Its 18 layers with weights, and as many parameters as the form for 32 x 32 images has elsewhere."""
    network = ResNet((3, 24, 24), 10, width=64)
    weighted = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d) and m.weight.shape[2:] != (1, 1)]
    assert len(weighted) == 18
    assert sum(p.numel() for p in network.parameters()) == 11_173_962


@pytest.mark.parametrize(
    ("event", "first", "last"),
    [((1, 8, 8), 8, 1), ((1, 28, 28), 14, 2), ((3, 96, 96), 24, 3), ((3, 30, 61), 15, 2), ((2, 3, 5), 3, 1)],
)
def test_small_and_larger_images_go_through(event, first, last):
    network = ResNet(event, 4, width=4, n_blocks=1)
    x = torch.rand(2, *event)
    stem = network.stem(x)
    assert min(stem.shape[2:]) == first
    stages = nn.Sequential(network.stage1, network.stage2, network.stage3, network.stage4)(stem)
    assert stages.shape[1] == 32
    assert min(stages.shape[2:]) == last
    assert network(x).shape == (2, 4)


def test_a_sample_does_not_depend_on_the_rows_beside_it_even_in_training():
    torch.manual_seed(0)
    network, x = ResNet((1, 8, 8), 3, width=8).train(), torch.rand(6, 1, 8, 8)
    torch.testing.assert_close(network(x)[:2], network(x[:2]))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"n_blocks": 0}, {"width": 1.5}])
def test_sizes_are_positive_integers(wrong):
    with pytest.raises(ValueError, match=r"width and n_blocks must be integers >= 1, got"):
        ResNet((1, 8, 8), 3, **wrong)


def test_every_parameter_learns():
    torch.manual_seed(0)
    network = ResNet((1, 8, 8), 3, width=4)
    network(torch.rand(4, 1, 8, 8)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())
