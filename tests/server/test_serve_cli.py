"""`serve` as a shop starts it: a real process, its settings, its log, how it stops; and `events`."""

import asyncio
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shops import build, index, shop
from twinset import Catalogue
from twinset.cli.config import configure, unread
from twinset.cli.logs import JsonLines, TextLines
from twinset.cli.main import main
from twinset.errors import PHOTO_CODES, REQUEST_CODES, DiskFullError, InputError, PathError, UsageError
from twinset.server import events
from twinset.server.decoders import Decoders
from twinset.server.ready import Readiness
from twinset.server.telemetry import Telemetry
from twinset.settings import ServeSettings

Out = pytest.CaptureFixture[str]
ADMIN = "an-admin-key-of-the-tests"
STARTING, STOPPING = 60, 20
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        """A connection that stays open."""
        address = urlsplit(self.told["address"])
        return http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, str]:
        """Status, JSON or text, and the request's id of one request."""
        connection = self.connect()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        text = answer.read().decode()
        kind = answer.headers.get_content_type()
        connection.close()
        read = json.loads(text) if kind.endswith("json") and text else text
        return answer.status, read, answer.headers["X-Request-ID"]

    def end(self, number: signal.Signals) -> int:
        """The exit status after a signal."""
        self.process.send_signal(number)
        return self.process.wait(STOPPING)


@contextmanager
def serving(log: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    """A server that has told its address; it is killed at the end if it is still there."""
    command = [sys.executable, "-m", "twinset", "serve", "--port", "0", "--json", *arguments]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | variables
        ) as process,
    ):
        try:
            line = (process.stdout or sys.stdin).readline()
            assert line, log.read_text(encoding="utf-8")
            yield Running(process, json.loads(line), log)
        finally:
            process.kill()


def becomes(seen: Callable[[], bool]) -> bool:
    """Whether something is so within a minute."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        if seen():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of eight items."""
    folder = tmp_path_factory.mktemp("served")
    index(folder / "c", shop(folder / "shop", items=8))
    return folder / "c"


@pytest.fixture(scope="module")
def photo(place: Path) -> bytes:
    """A photo of the item i003."""
    return (place.parent / "shop/003/0.png").read_bytes()


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Running]:
    """A server of two catalogues; Ctrl-C ends it well."""
    folder = place.parent
    two = ("-c", f"de={place}", "-c", f"jp={place}")
    with serving(folder / "log", *two, "--events", str(folder / "events"), TWINSET_ADMIN_KEY=ADMIN) as server:
        yield server
        assert server.end(signal.SIGINT) == 0, server.log.read_text(encoding="utf-8")


def test_it_starts_and_answers(running: Running, photo: bytes) -> None:
    """It prints where, is well at once, is ready after a real search, and finds the item of a photo."""
    assert running.told["catalogues"] == ["de", "jp"]
    assert running.told["address"].startswith("http://127.0.0.1:")
    assert running.ask("GET", "/healthz")[:2] == (200, {"ok": True})
    assert becomes(lambda: running.ask("GET", "/readyz")[0] == 200)
    for name in ("de", "jp"):
        status, answer, _ = running.ask("POST", f"/v1/search?k=3&catalogue={name}", photo, content_type="image/png")
        assert status == 200
        assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
        assert answer["hits"][0]["item_id"] == "i003"
    assert running.ask("GET", "/v1/catalogue")[1]["names"] == ["de", "jp"]
    status, told, _ = running.ask("POST", "/v1/search?catalogue=dee", photo, content_type="image/png")
    assert (status, told["code"], told["mend"]) == (404, "not_found", "did you mean de?")


def test_the_log_tells_requests_and_nothing_of_queries(running: Running, photo: bytes) -> None:
    """Each line is an object; a request's has its id, its route's pattern and its time; machines' are left out."""
    where = "/v1/search?where=category%3Dbramblewick"
    identity = running.ask("POST", where, photo, content_type="image/png", authorization="Bearer quillfeather")[2]
    refused = running.ask("GET", "/v1/items/tumbledown")[2]

    def lines() -> dict[str, dict[str, Any]]:
        text = running.log.read_text(encoding="utf-8")
        return {line.get("request_id", ""): line for line in map(json.loads, text.splitlines())}

    assert becomes(lambda: {identity, refused} <= lines().keys())
    facts = lines()[identity]
    assert (facts["level"], facts["logger"]) == ("info", "twinset.access")
    assert (facts["method"], facts["route"], facts["status"]) == ("POST", "/v1/search", 200)
    assert 0 < facts["ms"] < 30_000
    assert lines()[refused]["code"] == "unknown_item"
    text = running.log.read_text(encoding="utf-8")
    for word in ("bramblewick", "tumbledown", "quillfeather", ADMIN, "healthz"):
        assert word not in text


def test_clicks_are_noted_and_told(running: Running, place: Path, photo: bytes, capsys: Out) -> None:
    """A page further on counts at its ranks; `events` tells click rates by position."""
    file = place.parent / "events"
    first = running.ask("POST", "/v1/search?k=2", photo, content_type="image/png")[1]
    second = running.ask("POST", f"/v1/search?k=2&cursor={first['next']}", photo, content_type="image/png")[1]
    for answer, rank, kind in ((first, 1, "click"), (first, 1, "click"), (first, 1, "cart"), (second, 3, "click")):
        event = {"query_id": answer["query_id"], "item_id": "i003", "position": rank, "kind": kind}
        status, told, _ = running.ask(
            "POST", "/v1/events", json.dumps(event).encode(), content_type="application/json"
        )
        assert (status, told) == (204, "")
    assert main(["events", str(file), "--json"]) == 0
    (rates,) = json.loads(capsys.readouterr().out)["by_bundle"]
    assert rates["events"] == {"cart": 1, "click": 3}
    assert rates["clicks"] == {"1": 1, "3": 1}
    assert rates["shown"]["1"] < rates["searches"]
    assert rates["click_rate"]["3"] == 1 / rates["shown"]["3"]
    assert main(["events", str(file)]) == 0
    assert f"version 1: {rates['searches']} answers, 1 cart, 3 click" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_image_knows_whether_the_server_is_well(running: Running) -> None:
    """The Dockerfile's check, as it stands there, passes beside a server and fails where there is none."""
    joined = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    (written,) = re.findall(r"^HEALTHCHECK .*? CMD (.*)$", joined, re.MULTILINE)
    _, *arguments = json.loads(written)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ports = urlsplit(running.told["address"]).port, nobody.getsockname()[1]
        statuses = [
            subprocess.run(
                [sys.executable, *arguments],
                env=os.environ | {"TWINSET_PORT": str(port)},
                stderr=subprocess.DEVNULL,
                check=False,
            ).returncode
            for port in ports
        ]
    assert statuses == [0, 1]


def test_deployments_set_what_is_read() -> None:
    """Every variable in them is a setting's."""
    for name in ("Dockerfile", "compose.yaml", "deploy/twinset.service", "docs/serve.md"):
        told = re.findall(r"TWINSET_[A-Z_]*[A-Z]", (ROOT / name).read_text(encoding="utf-8"))
        assert told
        assert unread(dict.fromkeys(told, "")) == [], name


def test_a_taken_address_is_refused(running: Running, place: Path) -> None:
    """With 5, and in one line."""
    port = str(urlsplit(running.told["address"]).port)
    command = [sys.executable, "-m", "twinset", "serve", "-c", str(place), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STARTING)
    assert (done.returncode, done.stdout) == (5, "")
    assert "Address already in use: choose another --host or --port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_stops_well_under_load(place: Path, photo: bytes, tmp_path: Path) -> None:
    """After SIGTERM every request on an open connection is answered, the last of each says so; then 0."""
    answered, broken, closed = [0] * 4, list[str](), list[bool]()

    def shopper(number: int, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        try:
            while connection.sock is not None:
                connection.request("POST", "/v1/search?k=2", photo, {"content-type": "image/png"})
                answer = connection.getresponse()
                found = json.loads(answer.read())
                if answer.status == 200 and len(found["hits"]) == 2:
                    answered[number] += 1
                else:
                    broken.append(str(found))
            closed.append(answer.headers["connection"] == "close")
        except OSError as error:
            broken.append(repr(error))

    with serving(tmp_path / "log", "-c", str(place), "--quiet") as server:
        shoppers = [threading.Thread(target=shopper, args=(number, server.connect())) for number in range(4)]
        for thread in shoppers:
            thread.start()
        assert becomes(lambda: min(answered) > 3)
        assert server.end(signal.SIGTERM) == 0
        for thread in shoppers:
            thread.join(STOPPING)
        assert broken == []
        assert closed == [True] * 4
        assert server.log.read_text(encoding="utf-8") == ""
        with pytest.raises(ConnectionRefusedError, match="refused"):
            server.ask("GET", "/healthz")


def test_a_second_signal_ends_it_at_once(place: Path, tmp_path: Path) -> None:
    """While it waits for a body that comes slowly."""
    head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nabc"
    with serving(tmp_path / "log", "-c", str(place)) as server:
        address = urlsplit(server.told["address"])
        with socket.create_connection((str(address.hostname), address.port)) as line:
            line.sendall(head.encode())
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
                server.process.wait(0.7)
            began = time.monotonic()
            assert server.end(signal.SIGTERM) == 128 + signal.SIGTERM
            assert time.monotonic() - began < 2


def test_looking_can_be_ended_in_the_midst_of_a_look(place: Path) -> None:
    """A server that is told to stop while it looks at a catalogue stops all the same."""

    async def begun_and_ended() -> None:
        looking = asyncio.create_task(Readiness({"c": catalogue}, decoders, Telemetry()).watch())
        await asyncio.sleep(0.01)
        looking.cancel()
        done, _ = await asyncio.wait({looking}, timeout=STOPPING)
        assert done == {looking}
        assert looking.cancelled()

    with Catalogue(place) as catalogue, closing(Decoders(1)) as decoders:
        asyncio.run(begun_and_ended())


@pytest.mark.deep
def test_stopping_loses_no_request_of_fifty(place: Path, photo: bytes, tmp_path: Path) -> None:
    """Fifty servers, each told to stop at another moment under load."""
    for turn in range(50):
        folder = tmp_path / str(turn)
        folder.mkdir()
        test_it_stops_well_under_load(place, photo, folder)


def test_everything_is_documented() -> None:
    """docs/serve.md has each setting, route, code of a problem and metric."""
    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    variables = {f"TWINSET_{name.upper()}" for name in GIVEN}
    metrics = set(re.findall(r"^# TYPE (twinset_\w+?)(?:_created)? ", Telemetry().page().decode(), re.MULTILINE))
    routes = {
        "/v1/search",
        "/v1/items/{item_id}",
        "/v1/photos/{photo_id}",
        "/v1/facets",
        "/v1/catalogue",
        "/v1/limits",
    }
    routes |= {"/v1/items/{item_id}/similar", "/v1/feedback", "/v1/events", "/healthz", "/readyz", "/metrics"}
    for name in variables | routes | metrics | PHOTO_CODES.keys() | REQUEST_CODES.keys():
        assert f"`{name}`" in page, name


LAYERS = ("flag", "environment", "file")
GIVEN: dict[str, tuple[Any, Any, Any]] = {
    "catalogue": (("a=x",), ("b=x", "c=x"), ("d=x",)),
    "host": ("127.0.0.2", "127.0.0.3", "localhost"),
    "port": (1, 2, 3),
    "key": ("k" * 16, "l" * 17, "m" * 18),
    "admin_key": ("a" * 16, "b" * 17, "c" * 18),
    "public": (True, False, True),
    "rate": (4, 5, 6),
    "quota": (7, 8, 9),
    "allow_host": (("a.example", "b.example"), ("c.example",), ("d.example", "e.example")),
    "allow_origin": (("https://a.example",), ("https://b.example",), ("https://c.example",)),
    "trusted_proxy": (("10.0.0.1",), ("10.0.0.0/8", "::1"), ("10.0.0.3",)),
    "queue": (10, 11, 12),
    "receive_seconds": (1.5, 2.5, 3.0),
    "most_hits": (13, 14, 15),
    "most_photos": (1, 2, 3),
    "events": ("x", "y", "z"),
}


def toml(value: Any) -> str:
    """A value as a TOML file has it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def text(value: Any) -> str:
    """A value as a variable has it."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_every_setting_can_be_given() -> None:
    """The table below tests each field, and `serve` has a flag for it."""
    assert GIVEN.keys() == {"catalogue", *ServeSettings.__dataclass_fields__}


@settings(max_examples=60, deadline=None)
@given(given=st.dictionaries(st.sampled_from(sorted(GIVEN)), st.sets(st.sampled_from(LAYERS), min_size=1)))
def test_flags_come_before_the_environment_before_the_file(
    given: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each setting by itself, lists as a whole; and where it came from is told."""
    flags, variables, file = (
        {name: GIVEN[name][number] for name, layers in given.items() if layer in layers}
        for number, layer in enumerate(LAYERS)
    )
    path = tmp_path_factory.getbasetemp() / "settings.toml"
    path.write_text("".join(f"{name} = {toml(value)}\n" for name, value in file.items()), encoding="utf-8")
    environment = {f"TWINSET_{name.upper()}": text(value) for name, value in variables.items()}
    found = configure(dict.fromkeys(GIVEN) | flags, environment | {"TWINSET_SETTINGS": str(path)})
    for name, values in GIVEN.items():
        first = next((layer for layer in LAYERS if layer in given.get(name, ())), None)
        told = {"flag": "flag", "environment": "environment", "file": f"file {path}", None: "default"}
        assert found.origins[name] == told[first]
        if name == "catalogue":
            wanted = values[LAYERS.index(first)] if first else ()
            assert tuple(f"{key}={folder}" for key, folder in found.catalogues.items()) == wanted
        else:
            wanted = values[LAYERS.index(first)] if first else getattr(ServeSettings(), name)
            assert getattr(found.settings, name) == wanted


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"TWINSET_PORT": "tcp://10.0.0.1:80"}, "TWINSET_PORT is 'tcp://10.0.0.1:80'"),
        ({"TWINSET_PUBLIC": "perhaps"}, "use true or false"),
        ({"TWINSET_RECEIVE_SECONDS": "nan"}, "receive_seconds is nan"),
        ({"TWINSET_RATE": "1.5"}, "use a whole number"),
        ({"TWINSET_PORT": "70000"}, "port is 70000"),
        ({"TWINSET_HOST": "0.0.0.0"}, "can be reached from other machines"),
        ({"TWINSET_KEY": "short"}, "key is not safe"),
        ({"TWINSET_CATALOGUE": "a=x,a=y"}, "two catalogues are named a"),
        ({"TWINSET_CATALOGUE": "x/shop,y/shop"}, "two catalogues are named shop"),
        ({"TWINSET_CATALOGUE": "a b=x"}, "is no NAME=DIR"),
        ({"TWINSET_CATALOGUE": "=x"}, "is no NAME=DIR"),
        ({"TWINSET_CATALOGUE": "a="}, "is no NAME=DIR"),
    ],
)
def test_a_wrong_variable_is_told(variables: dict[str, str], says: str) -> None:
    """By its name, its value and the mend."""
    with pytest.raises(UsageError, match=r".") as refused:
        configure({}, variables)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("alow_host = []", "did you mean allow_host?"),
        ("allow-host = []", "did you mean allow_host?"),
        ("[serve]\nport = 1", "there is no setting 'serve'"),
        ("port = '80'", "use a whole number"),
        ("port = true", "use a whole number"),
        ("public = 1", "use true or false"),
        ("allow_host = 'a'", "a list of texts"),
        ("allow_host = [1]", "a list of texts"),
        ("port = ", "is no TOML"),
    ],
)
def test_a_wrong_line_of_the_file_is_told(written: str, says: str, tmp_path: Path) -> None:
    """An unknown name with the nearest, a value of another type with the right one."""
    path = tmp_path / "settings.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(UsageError, match=r".") as refused:
        configure({}, {}, path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_key_in_the_file_is_never_told(tmp_path: Path) -> None:
    """Neither by an error nor by the settings' own text."""
    path = tmp_path / "settings.toml"
    path.write_text("admin_key = 1234567890123456", encoding="utf-8")
    with pytest.raises(UsageError, match="admin_key is of another type") as refused:
        configure({}, {}, path)
    assert "1234567890123456" not in str(refused.value)
    assert ADMIN not in repr(ServeSettings(key=ADMIN, admin_key=f"{ADMIN}2"))
    with pytest.raises(PathError, match="cannot be read"):
        configure({}, {"TWINSET_SETTINGS": str(tmp_path / "none.toml")})


def test_what_is_empty_is_not_given(tmp_path: Path) -> None:
    """As compose files write variables that may be missing; a folder's name is its catalogue's."""
    found = configure({"catalogue": (f"{tmp_path}/shop.catalogue",)}, {"TWINSET_KEY": "", "TWINSET_PORT": " "})
    assert (found.settings, list(found.catalogues)) == (ServeSettings(), ["shop.catalogue"])
    named = configure({"catalogue": ("./a=b", "c=d=e")}, {}).catalogues
    assert named == {"a=b": Path("a=b"), "c": Path("d=e")}
    assert unread({"TWINSET_KEY": "", "TWINSET_KEYS": "", "OTHER": ""}) == ["TWINSET_KEYS"]


def test_doctor_shows_settings_and_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """Never a key; what could not be served with is a finding."""
    path = tmp_path / "settings.toml"
    path.write_text('port = 8080\nqueue = 9\ncatalogue = ["de=/srv/de"]', encoding="utf-8")
    for name, value in {"PORT": "9090", "ADMIN_KEY": ADMIN, "SETTINGS": str(path), "ALOW_HOST": "a"}.items():
        monkeypatch.setenv(f"TWINSET_{name}", value)
    assert main(["doctor", "--json"]) == 0
    said = capsys.readouterr().out
    found = {finding["name"]: finding["value"] for finding in json.loads(said)["findings"]}
    assert found["serve port"] == "9090 (environment)"
    assert found["serve queue"] == f"9 (file {path})"
    assert found["serve catalogue"] == f"de=/srv/de (file {path})"
    assert (found["serve admin_key"], found["serve key"]) == ("set (environment)", "none (default)")
    assert found["serve public"] == "no (default)"
    assert "TWINSET_ALOW_HOST" in found["not read"]
    assert ADMIN not in said
    monkeypatch.setenv("TWINSET_HOST", "0.0.0.0")
    assert main(["doctor"]) == 1
    assert "set a search key (--key, TWINSET_KEY)" in capsys.readouterr().out


def test_what_serve_needs_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """A catalogue, a name to be reached by, and the extra, with the command that installs it."""
    assert main(["serve"]) == 2
    assert "name one: --catalogue DIR, or TWINSET_CATALOGUE" in capsys.readouterr().err
    assert main(["serve", "-c", "none", "--host", "0.0.0.0", "--public"]) == 2
    assert "0.0.0.0 is no name that a server is reached by: name those" in capsys.readouterr().err
    assert main(["serve", "-c", "none"]) == 3
    assert main(["serve", "--alow-host", "a"]) == 2
    assert "did you mean --allow-host" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "-c", "none", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["mend"]) == ("missing_extra", 'pip install "twinset[serve]"')


def test_other_commands_load_no_server() -> None:
    """The program without `serve` loads nothing of it."""
    code = (
        "import sys, twinset.cli.main; print([m for m in ('fastapi', 'uvicorn', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fault_is_logged_without_its_words() -> None:
    """An exception's words may be a query's: its kind and its lines are told; on a terminal no code is obeyed."""
    try:
        int("bramblewick")
    except ValueError:
        record = logging.LogRecord("twinset.x", logging.ERROR, __file__, 1, "a\x1b]0;b", (), sys.exc_info())
    record.facts = {"request_id": "r"}
    line = json.loads(JsonLines().format(record))
    assert (line["fault"], line["request_id"], line["level"]) == ("ValueError", "r", "error")
    assert __file__ in line["at"][0]
    shown = TextLines().format(record)
    assert shown.startswith("error: a ]0;b r\n    ValueError\n")
    assert "bramblewick" not in json.dumps(line) + shown


def searched(query: str, fingerprint: str = "f", version: int = 1, first: int = 1, hits: int = 2) -> dict[str, Any]:
    """An answer's line."""
    return {"event": "search", "query_id": query, "fingerprint": fingerprint, "version": version} | {
        "first": first,
        "hits": hits,
    }


def acted(query: str, kind: str, position: int) -> dict[str, Any]:
    """A line of what a shopper did."""
    return {"event": kind, "query_id": query, "item_id": "i", "position": position}


def test_rates_by_position_and_bundle(tmp_path: Path) -> None:
    """A click counts once a query and position; cut, foreign and unknown lines are counted."""
    lines = [
        searched("a"),
        searched("b", hits=0),
        searched("c", "g", version=2, hits=3),
        searched("d", "g", version=3, first=20, hits=5),
        acted("a", "click", 1),
        acted("a", "click", 1),
        acted("a", "purchase", 1),
        acted("c", "click", 3),
        acted("d", "click", 24),
        acted("nobody", "click", 1),
    ]
    file = tmp_path / "events"
    foreign = [
        '{"event": "search"}',
        "[]",
        "{",
        '{"event": "dance", "query_id": "a", "item_id": "i", "position": 1}',
        "",
    ]
    file.write_text("\n".join([*map(json.dumps, lines), *foreign]), encoding="utf-8")
    told = events.read(file)
    first, second = told.by_bundle
    assert (told.broken, told.unknown) == (4, 1)
    assert (first.fingerprint, first.versions, first.searches) == ("f", (1,), 2)
    assert (first.shown, first.clicks) == ({1: 1, 2: 1}, {1: 1})
    assert (first.click_rate(1), first.click_rate(2), first.click_rate(9)) == (1, 0, 0)
    assert first.events == {"click": 2, "purchase": 1}
    assert (second.versions, second.shown, second.clicks) == ((2, 3), {1: 1, 2: 1, 3: 1, 20: 1}, {3: 1})


def test_a_file_that_is_none_of_events(tmp_path: Path, capsys: Out) -> None:
    """Missing and foreign files end with 3; an empty one is an empty list."""
    file = tmp_path / "events"
    with pytest.raises(PathError, match="cannot be read"):
        events.read(file)
    file.touch()
    assert events.read(file).by_bundle == ()
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="no line of"):
        events.read(file)
    assert main(["events", str(file)]) == 3


def test_a_cut_line_spoils_no_other(tmp_path: Path) -> None:
    """What a full disk cut stays a line of its own."""
    file = tmp_path / "events"
    file.write_text(json.dumps(searched("a")) + '\n{"event": "cli', encoding="utf-8")
    log = events.Log(file)
    log.add(events.Event("a", "i", 1, "click"))
    log.close()
    told = events.read(file)
    assert (told.broken, told.by_bundle[0].clicks) == (1, {1: 1})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An answer's line is lost and logged; a click is refused."""
    catalogue = build(tmp_path / "c", shop(tmp_path / "shop", items=2))
    log = events.Log(Path("/dev/full"))
    log.answered(catalogue.search(tmp_path / "shop/001/0.png"), "c")
    assert "an answer is missing among the events: no space is left" in caplog.text
    with pytest.raises(DiskFullError, match="no space is left"):
        log.add(events.Event("a", "i", 1, "click"))
    log.close()
    catalogue.close()
