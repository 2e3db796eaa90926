"""What is no HTTP is refused as everything else is: by a problem, on a line that is closed."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from server.serving import serving
from shops import build, shop
from twinset.server.app import create_app

HOST = b"Host: localhost\r\n"
POST = b"POST /v1/search HTTP/1.1\r\n" + HOST + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of one item."""
    place = tmp_path_factory.mktemp("protocol")
    with (
        build(place / "c", shop(place / "shop", items=1, views=1)) as catalogue,
        serving(create_app(catalogue)) as address,
    ):
        yield urlsplit(address).port or 0


def told(port: int, sent: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """Status line, headers by small name, and body of the one answer before the line is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        got = b""
        while part := line.recv(65_536):
            got += part
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = (text.decode().split(": ", 1) for text in lines)
    return first, {name.lower(): value for name, value in pairs}, body


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n" + HOST + b"X y: a\r\n\r\n",
        b"GET / HTTP/1.1\n" + HOST + b"\r\n",
        POST + b"zz\r\n",
    ],
    ids=["TLS", "a long head", "a broken head", "a bare line feed", "a broken body"],
)
def test_what_is_no_http_is_told_as_a_problem(sent: bytes, port: int) -> None:
    """With every field of one and what each answer carries; the next request needs another line."""
    first, headers, body = told(port, sent)
    problem = json.loads(body)
    assert first.startswith(b"HTTP/1.1 400 ")
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert headers["content-length"] == str(len(body))
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert (problem["code"], problem["status"], problem["type"]) == ("bad_request", 400, "urn:twinset:bad_request")
    assert headers["x-request-id"] == problem["request_id"]
    assert problem["mend"]


def test_head_has_no_body_even_then(port: int) -> None:
    """The length of the problem is told, and none of it comes."""
    first, headers, body = told(port, POST.replace(b"POST", b"HEAD") + b"zz\r\n")
    assert first.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert (headers["content-type"], body) == ("application/problem+json", b"")
