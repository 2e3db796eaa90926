"""A manifest's photos → rows, copies and vectors; an interrupted run goes on where it stopped."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from twinset import photos as photo_files
from twinset.embedder import Embedder, embed_in_order
from twinset.errors import InputError
from twinset.manifest import Manifest
from twinset.progress import Progress
from twinset.records import Fault, IndexReport, Photo, Pixels, Vectors, box_text, photo_id
from twinset.store.copies import LONG_SIDE, Copies
from twinset.store.rows import Rows, Source, Version
from twinset.store.schema import Row

_BATCH: Final = 256
_BATCH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Fresh:
    """A photo to embed: its file's content hash, size and modification time, and its copy."""

    file: tuple[str, int, int]
    copy: bytes


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to index, its row where it has one already, and whether its copy stands."""

    photo: Photo
    old: Row | None
    copied: bool


Result = Fresh | Fault | None
"""None for a photo whose embedding stands."""
Done = tuple[Task, Result, Vectors | None]
"""A task, what came of it, and the embedding of a fresh photo."""


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    embedded: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where photos go: the stores, the version and its embedder, and the source they come from."""

    rows: Rows
    copies: Copies
    version: Version
    embedder: Embedder
    source: Source


def run(
    target: Target, manifest: Manifest, photos: Sequence[Photo], progress: Progress, *, mirror: bool
) -> IndexReport:
    """Indexes `photos`; what is committed stays, whenever the run ends."""
    started = time.monotonic()
    tally, faults = Tally(), list(manifest.faults)
    rows, source = target.rows, target.source
    with rows.transaction():
        rows.put_source(source)
    progress.start("indexing", len(photos))
    try:
        for batch in _batches(target, manifest.root, photos):
            _commit(target, batch, tally)
            faults += [result for _, result, _ in batch if isinstance(result, Fault)]
            progress.advance(len(batch))
    finally:
        progress.finish()
    gone = _gone(rows, source.name, photos, faults)
    removed = drop(rows, target.copies, gone) if mirror else 0
    with rows.transaction():
        rows.built()
    return IndexReport(
        photos=rows.state().photos,
        items=rows.items(),
        added=tally.added,
        updated=tally.updated,
        unchanged=tally.unchanged,
        removed=removed,
        skipped=len(faults),
        embedded=tally.embedded,
        seconds=round(time.monotonic() - started, 3),
        rows=manifest.rows,
        gone=len(gone) - removed,
        faults=tuple(faults),
    )


def _gone(rows: Rows, source: str, photos: Sequence[Photo], faults: Sequence[Fault]) -> list[Row]:
    """Rows that the source has no more; a photo that has become faulty is still there."""
    present = {photo.photo_id for photo in photos}
    present.update(photo_id(source, str(PurePosixPath(fault.path))) for fault in faults)
    return list(rows.by_id([n for name, n in rows.of_source(source).items() if name not in present]).values())


def drop(rows: Rows, copies: Copies, doomed: Sequence[Row]) -> int:
    """Removes rows, then every copy that has no row, also those a killed run left; returns how many rows."""
    if doomed:
        with rows.transaction():
            rows.remove(doomed)
        copies.remove(copies.contents().keys() - rows.contents().keys())
    return len(doomed)


def _batches(target: Target, root: Path, photos: Sequence[Photo]) -> Iterator[list[Done]]:
    copied = target.copies.contents()

    def tasks() -> Iterator[Task]:
        for start in range(0, len(photos), _BATCH):
            part = photos[start : start + _BATCH]
            known = target.rows.find([photo.photo_id for photo in part])
            for photo in part:
                old = known.get(photo.photo_id)
                yield Task(photo, old, old is not None and copied.get(photo.photo_id) == old.content)

    batch: list[Done] = []
    since = time.monotonic()
    for (task, result), vector in embed_in_order(target.embedder, _prepare(target.embedder, root), tasks()):
        batch.append((task, result, vector))
        if len(batch) == _BATCH or time.monotonic() - since > _BATCH_SECONDS:
            yield batch
            batch, since = [], time.monotonic()
    if batch:
        yield batch


def _prepare(embedder: Embedder, root: Path) -> Callable[[Task], tuple[tuple[Task, Result], Pixels | None]]:
    def prepare(task: Task) -> tuple[tuple[Task, Result], Pixels | None]:
        photo, old = task.photo, task.old
        try:
            path = root / photo.path
            data = photo_files.read_bytes(path)
            content = photo_files.content_hash(data)
            if old is not None and task.copied and _made_from(old.content, old.photo) == _made_from(content, photo):
                return (task, None), None
            decoded = photo_files.decode(data)
            square = embedder.prepare(decoded, photo_files.in_fractions(photo.box, decoded))
            copy = photo_files.encode_jpeg(photo_files.shrink(decoded.pixels, LONG_SIDE))
            return (task, Fresh((content, len(data), path.stat().st_mtime_ns), copy)), square
        except (InputError, OSError) as error:
            code = error.code if isinstance(error, InputError) else "missing_file"
            return (task, Fault(photo.line, photo.path, code, str(error))), None

    return prepare


def _made_from(content: str, photo: Photo) -> tuple[str, ...]:
    """What decides an embedding; boxes as they are stored."""
    return content, box_text(photo.box), photo.domain


def _commit(target: Target, batch: Sequence[Done], tally: Tally) -> None:
    """Copies first: a row that stands has its copy."""
    rows, source = target.rows, target.source.name
    fresh = [(task.photo.photo_id, r.file[0], r.copy) for task, r, _ in batch if isinstance(r, Fresh)]
    if fresh:
        target.copies.put(fresh)
    with rows.transaction():
        for task, result, vector in batch:
            if isinstance(result, Fresh) and vector is not None:
                row = rows.put(task.photo, source, result.file, task.old)
                rows.put_vector(target.version, row, vector, "source")
                tally.embedded += 1
                tally.added += task.old is None
                tally.updated += task.old is not None
            elif result is None and task.old is not None:
                old = task.old
                changed = replace(task.photo, line=0, box=old.photo.box) != old.photo
                if changed:
                    rows.put(task.photo, source, (old.content, old.size, old.mtime_ns), old)
                tally.updated += changed
                tally.unchanged += not changed
