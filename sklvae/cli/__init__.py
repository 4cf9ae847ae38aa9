"""The command line: ``sklvae label`` and ``sklvae predict``."""

from ._main import main

__all__ = ["main"]
