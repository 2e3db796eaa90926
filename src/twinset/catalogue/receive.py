"""Items put one by one: their photos kept as they came, stripped, in the source `api`; and taken away again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from twinset import photos as photo_files
from twinset.catalogue import derived, ingest
from twinset.catalogue.facts import check_facts, check_item
from twinset.catalogue.folder import open_folder
from twinset.catalogue.named import named
from twinset.catalogue.reembed import copy_of
from twinset.catalogue.stamp import seen
from twinset.catalogue.writer import writer
from twinset.embedder import Embedder, embed_in_order, in_order
from twinset.errors import PhotoError, SourceError, UsageError
from twinset.files import check_space
from twinset.manifest.read import photo_of
from twinset.photos import Decoded
from twinset.records import Photo, Pixels, Vectors
from twinset.served import PutReport
from twinset.store import received
from twinset.store.copies import Copies, Copy
from twinset.store.lock import WAIT_SECONDS
from twinset.store.received import SOURCE
from twinset.store.rows import Rows
from twinset.store.schema import Row
from twinset.store.versions import Version
from twinset.stripped import EXTENSIONS, strip

Decode = Callable[[bytes], Decoded]
MOST_PHOTOS: Final = 20
"""Of one item."""
_MAIN: Final = "main"
"""The view of the first photo where none is said: an item is shown by it."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A photo as it will be kept: its bytes, and their hash."""

    photo: Photo
    data: bytes
    content: str


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A photo that is embedded: its copy, and its embedding."""

    given: _Given
    copy: Copy
    vector: Vectors


@dataclass(frozen=True, slots=True)
class _Item:
    """An item before and after: its rows, the photos that it is given, and those of them that are embedded."""

    old: Sequence[Row]
    given: Sequence[_Given]
    fresh: Sequence[_Fresh]

    def gone(self) -> list[Row]:
        """Rows of photos that are not given any more."""
        wanted = {one.photo.photo_id for one in self.given}
        return [row for row in self.old if row.photo.photo_id not in wanted]

    def retold(self) -> list[tuple[Row, Photo]]:
        """Rows whose embedding stands, and of which something else is said now."""
        fresh = {one.given.photo.photo_id for one in self.fresh}
        wanted = {one.photo.photo_id: one.photo for one in self.given if one.photo.photo_id not in fresh}
        kept = [(row, wanted[row.photo.photo_id]) for row in self.old if row.photo.photo_id in wanted]
        return [(row, photo) for row, photo in kept if ingest.told(row.photo) != ingest.told(photo)]

    def report(self, item_id: str) -> PutReport:
        """What was done."""
        count, removed = len(self.given), len(self.gone())
        return PutReport(item_id, count, count - (len(self.old) - removed), removed, len(self.fresh))


def put_item(
    path: str | Path,
    item_id: str,
    photos: Sequence[bytes],
    attributes: Mapping[str, str],
    *,
    embedder_of: Callable[[Version], Embedder] | None = None,
    decode: Decode = photo_files.decode,
    wait: float = WAIT_SECONDS,
) -> PutReport:
    """Makes an item of the source `api` what is given: all its photos, and all that is said of it, at once.

    `attributes` are a manifest's columns, `category`, `price`, `box` and others, said of every photo. The first one
    is the view `main` where no `view` is said. Photos are kept without metadata (`stripped`), the same one once;
    what the item holds already is not embedded again. `embedder_of` gives the embedder of the live version where
    the caller keeps one; else its bundle is opened. `decode` is `photos.decode`, or does the same elsewhere;
    `wait` is how many seconds it waits for another writer.

    Raises:
        PathError: there is no catalogue.
        UsageError: the id, a field or a value cannot be used, or there are no photos, or more than `MOST_PHOTOS`.
        PhotoError: a photo is refused, or the box lies outside of it.
        SourceError: another source holds the item.
        BundleError, CatalogueError, FingerprintError: the catalogue is damaged.
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    check_item(item_id)
    check_facts(attributes)
    if not 1 <= len(photos) <= MOST_PHOTOS:
        raise UsageError(f"{len(photos)} photos are given", f"give 1 to {MOST_PHOTOS}")
    given = _given(item_id, photos, attributes, decode)
    folder = open_folder(Path(path))
    with writer(folder, wait) as (rows, copies):
        ingest.clear(rows, copies)
        old = _own(rows, item_id)
        version = rows.live()
        standing = _standing(rows, copies, version, old, given)
        lacking = [one for one in given if one.photo.photo_id not in standing]
        fresh: list[_Fresh] = []
        if lacking:
            embedder = embedder_of(version) if embedder_of else Embedder(folder.bundle(version), "cpu")
            fresh = _embedded(embedder, lacking, decode)
        item = _Item(old, given, fresh)
        try:
            _store(rows, copies, version, item)
        finally:  # a run that was cut short may have stored all of it, and stopped here
            derived.catch_up(folder, rows, version)
    return item.report(item_id)


def delete_item(path: str | Path, item_id: str, *, wait: float = WAIT_SECONDS) -> int:
    """Takes an item of the source `api` away, with its photos; returns the count of photos.

    Raises:
        PathError: there is no catalogue.
        UnknownItemError: the catalogue does not hold the item.
        SourceError: another source holds it.
        CatalogueError, BusyError, DiskFullError, ReadOnlyError, ResourceError: as `put_item`.

    """
    folder = open_folder(Path(path))
    with writer(folder, wait) as (rows, copies):
        ingest.clear(rows, copies)
        try:
            named(folder, rows, [item_id], undone="nothing is removed")
            doomed = _own(rows, item_id)
            ingest.drop(rows, copies, doomed)
        finally:  # as in `put_item`
            derived.catch_up(folder, rows, rows.live())
    return len(doomed)


def _given(item_id: str, photos: Sequence[bytes], attributes: Mapping[str, str], decode: Decode) -> list[_Given]:
    """The photos as they will be kept, each once, stripped by all cores."""
    found: dict[str, _Given] = {}
    for data in in_order(partial(_stripped, decode), list(enumerate(photos, 1))):
        content = photo_files.content_hash(data)
        name = received.file_name(item_id, content, EXTENSIONS[photo_files.kind_of(data)])
        view = "" if found else _MAIN
        photo = photo_of({"view": view, **attributes, "item_id": item_id}, name, SOURCE.name)
        found.setdefault(name, _Given(photo, data, content))
    return list(found.values())


def _stripped(decode: Decode, numbered: tuple[int, bytes]) -> bytes:
    number, data = numbered
    try:
        return strip(data, decode)
    except PhotoError as error:
        raise PhotoError(error.code, f"photo {number}: {error.message}", error.mend) from error


def _own(rows: Rows, item_id: str) -> list[Row]:
    """The rows of an item, all of them of the source `api`."""
    taken = next((source for source in rows.sources() if source.name == SOURCE.name and source != SOURCE), None)
    if taken is not None:
        raise SourceError(
            f"the source {SOURCE.name} is {taken.root}", "index into a new catalogue, by another name"
        )
    found = rows.of_items([item_id])
    other = next((row for row in found if row.source != SOURCE.name), None)
    if other is not None:
        raise SourceError(
            f"the item {item_id} is of the source {other.source}", "change it there, or remove it from there first"
        )
    return found


def _standing(
    rows: Rows, copies: Copies, version: Version, old: Sequence[Row], given: Sequence[_Given]
) -> set[str]:
    """Photo ids of what is embedded as it is given, from the photo itself, and has its copy."""
    wanted = {one.photo.photo_id: one for one in given}
    kept = [row for row in old if row.photo.photo_id in wanted]
    copied = copies.get([row.photo.photo_id for row in kept])
    found: set[str] = set()
    for row in kept:
        name = row.photo.photo_id
        same = row.content == wanted[name].content and seen(row.photo) == seen(wanted[name].photo)
        whole = name in copied and copied[name].content == row.content and rows.made_from_source(version, row.id)
        if same and whole:
            found.add(name)
    return found


def _embedded(embedder: Embedder, lacking: Sequence[_Given], decode: Decode) -> list[_Fresh]:
    def prepare(one: _Given) -> tuple[tuple[_Given, Copy], Pixels]:
        decoded = decode(one.data)
        square = embedder.prepare(decoded, photo_files.in_fractions(one.photo.box, decoded))
        return (one, copy_of(one.photo.photo_id, one.content, decoded)), square

    every = embed_in_order(embedder, prepare, lacking)
    return [_Fresh(one, copy, vector) for (one, copy), vector in every if vector is not None]


def _store(rows: Rows, copies: Copies, version: Version, item: _Item) -> None:
    """Files, then copies, then all rows at once; then goes what no row names."""
    place, gone = rows.path.parent, item.gone()
    before = {row.photo.photo_id: row for row in item.old}
    check_space(place, sum(len(one.data) for one in item.given if one.photo.photo_id not in before))
    names = [*(one.photo.path for one in item.given), *(row.photo.path for row in gone)]
    with received.settling(rows, names):
        received.store(place / received.NAME, {one.photo.path: one.data for one in item.given})
        copies.put(one.copy for one in item.fresh)
        with rows.transaction():
            rows.put_source(SOURCE)
            for one in item.fresh:
                photo, file = one.given.photo, (one.given.content, len(one.given.data), 0)
                row = rows.put(photo, SOURCE.name, file, before.get(photo.photo_id))
                rows.forget_vectors(row)
                rows.put_vector(version, row, one.vector, "source")
            rows.retell(item.retold())
            rows.remove(gone)
        copies.remove([row.photo.photo_id for row in gone])
