"""Telling how far training has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback

from ._net import Net

__all__ = ["AfterEpoch"]


class AfterEpoch(Callback):
    """Calls ``report(n_done, n_epochs)`` as a phase of training begins, with 0, and after each of its epochs.

    Parameters
    ----------
    report : callable
        With a `repr` that is the same in every process: a session tells its parameters by it.
    """

    def __init__(self, report: Callable[[int, int], Any]) -> None:
        self.report = report

    def on_train_begin(self, net: Net, **kwargs: Any) -> None:
        """Report that nothing is done yet."""
        self.report(0, net.max_epochs)

    def on_epoch_end(self, net: Net, **kwargs: Any) -> None:
        """Report an epoch."""
        self.report(len(net.history), net.max_epochs)
