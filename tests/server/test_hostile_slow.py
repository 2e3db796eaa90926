"""Clients that are slow on purpose, in heads, bodies and reading: others are served, and the slow are cut off."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice

import pytest

from server.bad_photos import encoded
from server.live import Live, until

Record = Callable[[str, object], None]
HEAD = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 9999\r\n\r\n"
RECEIVE_SECONDS = 2.0
QUEUE = 64
MANY = 500


def searched(live: Live) -> tuple[float, int]:
    """Seconds that a search took, and its status."""
    begun = time.monotonic()
    status = live.search(encoded("JPEG")).status
    return time.monotonic() - begun, status


def p95(took: list[float]) -> float:
    """What all but one in twenty stay below."""
    return sorted(took)[len(took) * 95 // 100]


def begun(live: Live, many: int, lines: ExitStack) -> list[socket.socket]:
    """Connections that have sent part of a head, a head, or that ask for much and read nothing."""
    firsts = (b"GET /ope", BODY, HEAD * 50)
    opened = []
    for first in islice(cycle(firsts), many):
        line = lines.enter_context(socket.socket())
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(10)
        line.connect(("127.0.0.1", live.port))
        line.sendall(first)
        opened.append(line)
    return opened


def dripped(lines: list[socket.socket], ended: threading.Event) -> None:
    """Sends a byte by each line again and again."""
    while not ended.wait(0.3):
        for line in list(lines):
            try:
                line.send(b"n")
            except OSError:
                lines.remove(line)


@pytest.fixture
def drip() -> Iterator[Callable[[list[socket.socket]], None]]:
    """Begins to send by lines, and stops at the end of the test."""
    ended = threading.Event()
    threads = list[threading.Thread]()

    def start(lines: list[socket.socket]) -> None:
        threads.append(threading.Thread(target=dripped, args=(lines, ended)))
        threads[-1].start()

    yield start
    ended.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("many", [60, pytest.param(MANY, marks=pytest.mark.deep)])
def test_slow_clients(
    many: int, live: Live, drip: Callable[[list[socket.socket]], None], record_property: Record
) -> None:
    """They hold nobody up, and are gone a second after the time that they have; so are their handles."""
    calm, before = p95([searched(live)[0] for _ in range(30)]), live.facts()
    with ExitStack() as stack:
        lines = begun(live, many, stack)
        started, took, statuses = time.monotonic(), list[float](), Counter[int]()
        assert until(lambda: live.facts().handles - before.handles > many * 0.8, RECEIVE_SECONDS)
        drip([line for number, line in enumerate(lines) if number % 3 < 2])
        while live.facts().handles > before.handles and time.monotonic() - started < RECEIVE_SECONDS + 20:
            seconds, status = searched(live)
            statuses[status] += 1
            took.append(seconds)
            time.sleep(0.02)
        gone, busy = time.monotonic() - started, p95(took)
        record_property("gone after, p95 before and meanwhile, answers", (gone, calm, busy, dict(statuses)))
        assert gone < RECEIVE_SECONDS + 6, "they are not cut off"
        assert set(statuses) <= {200, 408}, "408 where this machine itself took two seconds"
        assert statuses[200] > 3 * statuses[408]
        assert many < MANY or busy <= 2 * calm + 0.1
    assert live.facts().memory - before.memory < 100


def test_what_slow_clients_are_told(live: Live) -> None:
    """A body that is not there in time is answered; a head that is not there in time is no request."""
    with ThreadPoolExecutor(3) as pool:
        late, headless, silent = pool.map(live.raw, (BODY + b"some", b"GET /ope", b""))
    assert b" 408 " in late.splitlines()[0]
    assert (headless, silent) == (b"", b"")


def test_a_slow_body_holds_no_place_in_the_queue(live: Live) -> None:
    """More bodies than the queue has places are begun; a search finds one."""
    with ExitStack() as stack:
        for _ in range(QUEUE + 6):
            stack.enter_context(live.connect()).sendall(BODY + b"some")
        assert [live.search(encoded("JPEG")).status for _ in range(3)] == [200] * 3


def test_clients_that_go_away(live: Live) -> None:
    """Connections that are reset in each moment of a request leave nothing behind."""
    before = live.facts().handles
    photo = encoded("JPEG")
    whole = BODY.replace(b"9999", str(len(photo)).encode()) + photo
    for cut in (0, 1, 20, len(BODY), len(BODY) + 100, len(whole) - 1, len(whole)):
        for _ in range(10):
            with live.connect() as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                line.sendall(whole[:cut])
    assert until(lambda: live.facts().handles <= before, 10)
