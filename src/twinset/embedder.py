"""Photos → embeddings: decoding and inference overlap, over the cores or beside a GPU, order is kept."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from twinset import photos as photo_files
from twinset.bundle import Bundle
from twinset.errors import BundleError, InputError, OutOfMemoryError, UsageError
from twinset.photos import Decoded, in_fractions
from twinset.preprocess import MAX_SIZE, grown
from twinset.progress import SILENT, Progress
from twinset.records import Box, Fault, Photo, Pixels, Vectors
from twinset.runtime import Device, Patches, Runtime

_BATCH_BYTES: Final = 2 * 2**30
_BYTES_A_PIXEL: Final = 3 * 4 * 64
"""What a net keeps at once of each pixel of a photo: a guess, put right where memory runs out."""
_LARGEST_BATCH: Final = 256

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Embedded:
    """The photos that could be embedded, their vectors `(N, D)` in the same order, and the others."""

    photos: tuple[Photo, ...]
    vectors: Vectors
    faults: tuple[Fault, ...]


class Embedder:
    """Embeds decoded photos with one bundle; may be shared by threads.

    On the CPU photos run singly, one thread each, so that a vector is equal bit by bit however a run was cut. On a
    GPU they run in batches, and may differ by 1e-5. `batch` is how many run at once, None for singly.

    Raises:
        BundleError: the model does not fit its facts.
        MissingExtraError, UsageError: the device that is asked for is not there.
        OutOfMemoryError: it has no room for one photo.

    """

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        self._preprocess = bundle.facts.preprocess
        self._margin = bundle.facts.box_margin
        self._runtime = Runtime(bundle.model, device)
        self.device = self._runtime.device
        self.batch = None if self.device == "cpu" else _batch(self._preprocess.size)
        self.dim = bundle.facts.dim
        self.fingerprint = bundle.fingerprint
        self.calibration = bundle.facts.calibration
        self.has_patches = self._runtime.has_patches
        twice = 2 * self._preprocess.size
        self.closer = replace(self._preprocess, size=twice) if twice <= MAX_SIZE else self._preprocess
        self._check(bundle)

    def embed(self, photo: Decoded, box: Box | None = None) -> Vectors:
        """The embedding `(D,)` of a photo, or of its part in `box` (fractions 0-1), which grows by the margin."""
        return self.embed_square(self.prepare(photo, box))

    def embed_square(self, square: Pixels) -> Vectors:
        """The embedding `(D,)` of a photo that is prepared."""
        vector: Vectors = self._runtime.embed(square[np.newaxis])[0]
        return vector

    def embed_squares(self, squares: Sequence[Pixels]) -> Vectors:
        """The embeddings `(N, D)` of prepared photos, in batches; half as large from then on when memory runs out.

        Raises:
            OutOfMemoryError: there is no room for one photo.

        """
        vectors = np.empty((len(squares), self.dim), np.float32)
        start, batch = 0, self.batch or 1
        while start < len(squares):
            part = np.stack(squares[start : start + batch])
            try:
                vectors[start : start + len(part)] = self._runtime.embed(part)
            except OutOfMemoryError:
                if len(part) == 1:
                    raise
                self.batch = batch = len(part) // 2
            else:
                start += len(part)
        return vectors

    def patches(self, photo: Decoded, box: Box | None = None) -> Patches:
        """The contribution of each place `(h, w, D)`; their mean, at length 1, is the embedding."""
        return self.patches_square(self.prepare(photo, box))

    def patches_square(self, square: Pixels) -> Patches:
        """The contributions of a photo that is prepared."""
        patches: Patches = self._runtime.patches(square[np.newaxis])[1][0]
        return patches

    def closer_patches(self, photo: Decoded) -> Patches:
        """The contributions `(2h, 2w, D)` of a photo prepared as `closer` says, seen quarter by quarter.

        Raises:
            BundleError: the model has no `patches`.

        """
        size = self._preprocess.size
        square = self.closer.apply(photo.pixels)
        rows = []
        for top in range(0, len(square), size):
            parts = (square[top : top + size, left : left + size] for left in range(0, len(square), size))
            rows.append(np.concatenate([self.patches_square(part) for part in parts], axis=1))
        patches: Patches = np.concatenate(rows)
        return patches

    def prepare(self, photo: Decoded, box: Box | None = None) -> Pixels:
        """What the model sees: uint8 `(size, size, 3)`."""
        return self._preprocess.apply(photo.pixels, None if box is None else grown(box, self._margin))

    def shown(self, photo: Decoded, box: Box | None = None) -> tuple[Box, Box]:
        """What of a photo `prepare` shows, in fractions 0-1 of it, and where in the square, in its fractions."""
        height, width = photo.pixels.shape[:2]
        return self._preprocess.shown(width, height, None if box is None else grown(box, self._margin))

    def _check(self, bundle: Bundle) -> None:
        """Embeds one grey photo, so that a model that does not fit its facts fails here."""
        size = self._preprocess.size
        vectors = self._runtime.embed(np.full((1, size, size, 3), 128, np.uint8))
        if vectors.shape != (1, self.dim) or vectors.dtype != np.float32:
            raise BundleError(
                f"the model of {bundle.folder} gives {vectors.dtype}{vectors.shape}, not float32{(1, self.dim)}",
                "export it again",
            )
        if not abs(float(np.linalg.norm(vectors)) - 1) < 1e-3:
            raise BundleError(
                f"the model of {bundle.folder} gives vectors of another length than 1", "export it again"
            )


def embed_photos(
    embedder: Embedder,
    photos: Sequence[Photo],
    root: Path,
    progress: Progress = SILENT,
    change: Callable[[Photo, Decoded], Decoded] | None = None,
) -> Embedded:
    """Embeds the photos of a manifest, each from its box where it has one, or whole as `change` makes them."""

    def prepare(photo: Photo) -> tuple[Fault | None, Pixels | None]:
        try:
            decoded = photo_files.decode(photo_files.read_bytes(root / photo.path))
            if change is not None:
                return None, embedder.prepare(change(photo, decoded))
            return None, embedder.prepare(decoded, in_fractions(photo.box, decoded))
        except InputError as error:
            return Fault(photo.line, photo.path, error.code, str(error)), None

    good: list[Photo] = []
    faults: list[Fault] = []
    vectors = np.empty((len(photos), embedder.dim), np.float32)
    progress.start("embedding", len(photos))
    try:
        for photo, (fault, vector) in zip(photos, embed_in_order(embedder, prepare, photos), strict=True):
            if fault is not None:
                faults.append(fault)
            else:
                vectors[len(good)] = vector
                good.append(photo)
            progress.advance()
    finally:
        progress.finish()
    return Embedded(tuple(good), vectors[: len(good)], tuple(faults))


def embed_in_order(
    embedder: Embedder, prepare: Callable[[T], tuple[R, Pixels | None]], tasks: Iterable[T]
) -> Generator[tuple[R, Vectors | None], None, None]:
    """What `prepare` says of each task, and the embedding `(D,)` of the square it gives, in the tasks' order.

    A task whose square is None has None for its embedding, and costs the others nothing.
    """
    if embedder.batch is None:

        def alone(task: T) -> tuple[R, Vectors | None]:
            said, square = prepare(task)
            return said, None if square is None else embedder.embed_square(square)

        yield from in_order(alone, tasks)
        return
    waiting: list[tuple[R, Pixels | None]] = []
    squares = 0
    with closing(in_order(prepare, tasks, ahead=embedder.batch + 8 * cores())) as prepared:
        for said, square in prepared:
            waiting.append((said, square))
            squares += square is not None
            if squares >= embedder.batch or len(waiting) >= 4 * _LARGEST_BATCH:
                yield from _embedded(embedder, waiting)
                waiting, squares = [], 0
    yield from _embedded(embedder, waiting)


def _embedded(
    embedder: Embedder, waiting: Sequence[tuple[R, Pixels | None]]
) -> Generator[tuple[R, Vectors | None], None, None]:
    vectors = iter(embedder.embed_squares([square for _, square in waiting if square is not None]))
    for said, square in waiting:
        yield said, None if square is None else next(vectors)


def _batch(size: int) -> int:
    """How many photos, each `size` pixels square, to run at once on a GPU: a power of two."""
    fit = max(1, _BATCH_BYTES // (_BYTES_A_PIXEL * size * size))
    return min(_LARGEST_BATCH, 1 << (fit.bit_length() - 1))


def in_order(
    work: Callable[[T], R], tasks: Iterable[T], ahead: int | None = None, threads: int | None = None
) -> Generator[R, None, None]:
    """`work` over `tasks`, a thread a core, results in their order; at most `ahead` of them wait (8 a thread)."""
    threads = threads or cores()
    ahead = ahead or 8 * threads
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def query_box(box: Sequence[float]) -> Box:
    """Checks a query's box: `x1, y1, x2, y2` in fractions 0-1 of the upright photo.

    Raises:
        UsageError: it has another form.

    """
    if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        text = ",".join(f"{side:g}" for side in box)
        raise UsageError(f"box {text} is no part of a photo", "give x1,y1,x2,y2 from 0 to 1, x1 < x2 and y1 < y2")
    return box[0], box[1], box[2], box[3]
