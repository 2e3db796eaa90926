"""`received/`: photos that were put one by one, each in a file of its own, whole or not at all.

A file is written before the row that names it, and taken away after it. A mark lies there meanwhile: where a killed
process left it, the next writer takes away whatever no row names.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from twinset.errors import InputError
from twinset.files import to_disk, write_whole
from twinset.photos import content_hash, read_bytes
from twinset.progress import SILENT, Progress, counted
from twinset.records import photo_id
from twinset.store.rows import Rows, Source
from twinset.store.schema import Row

NAME: Final = "received"
SOURCE: Final = Source("api", NAME, boxes_ignored=False)
"""The source of these photos; its root is told from the catalogue's folder, so that it may be moved."""
_MARK: Final = "unsettled"


def file_name(item_id: str, content: str, extension: str) -> str:
    """An item's photo by its content hash: one picture of two items has two files, as it has two rows."""
    name = sha256(f"{item_id}\0{content}".encode()).hexdigest()
    return f"{name[:2]}/{name}.{extension}"


def store(place: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a `received` folder, but those that lie there as they are; each is on the disk then."""
    _make(place)
    for name, data in files.items():
        if _hash(place / name) != content_hash(data):
            _make((place / name).parent)
            write_whole(place / name, data)


@contextmanager
def settling(rows: Rows, names: Collection[str]) -> Iterator[None]:
    """At the end, however it comes, those of `names` are gone that no row names."""
    if not names:
        yield
        return
    place = rows.path.parent / NAME
    _make(place)
    (place / _MARK).touch()
    to_disk(place)
    try:
        yield
    finally:
        ids = {photo_id(SOURCE.name, name): name for name in names}
        named = rows.find(list(ids))
        _remove(place, [name for one, name in ids.items() if one not in named])
        (place / _MARK).unlink()


def settle(rows: Rows) -> None:
    """Takes away what a killed writer left: every file that no row names, where the mark lies there."""
    if (rows.path.parent / NAME / _MARK).exists():
        drop_others(rows)
        unmark(rows.path.parent)


def unmark(folder: Path) -> None:
    """Takes the mark away: what lies there stays, named or not."""
    (folder / NAME / _MARK).unlink(missing_ok=True)


def drop_others(rows: Rows) -> None:
    """Takes away every file that no row names."""
    place, named = rows.path.parent / NAME, {row.photo.path for row in rows.each_of(SOURCE.name)}
    _remove(place, [name for name in _files(place) if name not in named])


def copy(rows: Rows, here: Path, out: Path) -> set[str]:
    """Copies the files that rows name, and that are not there yet, from one `received` folder to another.

    Returns the names of those that are missing, or are of other bytes.
    """
    lost = set[str]()
    for row in rows.each_of(SOURCE.name):
        name = row.photo.path
        if (out / name).exists():
            continue
        data = _bytes(here / name)
        if data is None or content_hash(data) != row.content:
            lost.add(name)
        else:
            store(out, {name: data})
    return lost


def size(rows: Rows) -> int:
    """How many bytes the files take that rows name."""
    return sum(row.size for row in rows.each_of(SOURCE.name))


def problems(rows: Rows, progress: Progress = SILENT) -> list[str]:
    """Photos whose file is missing or has other bytes; of those that still stand once all are looked at."""
    place = rows.path.parent / NAME
    with rows.snapshot():
        every = {row.photo.photo_id: row for row in rows.each_of(SOURCE.name)}
    looked = counted(every.values(), progress, "checking received photos", len(every))
    bad = [row for row in looked if not _stands(place, row)]
    still = rows.find([row.photo.photo_id for row in bad])
    bad = [row for row in bad if row.photo.photo_id in still]
    return [
        f"the file {row.photo.path} of item {row.photo.item_id} is missing or of other bytes; its copy stands in"
        for row in bad
    ]


def _stands(place: Path, row: Row) -> bool:
    return _hash(place / row.photo.path) == row.content


def _hash(path: Path) -> str | None:
    data = _bytes(path)
    return None if data is None else content_hash(data)


def _bytes(path: Path) -> bytes | None:
    try:
        return read_bytes(path)
    except InputError:
        return None


def _files(place: Path) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in place.glob("*/*")]


def _make(place: Path) -> None:
    if not place.exists():
        place.mkdir()
        to_disk(place.parent)


def _remove(place: Path, names: Collection[str]) -> None:
    for name in names:
        for path in (place / name, place / f"{name}.tmp"):
            with suppress(FileNotFoundError):
                path.unlink()
