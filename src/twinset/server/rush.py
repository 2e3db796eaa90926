"""When more ask than can be served: who would find no place is told so before anything else is done for him."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from twinset.server.desk import Desk

_ASKS: Final = ("/v1/search", "/v1/feedback", "/v1/facets")


class Rush:
    """ASGI: refuses searches while the queue is full; whoever is told it later has cost those who are served."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection of ASGI.

        Raises:
            RequestError: it is a search, and the queue is full or the server stops.

        """
        if scope["type"] == "http" and (scope["path"] in _ASKS or scope["path"].endswith("/similar")):
            self._desk.check()
        await self._app(scope, receive, send)
