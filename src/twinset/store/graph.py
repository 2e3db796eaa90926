"""`hnsw.faiss`: a graph over the first rows of `vectors.f32`, for catalogues that exact search is too slow for.

The file is a header (`sealed`), and the graph as FAISS writes it. The header has the SHA-256 of the graph, which
is checked in full before FAISS looks at it, and the checksums of the vectors that it is of: so it never passes for
that of others. It may be thrown away, and is part of no copy.
"""

import hashlib
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twinset.errors import IntegrityError, MissingExtraError
from twinset.files import write_whole
from twinset.progress import Progress
from twinset.records import Vectors
from twinset.store import faiss, sealed
from twinset.store.blocks import BLOCK, sums
from twinset.store.faiss import Slots, Walker
from twinset.store.rows import Ids
from twinset.store.sealed import Bytes

NAME: Final = "hnsw.faiss"
_LOG: Final = logging.getLogger(__name__)
_FORMAT: Final = 1
_ANEW: Final = "the next `index` makes it anew, and so does `verify --repair`"
_ROOM: Final = 1.25
"""How many more photos are asked for than would be enough if filters and removals spread evenly."""
_STEP: Final = 32
"""A step of a walk costs about as much as looking at so many rows that lie in a line."""
_PICKING: Final = 2
"""A row that a filter picks out costs about as much as so many that lie in a line."""
_WIDTHS: Final = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
_SAMPLE: Final = 256
_NEAREST: Final = 10
_RECALL: Final = 0.995
"""Of the sample, a little above what is promised of others."""
_ASTRAY: Final = 0.75
"""How far the sample's queries lie from their photos: a cosine of 0.8, about that of another photo of an item."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The vectors of `vectors.f32`: whose they are, and a CRC-32 for each block of them."""

    catalogue: str
    version: int
    vectors: Vectors
    sums: tuple[int, ...]

    def first(self, rows: int) -> tuple[int, ...]:
        """The checksums of the first rows."""
        whole = rows // BLOCK
        return self.sums[:whole] + sums(self.vectors[whole * BLOCK : rows])


@dataclass(frozen=True, slots=True)
class _Header:
    """What the file says of itself: the rows that it is of, how many counted, and how wide it is to be walked."""

    catalogue: str
    version: int
    rows: int
    alive: int
    vectors: tuple[int, ...]
    width: int
    sha256: str

    def fits(self, matrix: Matrix) -> bool:
        """Whether it is of the first rows of these vectors."""
        ours = (self.catalogue, self.version) == (matrix.catalogue, matrix.version)
        return ours and self.rows <= len(matrix.vectors) and self.vectors == matrix.first(self.rows)


@dataclass(frozen=True, slots=True)
class Graph:
    """An opened graph; `width` is how wide it is walked at least. Safe to share between threads."""

    rows: int
    width: int
    walker: Walker

    def nearest(self, query: Vectors, k: int, alive: int) -> Slots:
        """Slots among which the `k` nearest of `alive` ones may be; none where looking at all of those is cheaper.

        More are asked for than are needed, and those that do not count are for the caller to drop. So a filter that
        leaves nothing near the query leaves too few, which shows; a walk that only collects what passes a filter
        would give the best of what it happened to meet, which does not.
        """
        depth = int(_ROOM * k * self.rows / max(1, alive)) + 16
        width = max(self.width, 2 * depth)
        if width * _STEP > min(self.rows, _PICKING * alive):
            return np.empty(0, np.int64)
        return self.walker.nearest(query, depth, width)


def stamp(folder: Path) -> tuple[int, int] | None:
    """What tells one file from the next that takes its place; None where there is none."""
    try:
        facts = (folder / NAME).stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def rows_covered(folder: Path) -> int:
    """How many rows of vectors the graph says that it is of; 0 where there is none."""
    found = _read(folder / NAME)
    return 0 if found is None else found[0].rows


def open_graph(folder: Path, matrix: Matrix) -> Graph | None:
    """The graph where it is whole, of the first rows of these vectors, and FAISS is installed; None otherwise."""
    found = _agreeing(folder, matrix)
    if found is None:
        return None
    header, body = found
    try:
        return Graph(header.rows, header.width, Walker(body, matrix.vectors[: header.rows]))
    except (MissingExtraError, IntegrityError):
        return None


def problems(folder: Path, matrix: Matrix) -> list[str]:
    """What does not agree with its checksums, or with the vectors."""
    before = stamp(folder)
    if before is None or _agreeing(folder, matrix) is not None or stamp(folder) != before:
        return []
    return [f"the graph does not agree with its checksums, or is of other vectors: searches are exact; {_ANEW}"]


def catch_up(folder: Path, matrix: Matrix, ids: Ids, cores: int, progress: Progress) -> None:
    """Builds the graph, by a writer, where there is none or a tenth of what it is of has changed.

    `ids` are the photos' numbers, -1 where a row no longer counts. It is built on `cores` threads; readers go on
    with the old graph until the new one takes its place. Where no width finds enough of a sample, looking at all
    vectors goes on.

    Raises:
        MissingExtraError: FAISS is not installed.

    """
    alive = int(np.count_nonzero(ids >= 0))
    found = _agreeing(folder, matrix)
    if found is not None:
        old = found[0]
        still = int(np.count_nonzero(ids[: old.rows] >= 0))
        if 10 * (old.alive - still + alive - still) < old.alive:
            return
    if not alive:
        discard(folder)
        return
    body = _built(matrix.vectors, cores, progress)
    width = _tuned(Walker(body, matrix.vectors), matrix.vectors)
    if width is None:
        _LOG.warning("%s: no walk finds %.1f %% of the nearest: searches stay exact", folder, 100 * _RECALL)
        width = len(ids)  # never walked, and kept: the next run need not find out again
    sha256 = hashlib.sha256(body.data).hexdigest()
    header = _Header(matrix.catalogue, matrix.version, len(ids), alive, matrix.sums, width, sha256)
    write_whole(folder / NAME, sealed.head({"format": _FORMAT} | asdict(header)), body.data)


def discard(folder: Path) -> None:
    """Takes the graph away."""
    (folder / NAME).unlink(missing_ok=True)


def _built(vectors: Vectors, cores: int, progress: Progress) -> Bytes:
    progress.start("building the graph", len(vectors))
    try:
        return faiss.build(vectors, cores, progress.advance)
    finally:
        progress.finish()


def _tuned(walker: Walker, vectors: Vectors) -> int | None:
    """The least width that finds nearly all of the nearest of a sample of queries, each somewhat off a photo."""
    generator = np.random.Generator(np.random.PCG64(1))
    chosen = np.sort(generator.choice(len(vectors), min(_SAMPLE, len(vectors)), replace=False))
    off = generator.standard_normal((len(chosen), vectors.shape[1]), np.float32)
    queries = vectors[chosen] + _ASTRAY * off / np.linalg.norm(off, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    least = _least(vectors, queries)
    for width in _WIDTHS:
        found = [vectors[walker.nearest(query, _NEAREST, width)] @ query for query in queries]
        near = sum(int((scores >= bound).sum()) for scores, bound in zip(found, least.tolist(), strict=True))
        if near >= _RECALL * len(queries) * min(_NEAREST, len(vectors)):
            return width
    return None


def _least(vectors: Vectors, queries: Vectors) -> Vectors:
    """The score of the last of the nearest of each query, by looking at all, less what float32 errs by."""
    best = np.full((len(queries), _NEAREST), -2.0, np.float32)
    for start in range(0, len(vectors), BLOCK):
        scores = np.hstack([best, queries @ vectors[start : start + BLOCK].T])
        best = np.partition(scores, -_NEAREST, axis=1)[:, -_NEAREST:]
    least: Vectors = best.min(axis=1) - np.float32(1e-6)
    return least


def _agreeing(folder: Path, matrix: Matrix) -> tuple[_Header, Bytes] | None:
    """Header and graph, where they agree with their checksums and are of these vectors."""
    found = _read(folder / NAME)
    if found is None or not found[0].fits(matrix) or hashlib.sha256(found[1].data).hexdigest() != found[0].sha256:
        return None
    return found


def _read(path: Path) -> tuple[_Header, Bytes] | None:
    """The header where it agrees with its checksum, and the graph that it tells of, unchecked."""
    try:
        raw, body = sealed.read(path)
        if raw.pop("format") != _FORMAT:
            return None
        return _Header(**raw | {"vectors": tuple(raw["vectors"])}), body
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
