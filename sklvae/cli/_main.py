"""From a command line to an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread

from ._arguments import parse
from ._terminal import Terminal

__all__ = ["main"]

DONE, WRONG, INTERRUPTED = 0, 1, 130

ENDINGS = ("SIGTERM", "SIGHUP")
"""Signals of somebody who ends the program or closes its terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the standard output is data, everything else is said on the standard error.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Without the name of the program; None takes those of this process.

    Returns
    -------
    int
        0 when done, 1 if something is wrong with data, answers or files, 130 after an interrupt.

    Raises
    ------
    SystemExit
        With 2 if the command is wrong, with 0 after help.

    Examples
    --------
    >>> from sklvae.cli import main
    >>> main(["predict", "nothing.safetensors", "nowhere"])
    1
    """
    given = parse(arguments)
    terminal = Terminal(given.quiet)
    try:
        with terminal.warnings(), _ended_gently():
            given.run(given, terminal)
    except KeyboardInterrupt as error:
        terminal.complain(str(error) or "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
        terminal.complain(f"error: {' '.join(str(error).split()) or type(error).__name__}")
        return WRONG
    return DONE


@contextmanager
def _ended_gently() -> Iterator[None]:
    """Take the signals that end a program as an interrupt, so that a round's answers are kept."""
    before = {}
    if current_thread() is main_thread():
        for number in (getattr(signal, name) for name in ENDINGS if hasattr(signal, name)):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
