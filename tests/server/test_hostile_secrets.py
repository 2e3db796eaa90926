"""What a server lets nobody know: queries, where photos were taken, vectors; and how much it lets be asked."""

import io
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server.bad_forms import PHOTO
from server.bad_photos import encoded, located
from server.conftest import ADMIN_KEY, AS_ADMIN, FILE_BYTES, FORM
from server.live import Live, form, start, until

Record = Callable[[str, object], None]


def noise() -> bytes:
    """A photo that is larger than the server may write to a file."""
    pixels = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (1500, 1500, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "BMP")
    assert len(out.getvalue()) > FILE_BYTES
    return out.getvalue()


def test_no_query_reaches_the_disk_or_the_log(live: Live, shop_catalogue: Path) -> None:
    """Neither while a large photo comes in, nor after; and no line tells of it, its name or its filter."""
    body = form([(PHOTO.replace("a.jpg", "a-secret-name.jpg"), noise())])
    lengths = "".join(f"{name}: {value}\r\n" for name, value in (FORM | {"Content-Length": len(body)}).items())
    before, folders = set(live.open_files()), shop_catalogue.parent
    stored = {path: path.stat().st_size for path in folders.rglob("*") if path.is_file()}
    with live.connect() as line:
        line.sendall(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n" + lengths.encode() + b"\r\n")
        line.sendall(body[:-100])
        assert until(lambda: any(name.startswith("socket") for name in set(live.open_files()) - before), 5)
        assert not [name for name in set(live.open_files()) - before if not name.startswith("socket")]
        assert not list(live.folder.iterdir())
        line.sendall(body[-100:])
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert live.search(located(), "k=5&where=category%3Da-secret-filter").status == 200
    assert live.search(located(), "k=5&where=a-secret-field%3Da").status == 400
    assert not list(live.folder.iterdir())
    assert stored == {path: path.stat().st_size for path in folders.rglob("*") if path.is_file()}
    assert until(lambda: '"route": "/v1/search", "status": 400' in "".join(live.log), 5)
    log = "".join(live.log)
    assert "secret" not in log
    assert ADMIN_KEY not in log


def test_no_photo_tells_where_it_was_taken(live: Live) -> None:
    """Photos that are put with EXIF and served at each size have none."""
    secrets = (b"Exif", b"a secret", b"http://ns.adobe")
    assert any(secret in located() for secret in secrets)
    assert live.ask("PUT", "/v1/items/told", form([(PHOTO, located())]), AS_ADMIN | FORM).status == 200
    try:
        (photo,) = live.ask("GET", "/v1/items/told").json()["photos"]
        for size in (160, 320, 640):
            got = live.ask("GET", f"/v1/photos/{photo['photo_id']}?size={size}")
            assert (got.status, got.headers["content-type"]) == (200, "image/jpeg")
            assert not [secret for secret in secrets if secret in got.body]
            assert not Image.open(io.BytesIO(got.body)).getexif()
    finally:
        assert live.ask("DELETE", "/v1/items/told", headers=AS_ADMIN).status == 200


def test_no_answer_has_a_vector(live: Live) -> None:
    """No route gives what a model could be copied from faster than by its scores."""
    searched = live.search(encoded("JPEG"))
    verdict = f'{{"query_id": "{searched.json()["query_id"]}", "positive": ["i001"]}}'.encode()
    refined = live.ask("POST", "/v1/feedback", verdict, {"Content-Type": "application/json"})
    paths = ("/v1/items/i001/similar", "/v1/items/i001", "/v1/catalogue", "/v1/facets", "/v1/limits")
    for got in (searched, refined, *(live.ask("GET", path) for path in paths)):
        assert got.status == 200, got
        assert not re.search(r'"(vector|embedding)s?"', got.body.decode())
        assert not re.search(r"\[(-?\d+\.\d+(e-?\d+)?,?\s*){8}", got.body.decode())


def test_a_fault_names_no_file(live: Live, shop_catalogue: Path) -> None:
    """What is refused tells neither where the catalogue lies nor where this program does."""
    asked = [("/v1/items/none", 404), ("/v1/photos/none", 404), ("/v1/catalogue?catalogue=none", 404)]
    for path, status in [*asked, ("/v1/search", 405), ("/v1/nothing", 404), ("/v1/facets?where=a%3Db", 400)]:
        got = live.ask("GET", path)
        assert got.status == status, got
        assert str(shop_catalogue.parent) not in got.body.decode()
        assert ".py" not in got.body.decode()


def test_a_day_has_so_many_searches(shop_catalogue: Path, tmp_path: Path) -> None:
    """Behind the quota all is 429, and tells when to come again; what holds no answer is not counted."""
    key = {"Authorization": f"Bearer {'k' * 16}"}
    live = start(shop_catalogue, tmp_path / "t", key="k" * 16, quota=20)
    try:
        assert [live.ask("GET", "/v1/items/i001/similar").status for _ in range(30)] == [401] * 30
        got = [live.ask("GET", "/v1/items/i001/similar", headers=key) for _ in range(200)]
        assert [one.status for one in got] == [200] * 20 + [429] * 180
        assert {one.code() for one in got[20:]} == {"quota_used"}
        assert all(int(one.headers["retry-after"]) > 80_000 for one in got[20:])
        search = live.ask("POST", "/v1/search", encoded("JPEG"), key | {"Content-Type": "image/jpeg"})
        assert (search.status, search.code()) == (429, "quota_used")
        assert live.ask("GET", "/v1/items/i001", headers=key).status == 200
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
        assert until(lambda: live.search(encoded("JPEG")).status == 200, 5)
        record_property("handles, seconds until served", (held, time.monotonic() - gone))
        assert held < 256
        told = [line for line in live.log if '"logger": "asyncio"' not in line]  # that a burst found no handle
        assert not [line for line in told if "Traceback" in line or '"fault"' in line]
    finally:
        live.close()
