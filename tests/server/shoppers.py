"""Shoppers: threads that search a server again and again, and what each of them was answered."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from server.live import Answer, Live

Hits = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: of which photo, its status and code, what it says of the catalogue, and how long it took."""

    photo: int
    status: int
    code: str
    retry_after: str
    version: int
    sequence: int
    fingerprint: str
    hits: Hits
    seconds: float


@dataclass
class Shop:
    """What all shoppers have seen so far."""

    seen: list[Seen] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def told(answer: Answer, photo: int, seconds: float) -> Seen:
    """What an answer tells."""
    after = answer.headers.get("retry-after", "")
    if answer.status != 200:
        return Seen(photo, answer.status, answer.code(), after, 0, 0, "", (), seconds)
    body = answer.json()
    state = body["catalogue"]
    hits = tuple((hit["item_id"], hit["score"]) for hit in body["hits"])
    return Seen(photo, 200, "", after, state["version"], state["sequence"], state["fingerprint"], hits, seconds)


@contextmanager
def shopping(live: Live, photos: Sequence[bytes], threads: int, pause: float = 0.0) -> Iterator[Shop]:
    """Searches with the photos in turn, by so many threads, as long as the `with` lasts."""
    shop, over = Shop(), threading.Event()

    def shopper(number: int) -> None:
        turn = number
        while not over.is_set():
            photo = turn % len(photos)
            begun = time.monotonic()
            try:
                answer = live.search(photos[photo], "k=20")
                shop.seen.append(told(answer, photo, time.monotonic() - begun))
            except OSError as error:
                shop.broken.append(repr(error))
            turn += 1
            over.wait(pause)

    workers = [threading.Thread(target=shopper, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield shop
    finally:
        over.set()
        for worker in workers:
            worker.join()


def timed(call: Callable[[], Answer]) -> tuple[Answer, float]:
    """An answer, and the seconds it took."""
    begun = time.monotonic()
    answer = call()
    return answer, time.monotonic() - begun
