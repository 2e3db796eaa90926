"""Whether a catalogue answers, as a server that looks at it tells."""

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from server.live import until
from shops import build, other_bundle, shop
from twinset import Catalogue
from twinset.catalogue.patch import patch_items
from twinset.catalogue.upgrade import prepare, switch
from twinset.server.app import create_app
from twinset.server.decoders import Decoders
from twinset.server.ready import Readiness
from twinset.server.telemetry import Telemetry


def test_a_catalogue_that_is_gone_is_not_ready(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Requests are told to come again, without a line in the log for each; once it is back they are answered."""
    with (
        build(tmp_path / "c", shop(tmp_path / "shop", items=2, views=1)) as catalogue,
        TestClient(create_app(catalogue), base_url="http://127.0.0.1") as client,
    ):
        assert until(lambda: client.get("/readyz").status_code == 200, 10)
        (tmp_path / "c").rename(tmp_path / "away")
        assert until(lambda: client.get("/readyz").status_code == 503, 10)
        before = len(caplog.records)
        for _ in range(3):
            answer = client.get("/v1/items/i000")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert answer.headers["Retry-After"] == "5"
        assert [record for record in caplog.records[before:] if record.levelname == "ERROR"] == []
        (tmp_path / "away").rename(tmp_path / "c")
        assert until(lambda: client.get("/readyz").status_code == 200, 10)
        assert client.get("/v1/items/i000").status_code == 200


def test_a_long_look_holds_nobody_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted is answered while a look that is under way comes to its end."""
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def look(self: Catalogue) -> None:
        begun.set()
        go.wait(2)
        ended.set()

    async def stopped(readiness: Readiness) -> None:
        watching = asyncio.ensure_future(readiness.watch())
        await asyncio.to_thread(begun.wait, 10)
        watching.cancel()
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        go.set()
        await asyncio.wait({watching})
        assert ended.is_set()

    monkeypatch.setattr(Catalogue, "warm", look)
    decoders = Decoders(1)
    with build(tmp_path / "c", shop(tmp_path / "shop", items=1, views=1)) as catalogue:
        asyncio.run(stopped(Readiness({"c": catalogue}, decoders, Telemetry())))
    decoders.close()


def test_another_version_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By a line of the log, when it answers."""
    caplog.set_level("INFO", "twinset.server")
    with (
        build(tmp_path / "c", shop(tmp_path / "shop", items=2, views=1)) as catalogue,
        TestClient(create_app(catalogue), base_url="http://127.0.0.1") as client,
    ):
        lines, telemetry = partial(answering, caplog), client.app.state.service.telemetry
        assert until(lambda: lines() == ["catalogue c answers with version 1"], 10)
        before = telemetry.page()
        patch_items(tmp_path / "c", {"i000": {"price": "11"}})
        assert until(lambda: held(telemetry.page()) != held(before), 10)
        switch(tmp_path / "c", prepare(tmp_path / "c", other_bundle(tmp_path / "middle")).version)
        assert until(lambda: lines()[1:] == ["catalogue c answers with version 2"], 10)


def held(page: bytes) -> list[bytes]:
    """What metrics tell of catalogues."""
    return [line for line in page.splitlines() if line.startswith(b"twinset_catalogue{")]


def answering(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log tells of versions that answer."""
    return [record.getMessage() for record in caplog.records if "answers with" in record.getMessage()]
