"""Where requests wait for a core: a bounded queue, and threads, by default as many as there are cores."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from starlette.requests import Request

from twinset.embedder import cores
from twinset.errors import RequestError

T = TypeVar("T")


class Desk:
    """Work for the cores, or for so many threads; at most `queue` pieces of it wait or are done at once.

    A photo is decoded, embedded and searched by one thread, which waits for a decoder meanwhile: more threads than
    cores would only make all of them slower.
    """

    def __init__(self, queue: int, threads: int | None = None) -> None:
        self._queue = queue
        self._here = 0
        threads = threads or cores()
        self._turn = asyncio.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="desk")
        self._open = True

    @property
    def here(self) -> int:
        """How many wait or are served."""
        return self._here

    @property
    def free(self) -> bool:
        """Whether somebody would get a place now."""
        return self._open and self._here < self._queue

    def check(self) -> None:
        """Refuses who would get no place now: before a body is received, as a slow one must not hold a place.

        Raises:
            RequestError: the queue is full, or the server stops.

        """
        if not self._open:
            raise RequestError("not_ready", "the server is stopping", "ask again", after=5)
        if self._here >= self._queue:
            raise RequestError("overloaded", f"{self._queue} requests are waiting", "ask again", after=1)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, held as long as the `with` lasts; in the event loop's thread.

        Raises:
            RequestError: the queue is full, or the server stops.

        """
        self.check()
        self._here += 1
        try:
            yield
        finally:
            self._here -= 1

    async def run(self, work: Callable[[], T], request: Request | None = None) -> T:
        """What `work` gives, on one of the threads; it has a place until it is done.

        Raises:
            RequestError: there is no place; or it is the turn of a `request` whose client has gone, and nothing is
                done for it.

        """
        with self.place():
            async with self._turn:
                if request is not None and await request.is_disconnected():
                    raise RequestError("too_slow", "the client has gone", "wait for the answer")
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Lets nobody in any more; who waits is served."""
        self._open = False
        self._pool.shutdown(wait=True)
