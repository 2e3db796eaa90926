"""The threads of a run: some for each host, in their own order, at most 64 in all."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinset.fetch.bring import Bringer, Brought
from twinset.fetch.listing import Wanted
from twinset.fetch.rules import MOST_AT_ONCE

if TYPE_CHECKING:
    from twinset.fetch.client import Client

Lane = queue.SimpleQueue[Wanted]


@dataclass(frozen=True, slots=True)
class Work:
    """Brings photos with `concurrency` threads a host, each with a client of its own, until `stop` is set."""

    bringer: Bringer
    client: "Callable[[], Client]"
    concurrency: int
    stop: threading.Event

    def all(self, wanted: Sequence[Wanted]) -> Iterator[Brought]:
        """Every photo, in the order in which they come.

        The threads end with the process: who interrupts it does not wait for a slow server.

        Raises:
            DiskFullError, ResourceError: the machine ran out of something.

        """
        lanes: dict[str, Lane] = {}
        for one in wanted:
            lanes.setdefault(one.url.place, queue.SimpleQueue()).put(one)
        done: queue.SimpleQueue[Brought | Exception] = queue.SimpleQueue()
        try:
            for number in range(min(self.concurrency * len(lanes), len(wanted), MOST_AT_ONCE)):
                turned = _turned(list(lanes.values()), number)
                threading.Thread(target=self._work, args=(turned, done), daemon=True).start()
            for _ in wanted:
                result = done.get()
                if isinstance(result, Exception):
                    raise result
                yield result
        finally:
            self.stop.set()

    def _work(self, lanes: Sequence[Lane], done: "queue.SimpleQueue[Brought | Exception]") -> None:
        try:
            with self.client() as client:
                for one in self._drained(lanes):
                    done.put(self.bringer.bring(one, client))
        except Exception as error:  # noqa: BLE001 - handed to the caller, who raises it
            done.put(error)

    def _drained(self, lanes: Iterable[Lane]) -> Iterator[Wanted]:
        for lane in lanes:
            while not self.stop.is_set():
                try:
                    yield lane.get_nowait()
                except queue.Empty:
                    break


def _turned(lanes: list[Lane], by: int) -> list[Lane]:
    """The lanes from another one on: a thread begins with a host of its own, and helps the others afterwards."""
    first = by % len(lanes)
    return lanes[first:] + lanes[:first]
