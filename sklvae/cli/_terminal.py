"""What a command says to whoever runs it: on the standard error, so that the standard output is data alone."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

__all__ = ["Terminal"]

T = TypeVar("T")

BAR = "{desc} {percentage:3.0f}% |{bar}| {remaining} left"


class Terminal:
    """Says things, and shows how long they take where somebody looks on.

    Parameters
    ----------
    quiet : bool
        Whether only errors and warnings are said.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Say how things go."""
        if not self.quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """Say what must be heard."""
        print(f"sklvae: {text}", file=sys.stderr, flush=True)

    def counted(self, items: Iterable[T], what: str) -> Iterable[T]:
        """The items, with a bar while they are gone through."""
        bar: Iterable[T] = tqdm(items, **self._look(what))
        return bar

    def training_bar(self) -> TrainingBar:
        """What training reports its epochs to."""
        return TrainingBar(self._look("Training"))

    def _look(self, what: str) -> dict[str, Any]:
        # disable=None hides the bar where no terminal is
        hidden = True if self.quiet else None
        return {"desc": what, "file": sys.stderr, "disable": hidden, "leave": False, "bar_format": BAR}

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Say warnings as everything else is said."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: self.complain(f"warning: {message}")
            yield


class TrainingBar:
    """A bar for each phase of training, with the time that is left."""

    def __init__(self, look: dict[str, Any]) -> None:
        self._look = look
        self._bar: Any = None

    def __repr__(self) -> str:
        return "TrainingBar()"  # the same for everybody: a session is told by it

    def __call__(self, n_done: int, n_epochs: int) -> None:
        """Show that so many epochs are done."""
        if n_done == 0:
            self.close()
            self._bar = tqdm(total=n_epochs, **self._look)
        elif self._bar is not None:
            self._bar.update()
        if n_done == n_epochs:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
