"""A web server in a thread of its own, on this machine only."""

from __future__ import annotations

import socket
import time
from threading import Thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Server"]

ADDRESS = "127.0.0.1"
START_SECONDS, STOP_SECONDS = 10.0, 5.0


class _QuietProtocol(H11Protocol):
    """Writes no access log: addresses hold the token. uvicorn's own switch would change the caller's loggers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


class Server:
    """Serves an ASGI application on 127.0.0.1 until it is stopped.

    Parameters
    ----------
    app : ASGI application
        What is served.
    port : int
        Where; 0 takes any free one.

    Raises
    ------
    OSError
        If the port cannot be had.
    RuntimeError
        If the server does not start.
    """

    def __init__(self, app: Any, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((ADDRESS, port))
        except OSError as error:
            self._socket.close()
            raise OSError(
                f"WebOracle: port {port} of {ADDRESS} cannot be had ({error}). "
                "Give another port, or 0 for any free one."
            ) from error
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=_QuietProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = Thread(target=self._uvicorn.run, args=([self._socket],), name="sklvae-page", daemon=True)
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._uvicorn.started:
            if not self.alive or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"WebOracle: the server on {ADDRESS}:{self.port} did not start.")
            time.sleep(0.01)

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread, after the requests that are being answered."""
        self._uvicorn.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._socket.close()
