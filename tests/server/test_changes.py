"""Changes by the API: beside another writer, of several catalogues, and when the server is to stop."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from server.live import until
from shops import build, shop
from twinset import Catalogue, bundle
from twinset.catalogue import folder
from twinset.catalogue.folder import CatalogueFolder
from twinset.records import Photo, photo_id
from twinset.server.app import create_app
from twinset.server.guard import Guard
from twinset.server.hosts import Doors
from twinset.server.inflow import Inflow
from twinset.server.intake import parsed
from twinset.settings import ServeSettings
from twinset.store.lock import writing
from twinset.store.rows import Rows

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
        with TestClient(app, base_url="http://127.0.0.1", headers=ADMIN) as client:
            yield client


def test_another_writer_is_waited_for_a_second(client: TestClient, places: tuple[Path, Path]) -> None:
    """Then the change is told to come again."""
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
    assert client.patch("/v1/items", json=change).json()["updated"] == 1


def test_one_catalogues_writer_holds_up_no_other(
    client: TestClient, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the one is made while that of the other waits."""
    monkeypatch.setattr("twinset.server.routes.admin.WAIT", 5.0)
    change = {"i000": {"price": "12"}}
    with ThreadPoolExecutor(1) as pool:
        with writing(places[0], 0):
            waiting = pool.submit(client.patch, "/v1/items", json=change)
            assert until(lambda: client.app.state.service.changes["de"].here == 1, 10)
            assert client.patch("/v1/items", params={"catalogue": "jp"}, json=change).status_code == 200
            assert not waiting.done()
        assert waiting.result().json()["updated"] == 1


def test_the_summary_looks_at_no_file(
    client: TestClient, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what `info` tells, and asks only the database."""
    with Catalogue(places[1]) as catalogue:
        info = catalogue.info()
    monkeypatch.delattr(CatalogueFolder, "bytes")
    told = client.get("/v1/catalogue", params={"catalogue": "jp"}).json()
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


def test_a_patch_is_read_beside_the_event_loop(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one takes a while, in which others are answered."""
    threads: list[str] = []

    def noted(text: bytes) -> Any:
        threads.append(threading.current_thread().name)
        return parsed(text)

    monkeypatch.setattr("twinset.server.intake.parsed", noted)
    assert client.patch("/v1/items", json={"i000": {"price": "12"}}).status_code == 200
    assert [name.partition("_")[0] for name in threads] == ["desk"]


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


def large(place: Path, count: int) -> None:
    """A catalogue of so many photos, three an item, with vectors by chance."""
    folder.create(place, bundle.open_bundle("colour"))
    rows = Rows(place, write=True)
    version = rows.live()
    generator = np.random.Generator(np.random.PCG64(5))
    with rows.transaction():
        for number in range(count):
            vector = generator.random(version.dim, np.float32)
            name, item = f"{number}.jpg", f"i{number // 3}"
            photo = Photo(name, item, "TOPS", attributes={"price": "10"}, photo_id=photo_id("main", name))
            row = rows.put(photo, "main", ("0" * 64, 1, 1), None)
            rows.put_vector(version, row, vector / np.linalg.norm(vector), "source")
    rows.close()


@pytest.mark.deep
def test_ten_thousand_items_get_another_price(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Of a catalogue of 80,000 photos, and the next search tells it; the seconds are recorded."""
    large(tmp_path / "c", 80_000)
    with Catalogue(tmp_path / "c") as catalogue:
        app = create_app(catalogue, ServeSettings(admin_key="a" * 16))
        client = TestClient(app, base_url="http://127.0.0.1", headers=ADMIN)
        for price in ("11", "12", "13"):
            wall, cpu = time.perf_counter(), time.process_time()
            answer = client.patch("/v1/items", json={f"i{item}": {"price": price} for item in range(10_000)})
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            record_property(f"price {price}: seconds, of one core", (round(wall, 2), round(cpu, 2)))
            assert answer.json() == {"items": 10_000, "photos": 30_000, "updated": 30_000}
            found = client.get("/v1/items/i0/similar", params={"where": f"price={price}", "k": 20}).json()
            assert len(found["hits"]) == 20
        app.state.service.close()
