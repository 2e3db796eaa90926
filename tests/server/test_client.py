"""The clients: the same answers as a catalogue gives, and the very errors that a server tells."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

import twinset
from server.serving import serving
from shops import build, shop
from twinset import AsyncClient, Catalogue, Client
from twinset.cli.main import main
from twinset.errors import (
    PHOTO_CODES,
    REQUEST_CODES,
    CursorError,
    CursorExpiredError,
    PathError,
    PhotoError,
    RequestError,
    ServerError,
    SourceError,
    TwinsetError,
    UnknownFieldError,
    UnknownItemError,
    UsageError,
    WhereError,
    http_status,
    of_code,
)
from twinset.records import Answer
from twinset.server.app import create_app
from twinset.settings import ServeSettings

KEY, ADMIN = "k" * 16, "a" * 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of twelve items beside its catalogue."""
    place = tmp_path_factory.mktemp("client")
    build(place / "c", shop(place / "shop", items=12)).close()
    return place


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Iterator[Catalogue]:
    """The catalogue, opened beside the server."""
    with Catalogue(folder / "c") as opened:
        yield opened


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server of it."""
    settings = ServeSettings(key=KEY, admin_key=ADMIN, events=str(folder / "events.jsonl"))
    with Catalogue(folder / "c") as served, serving(create_app(served, settings)) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    """Who has the admin key."""
    with Client(url, key=ADMIN) as made:
        yield made


@pytest.fixture
def photo(folder: Path) -> Path:
    """One of the shop's photos."""
    return folder / "shop/003/1.png"


def told(answer: Answer) -> dict[str, Any]:
    """What an answer says, but for what is of the asking itself."""
    facts = answer.to_json()
    return {name: facts[name] for name in facts.keys() - {"query_id", "ms"}}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "by": "photo", "facets": True, "categories": True},
        {"where": ["price<50", "category=TOPS/*"], "boost": ["view=v1:+0.05"], "out_of_stock": "sink"},
        {"box": (0.1, 0.0, 0.8, 0.9), "min_score": -0.25, "rerank": "expansion"},
        {"boxes": True, "by": "style", "explain": 2},
    ],
)
def test_a_catalogue_and_a_client_answer_alike(
    options: dict[str, Any], client: Client, catalogue: Catalogue, photo: Path
) -> None:
    """The whole answer, by a path and by bytes."""
    ours = told(catalogue.search(photo, **options))
    assert told(client.search(photo, **options)) == ours
    assert told(client.search(photo.read_bytes(), **options)) == ours


def test_several_photos_and_pages_are_alike(client: Client, catalogue: Catalogue, folder: Path) -> None:
    """Photos of one garment in their order; the next page; what is near to an item."""
    several = [folder / "shop/003/1.png", (folder / "shop/004/0.png").read_bytes()]
    first = client.search(several, 4)
    assert told(first) == told(catalogue.search(several, 4))
    assert first.next
    assert told(client.search(several, 4, cursor=first.next)) == told(
        catalogue.search(several, 4, cursor=first.next)
    )
    assert told(client.similar("i002", 5)) == told(catalogue.similar("i002", 5))
    assert client.item("i002") == catalogue.item("i002")
    assert client.facets(["view=v1"]) == catalogue.facets(["view=v1"])


def test_the_command_line_answers_alike(
    client: Client, folder: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` says what the client does."""
    asked = ["search", str(photo), "--catalogue", str(folder / "c"), "-k", "5", "--facets", "--json"]
    assert main(asked) == 0
    printed = json.loads(capsys.readouterr().out)
    ours = json.loads(json.dumps(client.search(photo, 5, facets=True).to_json()))
    for name in ("query_id", "ms"):
        del printed[name], ours[name]
    assert printed == ours


def test_the_documented_lines_work(url: str, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of docs/clients.md, with this server's address and key."""
    text = (Path(__file__).parents[2] / "docs/clients.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = block[1].replace("http://127.0.0.1:8000", url).replace("THE_SEARCH_KEY", KEY)
    exec(compile(lines.replace("customer.jpg", str(photo)), "clients.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[0] == "1 i003 1.0"


def test_an_address_without_categories_is_told_them(url: str, photo: Path) -> None:
    """On the first page; `Client` says that it does not ask, as a `Catalogue` does."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "image/png"}

    def ask(**parameters: str) -> Any:
        address = f"{url}/v1/search?{urlencode({'k': '2', **parameters})}"
        request = Request(address, photo.read_bytes(), headers, method="POST")
        with urlopen(request) as answer:
            return json.loads(answer.read())

    first = ask()
    assert [one["category"] for one in first["categories"]] == ["TOPS/Tee"]
    assert ask(cursor=first["next"])["categories"] is None
    assert ask(categories="false")["categories"] is None


def test_photos_limits_and_the_catalogue(client: Client, catalogue: Catalogue, folder: Path) -> None:
    """What is told beside answers."""
    photo_id = catalogue.item("i001").photos[0].photo_id
    assert client.photo(photo_id) == catalogue.copy([photo_id])[photo_id]
    assert client.photo(photo_id, 160).startswith(b"\xff\xd8\xff")
    limits = client.limits()
    assert (limits.hits, limits.events) == (ServeSettings().most_hits, True)
    served = client.catalogue()
    assert (served.name, served.items, served.names) == ("c", 12, ("c",))
    client.event(client.similar("i001").query_id, "i002", 1, "click")
    last = json.loads((folder / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["event"], last["item_id"], last["position"]) == ("click", "i002", 1)


def test_feedback_moves_hits(client: Client, photo: Path) -> None:
    """The wrong item is gone."""
    answer = client.search(photo)
    wrong = answer.hits[1].item_id
    moved = client.feedback(answer.query_id, [answer.hits[0].item_id], [wrong])
    assert wrong not in {hit.item_id for hit in moved}
    with pytest.raises(RequestError, match="not known") as expired:
        client.feedback("nothing", ["i001"])
    assert (expired.value.code, expired.value.http_status) == ("query_expired", 410)


def test_items_are_put_patched_and_deleted(client: Client, photo: Path) -> None:
    """An id with everything that an address could misread; a cursor of before expires."""
    name = "a/b ?#%2F&=ü:é+"
    before = client.search(photo, 2).next
    put = client.put_item(name, [photo, photo.read_bytes()], {"category": "TOPS/Tee", "price": "3"})
    assert (put.item_id, put.photos, put.added) == (name, 1, 1)
    assert client.item(name).attributes == {"price": "3"}
    assert len(client.similar(name)) > 0
    assert client.patch_items({name: {"price": "4", "sale": "yes"}}).updated == 1
    assert client.patch_items({name: {"sale": None}}).updated == 1
    assert client.item(name).attributes == {"price": "4"}
    with pytest.raises(CursorExpiredError, match="has changed"):
        client.search(photo, 2, cursor=before)
    assert client.delete_item(name) == 1
    with pytest.raises(UnknownItemError, match="holds no item"):
        client.item(name)


REFUSED: list[tuple[Callable[[Client, Path], object], type[TwinsetError], str]] = [
    (lambda client, photo: client.item("i0001"), UnknownItemError, "did you mean"),
    (lambda client, photo: client.photo("nothing"), UnknownItemError, "no such photo"),
    (lambda client, photo: client.search(photo, where=["price"]), WhereError, "price"),
    (lambda client, photo: client.search(photo, where=["prise=1"]), UnknownFieldError, "prise"),
    (lambda client, photo: client.search(photo, cursor="nothing"), CursorError, "is no cursor"),
    (lambda client, photo: client.search(photo, box=(0.5, 0, 0.4, 1)), UsageError, "is no part"),
    (lambda client, photo: client.search([photo, photo], box=(0, 0, 1, 1)), UsageError, "2 photos"),
    (lambda client, photo: client.search([]), UsageError, "there is no photo"),
    (lambda client, photo: client.search(photo, 0), RequestError, "k:"),
    (lambda client, photo: client.search(photo.read_bytes()[:60]), PhotoError, "PNG"),
    (lambda client, photo: client.search(b"nothing"), PhotoError, "no photo of a known kind"),
    (lambda client, photo: client.search(bytes(21 * 2**20)), PhotoError, "20 MiB"),
    (lambda client, photo: client.search(photo.parent / "none.png"), PathError, "cannot be read"),
    (lambda client, photo: client.put_item("i001", [photo]), SourceError, "i001"),
    (lambda client, photo: client.put_item("x", [photo], {"item_id": "y"}), UsageError, "no field to set"),
    (lambda client, photo: client.item(""), UsageError, "item_id is ''"),
    (lambda client, photo: client.delete_item(".."), UsageError, r"item_id is '\.\.': no address can carry it"),
    (lambda client, photo: client.photo("."), UsageError, r"photo_id is '\.'"),
]


@pytest.mark.parametrize(("ask", "kind", "said"), REFUSED)
def test_refusals_are_the_errors_that_they_were(
    ask: Callable[[Client, Path], object], kind: type[TwinsetError], said: str, client: Client, photo: Path
) -> None:
    """Of the very class, with the very words."""
    with pytest.raises(kind, match=said) as refused:
        ask(client, photo)
    assert type(refused.value) is kind


def test_the_search_key_changes_nothing(url: str, photo: Path) -> None:
    """And a wrong one does not search."""
    with Client(url, key=KEY) as shopper:
        assert len(shopper.search(photo, 2)) == 2
        with pytest.raises(RequestError, match="admin key is needed") as refused:
            shopper.delete_item("i001")
    assert refused.value.code == "wrong_key"
    with Client(url) as nobody, pytest.raises(RequestError, match="a key is needed"):
        nobody.limits()
    with Client(url, key=KEY, catalogue="other") as lost, pytest.raises(RequestError, match="no catalogue 'other'"):
        lost.search(photo)


def test_one_photo_is_put_as_it_is_searched(client: Client, photo: Path) -> None:
    """By its path or its bytes, not letter by letter; and taken away again."""
    for given in (str(photo), photo.read_bytes()):
        assert client.put_item("put", given, {"category": "TOPS/Tee"}).photos == 1
    assert client.item("put").category == "TOPS/Tee"
    assert client.delete_item("put") == 1


def test_many_at_once(url: str, photo: Path, client: Client) -> None:
    """The async client has every call of the other, and the same answers."""
    names = {name for name in vars(Client) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")}
    expected = told(client.search(photo, 4))

    async def ask() -> list[Answer]:
        async with AsyncClient(url, key=KEY) as many:
            with pytest.raises(UnknownItemError, match="holds no item"):
                await many.item("nothing")
            return await asyncio.gather(*(many.search(photo, 4) for _ in range(6)))

    assert all(told(answer) == expected for answer in asyncio.run(ask()))


@contextmanager
def answering(reply: bytes | None) -> Iterator[str]:
    """A server that gives every request one reply and closes; or, without one, is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line = listener.accept()[0]
            with line:
                line.recv(65_536)
                line.sendall(reply) if reply is not None else line.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def reply(status: str, body: bytes, headers: str = "") -> bytes:
    """An answer as it goes over the line."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


PROBLEM = b'{"code": "%s", "detail": "why", "mend": "how"}'


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "does not answer within 0.3 s"),
        (b"", "gives no answer"),
        (b"nonsense\r\n\r\n", "gives no answer"),
        (reply("200 OK", b"<html>"), "cannot be read"),
        (reply("200 OK", b"{}"), "cannot be read"),
        (reply("200 OK", b"[" * 100_000), "cannot be read"),
        (reply("302 Found", b"", "Location: http://127.0.0.1:9/\r\n"), "the status 302"),
        (reply("502 Bad Gateway", b"<html>"), "the status 502"),
        (reply("502 Bad Gateway", b"[]"), "the status 502"),
        (reply("418 Teapot", PROBLEM % b"brewing"), "refuses with 'brewing': why"),
        (reply("200 OK", b"no gzip" * 9, "Content-Encoding: gzip\r\n"), "gives no answer"),
    ],
)
def test_what_is_no_answer_is_a_server_error(given: bytes | None, said: str) -> None:
    """Silence, a broken line, another program's pages, a code of the future."""
    with answering(given) as url, Client(url, timeout=0.3) as client, pytest.raises(ServerError, match=said):
        client.limits()


def test_nobody_there() -> None:
    """Nothing listens at the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(ServerError, match="gives no answer"):
        client.limits()


@pytest.mark.parametrize(("after", "seconds"), [("7", 7), ("soon", None), ("", None)])
def test_how_long_to_wait_is_told(after: str, seconds: int | None) -> None:
    """`Retry-After` in seconds."""
    refusal = reply("503 Service Unavailable", PROBLEM % b"overloaded", f"Retry-After: {after}\r\n")
    with answering(refusal) as url, Client(url) as client, pytest.raises(RequestError, match="why: how") as refused:
        client.limits()
    assert (refused.value.code, refused.value.after) == ("overloaded", seconds)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "shop.example"}, "is no server's address"),
        ({"url": "file:///etc/passwd"}, "is no server's address"),
        ({"url": "http://shop.example/?k=1"}, "is no server's address"),
        ({"url": "http://user@shop.example"}, "is no server's address"),
        ({"url": "http://shop.example", "key": "two\r\nlines"}, "key holds other"),
        ({"url": "http://shop.example", "timeout": 0}, "timeout is 0"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(options: dict[str, Any], said: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match=said):
        Client(**options)


def test_every_code_leads_back_to_its_error() -> None:
    """By class, code and status; FetchError's never reach a client."""
    for code, status in {**PHOTO_CODES, **REQUEST_CODES}.items():
        error = of_code(code, "what", "how")
        assert error is not None
        assert (error.code, error.http_status, http_status(code), str(error)) == (code, status, status, "what: how")
    for code in ("usage", "bad_input", "cursor_expired", "no_answer", "disk_full"):
        error = of_code(code, "what")
        assert error is not None
        assert error.code == code
    assert of_code("brewing", "what") is None


def test_without_httpx2_the_extra_is_named() -> None:
    """By the exact command; importing the names costs nothing and needs nothing."""
    code = (
        "import sys; sys.modules['httpx2'] = None; import twinset; from twinset import AsyncClient, Client\n"
        "for kind in (Client, AsyncClient):\n"
        "    try: kind('http://127.0.0.1')\n"
        "    except twinset.TwinsetError as error: print(type(error).__name__, error.mend)\n"
        "print([m for m in ('fastapi', 'onnxruntime', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = 'MissingExtraError pip install "twinset[client]"'
    assert done.stdout.splitlines() == [line, line, "[]"]
    assert {"Client", "AsyncClient"} <= set(twinset.__all__)
