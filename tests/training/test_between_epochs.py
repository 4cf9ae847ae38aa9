import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklvae.training import Options, Rows, train


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.spared = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.body.weight.fill_(2.0)
            self.spared.weight.fill_(2.0)


def nothing_to_learn(model, x):
    return {"loss": 0.0 * (model.body(x) + model.spared(x))[:, 0]}


def trained(**changes):
    model, each_epoch = Two(), changes.pop("each_epoch", None)
    device = torch.device("cpu")
    defaults = {"batch_size": 4, "lr": 0.1, "optimizer": "sgd", "device": device, "precision": torch.float32}
    options = Options(**{**defaults, **changes})
    rows = Rows(np.zeros((8, 2), dtype=np.float32), (2,))
    return model, train(model, nothing_to_learn, rows, max_epochs=3, seed=0, options=options, each_epoch=each_epoch)


def test_weights_decay_but_for_those_that_are_spared():
    """Six steps of plain gradient descent on the squared norm."""
    model, _ = trained(weight_decay=0.5, undecayed="*.spared.*")
    np.testing.assert_allclose(model.body.weight.detach(), 2 * (1 - 0.1 * 0.5) ** 6, rtol=1e-6)
    np.testing.assert_array_equal(model.spared.weight.detach(), 2)
    model, _ = trained(weight_decay=0.5)
    np.testing.assert_allclose(model.spared.weight.detach(), 2 * (1 - 0.1 * 0.5) ** 6, rtol=1e-6)
    model, _ = trained(undecayed="*.spared.*")
    np.testing.assert_array_equal(model.body.weight.detach(), 2)


def test_a_function_is_called_as_each_epoch_begins_and_forgotten_at_the_end():
    seen = []

    def watch(epoch):
        seen.append(epoch)
        return {"square": epoch**2}

    _, net = trained(each_epoch=watch)
    assert seen == [0, 1, 2]
    assert [record["square"] for record in net.completed] == [0, 1, 4]
    pickle.dumps(net.callbacks)  # a function inside a function could not be
    net.notify("on_epoch_begin", dataset_train=None, dataset_valid=None)
    assert seen == [0, 1, 2]


def test_no_weight_decay_is_none_whatever_the_optimizer_would_take():
    model, _ = trained(weight_decay=0.0, optimizer="adamw")
    np.testing.assert_array_equal(model.body.weight.detach(), 2)
    model, _ = trained(optimizer="adamw")
    assert (model.body.weight < 2).all()  # torch's own default


def test_an_optimizer_without_weight_decay_is_named():
    with pytest.raises(ValueError, match=r"Rprop has no weight decay, got 0.1. Use weight_decay=0"):
        trained(weight_decay=0.1, optimizer=torch.optim.Rprop)
    trained(weight_decay=0.0, optimizer=torch.optim.Rprop)
