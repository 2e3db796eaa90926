"""A real server that is attacked: what it holds before and after, and one query whose answer stays."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.hostile import encoded
from server.live import Live, start, until
from shops import build, shop

ADMIN_KEY = "an-admin-key-for-tests"
FILE_BYTES = 4 * 2**20
"""What the attacked server may write to a file; a query is larger."""


def answer(live: Live) -> Any:
    """The golden query's answer, without what differs each time."""
    got = live.search(encoded("JPEG"))
    assert got.status == 200, got
    told = got.json()
    del told["query_id"], told["ms"], told["catalogue"]["sequence"]
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
        golden = answer(live)
        before = live.facts()
        yield live, golden
        assert until(lambda: live.facts().handles <= before.handles + 4, 10), (
            before,
            live.facts(),
            os.listdir(f"/proc/{live.process.pid}/fd"),
            [os.readlink(f"/proc/{live.process.pid}/fd/{f}") for f in os.listdir(f"/proc/{live.process.pid}/fd")],
        )
        after = live.facts()
        assert after.files == before.files == 0
        assert after.children <= before.children + 1
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
    log = "".join(server.log)
    server.log.clear()
    assert "Traceback" not in log, log[-6000:]
