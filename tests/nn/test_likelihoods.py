import numpy as np
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal
from torch.nn import functional as F

from sklvae.nn import BernoulliLikelihood, GaussianLikelihood


def gaussian(event):
    torch.manual_seed(0)
    likelihood = GaussianLikelihood(5 * torch.randn(event), 0.1 + 3 * torch.rand(event)).double()
    torch.nn.init.normal_(likelihood.log_sigma)
    return likelihood


def test_the_gaussian_density_of_an_image_is_a_diagonal_normal_over_its_pixels():
    likelihood = gaussian((2, 3, 4))
    output, x = torch.randn(5, 2, 3, 4).double(), 4 * torch.randn(5, 2, 3, 4).double()
    shift, scale = likelihood.shift.numpy().ravel(), likelihood.scale.numpy().ravel()
    sigma = np.exp(likelihood.log_sigma.detach().numpy().ravel()) + likelihood.min_sigma
    expected = [
        multivariate_normal(shift + scale * o.numpy().ravel(), np.diag((scale * sigma) ** 2)).logpdf(
            row.numpy().ravel()
        )
        for o, row in zip(output, x, strict=True)
    ]
    np.testing.assert_allclose(likelihood(output).log_prob(x).detach(), expected)


def test_the_gaussian_density_changes_with_the_units_as_a_density_does():
    """p(x) dx = p(u) du for u = (x - shift) / scale: log p(x) = log p(u) - sum log scale."""
    likelihood = gaussian((6,))
    unit = GaussianLikelihood(torch.zeros(6), torch.ones(6)).double()
    unit.load_state_dict({**unit.state_dict(), "log_sigma": likelihood.log_sigma.detach()})
    output, x = torch.randn(5, 6).double(), torch.randn(5, 6).double()
    in_units = unit(output).log_prob(likelihood.standardize(x)) - likelihood.scale.log().sum()
    torch.testing.assert_close(likelihood(output).log_prob(x), in_units)


def test_the_gaussian_density_has_mass_one_in_the_users_units():
    likelihood = gaussian((1,))
    density = likelihood(torch.tensor([[0.3]], dtype=torch.float64))
    center = density.mean.item()

    def p(x):
        return density.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item()

    assert np.isclose(quad(p, center - 100, center + 100, points=[center])[0], 1)


def test_a_feature_that_is_predicted_exactly_has_a_finite_density():
    likelihood = gaussian((2,))
    with torch.no_grad():
        likelihood.log_sigma.fill_(-1e3)
    density = likelihood(torch.zeros(1, 2, dtype=torch.float64))
    smallest = likelihood.scale * likelihood.min_sigma
    torch.testing.assert_close(density.stddev[0], smallest)
    assert torch.isfinite(density.log_prob(density.mean)).all()


def test_the_bernoulli_density_of_an_image_is_summed_over_its_pixels():
    logits, x = 3 * torch.randn(4, 2, 3, 3), torch.rand(4, 2, 3, 3)
    density = BernoulliLikelihood((2, 3, 3))(logits)
    expected = [
        -F.binary_cross_entropy(torch.sigmoid(o), row, reduction="sum") for o, row in zip(logits, x, strict=True)
    ]
    torch.testing.assert_close(density.log_prob(x), torch.stack(expected), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(density.mean, torch.sigmoid(logits))


def test_black_and_white_pixels_that_are_predicted_with_certainty_cost_nothing():
    x = torch.tensor([[0.0, 1.0, 1.0]])
    assert BernoulliLikelihood((3,))(200 * (x - 0.5)).log_prob(x).item() > -1e-30
    assert torch.isfinite(BernoulliLikelihood((3,))(-1e4 * (x - 0.5)).log_prob(x)).all()
