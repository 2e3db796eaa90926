"""Photos of several threads in one batch, on the CPU as a GPU would: whose vector it is, errors, interruptions."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shops import build, picture, shop
from twinset import Catalogue, runtime
from twinset.batching import Batcher, SharedEmbedder
from twinset.bundle import open_bundle
from twinset.embedder import cores
from twinset.errors import InputError, OutOfMemoryError
from twinset.photos import Decoded
from twinset.recent import SECONDS, Recent
from twinset.records import Pixels, Vectors
from twinset.runtime import Runtime
from twinset.server.app import create_app

LONG = 20
"""Seconds after which a thread that hangs fails a test."""


class Gated:
    """Doubles numbers; its first call waits until so many others do, or for none. Notes what each call is asked."""

    def __init__(self, others: int | None = None) -> None:
        self.batcher = Batcher(self.work)
        self.others, self.asked, self.running = others, list[list[int]](), 0

    def work(self, tasks: Sequence[int]) -> list[int]:
        self.running += 1
        assert self.running == 1
        self.asked.append(list(tasks))
        if len(self.asked) == 1 and self.others is not None:
            wait(lambda: len(self.batcher._waiting) == self.others)
        self.running -= 1
        self.fail(tasks)
        return [2 * task for task in tasks]

    def fail(self, tasks: Sequence[int]) -> None:
        """Where another kind of work raises something."""


def wait(until: Callable[[], bool]) -> None:
    """Until it is so."""
    end = time.monotonic() + LONG
    while not until():
        assert time.monotonic() < end
        time.sleep(0.001)


def at_once(work: Callable[[int], Any], count: int) -> list[Any]:
    """What `work` gives, or raises, for 0 to `count` - 1, each in a thread of its own."""
    found: list[Any] = [None] * count

    def ask(number: int) -> None:
        try:
            found[number] = work(number)
        except BaseException as error:  # noqa: BLE001
            found[number] = error

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    return found


# Calls


def test_who_waits_goes_into_the_next_call() -> None:
    """While one call runs the others gather, and the next ones take as many as fit; each gets its own answer."""
    gated = Gated(20)
    assert at_once(lambda number: gated.batcher.call(number, 8), 21) == [2 * number for number in range(21)]
    assert [len(tasks) for tasks in gated.asked] == [1, 8, 8, 4]
    assert sorted(chain(*gated.asked)) == list(range(21))


def test_nobody_waits_for_company() -> None:
    """A task that comes alone is worked for at once, by the thread that brings it."""
    threads = []

    def work(tasks: Sequence[int]) -> Sequence[int]:
        threads.append(threading.get_ident())
        return tasks

    batcher = Batcher(work)
    assert [batcher.call(number, 8) for number in range(3)] == [0, 1, 2]
    assert threads == [threading.get_ident()] * 3


@settings(max_examples=30, deadline=None, derandomize=True)
@given(most=st.integers(1, 6), pauses=st.lists(st.sampled_from([0, 0, 0.001]), min_size=1, max_size=12))
def test_whatever_order_they_come_in(most: int, pauses: list[float]) -> None:
    """Every thread gets the answer to its own task, and no call is asked for more than it may be."""
    gated = Gated()

    def ask(number: int) -> list[int]:
        time.sleep(pauses[number])
        return [gated.batcher.call(10 * number + again, most) for again in range(3)]

    found = at_once(ask, len(pauses))
    assert found == [[2 * (10 * number + again) for again in range(3)] for number in range(len(pauses))]
    assert max(map(len, gated.asked)) <= most
    assert sum(map(len, gated.asked)) == 3 * len(pauses)


class Refusing(Gated):
    """Refuses calls with 7 among their tasks."""

    def fail(self, tasks: Sequence[int]) -> None:
        if 7 in tasks:
            raise InputError("seven", "no seven")


def test_an_error_reaches_who_was_in_the_call() -> None:
    """All of that call, nobody else; and the next calls are made."""
    gated = Refusing(11)
    found = at_once(lambda number: gated.batcher.call(number, 4), 12)
    (refused,) = (tasks for tasks in gated.asked if 7 in tasks)
    for number, answer in enumerate(found):
        assert (str(answer) == "seven: no seven") if number in refused else (answer == 2 * number)
    assert gated.batcher.call(1, 4) == 2


class Stopped(Gated):
    """Is interrupted in its second call."""

    def fail(self, tasks: Sequence[int]) -> None:
        if len(self.asked) == 2:
            raise KeyboardInterrupt(tasks[0])


def test_a_thread_that_is_stopped_leaves_the_others_their_turn() -> None:
    """An interruption of the call is its thread's alone; the others are answered all the same."""
    gated = Stopped(9)
    found = at_once(lambda number: gated.batcher.call(number, 5), 10)
    (stopped,) = (number for number, answer in enumerate(found) if isinstance(answer, KeyboardInterrupt))
    assert found[stopped].args == (stopped,)
    assert [answer for answer in found if answer is not found[stopped]] == [
        2 * n for n in range(10) if n != stopped
    ]
    assert sorted(chain(*gated.asked)) == sorted([*range(10), *gated.asked[1][1:]])


def test_too_few_answers_are_no_answer() -> None:
    """Work that loses a task is told to the thread that called it, and nobody gets another's answer."""
    batcher = Batcher[int, int](lambda tasks: tasks[1:])
    with pytest.raises(ValueError, match="shorter"):
        batcher.call(1, 8)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="interrupts a thread by a signal")
def test_who_is_interrupted_while_it_waits_is_forgotten() -> None:
    """Its task is taken back, the call that runs and those that wait are not disturbed."""

    class Interrupted(BaseException):
        """What the signal raises."""

    def interrupt(*_: object) -> None:
        raise Interrupted("by the test")

    gated = Gated(-1)
    main = threading.main_thread().ident or 0

    def knock() -> None:
        wait(lambda: len(gated.batcher._waiting) == 2)
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(gated.batcher.call, 1, 8)
            wait(lambda: gated.running == 1)
            second = pool.submit(gated.batcher.call, 2, 8)
            wait(lambda: len(gated.batcher._waiting) == 1)
            pool.submit(knock)
            with pytest.raises(Interrupted, match="by the test"):
                gated.batcher.call(3, 8)
            gated.others = 1
            assert (first.result(LONG), second.result(LONG)) == (2, 4)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert gated.asked == [[1], [2]]


# Photos


class Counted(Runtime):
    """A runtime that notes how many photos each run has, and where batches differ, as on a GPU.

    Its first batch waits until `others` photos do; it has room for so many at once.
    """

    def __init__(self, embedder: SharedEmbedder, others: int | None = None, room: int = 99) -> None:
        super().__init__(open_bundle("colour").model, "cpu")
        self.embedder, self.others, self.room, self.runs = embedder, others, room, list[int]()
        self._random = np.random.default_rng(5)

    def embed(self, photos: Pixels) -> Vectors:
        self.runs.append(len(photos))
        if len(self.runs) == 1 and self.others is not None:
            wait(lambda: len(self.embedder._batcher._waiting) == self.others)
        if len(photos) > self.room:
            raise runtime._out_of_memory(f"a batch of {len(photos)}", "cuda")
        vectors = super().embed(photos)
        return vectors + self._random.uniform(-3e-6, 3e-6, vectors.shape).astype(np.float32)


def as_on_a_gpu(batch: int, others: int | None = None, room: int = 99) -> tuple[SharedEmbedder, Counted]:
    """An embedder that runs batches, and its runtime."""
    embedder = SharedEmbedder(open_bundle("colour"), "cpu")
    embedder.batch = batch
    embedder._runtime = counted = Counted(embedder, others, room)
    return embedder, counted


def decoded(seed: int) -> Decoded:
    """A photo of three colours."""
    return Decoded(picture(seed), 32, 32)


@pytest.fixture(scope="module")
def singly() -> Vectors:
    """The embeddings of 25 photos, each by itself."""
    embedder = SharedEmbedder(open_bundle("colour"), "cpu")
    vectors = np.stack(at_once(lambda number: embedder.embed(decoded(number)), 25))
    alone = Runtime(open_bundle("colour").model, "cpu")
    for number, vector in enumerate(vectors):
        square = embedder.prepare(decoded(number))
        assert np.array_equal(vector, alone.embed(square[np.newaxis])[0])  # on the CPU, bit by bit
    return vectors


@pytest.mark.parametrize(("batch", "runs"), [(8, [1, 8, 8, 8]), (32, [1, 24]), (1, [1] * 25)])
def test_every_thread_gets_its_own_photo(singly: Vectors, batch: int, runs: list[int]) -> None:
    """Photos of 25 threads run in batches, and each vector is that of the photo alone, within 1e-5."""
    embedder, counted = as_on_a_gpu(batch, others=24)
    vectors = at_once(lambda number: embedder.embed(decoded(number)), 25)
    assert np.abs(np.stack(vectors) - singly).max() <= 1e-5
    assert counted.runs == runs
    assert all(vector.base is None for vector in vectors)  # who keeps one does not keep its batch


def test_memory_that_runs_out_halves_the_batch(singly: Vectors) -> None:
    """For all that come after, too; nobody notices."""
    embedder, counted = as_on_a_gpu(8, others=24, room=3)
    vectors = at_once(lambda number: embedder.embed(decoded(number)), 25)
    assert np.abs(np.stack(vectors) - singly).max() <= 1e-5
    assert counted.runs[:6] == [1, 8, 4, 2, 2, 2]
    assert (embedder.batch, max(counted.runs[6:])) == (2, 2)


def test_no_room_at_all_is_told_to_all(singly: Vectors) -> None:
    """Each thread is told that memory ran out; once there is some again, photos are embedded."""
    embedder, counted = as_on_a_gpu(8, others=11, room=0)
    for error in at_once(lambda number: embedder.embed(decoded(number)), 12):
        assert isinstance(error, OutOfMemoryError)
        assert "memory ran out on cuda for a batch of 1" in str(error)
    counted.room = 99
    assert np.abs(embedder.embed(decoded(3)) - singly[3]).max() <= 1e-5


def test_a_photo_that_is_embedded_again_has_the_same_vector() -> None:
    """Bit by bit, in whichever batch it comes, and it is run once; another part of it is another photo."""
    embedder, counted = as_on_a_gpu(8, others=15)
    vectors = at_once(lambda number: embedder.embed(decoded(number % 4)), 16)
    for number, vector in enumerate(vectors):
        assert np.array_equal(vector, vectors[number % 4])
    assert sum(counted.runs) == 4
    part = embedder.embed(decoded(0), (0, 0, 1, 0.5))
    assert np.abs(part - vectors[0]).max() > 1e-3
    assert sum(counted.runs) == 5


def test_what_is_recent_is_forgotten() -> None:
    """After 15 minutes without use, or when there are too many newer ones."""
    now = [0.0]
    recent = Recent[str, int](lambda: now[0], most=3)
    for number, name in enumerate("abab"):
        now[0] = number
        recent.put(name, number)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (2, 3, None)
    now[0] = 2 + SECONDS
    assert (recent.get("a"), recent.get("b")) == (None, 3)
    recent.put("c", 4)
    assert len(recent) == 2
    recent.put("b", 5)
    recent.put("d", 6)
    recent.put("e", 7)
    assert [recent.get(name) for name in "bcde"] == [5, None, 6, 7]


# Searches


def test_pages_go_on_where_batches_differ(tmp_path: Path) -> None:
    """Searches of several threads, page by page, find on a GPU what each finds on the CPU, and nothing twice."""
    manifest = shop(tmp_path / "shop")
    names = sorted(manifest.parent.rglob("*.png"))[:12]
    with build(tmp_path / "c", manifest) as one, Catalogue(tmp_path / "c", device="auto") as other:
        embedder, counted = as_on_a_gpu(8, others=len(names) - 1)
        other._live._embedders["auto", embedder.fingerprint] = embedder
        assert (one.together(), other.together()) == (1, 8)

        def paged(number: int) -> list[tuple[str, float]]:
            hits, cursor = [], None
            for _ in range(4):
                answer = other.search(names[number], 5, cursor=cursor, rerank="views" if number % 3 == 0 else None)
                cursor = answer.next
                hits += [(hit.item_id, hit.score) for hit in answer]
            return hits

        for number, found in enumerate(at_once(paged, len(names))):
            wanted = one.search(names[number], 20, rerank="views" if number % 3 == 0 else None)
            assert len({item for item, _ in found}) == len(found) == len(wanted)
            scores = {hit.item_id: hit.score for hit in wanted}
            assert max(abs(score - scores[item]) for item, score in found) <= 1e-4
        assert counted.runs[:2] == [1, 8]


def test_a_server_has_a_thread_for_each_photo_of_a_batch(tmp_path: Path) -> None:
    """As many as wait for a GPU, within reason; on the CPU one a core."""
    place = tmp_path / "c"
    with build(place, shop(tmp_path / "shop", items=2)) as one, Catalogue(place, device="auto") as other:
        for batch, threads in ((16, max(16, cores())), (256, max(32, cores())), (1, cores())):
            embedder, _ = as_on_a_gpu(batch)
            other._live._embedders["auto", embedder.fingerprint] = embedder
            for catalogues, wanted in ((other, threads), (one, cores()), ({"a": one, "b": other}, threads)):
                service = create_app(catalogues).state.service
                assert service.desk._pool._max_workers == wanted
                service.close()
