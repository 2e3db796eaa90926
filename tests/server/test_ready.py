"""Whether a catalogue answers, as a server that looks at it tells."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from shops import build, shop
from twinset.server.app import create_app


def until(true: Callable[[], bool]) -> None:
    """Waits for it, ten seconds at most."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_catalogue_that_is_gone_is_not_ready(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Requests are told to come again, without a line in the log for each; once it is back they are answered."""
    with (
        build(tmp_path / "c", shop(tmp_path / "shop", items=2, views=1)) as catalogue,
        TestClient(create_app(catalogue), base_url="http://127.0.0.1") as client,
    ):
        until(lambda: client.get("/readyz").status_code == 200)
        (tmp_path / "c").rename(tmp_path / "away")
        until(lambda: client.get("/readyz").status_code == 503)
        before = len(caplog.records)
        for _ in range(3):
            answer = client.get("/v1/items/i000")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert answer.headers["Retry-After"] == "5"
        assert [record for record in caplog.records[before:] if record.levelname == "ERROR"] == []
        (tmp_path / "away").rename(tmp_path / "c")
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/v1/items/i000").status_code == 200
