"""A server is sent what breaks programs: it refuses it by a code, answers others, and holds nothing of it after."""

import io
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server import hostile
from server.conftest import ADMIN_KEY, FILE_BYTES, answer
from server.live import Answer, Live, form, start, until
from twinset.errors import PHOTO_CODES

REFUSED = (400, 413, 415, 422)
Record = Callable[[str, object], None]


def refused(got: Answer) -> str:
    """The code of a refusal, which is a photo's or the body's."""
    assert got.status in REFUSED, got
    code = got.code()
    assert code in {*PHOTO_CODES, "bad_form", "wrong_type", "body_too_large"}, code
    return code


def test_bombs_are_refused_before_they_are_decoded(live: Live, record_property: Record) -> None:
    """Each in a moment, and the process that read its head takes no memory for it."""
    before, took = live.facts(), {}
    for name, bomb in hostile.bombs().items():
        begun = time.monotonic()
        assert refused(live.search(bomb)) in ("too_many_pixels", "broken_photo"), name
        took[name] = time.monotonic() - begun
    record_property("slowest", max(took.items(), key=lambda one: one[1]))
    assert max(took.values()) < 5, took
    assert live.facts().memory - before.memory < 100


@pytest.mark.deep
def test_sixteen_bombs_at_once(live: Live, record_property: Record) -> None:
    """Others are answered meanwhile, and the memory of all processes stays bounded."""
    bombs = list(hostile.bombs().values())
    with ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(live.search, bomb) for bomb in bombs * 12]
        begun = time.monotonic()
        answer(live)
        record_property("golden meanwhile", time.monotonic() - begun)
        statuses = [one.result().status for one in sent]
    assert set(statuses) <= {*REFUSED, 503}
    assert live.facts().memory < 1500


def test_much_beside_few_pixels(live: Live, record_property: Record) -> None:
    """Text, profiles, EXIF, frames and directories beyond measure: read or refused, and never for long."""
    took = {}
    for name, photo in hostile.swollen().items():
        begun = time.monotonic()
        got = live.search(photo)
        took[name] = round(time.monotonic() - begun, 3)
        assert got.status == 200 or refused(got), (name, got)
    record_property("took", took)
    assert max(took.values()) < 10, took


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.deep)])
def test_mutants_of_photos(count: int, live: Live, record_property: Record) -> None:
    """A photo with some bytes changed is answered or refused with a code, eight at once."""
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(live.search, hostile.mutants(count, seed=count)))
    statuses = [one.status for one in got if one.status == 200 or refused(one)]
    record_property("answered", statuses.count(200))
    assert len(statuses) == count


def test_broken_forms(live: Live) -> None:
    """Each is refused with a code, and none as a fault of the server."""
    for name, (kind, body) in hostile.forms(hostile.encoded("JPEG")).items():
        headers = {"Content-Type": kind} if kind else {}
        got = live.ask("POST", "/v1/search", body, headers)
        assert refused(got), name


def test_names_of_files_do_not_count(live: Live) -> None:
    """A part's file name is never used: the same answer under each, and nothing of it in the answer."""
    plain = answer(live)["hits"]
    for head in hostile.filenames():
        body = form([(head, hostile.encoded("JPEG"))])
        got = live.ask("POST", "/v1/search?k=5", body, {"Content-Type": "multipart/form-data; boundary=b"})
        assert got.status == 200, (head, got)
        assert got.json()["hits"] == plain


def test_a_form_in_a_slow_charset_is_refused_at_once(live: Live) -> None:
    """Punycode of a quarter of a MiB takes minutes to decode: no charset but UTF-8 is read."""
    part = 'Content-Disposition: form-data; name="attributes"'
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    for charset in ("punycode", "idna", "unicode_escape"):
        kind = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
        begun = time.monotonic()
        got = live.ask("PUT", "/v1/items/x", form([(part, b"a" * 200_000)]), headers | kind)
        assert (got.status, got.code()) == (415, "wrong_type")
        assert time.monotonic() - begun < 5


HEAD = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


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
    before, chunk = live.facts(), bytes(1 << 20)
    for length in (b"Transfer-Encoding: chunked\r\n", b""):
        with live.connect() as line, pytest.raises(OSError, match=r"."):
            line.settimeout(5)
            line.sendall(HEAD.encode() + length + b"\r\n")
            for _ in range(2000):
                line.sendall(b"100000\r\n" + chunk + b"\r\n")
            raise AssertionError("two GiB were taken")
    assert live.facts().memory - before.memory < 64


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/events"])
def test_small_bodies_are_bounded_too(path: str, live: Live) -> None:
    """JSON that FastAPI reads by itself has the same deadline, and a lower limit."""
    kind = {"Content-Type": "application/json"}
    got = live.ask("POST", path, b'{"query_id": "' + b"a" * (1 << 20) + b'"}', kind)
    assert (got.status, got.code()) == (413, "body_too_large")
    for body in (b"\xff\xfe{}", b'{"query_id": "\xff"}', b"[" * 60_000, b'{"a": ' + b"9" * 5000 + b"}"):
        assert live.ask("POST", path, body, kind).status in (400, 422), body[:20]
    with live.connect() as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n".encode())
        line.sendall(b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        assert b" 408 " in line.recv(65536)


def test_a_killed_decoder_costs_its_own_request_only(live: Live, record_property: Record) -> None:
    """Decoders are killed under load: every answer is right, or that photo's own refusal; others come at once."""
    golden, photo, killed = answer(live)["hits"], hostile.encoded("JPEG"), 0
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(live.search, photo) for _ in range(300)]
        while killed < 50 and not all(one.done() for one in sent):
            for child in live.children():
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed += 1
            time.sleep(0.02)
        got = [one.result() for one in sent]
    good = [one for one in got if one.status == 200]
    record_property("killed, answered", (killed, len(good)))
    assert all(one.json()["hits"] == golden for one in good)
    assert {one.code() for one in got if one.status != 200} <= {"photo_too_heavy", "overloaded"}
    assert len(got) - len(good) <= killed
    assert live.search(photo).status == 200
    assert live.children()


def test_no_query_reaches_the_disk_or_the_log(live: Live) -> None:
    """A photo larger than the server may write is searched with; no file is left, and no line tells of it."""
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (1500, 1500, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "BMP")
    assert len(out.getvalue()) > FILE_BYTES
    part = hostile.PHOTO.replace("a.jpg", "a-secret-name.jpg")
    body = form([(part, out.getvalue())])
    got = live.ask("POST", "/v1/search", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert got.status == 200
    located = live.search(hostile.located(), "k=5&where=category%3Da-secret-filter")
    assert located.status == 200
    assert not list(live.folder.iterdir())
    log = "".join(live.log)
    assert '"route": "/v1/search"' in log
    assert "secret" not in log
    assert ADMIN_KEY not in log


def test_no_photo_tells_where_it_was_taken(tmp_path: Path, live: Live) -> None:
    """Photos that are put with EXIF and served at each size have none."""
    secrets = (b"Exif", b"a secret", b"http://ns.adobe")
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "multipart/form-data; boundary=b"}
    assert any(secret in hostile.located() for secret in secrets)
    put = live.ask("PUT", "/v1/items/told", form([(hostile.PHOTO, hostile.located())]), headers)
    assert put.status == 200, put
    try:
        (photo,) = live.ask("GET", "/v1/items/told").json()["photos"]
        for size in (160, 320, 640):
            got = live.ask("GET", f"/v1/photos/{photo['photo_id']}?size={size}")
            assert (got.status, got.headers["content-type"]) == (200, "image/jpeg")
            assert not [secret for secret in secrets if secret in got.body]
            assert not Image.open(io.BytesIO(got.body)).getexif()
    finally:
        assert live.ask("DELETE", "/v1/items/told", headers=headers).status == 200


def test_no_answer_has_a_vector(live: Live) -> None:
    """No route gives what a model could be copied from faster than by its scores."""
    for got in (live.search(hostile.encoded("JPEG")), live.ask("GET", "/v1/items/i001/similar")):
        assert got.status == 200
        assert not re.search(r'"(vector|embedding)"', got.body.decode())
        assert not re.search(r"\[(-?\d+\.\d+(e-?\d+)?,?\s*){8}", got.body.decode())


def test_a_day_has_so_many_searches(shop_catalogue: Path, tmp_path: Path) -> None:
    """Behind the quota all is 429, and tells when to come again."""
    live = start(shop_catalogue, tmp_path / "t", key="k" * 16, quota=20)
    try:
        own = {"Authorization": f"Bearer {'k' * 16}"}
        got = [live.ask("GET", "/v1/items/i001/similar", headers=own) for _ in range(200)]
        assert [one.status for one in got] == [200] * 20 + [429] * 180
        assert {one.code() for one in got[20:]} == {"quota_used"}
        assert all(int(one.headers["retry-after"]) > 80_000 for one in got[20:])
    finally:
        live.close()


@pytest.mark.deep
def test_fewer_file_handles_than_connections(shop_catalogue: Path, tmp_path: Path, record_property: Record) -> None:
    """Three hundred connections with 256 handles: the server stays, and answers as soon as they are gone."""
    live = start(shop_catalogue, tmp_path / "t", handles=256)
    try:
        lines: list[socket.socket] = []
        for _ in range(300):
            line = live.connect()
            line.sendall(b"GET /healthz HTTP/1.1\r\n")
            lines.append(line)
        held = live.facts().handles
        for line in lines:
            line.close()
        gone = time.monotonic()
        assert until(lambda: live.search(hostile.encoded("JPEG")).status == 200, 5)
        record_property("handles, seconds until served", (held, time.monotonic() - gone))
        assert held < 256
        assert not [line for line in live.log if "Traceback" in line]
    finally:
        live.close()
