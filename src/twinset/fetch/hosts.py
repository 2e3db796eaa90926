"""Turns at each host: so many at once, none while it asks to be left alone, none once it is given up."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from twinset.errors import FetchError
from twinset.fetch.rules import Limits


@dataclass(slots=True)
class _Host:
    places: threading.BoundedSemaphore
    not_before: float = 0.0
    failing_since: float | None = None
    down: bool = False


class Hosts:
    """What all workers know of the hosts; `stop` ends every wait."""

    def __init__(self, limits: Limits, stop: threading.Event) -> None:
        self._limits = limits
        self._stop = stop
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, place: str) -> Iterator[None]:
        """One request to a host; a `FetchError` in it that is worth another try counts against the host.

        Raises:
            FetchError: the host asks for a longer pause than is allowed, or gave no good answer for long.

        """
        with self._lock:
            host = self._hosts.setdefault(place, _Host(threading.BoundedSemaphore(self._limits.concurrency)))
        with host.places:
            self._wait(place, host)
            try:
                yield
            except FetchError as error:
                self._note(host, error.again)
                raise
            self._note(host, None)

    def rest(self, seconds: float) -> None:
        """Waits, unless the run ends.

        Raises:
            FetchError: the run ends.

        """
        if self._stop.wait(seconds):
            raise FetchError("not_fetched", "the run was ended", "run it again: it goes on")

    def _wait(self, place: str, host: _Host) -> None:
        while (left := host.not_before - time.monotonic()) > 0:
            if left > self._limits.longest_pause:
                raise FetchError("host_busy", f"{place} asks for a pause of {left:,.0f} s", "run it again later")
            self.rest(left)
        if host.down:
            raise FetchError(
                "host_down", f"{place} gave no good answer for {self._limits.patience:,.0f} s", "run it again later"
            )

    def _note(self, host: _Host, again: float | None) -> None:
        with self._lock:
            if again is None:
                host.failing_since = None
                return
            now = time.monotonic()
            host.not_before = max(host.not_before, now + again)
            host.failing_since = host.failing_since or now
            host.down = now - host.failing_since > self._limits.patience
