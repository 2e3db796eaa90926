"""Serving: one process, its event loop, and how it stops."""

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from twinset.errors import ResourceError
from twinset.server.protocol import within
from twinset.settings import ServeSettings

_LOG: Final = logging.getLogger(__name__)
_DRAIN: Final = 17
"""Seconds for what has been accepted to be answered."""
_LAST: Final = 0.5
"""Seconds in which a request that is under way on an open connection still arrives."""
_CLOSE: Final = (b"connection", b"close")
_IDLE: Final = 15
_HEAD_BYTES: Final = 32 * 1024
_BACKLOG: Final = 512
_KEPT: Final = 128
"""File handles that connections leave to catalogues, decoders and the log."""
_STOP: Final = (signal.SIGINT, signal.SIGTERM)


def serve(app: FastAPI, settings: ServeSettings, listening: Callable[[str], None]) -> None:
    """Serves until it is told to stop (SIGTERM, Ctrl-C); `listening` is told the address.

    What has been accepted is answered before it stops; a second signal ends the process at once.

    Raises:
        ResourceError: the address cannot be listened at.

    """
    listener = _bound(settings)
    host, port = listener.getsockname()[:2]
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def started() -> None:
        listening(address)
        _LOG.info("listening at %s", address)

    asyncio.run(_Server(configured(app, settings), started).serve([listener]))


def configured(app: FastAPI, settings: ServeSettings) -> uvicorn.Config:
    """How uvicorn serves an application: by our protocol."""
    return uvicorn.Config(
        app,
        http=within(settings.receive_seconds, _most_connections()),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_DRAIN,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )


class _Server(uvicorn.Server):
    """Ends well when it is told to: uvicorn would raise the signal again once all is answered.

    And who keeps a connection open is told by its last answer not to ask there again, before it is closed.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _LOG.info("stopping: what was accepted is answered")
        for server in self.servers:
            server.close()
        headers = self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        for connection in self.server_state.connections:
            if isinstance(connection, H11Protocol) and connection.cycle is not None:
                connection.cycle.default_headers = headers
        await asyncio.sleep(_LAST)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _STOP}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _most_connections() -> int:
    """Fewer than file handles, so that who is connected can be answered."""
    handles = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(_KEPT // 2, handles - _KEPT) if handles != resource.RLIM_INFINITY else 2**20


def _bound(settings: ServeSettings) -> socket.socket:
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, as asyncio sends small packets at once only on what is known to be TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ResourceError(
            f"{host}:{settings.port} cannot be listened at: {error.strerror}", "choose another --host or --port"
        ) from error
    return listener
