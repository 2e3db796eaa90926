"""Photos that several threads embed at the same time, in one batch where there is a GPU."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Generic, TypeVar

from twinset.bundle import Bundle
from twinset.embedder import Embedder
from twinset.errors import TwinsetError
from twinset.recent import Recent
from twinset.records import Pixels, Vectors
from twinset.runtime import Device

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Calls `work` for the tasks of several threads at once; one call runs at a time, and waits for no more tasks.

    Whoever comes while nothing runs makes the call, for its own task and for those that wait. A TwinsetError of the
    call reaches every thread whose task was in it; anything else reaches the thread that made the call alone, and
    the others make one themselves.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._work = work
        self._turn = threading.Condition()
        self._waiting: dict[Future[R], T] = {}
        self._busy = False

    def call(self, task: T, most: int) -> R:
        """What `work` gives for a task, among at most so many of them.

        Raises:
            as `work`.

        """
        mine: Future[R] = Future()
        with self._turn:
            self._waiting[mine] = task
            try:
                self._turn.wait_for(lambda: mine.done() or not self._busy)
            finally:  # who is interrupted waits no more
                self._waiting.pop(mine, None)
            if mine.done():
                return mine.result()
            self._busy = True
            others = list(islice(self._waiting, most - 1))
            batch = {mine: task} | {one: self._waiting.pop(one) for one in others}
        self._run(batch)
        return mine.result()

    def _run(self, batch: dict[Future[R], T]) -> None:
        try:
            answers = self._work(list(batch.values()))
            for one, answer in zip(batch, answers, strict=True):
                one.set_result(answer)
        except TwinsetError as error:
            for one in batch:
                one.set_exception(error)
        finally:
            with self._turn:
                self._busy = False
                self._turn.notify_all()


class SharedEmbedder(Embedder):
    """An embedder whose single photos, where it has a `batch`, are run together with those of other threads.

    Batches differ by 1e-5, and a cursor belongs to one query exactly: so there a photo that is embedded again
    within 15 minutes has the embedding that it had. It is known by its hash.
    """

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        super().__init__(bundle, device)
        self._batcher = Batcher(self._together)
        self._recent = Recent[bytes, Vectors]()

    def embed_square(self, square: Pixels) -> Vectors:
        """The embedding `(D,)` of a photo that is prepared.

        Raises:
            OutOfMemoryError: there is no room for one photo.

        """
        if self.batch is None:
            return super().embed_square(square)
        return self._batcher.call((hashlib.sha256(square.tobytes()).digest(), square), self.batch)

    def _together(self, named: Sequence[tuple[bytes, Pixels]]) -> list[Vectors]:
        known = {name: vector for name, _ in named if (vector := self._recent.get(name)) is not None}
        fresh = {name: square for name, square in named if name not in known}
        vectors = self.embed_squares(list(fresh.values()))
        known |= {name: vector.copy() for name, vector in zip(fresh, vectors, strict=True)}
        for name, vector in known.items():
            self._recent.put(name, vector)
        return [known[name] for name, _ in named]
