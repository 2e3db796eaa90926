"""Bodies that break programs are sent to a server: broken forms, lying lengths, no end; none is its own fault."""

import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from server import bad_forms
from server.bad_forms import PHOTO
from server.bad_photos import encoded
from server.conftest import AS_ADMIN, FORM, answer
from server.live import Live, form

Record = Callable[[str, object], None]
JSON_PATHS = ("/v1/feedback", "/v1/events")
FORM_PATHS = (("POST", "/v1/search"), ("PUT", "/v1/items/broken"))
MEBIBYTE = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
"""A chunk of it."""
HEAD = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


FORM_CPU = 0.2
"""Seconds that the server may compute for one form, of whatever size."""


def test_broken_forms(live: Live, record_property: Record) -> None:
    """Each is refused with a code, soon, and none as a fault of the server, by a search and by a put."""
    forms = bad_forms.forms(encoded("JPEG"))
    assert len(forms) >= 60
    took = {}
    for name, (kind, body) in forms.items():
        for method, path in FORM_PATHS:
            if method == "PUT" and name == "six photos":
                continue  # an item may have them
            begun, before = time.monotonic(), live.cpu()
            got = live.ask(method, path, body, AS_ADMIN | ({"Content-Type": kind} if kind else {}))
            took[method, name] = time.monotonic() - begun
            assert got.status in {400, 413, 415}, (method, name, got)
            assert got.code() in {"bad_form", "wrong_type", "body_too_large", "not_a_photo", "usage"}, name
            assert live.cpu() - before <= FORM_CPU, (method, name)
    record_property("slowest", max(took.items(), key=lambda one: one[1]))
    assert max(took.values()) < 3, took


def test_mutants_of_forms(live: Live, record_property: Record) -> None:
    """A form with some lines changed is answered or refused by a code, whoever reads it, and costs little."""
    count, statuses = 650, Counter[int]()
    for kind, body in bad_forms.mutants(encoded("JPEG"), count, seed=7):
        for method, path in FORM_PATHS:
            before = live.cpu()
            got = live.ask(method, path, body, AS_ADMIN | ({"Content-Type": kind} if kind else {}))
            statuses[got.status] += 1
            assert got.status == 200 or got.code(), (method, kind, body[:200], got)
            assert live.cpu() - before <= FORM_CPU, (method, kind, body[:200])
    assert live.ask("DELETE", "/v1/items/broken", headers=AS_ADMIN).status in {200, 404}
    record_property("answers", dict(statuses))
    assert set(statuses) <= {200, 400, 413, 415, 422}
    assert statuses[200] > 0
    assert statuses.total() - statuses[200] > 2 * 590


def test_forms_that_flood_the_parser(live: Live, record_property: Record) -> None:
    """In the greatest form there may be, boundaries, halves of them and blanks cost as little as zeros do."""
    took = {}
    for name, body in bad_forms.floods():
        before = live.cpu()
        got = live.ask("POST", "/v1/search", body, FORM)
        took[name] = round(live.cpu() - before, 2)
        assert (got.status, got.code()) in {(400, "bad_form"), (415, "not_a_photo")}, (name, got)
    record_property("seconds computed", took)
    assert max(took.values()) <= FORM_CPU, took


@pytest.mark.parametrize("gap", range(8))
def test_a_stray_boundary_is_seen_across_pieces(gap: int, live: Live) -> None:
    """Wherever the network cuts it; a boundary that begins a part may be cut anywhere too."""
    body = form([(PHOTO, encoded("JPEG") + b"\r\n--b\rx")])
    at = body.index(b"\r\n--b\rx") + gap
    whole = form([(PHOTO, encoded("JPEG"))])
    end = whole.rindex(b"\r\n--b--") + gap
    head = f"{HEAD.replace('image/jpeg', bad_forms.KIND)}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    for sent, cut, status, said in ((body, at, 400, b"stands within a part"), (whole, end, 200, b"hits")):
        parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (sent[:cut], sent[cut:]))
        got = live.raw(head.encode() + parts + b"0\r\n\r\n")
        assert got.startswith(f"HTTP/1.1 {status} ".encode()), got
        assert said in got


def test_what_is_no_form_is_told_alike(live: Live) -> None:
    """By a search and by a put: what type it needs; and of a field too many, where parameters stand."""
    for method, path in FORM_PATHS:
        for kind in ("", "application/json", "multipart/form-data", "text/plain; boundary=b"):
            got = live.ask(method, path, b"{}", AS_ADMIN | ({"Content-Type": kind} if kind else {}))
            assert (got.status, got.code()) == (415, "wrong_type"), (method, kind)
            assert "parts `photo` of multipart/form-data" in got.body.decode()
        body = form([(PHOTO, encoded("JPEG")), ('Content-Disposition: form-data; name="k"', b"5")] * 2)
        got = live.ask(method, path, body, AS_ADMIN | FORM)
        assert (got.status, got.code()) == (400, "bad_form")
        assert "parameters stand in the address" in got.body.decode()


def test_names_of_files_do_not_count(live: Live) -> None:
    """A part's file name is never used: the same answer under each, and nothing of it in the answer."""
    plain = answer(live)["hits"]
    for head in bad_forms.filenames():
        body = form([(head, encoded("JPEG"))])
        got = live.ask("POST", "/v1/search?k=5", body, FORM)
        assert got.status == 200, (head, got)
        assert got.json()["hits"] == plain


def test_a_form_in_a_slow_charset_is_refused_at_once(live: Live) -> None:
    """Punycode of a quarter of a MiB takes minutes to decode: no charset but UTF-8 is read."""
    part = 'Content-Disposition: form-data; name="attributes"'
    for charset in ("punycode", "idna", "unicode_escape"):
        kind = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
        begun = time.monotonic()
        got = live.ask("PUT", "/v1/items/x", form([(part, b"a" * 200_000)]), AS_ADMIN | kind)
        assert (got.status, got.code()) == (415, "wrong_type")
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("lengths", "status"),
    [
        ("Content-Length: -5\r\n", 400),
        ("Content-Length: 1e9\r\n", 400),
        ("Content-Length: 5, 6\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: +5\r\n", 400),
        ("Content-Length: 0x5\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
        ("Content-Length : 5\r\n", 400),
        ("Content-Length: 5\n", 400),
        ("X: a\r\n b: c\r\n\x00: d\r\n", 400),
        ("X y: a\r\n", 400),
        (": a\r\n", 400),
        (f"Content-Length: {'9' * 30}\r\n", 400),
        (f"Content-Length: {'9' * 20}\r\n", 413),
        (f"Content-Length: {10 << 30}\r\n", 413),
        ("Transfer-Encoding: chunked\r\n", 400),
    ],
)
def test_lengths_that_are_open_to_opinion(lengths: str, status: int, live: Live) -> None:
    """Where two programs could see the request end at different places, it is refused and the line closed."""
    follows = "zz\r\n" if lengths == "Transfer-Encoding: chunked\r\n" else "12345GET /v1/catalogue HTTP/1.1\r\n\r\n"
    got = live.raw((HEAD + lengths + "\r\n" + follows).encode("latin-1"), 0.5)
    assert got.startswith(f"HTTP/1.1 {status} ".encode()), got[:200]
    assert status == 413 or b"connection: close" in got.lower()
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"fingerprint" not in got


def test_bodies_without_end(live: Live) -> None:
    """A body that is longer than it may be, or than it said, is cut off; none of it stays in memory."""
    before = live.facts()
    for length in ("Transfer-Encoding: chunked\r\n", "", f"Content-Length: {10 << 30}\r\n"):
        with live.connect() as line:
            line.settimeout(5)
            line.sendall((HEAD + length + "\r\n").encode())
            assert _sent_until_cut(line, 256) < 256, f"256 MiB were taken: {length}"
    assert live.facts().memory - before.memory < 64


def test_small_bodies_are_bounded_too(live: Live) -> None:
    """JSON that FastAPI reads by itself has the same deadline, and a lower limit."""
    kind = {"Content-Type": "application/json"}
    begun = [
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" for path in JSON_PATHS
    ]
    with ThreadPoolExecutor(2) as pool:
        late = pool.map(live.raw, [f"{head}Content-Length: 9\r\n\r\n{{".encode() for head in begun])
        for path in JSON_PATHS:
            got = live.ask("POST", path, b'{"query_id": "' + b"a" * (1 << 20) + b'"}', kind)
            assert (got.status, got.code()) == (413, "body_too_large")
            for body in (b"\xff\xfe{}", b'{"query_id": "\xff"}', b"[" * 60_000, b'{"a": ' + b"9" * 5000 + b"}"):
                assert live.ask("POST", path, body, kind).status in (400, 422), body[:20]
        assert all(b" 408 " in got for got in late)


def test_ever_so_small_chunks(live: Live) -> None:
    """A photo in small chunks is a photo; chunks whose size is nonsense are refused."""
    photo = encoded("JPEG")
    head = (HEAD + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n").encode()
    parts = [photo[at : at + 4] for at in range(0, len(photo), 4)]
    assert 100 < len(parts) < 1024
    whole = b"".join(b"%x;" % len(part) + b"x" * 20 + b"\r\n" + part + b"\r\n" for part in parts)
    assert live.raw(head + whole + b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    for size in (b"-1", b"0x5", b"5_0", b" 5", b"F" * 40, b"5" + b";" + b"x" * 2**20, b"\xff"):
        got = live.raw(head + size + b"\r\n12345\r\n0\r\n\r\n", 5)
        assert got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), (size, got)


def test_a_chunk_for_each_byte_is_no_body(live: Live) -> None:
    """A chunk of a byte costs what a large one does: many of them are refused before they have cost much."""
    head = (HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode()
    before = live.cpu()
    with live.connect() as line:
        line.sendall(head)
        assert _sent_until_cut(line, 8, b"1\r\nx\r\n" * 2**17) < 8
    assert live.cpu() - before <= FORM_CPU
    fine = b"".join(b"400\r\n" + bytes(1024) + b"\r\n" for _ in range(4096))
    got = live.raw(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + fine + b"0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 415 ")


def test_heads_of_any_size(live: Live) -> None:
    """A head is bounded as a whole, whatever it is made of."""
    for lines in ("X: " + "a" * 2**20, *["\r\n".join(f"X{i}: a" for i in range(20_000))]):
        assert live.line("GET", "/v1/limits", "Host: localhost", lines)[:13] in {b"HTTP/1.1 400 ", b""}
    assert live.line("GET", "/v1/limits?" + "a" * 2**20, "Host: localhost")[:13] in {b"HTTP/1.1 400 ", b""}
    for parts in (2, 1000):
        ranges = "Range: bytes=" + ",".join("0-" for _ in range(parts))
        begun = time.monotonic()
        assert live.line("GET", "/openapi.json", "Host: localhost", ranges).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - begun < 2


def test_a_thousand_requests_at_once_on_one_connection(live: Live) -> None:
    """Requests that are sent without waiting are answered one after the other, all of them."""
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert live.raw(one * 1000 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).count(b" 200 ") == 1001


def _sent_until_cut(line: socket.socket, most: int, piece: bytes = MEBIBYTE) -> int:
    """How many pieces of a body were taken before the line was cut."""
    for count in range(most):
        try:
            line.sendall(piece)
        except OSError:
            return count
    return most
