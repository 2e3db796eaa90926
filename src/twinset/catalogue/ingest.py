"""A manifest's photos → rows, copies and vectors; an interrupted run goes on where it stopped.

First come those that are known by their files' size and time, settled from their rows alone; then the others.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset import photos as photo_files
from twinset.catalogue.reembed import copy_of
from twinset.catalogue.stamp import seen, stamp, stands
from twinset.catalogue.writer import BATCH, batches
from twinset.embedder import Embedder, embed_in_order
from twinset.errors import InputError
from twinset.files import check_space
from twinset.manifest import Manifest
from twinset.manifest.table import shortest
from twinset.progress import SILENT, Progress, counted
from twinset.records import Fault, IndexReport, Photo, Pixels, Vectors, photo_id
from twinset.store import received
from twinset.store.copies import Copies, Copy
from twinset.store.rows import Rows, Source
from twinset.store.schema import Row
from twinset.store.versions import Version

_LOOK_UP: Final = 4096
_COPY_BYTES: Final = 24_576
"""What the copy of a large photo takes at least: a garment before a plain wall."""
_ROW_BYTES: Final = 400


@dataclass(frozen=True, slots=True)
class Fresh:
    """A photo to embed: its file's content hash, size and time stamp, and its copy."""

    file: tuple[str, int, int]
    copy: Copy


@dataclass(frozen=True, slots=True)
class Same:
    """A photo whose embedding stands, and its file's time stamp."""

    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to index, its row where it has one already, and whether its copy stands."""

    photo: Photo
    old: Row | None
    copied: bool


Result = Fresh | Same | Fault
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
    target: Target,
    manifest: Manifest,
    photos: Sequence[Photo],
    progress: Progress,
    *,
    mirror: bool,
    verify_content: bool = False,
) -> IndexReport:
    """Indexes `photos`; what is committed stays, whenever the run ends. `verify_content` opens all of them."""
    started = time.monotonic()
    tally, faults = Tally(), list(manifest.faults)
    rows, source = target.rows, target.source
    with rows.transaction():
        rows.put_source(source)
    progress.start("indexing", len(photos))
    try:
        clear(rows, target.copies)
        copied = target.copies.contents()
        for name in rows.made_from_copies(target.version):  # the photo itself tells more, where it is there again
            copied.pop(name, None)
        unknown = photos if verify_content else _settle(target, manifest.root, photos, copied, tally)
        progress.advance(len(photos) - len(unknown))
        new = [manifest.root / photo.path for photo in unknown if photo.photo_id not in copied]
        check_space(rows.path.parent, _space(new, target.version.dim))
        for batch in batches(_done(target, manifest.root, unknown, copied)):
            faults += _commit(target, batch, tally)
            progress.advance(len(batch))
    finally:
        progress.finish()
    gone = _gone(rows, source.name, photos, faults)
    removed = drop(rows, target.copies, gone, progress) if mirror else 0
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


def _space(new: Sequence[Path], dim: int) -> int:
    """The bytes that photos take at least: a copy, a row, and a vector in f16 and in f32."""
    taken = len(new) * (_ROW_BYTES + 6 * dim)
    for path in new:
        with suppress(OSError):
            taken += min(path.stat().st_size, _COPY_BYTES)
    return taken


def _gone(rows: Rows, source: str, photos: Sequence[Photo], faults: Sequence[Fault]) -> list[Row]:
    """Rows that the source has no more; a photo that has become faulty is still there."""
    present = {photo.photo_id for photo in photos}
    present.update(photo_id(source, shortest(fault.path)) for fault in faults)
    return list(rows.by_id([n for name, n in rows.of_source(source).items() if name not in present]).values())


def drop(rows: Rows, copies: Copies, doomed: Sequence[Row], progress: Progress = SILENT) -> int:
    """Removes rows, then every copy that has no row, and their received photos; returns how many rows."""
    if doomed:
        with received.settling(rows, [row.photo.path for row in doomed if row.source == received.SOURCE.name]):
            with rows.transaction():
                rows.remove(counted(doomed, progress, "removing", len(doomed)))
            copies.remove(_without_row(rows, copies))
    return len(doomed)


def clear(rows: Rows, copies: Copies) -> None:
    """Removes the copies, and received photos, that a run left which ended between its rows and those."""
    received.settle(rows)
    if copies.count() > rows.state().photos:
        copies.remove(_without_row(rows, copies))


def _without_row(rows: Rows, copies: Copies) -> set[str]:
    return copies.contents().keys() - rows.contents().keys()


def _settle(
    target: Target, root: Path, photos: Sequence[Photo], copied: Mapping[str, str], tally: Tally
) -> list[Photo]:
    """Stores other attributes of photos whose files are known by size and time; returns the others."""
    unknown: list[Photo] = []
    for start in range(0, len(photos), _LOOK_UP):
        part = photos[start : start + _LOOK_UP]
        known = target.rows.find([photo.photo_id for photo in part])
        with target.rows.transaction():
            for photo in part:
                old = known.get(photo.photo_id)
                if old is not None and copied.get(photo.photo_id) == old.content and stands(root, old, photo):
                    _keep(target, photo, old, old.mtime_ns, tally)
                else:
                    unknown.append(photo)
    return unknown


def _done(target: Target, root: Path, photos: Sequence[Photo], copied: Mapping[str, str]) -> Iterator[Done]:
    """What comes of photos that must be opened, in their order."""

    def tasks() -> Iterator[Task]:
        for start in range(0, len(photos), BATCH):
            part = photos[start : start + BATCH]
            known = target.rows.find([photo.photo_id for photo in part])
            for photo in part:
                old = known.get(photo.photo_id)
                yield Task(photo, old, old is not None and copied.get(photo.photo_id) == old.content)

    for (task, result), vector in embed_in_order(target.embedder, _prepare(target.embedder, root), tasks()):
        yield task, result, vector


def _prepare(embedder: Embedder, root: Path) -> Callable[[Task], tuple[tuple[Task, Result], Pixels | None]]:
    def prepare(task: Task) -> tuple[tuple[Task, Result], Pixels | None]:
        photo, old = task.photo, task.old
        try:
            path = root / photo.path
            mtime_ns = stamp(path)
            data = photo_files.read_bytes(path)
            content = photo_files.content_hash(data)
            if old is not None and task.copied and old.content == content and seen(old.photo) == seen(photo):
                return (task, Same(mtime_ns)), None
            decoded = photo_files.decode(data)
            square = embedder.prepare(decoded, photo_files.in_fractions(photo.box, decoded))
            copy = copy_of(photo.photo_id, content, decoded)
            return (task, Fresh((content, len(data), mtime_ns), copy)), square
        except (InputError, OSError) as error:
            code = error.code if isinstance(error, InputError) else "missing_file"
            return (task, Fault(photo.line, photo.path, code, str(error))), None

    return prepare


def _commit(target: Target, batch: Sequence[Done], tally: Tally) -> list[Fault]:
    """Stores a batch, copies first: a row that stands has its copy. Returns what cannot be stored."""
    rows, source = target.rows, target.source.name
    fresh = [result.copy for _, result, _ in batch if isinstance(result, Fresh)]
    if fresh:
        target.copies.put(fresh)
    with rows.transaction():
        for task, result, vector in batch:
            if isinstance(result, Fresh) and vector is not None:
                row = rows.put(task.photo, source, result.file, task.old)
                if task.old is not None:
                    rows.forget_vectors(row)
                rows.put_vector(target.version, row, vector, "source")
                tally.embedded += 1
                tally.added += task.old is None
                tally.updated += task.old is not None
            elif isinstance(result, Same) and task.old is not None:
                _keep(target, task.photo, task.old, result.mtime_ns, tally)
    return [result for _, result, _ in batch if isinstance(result, Fault)]


def _keep(target: Target, photo: Photo, old: Row, mtime_ns: int, tally: Tally) -> None:
    """Stores what is new about a photo whose embedding stands."""
    changed = told(photo) != told(old.photo)
    if changed:
        target.rows.put(photo, target.source.name, (old.content, old.size, mtime_ns), old)
    elif mtime_ns != old.mtime_ns:
        target.rows.restamp(old, mtime_ns)
    tally.updated += changed
    tally.unchanged += not changed


def told(photo: Photo) -> tuple[object, ...]:
    """What a manifest says of a photo beside what decides its embedding."""
    return photo.item_id, photo.category, photo.view, photo.attributes
