"""A real server that is attacked: what it holds before and after, and one query whose answer stays."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from server.bad_forms import PHOTO
from server.bad_photos import encoded
from server.live import Live, form, start, until
from shops import build, shop

ADMIN_KEY = "an-admin-key-for-tests"
AS_ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE_BYTES = 4 * 2**20
"""What the attacked server may write to a file; a query is larger."""


def answer(live: Live) -> Any:
    """The golden query's answer, without what differs each time, or with each change of the catalogue."""
    got = live.search(encoded("JPEG"))
    assert got.status == 200, got
    told = got.json()
    del told["query_id"], told["ms"], told["catalogue"]["sequence"], told["next"]
    return told


@pytest.fixture(scope="session")
def shop_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of twenty items; what is attacked changes nothing of it."""
    home = tmp_path_factory.mktemp("attacked")
    build(home / "c", shop(home / "shop"))
    return home / "c"


@pytest.fixture(scope="session")
def attacked(shop_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Any]]:
    """The server, with its golden answer; at the end it has as much as at its start, and stops well."""
    home = tmp_path_factory.mktemp("server")
    live = start(
        shop_catalogue,
        home / "tmp",
        file_bytes=FILE_BYTES,
        admin_key=ADMIN_KEY,
        receive_seconds=2.0,
        allow_origin=["https://shop.example"],
        events=str(home / "events"),
    )
    try:
        _use(live)
        golden, before, opened = answer(live), live.facts(), live.open_files()
        yield live, golden
        more = Counter(live.open_files()) - Counter(opened)
        assert until(lambda: live.facts().handles <= before.handles, 10), "\n".join(map(repr, more.items()))
        after = live.facts()
        assert after.files == before.files == 0
        assert after.children == before.children
        assert after.memory - before.memory < 200
    finally:
        status = live.close()
    assert status == 0


@pytest.fixture
def live(attacked: tuple[Live, Any]) -> Iterator[Live]:
    """The attacked server; whatever a test did, the golden answer stands and nothing inside it broke."""
    server, golden = attacked
    yield server
    assert answer(server) == golden
    lines = list(server.log)
    server.log.clear()
    log = "".join(lines)
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert '"fault"' not in log, log[-6000:]
    assert "Traceback" not in log, log[-6000:]


@pytest.fixture
def golden(attacked: tuple[Live, Any]) -> Any:
    """The golden answer."""
    return attacked[1]


def _use(live: Live) -> None:
    """Everything is used once, by every thread: what is opened then stays open."""
    with ThreadPoolExecutor(16) as pool:
        query = "facets=true&explain=1&where=category%3DTOPS/*"
        assert all(got.status == 200 for got in pool.map(live.search, [encoded("JPEG")] * 64, [query] * 64))
    photo = answer(live)["hits"][0]["photo_id"]
    for path in (f"/v1/photos/{photo}?size=160", "/v1/items/i001", "/v1/catalogue", "/v1/facets"):
        assert live.ask("GET", path).status == 200
    assert live.ask("PUT", "/v1/items/new", form([(PHOTO, encoded("JPEG"))]), AS_ADMIN | FORM).status == 200
    assert live.ask("DELETE", "/v1/items/new", headers=AS_ADMIN).status == 200
