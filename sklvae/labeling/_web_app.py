"""The page's server: who may ask it, and what it answers."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._answers import INVALID, SKIP
from ._desk import Desk
from ._display import Display
from ._log import SessionError
from ._web_state import picture_of, state_of

__all__ = ["Guard", "Page"]

HOSTS = {"127.0.0.1", "localhost"}
MOST_BYTES = 4096
"""Of a request's body."""

BODY_SECONDS, POLL_SECONDS, POLL_TICK = 10.0, 20.0, 0.05
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
    # Notebooks show the page in a frame.
    "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* vscode-webview:",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
MEDIA = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
REPLIES = {"invalid": INVALID, "skip": SKIP}


class Guard:
    """Lets only the page itself through: the right token, this machine's name, no other site's requests.

    Whoever is refused gets an empty response. A form or a script of another site sends its own Origin, or
    none; a name that was made to point at 127.0.0.1 (DNS rebinding) is in Host.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    token : str
        First part of every path.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        status = self._refusal(scope)
        app = self.app if status is None else Response(status_code=status)
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> int | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        reads = scope["method"] in ("GET", "HEAD")
        if host.rsplit(":", 1)[0] not in HOSTS or (origin != f"http://{host}" and not (reads and origin is None)):
            return 403
        first, *rest = scope["path"].encode().lstrip(b"/").split(b"/", 1)
        if not rest or not secrets.compare_digest(first, self.token):
            return 404
        return None if reads or headers.get("content-type") == "application/json" else 415


class Page:
    """Shows a desk and takes what a person says.

    Parameters
    ----------
    desk : Desk
        The questions.
    display : Display
        How inputs are shown.
    token : str
        Secret part of the address.
    budget : int or None
        Questions in all, if known.
    review : float
        Seconds after the last answer of a round in which it can be taken back.

    Attributes
    ----------
    app : ASGI application
        The guarded server.
    seen : float
        When a browser last asked for the state.
    told : bool
        Whether a browser knows that the end has come.
    closing : bool
        Whether the server is about to end, so that nobody is kept waiting.
    """

    def __init__(self, desk: Desk, display: Display, token: str, budget: int | None, review: float) -> None:
        self.desk, self.display, self.budget, self.review = desk, display, budget, review
        self.seen, self.told, self.closing = float("-inf"), False, False
        routes = [
            Route("/", self._asset),
            Route("/{name}", self._asset),
            Route("/state/{version}", self._state),
            Route("/pictures/{key}/{part}", self._picture),
            *(Route(f"/{name}", act, methods=["POST"]) for name, act in self._acts().items()),
        ]
        # Actions come before assets, whose route would take their names.
        routes.sort(key=lambda route: "POST" not in (route.methods or ()))
        starlette = Starlette(routes=[Mount(f"/{token}", routes=routes)], exception_handlers={HTTPException: _refused})
        self.app = Guard(starlette, token)

    async def _asset(self, request: Request) -> Response:
        name = request.path_params.get("name", "page.html")
        if name not in MEDIA:
            raise HTTPException(404)
        return Response(files(__package__).joinpath("page", name).read_bytes(), media_type=MEDIA[name])

    async def _state(self, request: Request) -> Response:
        """The state as soon as it is another than the page has, or after a while."""
        until = time.monotonic() + POLL_SECONDS
        while self.desk.version == request.path_params["version"] and time.monotonic() < until and not self.closing:
            self.seen = time.monotonic()
            await asyncio.sleep(POLL_TICK)
        self.seen = time.monotonic()
        return self._now()

    async def _picture(self, request: Request) -> Response:
        png = picture_of(self.desk, self.display, request.path_params["key"], request.path_params["part"])
        if png is None:
            raise HTTPException(404)
        return Response(png, media_type="image/png")

    def _acts(self) -> dict[str, Any]:
        def act(do: Any) -> Any:
            async def handle(request: Request) -> Response:
                try:
                    return do(await _body(request))
                except ValueError as error:
                    return JSONResponse({"error": str(error)}, status_code=400)
                except SessionError as error:  # not taken: the page shows why, and the question stays
                    return JSONResponse({"error": str(error)}, status_code=507)

            return handle

        return {"answer": act(self._answer), "undo": act(self._undo), "class": act(self._class), "go": act(self._go)}

    def _answer(self, said: dict[str, Any]) -> Response:
        confidence, name, reply = said.get("confidence", 1.0), said.get("class"), said.get("reply")
        if type(confidence) not in (int, float) or not 0 <= confidence <= 1:
            raise HTTPException(400)
        if isinstance(name, str):  # a page may outlive its program, and the next one counts classes otherwise
            names = [str(label) for label in self.desk.classes]
            label = self.desk.classes[names.index(name)] if name in names else self.desk.add_class(name)
        elif isinstance(reply, str) and reply in REPLIES:
            label, confidence = REPLIES[reply], 1.0
        else:
            raise HTTPException(400)
        return self._now(200 if self.desk.answer(said.get("question", ""), label, float(confidence)) else 409)

    def _undo(self, said: dict[str, Any]) -> Response:
        return self._now(200 if self.desk.undo(said.get("question", "")) else 409)

    def _class(self, said: dict[str, Any]) -> Response:
        if not isinstance(said.get("name"), str):
            raise HTTPException(400)
        self.desk.add_class(said["name"])
        return self._now()

    def _go(self, said: dict[str, Any]) -> Response:
        """Hand the round over without waiting any longer."""
        return self._now(200 if self.desk.confirm(said.get("question", "")) else 409)

    def _now(self, status: int = 200) -> Response:
        state = state_of(self.desk, self.display, self.budget, self.review)
        self.told = state["phase"] in ("done", "stopped")
        return JSONResponse(state, status_code=status)


async def _body(request: Request) -> dict[str, Any]:
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise HTTPException(413)
        said = json.loads(body)
    except TimeoutError:
        raise HTTPException(408) from None
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    if not isinstance(said, dict):
        raise HTTPException(400)
    return said


async def _refused(_: Request, error: Exception) -> Response:
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 500)
