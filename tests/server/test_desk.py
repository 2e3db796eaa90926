"""Where requests wait: who finds no place, and whose turn comes when nobody is there any more."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from shops import build, shop
from twinset.errors import RequestError
from twinset.server.app import create_app
from twinset.server.desk import Desk
from twinset.server.service import Service
from twinset.settings import ServeSettings

ADMIN = "a" * 16


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    """The application of a shop of two items, whose queue holds one."""
    with build(tmp_path / "c", shop(tmp_path / "shop", items=2, views=1)) as catalogue:
        settings = ServeSettings(queue=1, admin_key=ADMIN, public=True, rate=3, events=str(tmp_path / "events"))
        made = create_app(catalogue, settings)
        yield made
        made.state.service.close()


def asked(gone: bool) -> Request:
    """A request of a client that is there, or has gone."""

    async def receive() -> Message:
        if not gone:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


def test_nothing_is_done_for_who_has_gone() -> None:
    """It is looked when his turn comes; who is there is served."""
    done: list[str] = []
    desk = Desk(4, threads=1)

    async def both() -> None:
        await desk.run(lambda: done.append("there"), asked(gone=False))
        with pytest.raises(RequestError, match="the client has gone"):
            await desk.run(lambda: done.append("gone"), asked(gone=True))

    asyncio.run(both())
    desk.close()
    assert done == ["there"]


def test_who_leaves_while_he_waits_is_not_served() -> None:
    """Though he was there when he came."""
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []
    desk = Desk(4, threads=1)

    def first() -> None:
        begun.set()
        assert go.wait(10)

    async def both() -> None:
        busy = asyncio.ensure_future(desk.run(first))
        await asyncio.to_thread(begun.wait, 10)
        waiting = asyncio.ensure_future(desk.run(lambda: done.append("gone"), asked(gone=True)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        go.set()
        await busy
        with pytest.raises(RequestError, match="the client has gone"):
            await waiting

    asyncio.run(both())
    desk.close()
    assert done == []


def test_a_full_queue_refuses_by_route(app: FastAPI) -> None:
    """Each search, before anything of it is read, and counted by its route; all else is answered."""
    client = TestClient(app, base_url="http://127.0.0.1")
    service: Service = app.state.service
    with service.desk.place():
        for method, path in (
            ("POST", "/v1/search"),
            ("POST", "/v1/feedback"),
            ("GET", "/v1/facets"),
            ("GET", "/v1/items/a%2Fb/similar"),
        ):
            answer = client.request(method, path, content=b"x", params={"nonsense": 1})
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded"), path
            assert answer.headers["Retry-After"] == "1"
        assert client.get("/v1/limits").status_code == 200
    told = client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN}"}).text
    for route in ("/v1/search", "/v1/feedback", "/v1/facets", "/v1/items/{item_id}/similar"):
        assert f'twinset_requests_total{{route="{route}",status="503"}} 1.0' in told
    assert client.get("/v1/facets").status_code == 200


def test_events_are_counted_by_address(app: FastAPI) -> None:
    """Ten for each search of a minute; the admin's are not."""
    client = TestClient(app, base_url="http://127.0.0.1")
    event = {"query_id": "q", "item_id": "i", "position": 1, "kind": "view"}
    found = [client.post("/v1/events", json=event) for _ in range(31)]
    assert [answer.status_code for answer in found] == [204] * 30 + [429]
    assert found[-1].json()["code"] == "too_many_requests"
    assert int(found[-1].headers["Retry-After"]) >= 1
    admin = {"Authorization": f"Bearer {ADMIN}"}
    assert client.post("/v1/events", json=event, headers=admin).status_code == 204


def test_a_photo_is_asked_for_again(app: FastAPI) -> None:
    """It keeps its id where its file changes: caches ask, by an ETag that a proxy may have weakened."""
    client = TestClient(app, base_url="http://127.0.0.1")
    photo = client.get("/v1/items/i000").json()["photos"][0]["photo_id"]
    for size in ("160", "640"):
        found = client.get(f"/v1/photos/{photo}", params={"size": size})
        tag = found.headers["ETag"]
        assert found.headers["Cache-Control"] == "private, no-cache"
        for told, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200), (tag[:-4], 200)):
            again = client.get(f"/v1/photos/{photo}", params={"size": size}, headers={"If-None-Match": told})
            assert again.status_code == status, told
            assert again.headers["ETag"] == tag
