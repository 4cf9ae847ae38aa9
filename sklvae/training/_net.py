"""skorch's net around a module and its objective."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, LRScheduler, ProgressBar
from skorch.helper import predefined_split
from torch import Tensor, nn

from ._data import IndexBatches, Rows
from ._seeding import seeded

__all__ = ["OPTIMIZERS", "Net", "NonFiniteLossError", "Options", "make_net", "no_objective", "train"]

Objective = Callable[..., dict[str, Tensor]]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


class NonFiniteLossError(ValueError):
    """The loss became infinite or nan."""


@dataclass(frozen=True)
class Options:
    """How a phase is trained: the estimators' parameters, resolved."""

    batch_size: int
    lr: float
    optimizer: str | type[torch.optim.Optimizer]
    device: torch.device
    precision: torch.dtype
    verbose: int = 0
    callbacks: Sequence[Any] | None = None
    anneal: bool = False
    """Whether the learning rate falls to zero along a cosine."""
    weight_decay: float | None = None
    """None leaves it to the optimizer."""
    undecayed: str = ""
    """Pattern of the names of parameters that are spared the weight decay."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Learning rates of submodules of the model, by name; `lr` is that of all others."""
    adversarial: bool = False
    """Whether the model has a `discriminator`, which takes turns with the rest of it."""


class WithObjective(nn.Module):
    """A module and its objective as one module, so that one forward pass computes the whole loss."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """Per-sample terms, each of shape (B,); ``loss`` is the one to minimize."""
        return self.objective(self.model, **batch)


class TermMeans(Callback):
    """Records the mean of each term over an epoch, in nats per sample; as ``valid_*`` for rows that are held out."""

    def on_epoch_begin(self, net: Net, **kwargs: Any) -> None:
        """Start with empty sums."""
        self.n_samples: dict[str, int] = {}
        self.sums: dict[str, Tensor | float] = {}

    def on_batch_end(self, net: Net, y_pred: dict[str, Tensor], training: bool, **kwargs: Any) -> None:
        """Add a batch."""
        for term_name, term in y_pred.items():  # a batch may lack some
            name = term_name if training else f"valid_{term_name}"
            self.n_samples[name] = self.n_samples.get(name, 0) + len(term)
            self.sums[name] = self.sums.get(name, 0.0) + term.detach().sum()

    def on_epoch_end(self, net: Net, **kwargs: Any) -> None:
        """Write the means to the history; the losses under skorch's own names for them."""
        for name, total in self.sums.items():
            net.history.record("train_loss" if name == "loss" else name, float(total) / self.n_samples[name])


class EachEpoch(Callback):
    """Calls a function of the number of the epoch, from 0, as it begins, and records what it returns.

    The function is forgotten when training ends: a net that is kept holds on to no data.
    """

    def __init__(self, function: Callable[[int], dict[str, Any]] | None) -> None:
        self.function = function

    def on_epoch_begin(self, net: Net, **kwargs: Any) -> None:
        """Call the function."""
        if self.function is not None:
            for name, value in self.function(len(net.history) - 1).items():
                net.history.record(name, value)

    def on_train_end(self, net: Net, **kwargs: Any) -> None:
        """Forget the function."""
        self.function = None


class Net(NeuralNet):
    """A skorch net whose batches carry everything and whose module returns per-sample loss terms."""

    def __init__(self, *args: Any, precision: torch.dtype = torch.float32, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.precision = precision

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        means = [("epoch_timer", EpochTimer()), ("term_means", TermMeans())]
        return [*means, ("progress_bar", ProgressBar())] if self.verbose else means

    def infer(self, x: dict[str, Tensor], **fit_params: Any) -> dict[str, Tensor]:
        """One forward pass, in bfloat16 where that was asked for."""
        if self.precision == torch.float32:
            return super().infer(x, **fit_params)
        with torch.autocast(torch.device(self.device).type, self.precision):
            return super().infer(x, **fit_params)

    def get_loss(self, y_pred: dict[str, Tensor], y_true: Any, X: Any = None, training: bool = False) -> Tensor:
        """Reduce the per-sample loss, once."""
        loss = y_pred["loss"].mean()
        if not torch.isfinite(loss):
            raise NonFiniteLossError(
                f"The training loss became {loss.item()} in epoch {len(self.history)}, batch "
                f"{len(self.history[-1]['batches'])}. Try a smaller lr (now {self.lr:g}), "
                'standardize X, or use precision="float32".'
            )
        return loss

    def fit_loop(self, *args: Any, **kwargs: Any) -> Net:
        """Remember an interruption, which skorch swallows."""
        self.interrupted_ = True
        super().fit_loop(*args, **kwargs)
        self.interrupted_ = False
        return self

    @property
    def completed(self) -> list[dict[str, Any]]:
        """The records of all epochs that came to their end."""
        return [epoch for epoch in self.history if "train_loss" in epoch]

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks; one that ends training, as skorch's EarlyStopping does, is no interruption."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as error:
            self.interrupted_ = method_name != "on_epoch_end" or not _is_raised(error)
            raise


def _is_raised(error: BaseException) -> bool:
    """Whether a `raise` made it; Ctrl-C comes from no line of Python."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]


class AdversarialNet(Net):
    """A net whose model has a `discriminator` with an optimizer of its own.

    Each batch is the model's turn, then the discriminator's: the objective is called with ``turn="model"`` and with
    ``turn="discriminator"``.
    """

    def initialize_optimizer(self) -> Net:
        """Give each of the two its parameters."""
        turns: dict[str, list[tuple[str, nn.Parameter]]] = {"model": [], "discriminator": []}
        for name, parameter in self.module_.named_parameters():
            turns["discriminator" if name.startswith("model.discriminator.") else "model"].append((name, parameter))
        made = {}
        for turn, named in turns.items():
            arguments, options = self.get_params_for_optimizer("optimizer", named)
            made[turn] = self.optimizer(*arguments, **options)
        self.optimizer_, self.discriminator_optimizer_ = made["model"], made["discriminator"]
        return self

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """One step of each; the losses and terms are those of the model."""
        steps = {}
        for turn, optimizer in (("model", self.optimizer_), ("discriminator", self.discriminator_optimizer_)):
            self._zero_grad_optimizer()
            steps[turn] = self.train_step_single(batch, turn=turn, **fit_params)
            self.notify("on_grad_computed", named_parameters=list(self.module_.named_parameters()), batch=batch)
            optimizer.step()
        step: dict[str, Any] = steps["model"]
        step["y_pred"]["discriminator"] = steps["discriminator"]["y_pred"]["loss"]
        return step


def no_objective(model: nn.Module, **batch: Tensor) -> dict[str, Tensor]:
    """Stand in for the objective of a net that was loaded to be applied.

    Raises
    ------
    RuntimeError
        Always.
    """
    raise RuntimeError("This net was loaded without its objective. Call fit of its estimator to train.")


def make_net(
    model: nn.Module, objective: Objective, *, max_epochs: int, options: Options, callbacks: Sequence[Any] = ()
) -> Net:
    """Put a net around `model`, not yet initialized; `callbacks` beside those of the options."""
    optimizer = OPTIMIZERS[options.optimizer] if isinstance(options.optimizer, str) else options.optimizer
    groups = [(f"model.{name}.*", {"lr": rate}) for name, rate in options.rates.items()]
    decay: dict[str, Any] = {}
    if "weight_decay" not in inspect.signature(optimizer).parameters:
        if options.weight_decay:
            name, decay_asked = optimizer.__name__, options.weight_decay
            raise ValueError(f"{name} has no weight decay, got {decay_asked}. Use weight_decay=0.")
    elif options.weight_decay is not None:
        decay["optimizer__weight_decay"] = options.weight_decay
    if options.weight_decay and options.undecayed:
        groups.append((options.undecayed, {"weight_decay": 0.0}))
    kind = AdversarialNet if options.adversarial else Net
    return kind(
        WithObjective(model, objective),
        criterion=nn.Identity,
        optimizer=optimizer,
        optimizer__param_groups=groups,
        lr=options.lr,
        max_epochs=max_epochs,
        batch_size=options.batch_size,
        iterator_train=IndexBatches,
        iterator_valid=IndexBatches,
        train_split=None,
        callbacks=[*callbacks, *(options.callbacks or [])],
        verbose=options.verbose,
        device=options.device,
        precision=options.precision,
        **decay,
    )


def train(
    model: nn.Module,
    objective: Objective,
    rows: Rows,
    *,
    max_epochs: int,
    seed: int,
    options: Options,
    each_epoch: Callable[[int], dict[str, Any]] | None = None,
    held_out: Rows | None = None,
    monitor: str = "valid_loss",
    patience: int = 0,
) -> Net:
    """Train `model` in place and return the net that did it; `each_epoch` is called as in `EachEpoch`.

    With rows that are held out, training ends once their mean of the term that `monitor` names has not improved for
    `patience` epochs.

    Raises
    ------
    NonFiniteLossError
        If the loss becomes infinite or nan.
    """
    callbacks: list[Callback] = [] if each_epoch is None else [EachEpoch(each_epoch)]
    if options.anneal:
        n_steps = max_epochs * len(IndexBatches(rows, options.batch_size))
        policy = torch.optim.lr_scheduler.CosineAnnealingLR
        callbacks.append(LRScheduler(policy, T_max=n_steps, step_every="batch", event_name=None))
    if held_out is not None:
        callbacks.append(EarlyStopping(monitor=monitor, patience=patience))
    net = make_net(model, objective, max_epochs=max_epochs, options=options, callbacks=callbacks)
    net.train_split = None if held_out is None else predefined_split(held_out)
    with seeded(seed, options.device):
        net.fit(rows)
    net.train_split = None  # the net goes on without the rows
    return net
