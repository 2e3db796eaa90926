"""Pages of other origins, each from a tiny server of its own, and what a server was asked."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EMPTY = "<!doctype html><html lang=en><title>Elsewhere</title><main><h1>Elsewhere</h1></main>"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that reached a server, and how it was answered; headers by small name."""

    method: str
    path: str
    sent: Mapping[str, str]
    status: int
    headers: Mapping[str, str]


@dataclass
class Book:
    """Everything that a server was asked."""

    asked: list[Asked] = field(default_factory=list)


class Kept:
    """ASGI: writes down each request and its answer, as the line carries them."""

    def __init__(self, app: ASGIApp, book: Book) -> None:
        self._app = app
        self._book = book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection of ASGI."""

        async def kept(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = dict(Headers(raw=message["headers"]).items())
                sent = dict(Headers(scope=scope).items())
                asked = Asked(scope["method"], scope["path"], sent, message["status"], answered)
                self._book.asked.append(asked)
            await send(message)

        await self._app(scope, receive, kept)


@contextmanager
def elsewhere(host: str, pages: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Pages by path, each with some headers; their origin. `host` leads to this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            self.send_response(404 if page is None else 200)
            self.send_header(
                "Content-Type", "text/css" if self.path.endswith(".css") else "text/html; charset=utf-8"
            )
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write((page or EMPTY).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
