"""Odd texts and paths that lead out, in every field that a request has: refused or found, never a fault."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest

from server.bad_forms import PHOTO
from server.bad_photos import encoded
from server.bad_texts import leading_out, texts
from server.conftest import AS_ADMIN, FORM
from server.live import Answer, Live, form, within_path

DESCRIBED = Path(__file__).parents[2] / "docs/openapi.json"
JSON = {"Content-Type": "application/json"}
ATTRIBUTES = 'Content-Disposition: form-data; name="attributes"'
FIELDS = [
    (method.upper(), path.replace("{item_id}", "i001").replace("{photo_id}", "a"), parameter["name"])
    for path, operations in json.loads(DESCRIBED.read_text(encoding="utf-8"))["paths"].items()
    for method, operation in operations.items()
    for parameter in operation.get("parameters", ())
    if parameter["in"] == "query"
]
HEADERS = (
    *(
        "Authorization: ",
        "Authorization: Bearer ",
        "Authorization: Basic ",
        "Content-Type: ",
        "Accept: ",
        "Cookie: ",
    ),
    *("X-Forwarded-For: ", "Forwarded: ", "If-None-Match: ", "Origin: ", "Sec-Fetch-Site: ", "Range: ", "Expect: "),
    *("Transfer-Encoding: ", "Content-Length: ", "Accept-Encoding: ", "Host: localhost:", "Host: "),
)
SECRETS = (b"root:x:", b"SQLite format", b"HOSTNAME=", b"rows.sqlite-wal")


def harmless(got: Answer) -> Answer:
    """An answer that is no fault, is JSON where it says so, and holds no file that it should not."""
    assert got.status < 500, got
    if got.headers.get("content-type", "").endswith("json"):
        got.json()
    assert not [secret for secret in SECRETS if secret in got.body], got
    return got


def every(sample: int, asked: Iterable[Any]) -> list[Any]:
    """One in so many."""
    return list(asked)[::sample]


@pytest.mark.parametrize("sample", [31, pytest.param(1, marks=pytest.mark.deep)])
def test_texts_in_every_parameter(sample: int, live: Live) -> None:
    """Each parameter of each route that is described, and one that is not."""
    photo, item = encoded("PNG"), form([(PHOTO, b"no photo")])
    bodies = {"/v1/search": (photo, {"Content-Type": "image/png"}), "/v1/items/i001": (item, FORM)}

    def asked(field: tuple[str, str, str], text: str) -> Answer:
        method, path, name = field
        body, kind = bodies.get(path, (b"{}", JSON)) if method != "GET" else (None, {})
        return harmless(live.ask(method, f"{path}?{name}={within_path(text)}", body, AS_ADMIN | kind))

    assert len(FIELDS) >= 44
    chosen = every(sample, [(field, text) for field in [*FIELDS, ("GET", "/v1/facets", "a")] for text in texts()])
    with ThreadPoolExecutor(8) as pool:
        statuses = {got.status for got in pool.map(asked, *zip(*chosen, strict=True))}
    assert {200, 422} <= statuses <= {200, 400, 404, 409, 410, 415, 422}


@pytest.mark.parametrize("sample", [11, pytest.param(1, marks=pytest.mark.deep)])
def test_texts_in_every_header(sample: int, live: Live) -> None:
    """Sent as they are, bytes that no header may have among them."""
    for header, text in every(sample, [(header, text) for header in HEADERS for text in texts()]):
        host = () if header.startswith("Host") else ("Host: localhost",)
        got = live.line("GET", "/v1/items/i001", *host, header + text)
        assert got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 4")) or got == b"", (header, text, got)
        assert b"\r\nX-A: b" not in got


@pytest.mark.parametrize("sample", [5, pytest.param(1, marks=pytest.mark.deep)])
def test_texts_in_every_field_of_json(sample: int, live: Live) -> None:
    """Words, and values of other kinds than are asked for."""
    odd = (None, True, 0, -1, 1e308, 10**400, [], {}, [[]], {"a": {}}, [None], "a\x00")
    for text in every(sample, [*texts(), *odd]):
        event = {"query_id": text, "item_id": text, "position": text, "kind": text}
        fine = {"query_id": "a" * 32, "item_id": "i001", "position": 1, "kind": "click"}
        for path, told in (
            ("/v1/feedback", {"query_id": text, "positive": text}),
            ("/v1/feedback", {"query_id": "a" * 32, "positive": [text], "negative": [text, "i001"]}),
            *(("/v1/events", fine | {name: value}) for name, value in event.items() if name != "item_id"),
            ("/v1/events", fine | {"more": text}),
        ):
            harmless(live.ask("POST", path, json.dumps(told).encode(), JSON))
        for changes in ({text if isinstance(text, str) else "none": {"a": "b"}}, {"i001": {"path": text}}, text):
            got = live.ask("PATCH", "/v1/items", json.dumps(changes).encode(), AS_ADMIN | JSON)
            assert harmless(got).status >= 400 or changes == {}, changes
    for half in ({"\udc80": {"a": "b"}}, {"i001": {"title": "\ud800"}}, {"i001": {"\udfff": "a"}}):
        got = live.ask("PATCH", "/v1/items", json.dumps(half).encode(), AS_ADMIN | JSON)
        assert (got.status, got.code()) == (400, "bad_form"), half
    for broken in (
        b"",
        b"{",
        b"nul",
        b"NaN",
        b'{"i001": {"a": NaN}}',
        b"\xef\xbb\xbf{}",
        b'{"\xed\xb2\x80": {}}',
        "{}".encode("utf-16"),
        b"{}{}",
        b"[" * 100_000,
    ):
        got = live.ask("PATCH", "/v1/items", broken, AS_ADMIN | JSON)
        assert (got.status, got.code()) == (400, "bad_form"), broken[:20]


@pytest.mark.parametrize("sample", [17, pytest.param(1, marks=pytest.mark.deep)])
def test_texts_that_are_put_come_back_as_they_are(sample: int, live: Live) -> None:
    """As an item's id, an attribute's name or its value: the very same text, or refused."""
    put, photo = set(), encoded("PNG", 16)
    fields = cycle(("title", "brand", "category", "url", "price", "availability"))
    for text in every(sample, texts()):
        attributes = json.dumps({next(fields): text, text: "a"} if len(text) < 100 else {"title": text})
        for told in (attributes, json.dumps({"title": text})):
            body = form([(PHOTO, photo), (ATTRIBUTES, told.encode())])
            got = harmless(live.ask("PUT", f"/v1/items/{within_path(text)}", body, AS_ADMIN | FORM))
            if got.status == 200:
                put.add(text)
                found = live.ask("GET", f"/v1/items/{within_path(text)}").json()
                assert found["item_id"] == text
                assert json.loads(told).items() <= ({"title": found["title"]} | found["attributes"] | found).items()
    assert put
    for text in put:
        assert live.ask("DELETE", f"/v1/items/{within_path(text)}", headers=AS_ADMIN).status == 200, text


@pytest.mark.parametrize("sample", [5, pytest.param(1, marks=pytest.mark.deep)])
def test_paths_that_lead_out(sample: int, live: Live, shop_catalogue: Path) -> None:
    """As they are and escaped, read, put and deleted: nothing outside is read, and none of it is made."""
    home = shop_catalogue.parent
    before = {path for path in home.rglob("*") if path.is_file()}
    outs = [*leading_out(), *map(within_path, leading_out())]
    assert len(outs) * 4 >= 500
    for route, out in every(sample, product(("/v1/photos/", "/v1/items/", "/v1/", "/"), outs)):
        got = live.line("GET", f"{route}{out}", "Host: localhost")
        assert got.startswith(b"HTTP/1.1 4"), (route, out, got)
        assert not [secret for secret in SECRETS if secret in got], (route, out, got)
    photo = form([(PHOTO, encoded("PNG", 16))])
    for out in every(sample * 3, leading_out()):
        path = f"/v1/items/{within_path(out)}"
        if harmless(live.ask("PUT", path, photo, AS_ADMIN | FORM)).status == 200:
            made = {path for path in home.rglob("*") if path.is_file()} - before
            assert {path.parent.parent.name for path in made} | {path.parent.name for path in made} >= {"received"}
            assert harmless(live.ask("DELETE", path, headers=AS_ADMIN)).status == 200
    assert {path for path in home.rglob("*") if path.is_file()} == before
    assert not list(live.folder.iterdir())
