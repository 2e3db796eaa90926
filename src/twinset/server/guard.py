"""The first that every request meets: by which name, from which page, and what each answer carries."""

import asyncio
import logging
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinset.errors import RequestError, TwinsetError
from twinset.server.hosts import Doors
from twinset.server.inflow import Inflow
from twinset.server.problems import problem

_LOG: Final = logging.getLogger(__name__)
_CARRIED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_CLOSED: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
_METHODS: Final = "GET, POST, OPTIONS"
_HEADERS: Final = "authorization, content-type"
_EXPOSED: Final = "Retry-After, X-Request-ID"


class Guard:
    """ASGI: refuses what comes by a wrong name or from a wrong page, before anything of it is read; bounds bodies.

    `scope["state"]` gets `request_id`, and `client`, the address that asks.
    """

    def __init__(self, app: ASGIApp, doors: Doors, inflow: Inflow) -> None:
        self._app = app
        self._doors = doors
        self._inflow = inflow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection of ASGI."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = uuid.uuid4().hex
        peer = scope.get("client")
        forwarded = ",".join(headers.getlist("x-forwarded-for"))
        state["client"] = self._doors.client(peer[0] if peer else "", forwarded)
        origin: str | None = None

        async def carried(message: Message) -> None:
            if message["type"] == "http.response.start":
                carry(MutableHeaders(scope=message), request_id, origin)
            await send(message)

        try:
            _check_length(headers)
            self._doors.check_host(headers.getlist("host"))
            origin = self._doors.check_site(scope["method"], headers)
        except RequestError as error:
            await problem(error, state)(scope, receive, carried)
            return
        if origin is not None and scope["method"] == "OPTIONS":
            await _preflight()(scope, receive, carried)
            return
        with self._inflow.bounded(scope, receive) as bounded:
            await self._answer(scope, bounded, carried)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:  # the time is up in which what was accepted is answered
            if begun:
                raise
            stopping = RequestError("not_ready", "the server is stopping", "ask again", after=5)
            await problem(stopping, scope["state"])(scope, receive, send)
        except Exception as error:
            if begun:
                raise
            if not isinstance(error, TwinsetError):
                _LOG.exception("%s: a fault of this program", scope["state"]["request_id"])
                error = TwinsetError("a fault of this program")
            await problem(error, scope["state"])(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def _check_length(headers: Headers) -> None:
    """Refuses a body that says twice how long it is: a proxy in front may have believed the other.

    Raises:
        RequestError: it does.

    """
    if "transfer-encoding" in headers and "content-length" in headers:
        raise RequestError("bad_request", "the body has two lengths", "send Content-Length or Transfer-Encoding")


def carry(headers: MutableHeaders, request_id: str, origin: str | None = None) -> None:
    """Gives an answer what each of them has; `origin` is the page of another site that may read it."""
    for name, value in _CARRIED.items():
        headers[name] = value
    headers["X-Request-ID"] = request_id
    if "Content-Security-Policy" not in headers:
        headers["X-Frame-Options"] = "DENY"  # else its policy says by whom it may be framed
    headers.setdefault("Content-Security-Policy", _CLOSED)
    headers.setdefault("Cache-Control", "no-store")
    headers.add_vary_header("Origin")
    if origin is None:
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = _EXPOSED
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def _preflight() -> Response:
    allowed = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": "600",
    }
    return Response(status_code=204, headers=allowed)
