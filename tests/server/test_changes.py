"""Changes by the API: beside another writer, of several catalogues, and when the server is to stop."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from shops import build, shop
from twinset import Catalogue
from twinset.server.app import create_app
from twinset.server.guard import Guard
from twinset.server.hosts import Doors
from twinset.server.inflow import Inflow
from twinset.settings import ServeSettings
from twinset.store.lock import writing

ADMIN = {"Authorization": "Bearer " + "a" * 16}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Two catalogues of two items."""
    manifest = shop(tmp_path / "shop", items=2, views=1)
    for name in ("de", "jp"):
        build(tmp_path / name, manifest).close()
    return tmp_path / "de", tmp_path / "jp"


@pytest.fixture
def client(places: tuple[Path, Path]) -> Iterator[TestClient]:
    """The application of both."""
    with Catalogue(places[0]) as de, Catalogue(places[1]) as jp:
        app = create_app({"de": de, "jp": jp}, ServeSettings(admin_key="a" * 16))
        yield TestClient(app, base_url="http://127.0.0.1", headers=ADMIN)
        app.state.service.close()


def test_another_writer_is_waited_for_a_second(client: TestClient, places: tuple[Path, Path]) -> None:
    """Then the change is told to come again; one of the other catalogue is made meanwhile."""
    change = {"i000": {"price": "12"}}
    with writing(places[0], 0):
        started = time.monotonic()
        for request in (
            client.build_request("PATCH", "/v1/items", json=change),
            client.build_request("DELETE", "/v1/items/i000"),
        ):
            answer = client.send(request)
            assert (answer.status_code, answer.json()["code"]) == (503, "catalogue_busy")
            assert int(answer.headers["Retry-After"]) >= 1
        assert 1.5 < time.monotonic() - started < 8
        assert client.patch("/v1/items", params={"catalogue": "jp"}, json=change).status_code == 200
    assert client.patch("/v1/items", json=change).json()["updated"] == 1


def test_the_summary_looks_at_no_file(client: TestClient, places: tuple[Path, Path]) -> None:
    """It is what `info` tells, and asks only the database."""
    told = client.get("/v1/catalogue", params={"catalogue": "jp"}).json()
    with Catalogue(places[1]) as catalogue:
        info = catalogue.info()
    assert told == {
        "name": "jp",
        "names": ["de", "jp"],
        "photos": info.photos,
        "items": info.items,
        "fingerprint": info.fingerprint,
        "bundle": info.bundle,
        "version": info.version,
        "built": info.built,
    }


def test_so_many_items_are_changed_at_once(client: TestClient) -> None:
    """A hundred thousand; more is refused before any is looked for."""
    answer = client.patch("/v1/items", json={f"i{number}": {} for number in range(100_001)})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_form")
    assert "100,001 items" in answer.json()["detail"]


def test_an_id_that_could_not_be_asked_for_is_refused(client: TestClient, places: tuple[Path, Path]) -> None:
    """What ends as the question what is similar does."""
    photo = next((places[0].parent / "shop").rglob("*.png")).read_bytes()
    answer = client.put("/v1/items/a%2Fsimilar", files={"photo": ("a.png", photo, "image/png")})
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")
    assert "ends in /similar" in answer.json()["detail"]


def test_who_is_still_served_when_time_is_up_is_told(tmp_path: Path) -> None:
    """By a problem of ours, and to come again; not by whatever the server says of a task that ended."""
    begun = asyncio.Event()
    sent: list[Message] = []

    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.sleep(60)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def stopped() -> None:
        guard = Guard(long, Doors.of(ServeSettings()), Inflow(1.0))
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "client": ("127.0.0.1", 1)}
        task = asyncio.ensure_future(guard(scope | {"headers": [(b"host", b"localhost")]}, receive, send))
        await begun.wait()
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(stopped())
    start, body = sent
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (503, b"5")
    assert json.loads(body["body"])["code"] == "not_ready"
