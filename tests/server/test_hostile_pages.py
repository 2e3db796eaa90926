"""Every route of the API is asked by wrong names and from wrong pages: nothing is read, and nothing is changed."""

import json
import socket
from itertools import product
from pathlib import Path

import pytest

from server.bad_forms import PHOTO
from server.bad_photos import encoded
from server.conftest import AS_ADMIN, FORM
from server.live import Live, form

DESCRIBED = Path(__file__).parents[2] / "docs/openapi.json"
ROUTES = [
    (method.upper(), path.replace("{item_id}", "i001").replace("{photo_id}", "a"))
    for path, operations in json.loads(DESCRIBED.read_text(encoding="utf-8"))["paths"].items()
    for method in operations
]
UNSAFE = [route for route in ROUTES if route[0] != "GET"]
FOREIGN = (
    *(
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "0.0.0.0",
        "[::]",
        "127.1",
        "2130706433",
    ),
    *(
        "localhost@evil.example",
        "evil.example#localhost",
        "evil.example/localhost",
        "localhost:80:80",
        "localhost\\a",
    ),
    *("", ".", "localhost, evil.example", "LOCALHOST.EVIL.EXAMPLE", "xn--lcalhost-i1a", "[fe80::1%25lo]", "*"),
)
ALLOWED = "https://shop.example"
CARRIED = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def test_no_route_answers_to_another_name(live: Live) -> None:
    """A page that has bound its own name to this address gets nothing, whichever route it asks."""
    assert len(ROUTES) >= 15
    for (method, path), host in product([*ROUTES, ("GET", "/openapi.json"), ("GET", "/nothing")], FOREIGN):
        got = live.line(method, path, f"Host: {host}")
        assert got.startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 ")), (method, path, host, got)
        assert b"fingerprint" not in got


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost:8000", "LOCALHOST."])
def test_every_route_answers_to_its_own(host: str, live: Live) -> None:
    """By the names of this machine it is reached, on every route."""
    for method, path in ROUTES:
        got = live.line(method, path, f"Host: {host}")
        assert b" 421 " not in got[:20], (method, path, got)


def test_a_host_in_the_address_does_not_count(live: Live) -> None:
    """`GET http://name/` names another host than the header: the header counts, and must be ours."""
    assert live.line("GET", "http://localhost/v1/catalogue", "Host: evil.example").startswith(b"HTTP/1.1 421 ")
    for given in (
        ("Host: evil.example", "X-Forwarded-Host: localhost"),
        ("Host: localhost", "Host: localhost"),
        (),
    ):
        got = live.line("GET", "/v1/catalogue", *given)
        assert got.startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 ")), got


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_no_page_elsewhere_changes_anything(headers: dict[str, str], live: Live) -> None:
    """Not even with the admin key, on no route that is no question."""
    item = form([(PHOTO, encoded("JPEG"))])
    for method, path in UNSAFE:
        kind = FORM if method == "PUT" else {"Content-Type": "application/json"}
        body = item if method == "PUT" else b'{"i001": {"title": "taken over"}}'
        got = live.ask(method, path, body, headers | AS_ADMIN | kind)
        assert (got.status, got.code()) == (403, "cross_site"), (method, path, got)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (ALLOWED, True),
        ("https://SHOP.example", True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("https://evil.example/shop.example", False),
        ("https://sub.shop.example", False),
        ("https://shop.example, https://evil.example", False),
        ("null", False),
        ("*", False),
    ],
)
def test_who_may_read_is_told_by_name(origin: str, allowed: bool, live: Live) -> None:
    """Pages of one origin, by that origin: never all, and never with cookies; a preflight lets no change pass."""
    for path in ("/v1/catalogue", "/v1/nothing", "/v1/items/i001", "/healthz"):
        for method in ("GET", "OPTIONS"):
            asking = {"Origin": origin} | ({"Access-Control-Request-Method": "PUT"} if method == "OPTIONS" else {})
            got = live.ask(method, path, headers=asking)
            assert got.headers.get("access-control-allow-origin") == (origin if allowed else None)
            assert "access-control-allow-credentials" not in got.headers
            assert got.headers["vary"] == "Origin"
            may = got.headers.get("access-control-allow-methods", "")
            assert not {"PUT", "PATCH", "DELETE"} & set(may.split(", "))


def test_every_answer_carries_what_keeps_it_harmless(live: Live) -> None:
    """What is found, refused, missing, or no change: no type is guessed, nothing is framed, no script runs."""
    paths = ("/v1/catalogue", "/v1/items/i001", "/v1/nothing", "/v1/facets?where=x", "/healthz", "/openapi.json")
    for path in paths:
        got = live.ask("GET", path)
        assert {name: got.headers.get(name) for name in CARRIED} == CARRIED, (path, got)
        assert got.headers["content-type"].partition(";")[0] in {"application/json", "application/problem+json"}
        assert "server" not in got.headers
        assert "set-cookie" not in got.headers


def test_no_photo_is_fetched(live: Live) -> None:
    """Whatever asks for it, no connection is made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg"
        asked = [
            (f"?url={url}", b"", {"Content-Type": "image/jpeg"}),
            (f"?photo={url}", b"", {"Content-Type": "image/jpeg"}),
            ("", json.dumps({"url": url}).encode(), {"Content-Type": "application/json"}),
            ("", url.encode(), {"Content-Type": "text/uri-list"}),
            ("", url.encode(), {"Content-Type": "image/jpeg"}),
            ("", b"", {"Content-Type": f"message/external-body; access-type=URL; URL={url}"}),
            ("", b"", {"Content-Type": "image/jpeg", "Content-Location": url, "Referer": url}),
            ("", form([('Content-Disposition: form-data; name="url"', url.encode())]), FORM),
            ("", form([('Content-Disposition: form-data; name="photo"', url.encode())]), FORM),
            ("", form([(PHOTO.replace("a.jpg", url), url.encode())]), FORM),
            ("", form([(f"{PHOTO}\r\nContent-Location: {url}", b"")]), FORM),
        ]
        for query, body, headers in asked:
            assert live.ask("POST", f"/v1/search{query}", body, headers).status in {400, 415, 422}
        put = form([(PHOTO, url.encode()), ('Content-Disposition: form-data; name="attributes"', b'{"path": "a"}')])
        assert live.ask("PUT", "/v1/items/far", put, AS_ADMIN | FORM).status in {400, 415, 422}
        with pytest.raises(TimeoutError, match="timed out"):
            listener.accept()


def test_other_protocols_are_not_spoken(live: Live) -> None:
    """No upgrade, no proxy, no method that is none."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YQ==")
    for method, target, *headers in (
        ("GET", "/v1/search", *upgrade),
        ("GET", "/healthz", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
        ("CONNECT", "evil.example:443"),
        ("TRACE", "/v1/catalogue"),
        ("GET", "http://evil.example/v1/search"),
        ("PRI", "*"),
        ("NONSENSE", "/v1/catalogue"),
    ):
        got = live.line(method, target, "Host: localhost", *headers)
        assert got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 40")), (method, target, got)
        assert got.startswith(b"HTTP/1.1 40") or target == "/healthz"
