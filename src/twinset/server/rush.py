"""When more ask than can be served: who would find no place is told so before anything else is done for him."""

from collections.abc import Sequence

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from twinset.server.desk import Desk


class Rush:
    """ASGI: refuses what waits for a desk while its queue is full: told later, it would cost those it serves."""

    def __init__(self, app: ASGIApp, desk: Desk, routes: Sequence[BaseRoute]) -> None:
        self._app, self._desk = app, desk
        self._routes = [route for route in routes if isinstance(route, APIRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection of ASGI.

        Raises:
            RequestError: the queue is full or the server stops.

        """
        if scope["type"] == "http" and not self._desk.free:
            asked = next((route for route in self._routes if route.path_regex.match(scope["path"])), None)
            if asked is not None:
                scope["state"]["route"] = asked.path
                self._desk.check()
        await self._app(scope, receive, send)
