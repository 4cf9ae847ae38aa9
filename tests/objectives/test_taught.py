"""The loss of rounds on views: each of its terms against what the definition says."""

import numpy as np
import pytest
import torch
from torch import nn

from sklvae.nn import VAE, BernoulliLikelihood, ClassifiedVAE
from sklvae.objectives import taught_loss

CERTAIN = 1e-12
NEARLY = {"atol": 1e-5, "rtol": 0.0}


class Same(nn.Module):
    """q(z|x) = N(x, ~0)."""

    def forward(self, x):
        return torch.cat([x, torch.full_like(x, np.log(CERTAIN))], dim=1)


@pytest.fixture
def model():
    """Two inputs are two latents, and those the logits of two classes."""
    vae = VAE(Same(), nn.Linear(2, 2), BernoulliLikelihood((2,)), 2).double()
    model = ClassifiedVAE(vae, 2).double()
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(2))
        model.head.bias.zero_()
    return model


def logits(*odds):
    """Inputs whose first class has these odds."""
    return torch.tensor([[np.log(odd), 0.0] for odd in odds], dtype=torch.float64)


def terms(model, x, augment=lambda x: x, guesses=True, **changes):
    n = len(x)
    batch = {
        "code": torch.zeros(n, dtype=torch.long),
        "weight": torch.zeros(n, dtype=torch.float64),
        "x_labeled": x,
        "code_labeled": torch.zeros(n, dtype=torch.long),
        "weight_labeled": torch.zeros(n, dtype=torch.float64),
    }
    return taught_loss(model, x, **{**batch, **changes}, beta=1.0, gamma=10.0, augment=augment, guesses=guesses)


def test_a_spread_label_costs_what_its_weight_says(model):
    weight = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    cost = terms(model, logits(3.0, 3.0, 3.0), weight=weight)["cross_entropy"]
    torch.testing.assert_close(cost, -weight * np.log(3 / 4), **NEARLY)


def test_only_a_sure_guess_is_taught_and_the_guess_is_about_the_row_as_it_is(model):
    sure, doubtful = 20.0, 18.0  # probabilities on both sides of 0.95
    guessed = terms(model, logits(sure, doubtful, 1 / sure), augment=lambda x: -x)["guessed"]
    expected = -np.log(np.array([1 / 21, 1.0, 1 / 21]))  # the view says the opposite of what the row says
    torch.testing.assert_close(guessed, torch.from_numpy(expected), **NEARLY)


def test_nothing_is_learned_by_guessing(model):
    x = logits(20.0).requires_grad_()
    terms(model, x, augment=lambda x: 0 * x)["guessed"].sum().backward()
    assert x.grad.abs().max() == 0  # the view is the same whatever the row is


def test_without_guesses_all_else_is_taught_alike(model):
    x, ones = logits(20.0, 3.0), torch.ones(2, dtype=torch.float64)
    given = terms(model, x, weight=ones, weight_labeled=ones)
    without = terms(model, x, weight=ones, weight_labeled=ones, guesses=False)
    assert given.pop("guessed").max() > 0
    torch.testing.assert_close(without.pop("guessed"), 0 * ones)
    assert (without.pop("loss") < given.pop("loss")).any()
    torch.testing.assert_close(without, given, **NEARLY)


def test_known_labels_weigh_as_much_as_all_others_and_a_quarter_of_them_is_seen(model):
    x_labeled = logits(*[3.0] * 2, *[99.0] * 6)
    weight = torch.tensor([1.0, 0.5, *[1.0] * 6], dtype=torch.float64)
    known = terms(model, logits(*[1.0] * 8), x_labeled=x_labeled, weight_labeled=weight)["known"]
    torch.testing.assert_close(known, torch.full((8,), -0.75 * np.log(3 / 4), dtype=torch.float64), **NEARLY)


def test_the_loss_is_the_sum_of_its_terms(model):
    ones = torch.ones(4, dtype=torch.float64)
    t = terms(model, logits(20.0, 3.0, 1.0, 0.5), weight=ones, weight_labeled=ones)
    taught = t["cross_entropy"] + t["guessed"] + t["known"]
    torch.testing.assert_close(t["loss"] - 10 * taught, t["reconstruction"] + t["kl"])
