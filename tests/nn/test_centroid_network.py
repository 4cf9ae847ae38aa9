import copy
import pickle

import pytest
import torch
from torch import nn

from sklvae.nn import CentroidNetwork


def conv_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))


def make(network, event, layers, **options):
    return CentroidNetwork(network, torch.zeros(event), torch.ones(event), layers, **options)


def hooks_of(model):
    return [hook for module in model.modules() for hook in module._forward_hooks.values()]


def test_activations_are_those_of_the_layers_pooled_or_flat():
    network, x = conv_network(), torch.rand(5, 1, 6, 6)
    maps = network[1](network[0](x))
    q, (averaged, hidden) = make(network, (1, 6, 6), ["1", "2"])(x)
    torch.testing.assert_close(averaged, maps.mean((2, 3)))
    torch.testing.assert_close(hidden, maps.flatten(1))
    torch.testing.assert_close(q.probs, network(x).softmax(1))
    _, (flat,) = make(network, (1, 6, 6), ["1"], average=False)(x)
    torch.testing.assert_close(flat, maps.flatten(1))


def test_inputs_are_standardized():
    network, x = nn.Sequential(nn.Identity(), nn.Linear(2, 3)), torch.tensor([[3.0, 5.0]])
    model = CentroidNetwork(network, torch.tensor([1.0, 5.0]), torch.tensor([2.0, 4.0]), ["0"])
    assert model(x)[1][0].tolist() == [[1.0, 0.0]]


def test_no_hook_outlives_a_call_even_one_that_fails():
    model = make(conv_network(), (1, 6, 6), ["1"])
    model(torch.rand(2, 1, 6, 6))
    assert hooks_of(model) == []
    with pytest.raises(RuntimeError):
        model(torch.rand(2, 1, 3, 1))
    assert hooks_of(model) == []
    x = torch.rand(2, 1, 6, 6)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        torch.testing.assert_close(again(x)[1][0], model(x)[1][0])


def test_a_layer_that_writes_to_its_input_changes_nothing_that_was_seen():
    layers = nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)
    x = torch.randn(5, 3)
    _, (seen,) = make(nn.Sequential(*layers), (3,), ["0"])(x)
    torch.testing.assert_close(seen, layers[0](x))
    seen.sum().backward()
    assert layers[0].weight.grad is not None


def test_hooks_of_the_user_stay():
    network, seen = conv_network(), []
    network[1].register_forward_hook(lambda *args: seen.append(1))
    make(network, (1, 6, 6), ["1"])(torch.rand(2, 1, 6, 6))
    assert seen == [1]
    assert len(hooks_of(network)) == 1


def test_dropout_is_for_training_and_comes_after_what_is_seen():
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Identity(), nn.Identity()), torch.ones(2000, 1)
    model = make(network, (1,), ["0"], output_dropout=0.25)
    _, (seen,) = model.train()(x)
    assert (seen == 1).all()
    left = []  # logits of one class say nothing: look at what leaves the layer
    network[1].register_forward_pre_hook(lambda module, args: left.append(args[0]))
    model(x)
    assert left[0].eq(0).double().mean() == pytest.approx(0.25, abs=0.05)
    assert left[0].max() == pytest.approx(1 / 0.75)
    model.eval()(x)
    assert left[1].eq(1).all()
    dropped = make(network, (1,), ["0"], input_dropout=0.5).train()(x)[1][0]
    assert dropped.eq(0).double().mean() == pytest.approx(0.5, abs=0.05)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused, self.twice = nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()
        self.recurrent = nn.GRU(2, 2, batch_first=True)

    def forward(self, x):
        self.recurrent(x[:, None])
        return self.twice(self.used(self.twice(x)))


@pytest.mark.parametrize(("layer", "came"), [("unused", "was not called"), ("recurrent", "gave a tuple")])
def test_a_layer_that_gives_no_tensor_is_named(layer, came):
    with pytest.raises(ValueError, match=f"layers: '{layer}' {came}, but the activations"):
        make(Odd(), (2,), [layer])(torch.rand(3, 2))


def test_of_a_layer_that_is_called_twice_the_last_call_counts():
    network, x = Odd(), torch.randn(3, 2)
    _, (seen,) = make(network, (2,), ["twice"])(x)
    torch.testing.assert_close(seen, network(x))
