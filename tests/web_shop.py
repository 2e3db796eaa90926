"""A real web server for tests, whose pages answer well, lie, stall, drip, redirect or break off."""

import gzip
import http.server
import io
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shops import picture

Handler = http.server.BaseHTTPRequestHandler
Page = Callable[[Handler], None]


@cache
def photo(seed: int = 1, kind: str = "JPEG") -> bytes:
    """A small photo."""
    out = io.BytesIO()
    Image.fromarray(picture(seed)).save(out, kind)
    return out.getvalue()


def send(handler: Handler, status: int = 200, body: bytes = b"", **headers: str) -> None:
    """A whole answer; `content_type` stands for Content-Type; an empty header is left out."""
    handler.send_response(status)
    given = {"content-length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
    for name, value in given.items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    if status != 304:
        handler.wfile.write(body)


def good(seed: int = 1, **headers: str) -> Page:
    """A page that is a photo; with an `etag` it says 304 to who has it."""

    def page(handler: Handler) -> None:
        known = headers.get("etag") and handler.headers["if-none-match"] == headers["etag"]
        send(handler, 304 if known else 200, b"" if known else photo(seed), content_type="image/jpeg", **headers)

    return page


def moved(to: str, status: int = 302) -> Page:
    """A page that redirects."""
    return lambda handler: send(handler, status, location=to)


def failing(times: int, then: Page, status: int = 500, **headers: str) -> Page:
    """A page that fails some times."""
    left = [None] * times

    def page(handler: Handler) -> None:
        try:
            left.pop()
        except IndexError:
            then(handler)
        else:
            send(handler, status, b"no", **headers)

    return page


def stalls(handler: Handler) -> None:
    """Says nothing, until the client goes."""
    handler.rfile.read(1)


def drips(handler: Handler) -> None:
    """A byte of the body at a time."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    _drip(handler, b"x" * 1000)


def drips_headers(handler: Handler) -> None:
    """A byte of the headers at a time."""
    _drip(handler, b"HTTP/1.1 200 OK\r\nx: " + b"x" * 1000)


def _drip(handler: Handler, data: bytes) -> None:
    for byte in data:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.02)


def breaks_off(handler: Handler) -> None:
    """Promises more than it sends."""
    handler.send_response(200)
    handler.send_header("content-length", str(len(photo())))
    handler.end_headers()
    handler.wfile.write(photo()[:100])
    handler.close_connection = True


def says_nothing(handler: Handler) -> None:
    """Closes without a word."""
    handler.close_connection = True


def babbles(handler: Handler) -> None:
    """Speaks no HTTP."""
    handler.wfile.write(b"220 mail.example ESMTP\r\n" * 100)
    handler.close_connection = True


def cut_short(handler: Handler) -> None:
    """Half a photo as if it were whole: its Content-Length is smaller than the photo."""
    handler.send_response(200)
    handler.send_header("content-length", "300")
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(photo())


def long_number(handler: Handler) -> None:
    """A Content-Length of 5,000 digits."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n")
    handler.close_connection = True


def endless(*, declared: bool) -> Page:
    """10 GB, with or without saying so."""

    def page(handler: Handler) -> None:
        handler.send_response(200)
        name, value = ("content-length", str(10 * 2**30)) if declared else ("connection", "close")
        handler.send_header(name, value)
        handler.end_headers()
        block = photo() + bytes(2**20)
        for _ in range(10 * 2**10):
            handler.wfile.write(block)
            handler.server.sent += len(block)  # type: ignore[attr-defined]

    return page


def bomb(handler: Handler) -> None:
    """64 MiB of zeros in 64 KiB."""
    body = gzip.compress(photo() + bytes(64 * 2**20))
    send(handler, 200, body, content_encoding="gzip", content_type="image/jpeg")


class Server(http.server.ThreadingHTTPServer):
    """Keeps what it was asked."""

    daemon_threads = True

    def __init__(self, pages: dict[str, Page]) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.names: list[str | None] = []
        self.sent = self.connections = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def place(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str) -> str:
        """The URL of a page."""
        return f"http://{self.place}{path}"

    def counts(self) -> Counter[str]:
        """How often each page was asked for."""
        with self.lock:
            return Counter(self.asked)

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no error here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 10

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.asked.append(self.path)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
        server.pages.get(self.path.partition("?")[0], lambda handler: send(handler, 404))(self)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(pages: dict[str, Page], *, certificate: Path | None = None) -> Iterator[Server]:
    """A server of some pages, over TLS where there is a certificate with its key."""
    server = Server(pages)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _socket, name, _context: server.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def resolving(monkeypatch: pytest.MonkeyPatch, found: dict[str, list[list[str]]]) -> list[str]:
    """Answers for some names, one after another, the last for good; others are resolved as ever. What was asked."""
    real, asked = socket.getaddrinfo, list[str]()

    def answer(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in found:
            return real(host, port, *rest, **more)
        asked.append(host)
        answers = found[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked
