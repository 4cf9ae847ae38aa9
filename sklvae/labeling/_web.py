"""People in front of a web page."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
import weakref
import webbrowser
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from ._answers import Answer
from ._consult import Round
from ._desk import Desk
from ._display import Display
from ._queries import QueryBatch

if TYPE_CHECKING:
    from ._web_app import Page
    from ._web_server import Server

__all__ = ["WebOracle"]

TICK = 0.1
"""Seconds between two looks at whether the server still runs and the patience still lasts."""

LAST_WORD_SECONDS, GONE_SECONDS = 1.0, 0.3
"""How long the end waits for a page to hear of it, and after what silence there is no page."""

FRAME_HEIGHT = 760
MOST_PORT = 2**16 - 1


class WebOracle:
    """Asks a person on a web page that this machine serves to itself.

    The page shows each question with the real rows near it, takes a class, how sure the person is, "no valid class"
    or a skip, by mouse, touch or keyboard, and lets the last answers of a round be taken back. Answers are in
    `answers`, and in `answers_` of the estimator, from the moment they are given, also those of a round that breaks
    off; with `session_dir` they are on the disk before the page acknowledges them, and a fit that is taken up shows
    those of its round. Give the oracle itself to `fit` for that, or `MajorityOracle` or `MemoizingOracle` around it: of
    a function that calls it, the fit hears when a round is done.

    The server listens on 127.0.0.1 only and answers nobody without the random token in the address, no other site
    and no other host name. It ends with `close`, at the end of a ``with`` block, or with the oracle itself.

    Parameters
    ----------
    classes : array-like, default=None
        Classes to begin with. Those that the model suggests, and those added on the page, come after them.
    X : array-like of shape (n_samples, ...), default=None
        What `fit` gets; without it no neighbors and no deviations are shown.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of flat rows that are images.
    feature_names : sequence of str, default=None
        Names of the columns of a table; None takes those of a data frame.
    new_classes : bool, default=True
        Whether classes can be added on the page. Give False where the estimator has `classes`.
    budget : int, default=None
        The estimator's `budget`, to show how many answers are left.
    timeout : float, default=86400.0
        Seconds without any answer after which the oracle raises TimeoutError.
    review : float, default=4.0
        Seconds after the last answer of a round in which it can still be taken back.
    port : int, default=0
        Where to serve; 0 takes any free port.
    token : str, default=None
        Secret part of the address, at least 16 letters, digits, "-" or "_"; None makes a random one. With `port` it
        keeps the address when the program is started again.
    show : callable, default=None
        Called with the address when the server starts. None prints it and opens it in a browser, or in a notebook
        shows the page under the cell.

    Attributes
    ----------
    answers : list of Answer
        Every answer that stands, with its question, in order. ``MemoizingOracle(oracle, answers=oracle.answers)``
        repeats a fit without asking anything twice.
    url : str
        Address of the page; None while it is not served.

    Raises
    ------
    ImportError
        If the extra ``sklvae[web]`` is not installed.
    ValueError
        If a parameter is wrong, or questions do not fit X, `image_shape` or `feature_names`.
    OSError
        If the port is taken.
    RuntimeError
        If it is closed in the middle of a round, or asked by two fits at the same time.
    TimeoutError
        If nobody answers for `timeout` seconds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklvae.labeling import WebOracle
    >>> with WebOracle(["cat", "dog"], X=np.zeros((5, 28, 28)), show=lambda url: None) as oracle:
    ...     print(oracle.url.partition("/")[2][:10], oracle.answers)
    /127.0.0.1 []
    """

    def __init__(
        self,
        classes: ArrayLike | None = None,
        *,
        X: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        feature_names: Sequence[str] | None = None,
        new_classes: bool = True,
        budget: int | None = None,
        timeout: float = 86400.0,
        review: float = 4.0,
        port: int = 0,
        token: str | None = None,
        show: Callable[[str], Any] | None = None,
    ) -> None:
        try:
            from ._web_app import Page
        except ImportError as error:
            raise ImportError('WebOracle needs starlette and uvicorn: pip install "sklvae[web]"') from error
        for name, seconds in (("timeout", timeout), ("review", review)):
            if not seconds >= 0:
                raise ValueError(f"WebOracle: {name} must be >= 0, got {seconds!r}.")
        if not 0 <= port <= MOST_PORT:
            raise ValueError(f"WebOracle: port must be in [0, {MOST_PORT}], got {port!r}. Use 0 for any free one.")
        if token is not None and not re.fullmatch(r"[\w-]{16,}", token, re.ASCII):
            raise ValueError(
                f"WebOracle: token must be at least 16 letters, digits, - or _, got {len(token)} characters."
            )
        self.timeout, self.review, self.show = timeout, review, show or show_page
        self._desk = Desk(classes, new_classes)
        self._display = Display(X, image_shape, feature_names, owner="WebOracle")
        token = token or secrets.token_urlsafe(24)
        self._service = _Service(Page(self._desk, self._display, token, budget, review), token, port)
        self._waiting = False
        self._handed_over: list[Answer] = []
        weakref.finalize(self, self._service.stop, "done")

    def __call__(self, queries: QueryBatch) -> Iterator[Answer]:
        """Put the questions on the page at once; the answers are waited for when they are read."""
        self._put(Round(queries))
        return self._replies()

    def attend(self, round_: Round) -> Iterator[None]:
        """Put the questions on the page, and tell each answer as it is given, before the page hears of it."""
        self._put(round_)
        yield from self._waited()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._service.stop("done" if kind is None else "stopped")

    @property
    def answers(self) -> list[Answer]:
        """Every answer that stands, in order."""
        return list(self._desk.answers)

    @property
    def url(self) -> str | None:
        """Address of the page; None while it is not served."""
        return self._service.url

    def open(self) -> None:
        """Serve the page, if it is not served already, and show it."""
        if self._service.url is None:
            self._desk.turn("waiting")
            self.show(self._service.start())

    def close(self) -> None:
        """Tell the page that this is the end, and end the server. Asked again, the oracle opens it again."""
        self._service.stop("done")

    def _put(self, round_: Round) -> None:
        if self._waiting:
            raise RuntimeError("WebOracle: it asks already, for another fit. Give each fit a WebOracle of its own.")
        self._display.check(round_.queries)
        self.open()
        self._desk.put(round_)

    def _replies(self) -> Iterator[Answer]:
        failure: BaseException | None = None
        try:
            with closing(self._waited()) as waited:
                deque(waited, maxlen=0)
        except BaseException as error:  # an interrupt, too: what was answered is handed over first
            failure = error
        yield from self._handed_over
        if failure is not None:
            raise failure

    def _waited(self) -> Generator[None]:
        """Wait until the round is answered and reviewed; then nothing of it can be taken back."""
        stopped, self._waiting = True, True
        try:
            while not self._desk.settled(self.review, TICK):
                if not self._service.keep():
                    raise RuntimeError("the WebOracle was closed before its last question")
                quiet = time.monotonic() - self._desk.active
                if self._desk.phase == "asking" and quiet > self.timeout:
                    raise TimeoutError(f"nobody answered on the page for {self.timeout:g} s")
                yield
            stopped = False
        finally:
            self._waiting = False
            self._handed_over = self._desk.hand_over(stopped)


class _Service:
    """A page and its server, apart from the oracle: the thread must not keep that alive."""

    def __init__(self, page: Page, token: str, port: int) -> None:
        self.page, self.token, self.port = page, token, port
        self.server: Server | None = None
        self._changing = Lock()

    @property
    def url(self) -> str | None:
        return None if self.server is None else f"http://127.0.0.1:{self.port}/{self.token}/"

    def start(self) -> str:
        with self._changing:
            self._serve()
            assert self.url is not None
            return self.url

    def keep(self) -> bool:
        """Start the server again if it has broken down; says whether it is meant to run."""
        with self._changing:
            if self.server is not None:
                self._serve()
            return self.server is not None

    def _serve(self) -> None:
        from ._web_server import Server

        if self.server is None or not self.server.alive:
            if self.server is not None:
                self.server.stop()
            self.page.closing = False
            self.server = Server(self.page.app, self.port)
            self.port = self.server.port

    def stop(self, phase: str) -> None:
        with self._changing:
            if self.server is None:
                return
            self.page.told = False
            self.page.desk.turn(phase)
            until = time.monotonic() + LAST_WORD_SECONDS
            while not self.page.told and time.monotonic() < min(until, self.page.seen + GONE_SECONDS):
                time.sleep(0.02)
            self.page.closing = True
            self.server.stop()
            self.server = None


def show_page(url: str) -> None:
    """Show an address to whoever runs this: under the cell of a notebook, in a browser, and in print."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import IFrame, display

        display(IFrame(url, width="100%", height=FRAME_HEIGHT))
        return
    print(f"Questions are asked at {url}", flush=True)
    # Without a screen, a text browser would take over the terminal.
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
