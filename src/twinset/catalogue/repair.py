"""A damaged catalogue made whole again, as far as rows, sources and copies tell how."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from twinset import bundle as bundles
from twinset.catalogue import derived, ingest
from twinset.catalogue import folder as folders
from twinset.catalogue.folder import CatalogueFolder
from twinset.catalogue.reembed import Again, copy_of, embed_again, from_source
from twinset.catalogue.verify import without_copy
from twinset.embedder import Embedder, in_order
from twinset.errors import CatalogueError, IntegrityError
from twinset.files import remove_folders
from twinset.progress import SILENT, Progress
from twinset.store import copies as copies_file
from twinset.store import received, salvage
from twinset.store import rows as rows_file
from twinset.store.copies import Copies, Copy
from twinset.store.lock import writing
from twinset.store.rows import Rows
from twinset.store.schema import Row
from twinset.store.versions import Version

T = TypeVar("T")
_AT_ONCE: Final = 256
_RENEWED: Final = (
    "catalogue.json is written anew; if the catalogue had a calibration of its own: calibrate it again"
)


@dataclass(frozen=True, slots=True)
class _Open:
    """A catalogue whose databases agree with their checksums, and where its sources are."""

    folder: CatalogueFolder
    rows: Rows
    copies: Copies
    roots: dict[str, Path]
    progress: Progress


def repair(path: str | Path, progress: Progress = SILENT) -> list[str]:
    """Mends what can be mended of the catalogue at `path`; returns what was done, a line each.

    What does not agree with its checksum in `rows.sqlite` or `copies.sqlite` is left out, and the file written
    anew; the damaged one stays beside it, its name ending in `.damaged`. Vectors are embedded again from the source
    or, where that is gone, from the copy; copies are made again from the source; a bundle comes back where it ships
    with twinset. What is derived is made anew. A photo that has lost its row comes back with the next `index` of
    its source. What cannot be mended stays as it is, and `verify` tells of it.

    Raises:
        PathError: there is no catalogue.
        CatalogueError: it is newer than this program.
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    path = Path(path)
    folders.require(path)
    with writing(path):
        done = [_RENEWED] if folders.renew(path) else []
        folder = folders.open_folder(path)
        done += _swept(path)
        lost = _databases(path, done)
        rows, copies = Rows(path, write=True), Copies(path, write=True)
        try:
            with suppress(CatalogueError):  # rows that could not be salvaged: `verify` tells of them
                if "photos" not in lost:
                    received.settle(rows)
                received.unmark(path)
                roots = rows.roots()
                opened = _Open(folder, rows, copies, roots, progress)
                done += _bundles(opened)
                for version in _answering(rows, "vectors" in lost):
                    done += _vectors(opened, version)
                done += _copies(opened)
                _derive(opened)
        finally:
            rows.close()
            copies.close()
    return done


def _swept(path: Path) -> list[str]:
    """Takes away what killed writers left."""
    left = [file for file in path.rglob("*.tmp") if file.is_file()]
    for file in left:
        file.unlink()
    return [f"{len(left):,} unfinished files are removed"] if left else []


def _databases(path: Path, done: list[str]) -> set[str]:
    """Writes databases anew that are damaged, where enough of them can be read; returns the tables with losses."""
    lost: set[str] = set()
    if _damaged(Rows(path, write=True)):
        with suppress(CatalogueError):
            found = salvage.salvage_rows(path)
            lost |= found.lost
            kept, photos = found.kept["photos"], found.photos
            done.append(
                f"{rows_file.NAME} is written anew with {kept:,} photos of {photos:,}; {_aside(rows_file.NAME)}"
            )
            if kept != photos or "photos" in lost:
                lost.add("photos")
                done.append("index the sources again: photos that have lost their rows come back")
                if (path / received.NAME).is_dir():
                    done.append(f"put items again that have lost rows: their photos stay in {received.NAME}/")
            if "sources" in lost:
                done.append("a source has lost its record: index it again, with its --source NAME")
    if not (path / copies_file.NAME).exists():
        Copies.create(path)
        done.append(f"{copies_file.NAME} was missing and is made anew")
    elif _damaged(Copies(path, write=True)):
        kept = salvage.salvage_copies(path).kept["copies"]
        done.append(f"{copies_file.NAME} is written anew with {kept:,} copies; {_aside(copies_file.NAME)}")
    return lost


def _damaged(table: Rows | Copies) -> bool:
    try:
        return bool(table.problems())
    except CatalogueError:
        return True
    finally:
        table.close()


def _aside(name: str) -> str:
    return f"the damaged file is {name}{salvage.DAMAGED}, which may be deleted"


def _bundles(opened: _Open) -> Iterator[str]:
    """Brings bundles back that ship with twinset."""
    for version in opened.rows.versions.all():
        with suppress(IntegrityError):
            opened.folder.bundle(version)
            continue
        bundle = bundles.shipped(version.fingerprint)
        if bundle is not None:
            bundles.save(opened.folder.path / "bundles" / version.fingerprint, bundle.facts, bundle.model)
            yield f"the bundle {version.bundle} is restored from the one that ships"


def _answering(rows: Rows, lost: bool) -> list[Version]:
    """The live version and, where vectors were lost, the one that answered before it."""
    before = rows.versions.before() if lost else None
    return [rows.live(), *([] if before is None else [before])]


def _vectors(opened: _Open, version: Version) -> Iterator[str]:
    """Embeds again what has no vector; of the live version a photo goes that has neither source nor copy."""
    rows, lacking = opened.rows, opened.rows.lacking(version)
    if not lacking:
        return
    try:
        embedder = Embedder(opened.folder.bundle(version), "cpu")
    except IntegrityError:  # the bundle is lost: `verify` tells of it
        return
    made: Counter[str] = Counter()
    gone: list[Row] = []
    opened.progress.start("embedding again", len(lacking))
    try:
        for part in _parts(lacking):
            again = list(embed_again(embedder, rows.in_order(part), opened.roots, opened.copies))
            with rows.transaction():
                for one in again:
                    if isinstance(one, Again):
                        rows.put_vector(version, one.row, one.vector, one.made_from)
                        made[one.made_from] += 1
                    else:
                        gone.append(one)
            opened.progress.advance(len(part))
    finally:
        opened.progress.finish()
    yield from (f"{count:,} photos are embedded again from their {origin}" for origin, count in made.items())
    if gone and version == rows.live():
        ingest.drop(rows, opened.copies, gone)
        yield f"{len(gone):,} photos that lost their vector have neither source nor copy, and are removed"


def _copies(opened: _Open) -> Iterator[str]:
    """Makes copies again of what has none of its own bytes, where the source stands."""

    def copied(row: Row) -> Copy | None:
        decoded = from_source(row, opened.roots)
        return None if decoded is None else copy_of(row.photo.photo_id, row.content, decoded)

    lacking = sorted(name for name, _, _ in without_copy(opened.rows, opened.copies))
    made = 0
    opened.progress.start("copying again", len(lacking))
    try:
        for part in _parts(lacking):
            found = [copy for copy in in_order(copied, opened.rows.find(part).values()) if copy is not None]
            opened.copies.put(found)
            made += len(found)
            opened.progress.advance(len(part))
    finally:
        opened.progress.finish()
    if made:
        yield f"{made:,} copies are made again from their sources"


def _derive(opened: _Open) -> None:
    """Makes anew what is derived, and takes away what belongs to no version."""
    live, versions = opened.rows.live(), opened.rows.versions.all()
    for version in versions:
        if version == live or opened.folder.derived(version).is_dir():
            derived.catch_up(opened.folder, opened.rows, version, rebuild=True, progress=opened.progress)
    remove_folders(opened.folder.path / "derived", but={str(version.number) for version in versions})
    derived.catch_up_graph(opened.folder, live, opened.progress)


def _parts(every: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
