import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from sklvae.nn import GMDGM, M2, BernoulliLikelihood, conv_decoder, conv_encoder, mlp_decoder, mlp_encoder
from sklvae.objectives import class_elbo, elbo, labeled_bound, m2_loss, started_loss, unlabeled_bound

N_CLASSES, N_LATENT = 4, 3
MODELS = [M2, GMDGM]


def build(kind, event=(6,), seed=0, n_classes=N_CLASSES):
    """A small random model in double precision."""
    torch.manual_seed(seed)
    encoder, decoder = (conv_encoder, conv_decoder) if len(event) == 3 else (mlp_encoder, mlp_decoder)
    prior = torch.rand(n_classes) + 0.5
    model = kind(
        encoder(event, [8], n_classes),
        encoder(event, [], 8),
        decoder(event, [8], N_LATENT + (n_classes if kind is M2 else 0)),
        BernoulliLikelihood(event),
        prior / prior.sum(),
        n_hidden=8,
        n_latent=N_LATENT,
    )
    return model.double()


def data(event=(6,), n=5):
    return torch.rand(n, *event, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def without_noise(monkeypatch):
    """Every draw of z is the posterior mean, so that a bound is a number and not an estimate."""
    monkeypatch.setattr(Normal, "rsample", lambda self, shape=(): self.loc)


@pytest.mark.parametrize("event", [(6,), (1, 4, 6), (3, 5, 5)])
@pytest.mark.parametrize("kind", MODELS)
def test_all_classes_at_once_are_one_class_after_the_other(kind, event, monkeypatch):
    without_noise(monkeypatch)
    model, x = build(kind, event), data(event)
    joint = labeled_bound(model, x, model.every_y())
    assert joint.shape == (N_CLASSES, 5)
    for k in range(N_CLASSES):
        y = torch.eye(N_CLASSES, dtype=torch.float64)[k].expand(5, -1)
        torch.testing.assert_close(labeled_bound(model, x, y), joint[k])


@pytest.mark.parametrize("kind", MODELS)
def test_the_best_classifier_makes_the_bound_a_log_sum(kind, monkeypatch):
    """At q(y|x) proportional to exp L(x, y), L(x) is log sum_y exp L(x, y): nothing is larger."""
    without_noise(monkeypatch)
    model, x = build(kind), data()
    joint = labeled_bound(model, x, model.every_y()).detach()
    assert (unlabeled_bound(model, x) < joint.logsumexp(dim=0)).all()
    monkeypatch.setattr(type(model), "classify", lambda self, x: Categorical(logits=joint.T))
    torch.testing.assert_close(unlabeled_bound(model, x), joint.logsumexp(dim=0))


@pytest.mark.parametrize("kind", MODELS)
def test_no_class_is_a_plain_vae(kind):
    model, x = build(kind), data()
    y = torch.zeros(N_CLASSES, dtype=torch.float64)

    class Plain:
        """The same networks without y."""

        def posterior(self, x):
            return model.posterior(model.features(x), y)

        def likelihood(self, z):
            decoder_input = torch.cat([z, torch.zeros(len(z), N_CLASSES)], dim=-1) if kind is M2 else z
            return model.observation(model.decoder(decoder_input))

        def prior(self):
            return Independent(Normal(torch.zeros(N_LATENT).double(), torch.ones(N_LATENT).double()), 1)

    torch.manual_seed(0)
    found = class_elbo(model, x, y)
    torch.manual_seed(0)
    expected = elbo(Plain(), x)
    for term, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(term, reference)


def test_the_classes_of_the_mixture_model_add_up_to_a_mixture():
    model, z = build(GMDGM), torch.randn(7, N_LATENT, dtype=torch.float64)
    components = model.prior(torch.eye(N_CLASSES, dtype=torch.float64))
    expected = MixtureSameFamily(model.class_prior(), components).log_prob(z)
    joint = model.prior(model.every_y()).log_prob(z) + model.class_probs.log()[:, None]
    torch.testing.assert_close(joint.logsumexp(dim=0), expected)


@pytest.mark.parametrize("kind", MODELS)
def test_every_parameter_gets_a_gradient(kind):
    model, x = build(kind), data()
    m2_loss(model, x, data(), torch.tensor([0, 1, 2, 3, 0]), beta=1.0, alpha=1.0)["loss"].mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("kind", MODELS)
def test_renaming_the_classes_changes_nothing(kind, monkeypatch):
    without_noise(monkeypatch)
    model, x, order = build(kind), data(), torch.tensor([2, 0, 3, 1])
    bound, codes = unlabeled_bound(model, x), torch.tensor([0, 1, 2, 3, 0])
    loss = m2_loss(model, x, x, codes, beta=0.5, alpha=2.0)["loss"]
    with torch.no_grad():
        for row in (model.classifier[-1].weight, model.classifier[-1].bias, model.class_probs):
            row.copy_(row[order].clone())
        columns = [model.embed_y.weight]
        columns += [model.location.weight, model.log_scale.weight] if kind is GMDGM else []
        for column in columns:
            column.copy_(column[:, order].clone())
        if kind is M2:
            first = model.decoder[0].weight
            first[:, N_LATENT:] = first[:, N_LATENT:][:, order].clone()
    torch.testing.assert_close(unlabeled_bound(model, x), bound)
    torch.testing.assert_close(m2_loss(model, x, x, order.argsort()[codes], beta=0.5, alpha=2.0)["loss"], loss)


def gradient(model, loss):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()), allow_unused=False)])


@settings(max_examples=3)
@given(st.sampled_from(MODELS), st.integers(1, 4))
def test_the_truncated_sum_is_right_on_average_in_value_and_gradient(kind, n_exact):
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_noise(monkeypatch)
        model, x = build(kind, n_classes=6), data(n=3)
        exact = unlabeled_bound(model, x).sum()
        values, gradients = [], []
        torch.manual_seed(0)
        for _ in range(400):
            value = unlabeled_bound(model, x, n_exact=n_exact).sum()
            values.append(value.item())
            gradients.append(gradient(model, value))
        gradients = torch.stack(gradients).numpy()
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values) - exact.item()) < 5 * error + 1e-6
        off = np.abs(gradients.mean(axis=0) - gradient(model, exact).numpy())
        assert (off < 6 * gradients.std(axis=0) / np.sqrt(len(gradients)) + 1e-6).all()


@pytest.mark.parametrize("kind", MODELS)
def test_summing_all_but_one_class_leaves_nothing_to_draw(kind, monkeypatch):
    without_noise(monkeypatch)
    model, x = build(kind), data()
    torch.testing.assert_close(unlabeled_bound(model, x, n_exact=N_CLASSES - 1), unlabeled_bound(model, x))


@pytest.mark.parametrize("kind", MODELS)
def test_beta_weighs_the_kl_and_alpha_the_cross_entropy(kind, monkeypatch):
    without_noise(monkeypatch)
    model, x, codes = build(kind), data(), torch.tensor([0, 1, 2, 3, 0])
    every_y = model.every_y()
    kl = class_elbo(model, x, every_y).kl
    q = model.classify(x).probs.T
    difference = unlabeled_bound(model, x, beta=1.0) - unlabeled_bound(model, x, beta=3.0)
    torch.testing.assert_close(difference, 2 * (q * kl).sum(dim=0))
    terms = {alpha: m2_loss(model, x, x, codes, beta=1.0, alpha=alpha) for alpha in (0.0, 2.0)}
    expected = -2 * model.classify(x).probs.log()[range(5), codes]
    torch.testing.assert_close(terms[2.0]["loss"] - terms[0.0]["loss"], expected)


@pytest.mark.parametrize("kind", MODELS)
def test_rows_are_held_to_the_class_they_started_in_by_views_of_them(kind, monkeypatch):
    without_noise(monkeypatch)
    model, x, codes = build(kind), data(), torch.tensor([0, 1, 2, 3, 0])
    weight = torch.tensor([1.0, 0.5, 0.0, 1.0, 1.0], dtype=torch.float64)
    plain = m2_loss(model, x, beta=1.0, alpha=2.0)["loss"]
    held = m2_loss(model, x, code=codes, weight=weight, beta=1.0, alpha=2.0, augment=torch.neg)["loss"]
    of_views = model.classify(-x).probs.log()[range(5), codes]
    torch.testing.assert_close(held - plain, -2 * weight * of_views)
    taught = started_loss(model, x, codes, weight, beta=1.0, alpha=2.0, augment=torch.neg)["loss"]
    y = torch.eye(N_CLASSES, dtype=torch.float64)[codes]
    torch.testing.assert_close(taught, -weight * (labeled_bound(model, x, y) + 2 * of_views))


@pytest.mark.parametrize("kind", MODELS)
def test_labeled_rows_are_classified_by_their_views_and_bounded_as_they_are(kind, monkeypatch):
    without_noise(monkeypatch)
    model, x, codes = build(kind), data(), torch.tensor([0, 1, 2, 3, 0])
    plain, viewed = (m2_loss(model, x, x, codes, beta=1.0, alpha=2.0, augment=view) for view in (None, torch.neg))
    torch.testing.assert_close(viewed["bound"], plain["bound"])
    difference = model.classify(x).probs.log() - model.classify(-x).probs.log()
    torch.testing.assert_close(viewed["loss"] - plain["loss"], 2 * difference[range(5), codes])
