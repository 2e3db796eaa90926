"""Photos → embeddings: decoding and inference overlap over the cores, order is kept."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from twinset import photos as photo_files
from twinset.bundle import Bundle
from twinset.errors import BundleError, InputError, UsageError
from twinset.photos import Decoded, in_fractions
from twinset.preprocess import grown
from twinset.progress import SILENT, Progress
from twinset.records import Box, Fault, Photo, Pixels, Vectors
from twinset.runtime import Patches, Runtime

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

    Photos run singly, one thread each, so that a vector is equal bit by bit however a run was cut.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._preprocess = bundle.facts.preprocess
        self._margin = bundle.facts.box_margin
        self._runtime = Runtime(bundle.model)
        self.dim = bundle.facts.dim
        self.fingerprint = bundle.fingerprint
        self._check(bundle)

    def embed(self, photo: Decoded, box: Box | None = None) -> Vectors:
        """The embedding `(D,)` of a photo, or of its part in `box` (fractions 0-1), which grows by the margin."""
        vector: Vectors = self._runtime.embed(self.prepare(photo, box)[np.newaxis])[0]
        return vector

    def patches(self, photo: Decoded, box: Box | None = None) -> Patches:
        """The contribution of each place `(h, w, D)`; their mean, at length 1, is the embedding."""
        patches: Patches = self._runtime.patches(self.prepare(photo, box)[np.newaxis])[1][0]
        return patches

    def prepare(self, photo: Decoded, box: Box | None = None) -> Pixels:
        """What the model sees: uint8 `(size, size, 3)`."""
        return self._preprocess.apply(photo.pixels, None if box is None else grown(box, self._margin))

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


def embed_photos(embedder: Embedder, photos: Sequence[Photo], root: Path, progress: Progress = SILENT) -> Embedded:
    """Embeds the photos of a manifest, each from its box where it has one."""

    def work(photo: Photo) -> Vectors | Fault:
        try:
            decoded = photo_files.decode(photo_files.read_bytes(root / photo.path))
            return embedder.embed(decoded, in_fractions(photo.box, decoded))
        except InputError as error:
            return Fault(photo.line, photo.path, error.code, str(error))

    good: list[Photo] = []
    faults: list[Fault] = []
    vectors = np.empty((len(photos), embedder.dim), np.float32)
    progress.start("embedding", len(photos))
    try:
        for photo, result in zip(photos, in_order(work, photos), strict=True):
            if isinstance(result, Fault):
                faults.append(result)
            else:
                vectors[len(good)] = result
                good.append(photo)
            progress.advance()
    finally:
        progress.finish()
    return Embedded(tuple(good), vectors[: len(good)], tuple(faults))


def in_order(work: Callable[[T], R], tasks: Iterable[T], ahead: int | None = None) -> Generator[R, None, None]:
    """`work` over `tasks`, a thread a core, results in their order; at most `ahead` of them wait (8 a core)."""
    threads = cores()
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
