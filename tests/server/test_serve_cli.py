"""`serve` as a shop starts it: a real process, what it answers and logs, and how it stops."""

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

from shops import index, shop
from twinset import Catalogue
from twinset.cli.logs import JsonLines, TextLines
from twinset.cli.main import main
from twinset.server.decoders import Decoders
from twinset.server.ready import Readiness
from twinset.server.telemetry import Telemetry

Out = pytest.CaptureFixture[str]
ADMIN = "an-admin-key-of-the-tests"
STARTING, STOPPING = 60, 20
ROOT = Path(__file__).parents[2]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("TWINSET_")}


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
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=CLEAN | variables
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
    events = str(folder / "events")
    with serving(folder / "log", *two, "--events", events, TWINSET_ADMIN_KEY=ADMIN, TWINSET_ADMIN="") as server:
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


def test_the_log_tells_variables_that_are_not_read(running: Running) -> None:
    """By their names alone: a value may be a key."""
    lines = map(json.loads, running.log.read_text(encoding="utf-8").splitlines())
    (told,) = (line for line in lines if line["logger"] == "twinset.cli.serve")
    assert (told["level"], told["message"]) == (
        "warning",
        "variables that are no settings, and are not read: TWINSET_ADMIN",
    )


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


def test_what_serve_needs_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Out, tmp_path: Path) -> None:
    """A catalogue, a name to be reached by, and the extra, by the command that installs it; a demo is not begun."""
    monkeypatch.setattr(
        logging.root, "handlers", [*logging.root.handlers]
    )  # `serve` sends all to this test's stderr
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
    assert main(["demo", "--serve", "--out", str(tmp_path / "demo")]) == 2
    assert 'pip install "twinset[serve]"' in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


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
