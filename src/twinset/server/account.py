"""An account of every request: a line in the log, and counters. No photo, no query, no address, no key."""

import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinset.server.telemetry import Telemetry

_LOG: Final = logging.getLogger("twinset.access")
_FAULT: Final = 500
_NOWHERE: Final = "(none)"
_OFTEN: Final = ("/healthz", "/readyz", "/metrics")
"""What machines ask again and again: told where it goes wrong."""


class Account:
    """ASGI: around everything, so that what the guard refuses is counted too."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        state = scope.get("state", {})
        route = getattr(scope.get("route"), "path", state.get("route", _NOWHERE)).replace(":path}", "}")
        self._telemetry.served(route, status)
        if "code" in state:
            self._telemetry.refused(state["code"])
        facts = {
            "request_id": state.get("request_id", ""),
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1e3, 1),
        }
        told = facts | ({"code": state["code"]} if "code" in state else {})
        fine = logging.DEBUG if route in _OFTEN and status == 200 else logging.INFO
        _LOG.log(logging.ERROR if status == _FAULT else fine, "request", extra={"facts": told})
