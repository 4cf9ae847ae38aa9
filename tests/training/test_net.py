import signal
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklvae.nn import VAE, BernoulliLikelihood, mlp_decoder, mlp_encoder
from sklvae.objectives import beta_vae_loss
from sklvae.training import NonFiniteLossError, Options, Rows, fresh_seed, make_net, no_objective, seeded, train
from sklvae.training import _data as data_module


def options(**changes):
    settings = {"batch_size": 16, "lr": 1e-3, "optimizer": "adam", "device": torch.device("cpu")}
    return Options(**{**settings, "precision": torch.float32, **changes})


def linear(weight=(0.0, 0.0)):
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weight]))
    return model


def squared_error(model, x, target):
    """No randomness: what training does to it can be worked out by hand."""
    return {"loss": (model(x)[:, 0] - target) ** 2}


def regression(n=48):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    return x, (x @ [1.5, -0.5] + 2).astype(np.float32)


def test_the_rate_falls_along_a_cosine_to_zero_where_that_is_asked_for():
    x, target = regression()
    rows = Rows(x, (2,), target=target)

    def rates(**changes):
        seen = []

        class Watch(Callback):
            def on_batch_end(self, net, **kwargs):
                seen.append(net.optimizer_.param_groups[0]["lr"])

        train(
            linear(),
            squared_error,
            rows,
            max_epochs=2,
            seed=0,
            options=options(optimizer="sgd", lr=0.1, callbacks=[Watch()], **changes),
        )
        return seen

    steps = np.arange(1, 7)  # two epochs of three batches, each seen once its step is done
    np.testing.assert_allclose(rates(anneal=True), 0.05 * (1 + np.cos(np.pi * steps / 6)), atol=1e-12)
    assert rates() == [0.1] * 6


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return VAE(mlp_encoder((6,), [8], 4), mlp_decoder((6,), [8], 2), BernoulliLikelihood((6,)), 2)


@pytest.fixture
def rows():
    return Rows(np.random.default_rng(0).random((50, 6), dtype=np.float32), (6,))


def surroundings():
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global generator is what must not change
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (kind, keys.tolist(), *rest),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
    }


def test_training_leaves_generators_threads_and_defaults_as_they_were(vae, rows):
    before, initial = surroundings(), weights(vae)
    train(vae, partial(beta_vae_loss, beta=1.0), rows, max_epochs=2, seed=0, options=options())
    assert surroundings() == before
    assert not same(initial, weights(vae))


def test_training_that_fails_leaves_the_generator_as_it_was(vae, rows):
    before = surroundings()
    with pytest.raises(NonFiniteLossError):
        train(vae, lambda model, x: {"loss": x.sum(1) * np.nan}, rows, max_epochs=1, seed=0, options=options())
    assert surroundings() == before


def test_the_step_is_that_of_the_mean_over_the_batch():
    """w - lr * d/dw mean (w x - t)^2, worked out with numpy."""
    x, target = regression()
    model = linear((0.5, 0.5))
    train(
        model,
        squared_error,
        Rows(x, (2,), target=target),
        max_epochs=1,
        seed=0,
        options=options(batch_size=48, optimizer="sgd", lr=0.1),
    )
    gradient = (2 * (x @ [0.5, 0.5] - target)[:, None] * x).mean(axis=0)
    np.testing.assert_allclose(model.weight.detach()[0], 0.5 - 0.1 * gradient, rtol=1e-5)


def test_repeated_rows_change_no_step():
    x, target = regression()
    found = []
    for times in (1, 4):
        model = linear()
        repeated = Rows(np.tile(x, (times, 1)), (2,), target=np.tile(target, times))
        settings = options(batch_size=48 * times, optimizer="sgd", lr=0.1)
        train(model, squared_error, repeated, max_epochs=3, seed=0, options=settings)
        found.append(model.weight.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "step"),
    [
        ("sgd", lambda w, g: w - 0.1 * g),
        ("adam", lambda w, g: w - 0.1 * np.sign(g)),
        ("adamw", lambda w, g: w * (1 - 0.1 * 0.01) - 0.1 * np.sign(g)),
        (torch.optim.RMSprop, lambda w, g: w - 0.1 * g / np.sqrt(0.01 * g**2)),
    ],
)
def test_an_optimizer_is_chosen_by_name_or_class(optimizer, step):
    """The first step of each, from its paper."""
    x, target = regression()
    model = linear((0.5, 0.5))
    settings = options(batch_size=48, optimizer=optimizer, lr=0.1)
    train(model, squared_error, Rows(x, (2,), target=target), max_epochs=1, seed=0, options=settings)
    gradient = (2 * (x @ [0.5, 0.5] - target)[:, None] * x).mean(axis=0)
    np.testing.assert_allclose(model.weight.detach()[0], step(0.5, gradient), rtol=1e-4)


def test_the_record_of_an_epoch_weighs_samples_and_not_batches():
    """The last batch holds 2 of 50 rows; a mean of batch means would count them 8 times."""
    x = np.concatenate([np.zeros(40), np.arange(10.0)]).astype(np.float32)[:, None]
    model = nn.Linear(1, 1)

    def objective(model, x):
        return {"loss": x[:, 0] + 0 * model(x)[:, 0], "square": x[:, 0] ** 2}

    net = train(model, objective, Rows(x, (1,)), max_epochs=3, seed=0, options=options())
    assert net.history[:, "train_loss"] == pytest.approx([x.mean()] * 3)
    assert net.history[:, "square"] == pytest.approx([(x**2).mean()] * 3)


def test_a_term_of_some_batches_is_a_mean_over_those():
    x = np.arange(50, dtype=np.float32)[:, None]
    model = nn.Linear(1, 1)

    def objective(model, x):
        terms = {"loss": x[:, 0] + 0 * model(x)[:, 0]}
        return terms if len(x) > 2 else {**terms, "rest": torch.full((len(x),), 3.0)}

    net = train(model, objective, Rows(x, (1,)), max_epochs=1, seed=0, options=options())
    assert net.history[:, "rest"] == [3.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_named_with_its_place_and_a_remedy(bad):
    x, target = regression()
    calls = []

    def objective(model, x, target):
        calls.append(1)
        return {"loss": squared_error(model, x, target)["loss"] * (bad if len(calls) == 5 else 1.0)}

    model = linear()
    message = rf"became {bad} in epoch 2, batch 2\. Try a smaller lr \(now 0\.001\), standardize X"
    with pytest.raises(NonFiniteLossError, match=message):
        train(model, objective, Rows(x, (2,), target=target), max_epochs=9, seed=0, options=options())
    assert len(calls) == 5
    assert torch.isfinite(model.weight).all()


class Recorder(Callback):
    def __init__(self, interrupt_after=None):
        self.interrupt_after = interrupt_after
        self.seen = []

    def on_train_begin(self, net, **kwargs):
        self.seen.append("train")

    def on_epoch_begin(self, net, **kwargs):
        if self.seen.count("epoch") == self.interrupt_after:
            raise KeyboardInterrupt

    def on_batch_end(self, net, training, **kwargs):
        self.seen.append("batch")

    def on_epoch_end(self, net, **kwargs):
        self.seen.append("epoch")

    def on_train_end(self, net, **kwargs):
        self.seen.append("end")


def test_callbacks_hear_of_every_batch_and_epoch(vae, rows):
    callback = Recorder()
    settings = options(callbacks=[callback])
    net = train(vae, partial(beta_vae_loss, beta=1.0), rows, max_epochs=2, seed=0, options=settings)
    assert callback.seen == ["train", *(["batch"] * 4 + ["epoch"]) * 2, "end"]
    assert not net.interrupted_


def test_an_interruption_keeps_what_was_learned_until_then(vae, rows):
    initial = weights(vae)
    settings = options(callbacks=[Recorder(interrupt_after=2)])
    objective = partial(beta_vae_loss, beta=1.0)
    net = train(vae, objective, rows, max_epochs=9, seed=0, options=settings)
    assert net.interrupted_
    assert len(net.completed) == 2
    interrupted = weights(vae)
    vae.load_state_dict(initial)
    assert not train(vae, objective, rows, max_epochs=2, seed=0, options=options()).interrupted_
    assert same(interrupted, weights(vae))


def test_half_precision_is_for_the_layers_and_not_for_the_terms(vae, rows):
    layers = []
    vae.encoder[1].register_forward_hook(lambda module, inputs, output: layers.append(output.dtype))
    terms = []

    def objective(model, x):
        found = beta_vae_loss(model, x, beta=1.0)
        terms.extend(term.dtype for term in found.values())
        return found

    net = train(vae, objective, rows, max_epochs=1, seed=0, options=options(precision=torch.bfloat16))
    assert set(layers) == {torch.bfloat16}
    assert set(terms) == {torch.float32}
    assert {parameter.dtype for parameter in vae.parameters()} == {torch.float32}
    plain = train(vae, partial(beta_vae_loss, beta=1.0), rows, max_epochs=1, seed=0, options=options())
    assert net.history[-1, "train_loss"] == pytest.approx(plain.history[-1, "train_loss"], rel=0.05)


def test_pixels_are_made_float_no_more_than_a_batch_at_a_time(vae, monkeypatch):
    made = []

    def spy(x, *arguments):
        made.append((len(x), x.dtype))
        return to_batch(x, *arguments)

    to_batch = data_module.to_batch
    monkeypatch.setattr(data_module, "to_batch", spy)
    x = np.random.default_rng(0).integers(0, 256, (50, 6), dtype=np.uint8)
    train(vae, partial(beta_vae_loss, beta=1.0), Rows(x, (6,)), max_epochs=2, seed=0, options=options())
    assert sum(n for n, _ in made) == 2 * 50
    assert max(n for n, _ in made) == 16
    assert {dtype for _, dtype in made} == {np.dtype(np.uint8)}


def test_a_net_without_its_objective_says_how_to_train(vae, rows):
    net = make_net(vae, no_objective, max_epochs=1, options=options())
    with pytest.raises(RuntimeError, match=r"without its objective\. Call fit of its estimator"):
        net.fit(rows)


def test_a_seeded_block_depends_on_its_seed_alone_and_ends_where_it_began():
    cpu = torch.device("cpu")
    before = torch.get_rng_state()
    with seeded(3, cpu):
        first = torch.rand(4)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(9)
    with seeded(3, cpu):
        assert torch.equal(first, torch.rand(4))


def test_seeds_come_from_the_random_state_and_differ():
    draws = [[fresh_seed(rng) for _ in range(50)] for rng in (np.random.RandomState(0), np.random.RandomState(0))]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 50


def test_a_submodule_has_a_learning_rate_of_its_own():
    """The first step of plain gradient descent, once for each rate."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = linear((0.5, 0.5)), linear((0.5, 0.5))

        def forward(self, x):
            return self.first(x) + self.second(x)

    x, target = regression()
    model = Two()
    settings = options(batch_size=48, optimizer="sgd", lr=0.1, rates={"first": 0.01})
    train(model, squared_error, Rows(x, (2,), target=target), max_epochs=1, seed=0, options=settings)
    gradient = (2 * (x @ [1.0, 1.0] - target)[:, None] * x).mean(axis=0)
    np.testing.assert_allclose(model.first.weight.detach()[0], 0.5 - 0.01 * gradient, rtol=1e-5)
    np.testing.assert_allclose(model.second.weight.detach()[0], 0.5 - 0.1 * gradient, rtol=1e-5)


class AtTheEndOfAnEpoch(Callback):
    def __init__(self, do):
        self.do = do

    def on_epoch_end(self, net, **kwargs):
        self.do()


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("do", "interrupted"), [(stop, False), (partial(signal.raise_signal, signal.SIGINT), True)], ids=["stop", "ctrl_c"]
)
def test_ctrl_c_while_a_callback_reports_an_epoch_is_told_from_a_callback_that_stops(vae, rows, do, interrupted):
    settings = options(callbacks=[AtTheEndOfAnEpoch(do)])
    net = train(vae, partial(beta_vae_loss, beta=1.0), rows, max_epochs=3, seed=0, options=settings)
    assert len(net.completed) == 1
    assert net.interrupted_ is interrupted


def test_rows_that_are_held_out_end_training_once_their_loss_rises():
    """The rows held out want the opposite of what is trained on: the first epoch is the best."""
    x, target = regression()
    held_out = Rows(x, (2,), target=-target)
    model = linear()
    settings = options(batch_size=48, optimizer="sgd", lr=0.1)
    net = train(
        model,
        squared_error,
        Rows(x, (2,), target=target),
        max_epochs=50,
        seed=0,
        options=settings,
        held_out=held_out,
        patience=3,
    )
    assert len(net.completed) == 4
    assert not net.interrupted_
    last = np.mean((x @ model.weight.detach().numpy()[0] + target) ** 2)
    np.testing.assert_allclose(net.completed[-1]["valid_loss"], last, rtol=1e-5)
    assert net.train_split is None  # the net goes on without the rows


def test_rows_that_are_held_out_are_not_trained_on():
    x, target = regression()
    settings = options(batch_size=16, optimizer="sgd", lr=0.01)
    models = linear(), linear()
    for model, held_out in zip(models, (None, Rows(x, (2,), target=target)), strict=True):
        early = {} if held_out is None else {"held_out": held_out, "patience": 9}
        net = train(model, squared_error, Rows(x, (2,), target=target), max_epochs=1, seed=0, options=settings, **early)
        assert ("valid_loss" in net.completed[0]) == (held_out is not None)
    assert torch.equal(models[0].weight, models[1].weight)
