"""`rows.sqlite`, the truth of a catalogue: sources, photos, vectors, versions, and what was removed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from twinset.errors import CatalogueError
from twinset.progress import SILENT, Progress, counted
from twinset.records import Photo, Vectors
from twinset.store.database import MEND, Database, create
from twinset.store.schema import COLUMNS, SCHEMA, Row, checksum, intact, pack, row_of, unpack
from twinset.store.versions import Version, Versions

NAME: Final = "rows.sqlite"
Ids = npt.NDArray[np.int64]
T = TypeVar("T")
SOURCE: Final = "name, root, boxes_ignored, checksum"
VECTOR: Final = "version, id, sequence, made_from, vector, checksum"
OF_ALL_VERSIONS: Final = "version IN (SELECT number FROM versions) AND id = ?"
"""Without the versions there is no index, and a scan of all vectors for each photo."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a catalogue stands: the sequence number of its last change, its photos, when it was built."""

    sequence: int
    photos: int
    built: str


@dataclass(frozen=True, slots=True)
class Source:
    """One place photos come from."""

    name: str
    root: str
    boxes_ignored: bool


class Rows:
    """Reads and writes `rows.sqlite`; raises as `Database` does, and `CatalogueError` for a damaged row."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder / NAME
        self._database = Database(self.path, write=write)
        self.versions = Versions(self._database)

    @staticmethod
    def create(folder: Path) -> None:
        """Makes an empty `rows.sqlite`."""
        create(folder / NAME, SCHEMA)

    def close(self) -> None:
        """Closes every thread's connection."""
        self._database.close()

    def check_open(self) -> None:
        """Refuses a table that has been closed."""
        self._database.check_open()

    def snapshot(self) -> AbstractContextManager[None]:
        """One unchanging state for all that is read inside."""
        return self._database.transaction(write=False)

    def transaction(self) -> AbstractContextManager[None]:
        """All changes inside, or none."""
        return self._database.transaction(write=True)

    # What is read

    def state(self) -> State:
        """The sequence number, the count of photos, and when the last run ended."""
        values = self._database.one("SELECT sequence, photos, built FROM state")
        if [type(value) for value in values] != [int, int, str]:
            raise CatalogueError(f"{self.path} is damaged: its state is {values}", MEND)
        return State(*values)

    def items(self) -> int:
        """The count of distinct items."""
        return int(self._database.one("SELECT COUNT(*) FROM items")[0])

    def sources(self) -> list[Source]:
        """The sources, by name."""
        found = self._database.all(f"SELECT {SOURCE} FROM sources ORDER BY name")
        for stored in found:
            if not intact(stored):
                raise CatalogueError(f"{self.path}: the source {stored[0]} is damaged", MEND)
        return [Source(name, root, bool(ignored)) for name, root, ignored, _ in found]

    def roots(self) -> dict[str, Path]:
        """Where the photos of each source lie; a relative root lies in the catalogue's folder."""
        return {source.name: self.path.parent / source.root for source in self.sources()}

    def live(self) -> Version:
        """The version that answers."""
        return self.versions.live()

    def find(self, photo_ids: Sequence[str]) -> dict[str, Row]:
        """Rows by photo id, of those that are there; each row's checksum is checked."""
        return {row.photo.photo_id: row for row in self._rows("photo_id", photo_ids)}

    def by_id(self, ids: Sequence[int]) -> dict[int, Row]:
        """Rows by number."""
        return {row.id: row for row in self._rows("id", ids)}

    def of_items(self, item_ids: Sequence[str]) -> list[Row]:
        """Every row of some items, as many as were stored."""
        rows = list(self._rows("item_id", item_ids))
        stored = dict(self._database.among("SELECT item_id, photos FROM items WHERE item_id IN ({})", item_ids))
        if stored != Counter(row.photo.item_id for row in rows):
            raise CatalogueError(f"{self.path} is damaged: an item has lost or gained photos", MEND)
        return rows

    def of_paths(self, paths: Sequence[str]) -> list[Row]:
        """Every row of some paths, in whichever source."""
        return list(self._rows("path", paths))

    def in_order(self, ids: Sequence[int]) -> list[Row]:
        """Rows by number, in the order of `ids`."""
        return self._each(self.by_id(ids), ids)

    def of_source(self, source: str) -> dict[str, int]:
        """Photo id → number of every row of a source."""
        return dict(self._database.all("SELECT photo_id, id FROM photos WHERE source = ?", (source,)))

    def each_of(self, source: str) -> Iterator[Row]:
        """Every row of a source."""
        for chunk in self._database.chunks(f"SELECT {COLUMNS} FROM photos WHERE source = ?", (source,)):
            yield from map(self._row, chunk)

    def contents(self) -> dict[str, str]:
        """Photo id → content hash of every photo."""
        return dict(self._database.all("SELECT photo_id, content FROM photos"))

    def vectors(self, version: Version, ids: Sequence[int]) -> Vectors:
        """The vectors f32 `(N, D)` of photos, in the order of `ids`; their checksums are checked."""
        return unpack([stored[-2] for stored in self.stored_vectors(version, ids)], version.dim)

    def stored_vectors(self, version: Version, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """The records of vectors, the blob last but one, in the order of `ids`; their checksums are checked."""
        sql = f"SELECT {VECTOR} FROM vectors WHERE version = {version.number:d} AND id IN ({{}})"
        found = {stored[1]: stored for stored in self._database.among(sql, ids) if self._blob(stored, version)}
        return self._each(found, ids)

    def size(self) -> int:
        """How many bytes the rows and vectors take."""
        return self._database.size()

    def copy_to(self, folder: Path, progress: Progress = SILENT) -> None:
        """Makes a copy of what this thread reads, in another folder."""
        self._database.copy_to(folder / NAME, progress)

    def vectors_since(self, version: Version, sequence: int) -> Iterator[tuple[Vectors, Ids]]:
        """Vectors `(N, D)` and numbers `(N,)` that changed after `sequence`, oldest first, in chunks; checked."""
        sql = f"SELECT {VECTOR} FROM vectors WHERE version = ? AND sequence > ? ORDER BY sequence"
        for chunk in self._database.chunks(sql, (version.number, sequence)):
            blobs = [self._blob(stored, version) for stored in chunk]
            yield unpack(blobs, version.dim), self._numbers(stored[1] for stored in chunk)

    def changed_since(self, version: Version, sequence: int) -> Ids:
        """Numbers of photos whose vector changed or went, or which were removed, after `sequence`."""
        sql = (
            "SELECT id FROM vectors WHERE version = ?1 AND sequence > ?2 "
            "UNION SELECT id FROM removed WHERE sequence > ?2 UNION SELECT id FROM photos WHERE sequence > ?2 "
            "AND NOT EXISTS (SELECT 1 FROM vectors WHERE version = ?1 AND vectors.id = photos.id)"
        )
        found = self._database.all(sql, (version.number, sequence))
        return self._numbers(number for (number,) in found)

    def since(self, sequence: int) -> Iterator[Row]:
        """Rows that changed after `sequence`; each row's checksum is checked."""
        sql = f"SELECT {COLUMNS} FROM photos WHERE sequence > ?"
        for chunk in self._database.chunks(sql, (sequence,)):
            yield from map(self._row, chunk)

    def count_since(self, sequence: int) -> int:
        """How many rows changed after `sequence`."""
        return int(self._database.all("SELECT COUNT(*) FROM photos WHERE sequence > ?", (sequence,))[0][0])

    def removed_since(self, sequence: int) -> list[int]:
        """Numbers of photos that were removed after `sequence`."""
        found = self._database.all("SELECT id FROM removed WHERE sequence > ?", (sequence,))
        return self._list(number for (number,) in found)

    def total(self) -> tuple[int, int]:
        """How many photos there are, and the sum of their rows' checksums."""
        photos, total = self._numbers(self._database.one("SELECT photos, checksum FROM state")).tolist()
        return photos, total

    def tally(self, version: Version) -> tuple[int, int]:
        """How many vectors a version has, and the sum of their photos' numbers."""
        sql = f"SELECT COUNT(*), COALESCE(SUM(id), 0) FROM vectors WHERE version = {version.number:d}"
        count, total = self._numbers(self._database.one(sql)).tolist()
        return count, total

    def lacking(self, version: Version) -> list[int]:
        """Numbers of photos without a vector of a version."""
        sql = "SELECT id FROM photos WHERE id NOT IN (SELECT id FROM vectors WHERE version = ?) ORDER BY id"
        return self._list(number for (number,) in self._database.all(sql, (version.number,)))

    def made_from_copies(self, version: Version) -> list[str]:
        """Photo ids whose vector was made from their copy, since their source was gone."""
        sql = "SELECT photo_id FROM vectors JOIN photos USING (id) WHERE version = ? AND made_from = 'copy'"
        return [name for (name,) in self._database.all(sql, (version.number,))]

    def made_from_source(self, version: Version, number: int) -> bool:
        """Whether a photo has a vector of a version, and it was made from the photo itself."""
        sql = "SELECT made_from FROM vectors WHERE version = ? AND id = ?"
        return self._database.all(sql, (version.number, number)) == [("source",)]

    # What is written, inside a transaction

    def put_source(self, source: Source) -> None:
        """Adds or changes a source."""
        values = source.name, source.root, int(source.boxes_ignored)
        self._database.do("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", (*values, checksum(*values)))

    def put(self, photo: Photo, source: str, file: tuple[str, int, int], old: Row | None) -> Row:
        """Adds a photo, or replaces its row `old`; `file` is its content hash, size and modification time."""
        sequence = self._next_sequence()
        number = old.id if old else self._next_id()
        row = Row(number, source, photo, *file, sequence, 0)
        row = replace(row, checksum=checksum(*row.values()))
        places = ", ".join("?" * 15)
        verb = "REPLACE" if old else "INSERT"  # a number that is in use already would be damage
        self._database.do(f"{verb} INTO photos ({COLUMNS}) VALUES ({places})", (*row.values(), row.checksum))
        if old and old.photo.item_id == photo.item_id:
            self._sum_up(row.checksum - old.checksum)
            return row
        if old:
            self._count(old, -1)
        self._count(row, 1)
        return row

    def retell(self, told: Sequence[tuple[Row, Photo]]) -> None:
        """Stores what is said of photos now, many at once; what they are embedded from, and their items, stand."""
        first = self.state().sequence + 1
        rows = [replace(old, photo=photo, sequence=first + n) for n, (old, photo) in enumerate(told)]
        stored = [row.values() for row in rows]
        sums = [checksum(*values) for values in stored]
        self._database.many(
            "UPDATE photos SET category = ?, view = ?, attributes = ?, sequence = ?, checksum = ? WHERE id = ?",
            ((v[5], v[7], v[9], v[13], crc, v[0]) for v, crc in zip(stored, sums, strict=True)),
        )
        self._database.do("UPDATE state SET sequence = sequence + ?", (len(rows),))
        self._sum_up(sum(sums) - sum(old.checksum for old, _ in told))

    def restamp(self, row: Row, mtime_ns: int) -> None:
        """Notes another modification time of the same file: no answer tells it, so the sequence number stays."""
        crc = checksum(*replace(row, mtime_ns=mtime_ns).values())
        self._database.do("UPDATE photos SET mtime_ns = ?, checksum = ? WHERE id = ?", (mtime_ns, crc, row.id))
        self._sum_up(crc - row.checksum)

    def put_vector(self, version: Version, row: Row, vector: Vectors, made_from: str) -> None:
        """Adds or replaces the vector of a photo; `made_from` is `source` or `copy`."""
        self._drop_vectors("version = ? AND id = ?", (version.number, row.id))
        blob = pack(vector)
        crc = checksum(version.number, row.id, row.sequence, made_from, blob)
        values = (version.number, row.id, row.sequence, made_from, blob, crc)
        self._database.do("INSERT INTO vectors VALUES (?, ?, ?, ?, ?, ?)", values)
        self.versions.count(version.number, 1, crc)

    def forget_vectors(self, row: Row) -> None:
        """Takes a photo's vectors away, of every version: they are of other bytes, or of another box, by now."""
        self._drop_vectors(OF_ALL_VERSIONS, (row.id,))

    def remove(self, rows: Iterable[Row]) -> None:
        """Removes photos with their vectors."""
        for row in rows:
            self._drop_vectors(OF_ALL_VERSIONS, (row.id,))
            self._database.do("DELETE FROM photos WHERE id = ?", (row.id,))
            self._count(row, -1)
            self._database.do("INSERT INTO removed VALUES (?, ?)", (row.id, self._next_sequence()))

    def built(self) -> None:
        """Notes that a run ended now."""
        self._database.do("UPDATE state SET built = ?", (datetime.now(UTC).isoformat(timespec="seconds"),))

    # What is checked

    def problems(self, progress: Progress = SILENT) -> list[str]:
        """Everything that does not agree with its checksum: pages, rows, vectors, and their sums."""
        with self.snapshot():
            found = self._database.problems(SCHEMA, progress)
            found += [*self._photo_problems(progress), *self._vector_problems(progress)]
            self.sources()
        return found

    def _photo_problems(self, progress: Progress) -> Iterator[str]:
        total, latest = 0, 0
        items: Counter[str] = Counter()
        chunks = self._database.chunks(f"SELECT {COLUMNS} FROM photos")
        for chunk in counted(chunks, progress, "checking rows", self.count_since(0), len):
            yield from (f"the row of photo {stored[1]} is damaged" for stored in chunk if not intact(stored))
            good = [Row.of(stored) for stored in chunk if intact(stored)]
            total += sum(row.checksum for row in good)
            latest = max([latest, *(row.sequence for row in good)])
            items.update(row.photo.item_id for row in good)
        if self._database.one("SELECT photos, checksum FROM state") != (items.total(), total):
            yield "rows are missing or extra: their count and sum do not agree with the state"
        if self.state().sequence not in (latest, self._database.one("SELECT MAX(sequence) FROM removed")[0] or 0):
            yield "the sequence number is not that of the last change"
        if dict(self._database.all("SELECT item_id, photos FROM items")) != items:
            yield "the items do not agree with their photos"
        if self._database.one("SELECT COUNT(*) FROM removed JOIN photos USING (id)") != (0,):
            yield "a removed photo is there"
        if self._database.one(f"SELECT COUNT(*) FROM photos WHERE id >= {self._next_id():d}") != (0,):
            yield "the next number is not behind all others"

    def _vector_problems(self, progress: Progress) -> Iterator[str]:
        for number, *expected in self.versions.sums():
            count = total = 0
            chunks = self._database.chunks(f"SELECT {VECTOR} FROM vectors WHERE version = ?", (number,))
            for chunk in counted(chunks, progress, f"checking vectors of version {number}", expected[0], len):
                damaged = [stored[1] for stored in chunk if not intact(stored)]
                yield from (f"the vector of photo {name}, version {number}, is damaged" for name in damaged)
                count, total = count + len(chunk), total + sum(s[-1] for s in chunk if isinstance(s[-1], int))
            if [count, total] != expected:
                yield f"vectors of version {number} are missing or extra"
        if self.tally(self.live())[0] != self.state().photos:
            yield "photos have no vector, or vectors no photo"
        if self._database.one("SELECT COUNT(*) FROM vectors WHERE id NOT IN (SELECT id FROM photos)") != (0,):
            yield "vectors have no photo"

    def _each(self, found: Mapping[int, T], ids: Sequence[int]) -> list[T]:
        missing = next((number for number in ids if number not in found), None)
        if missing is not None:
            raise CatalogueError(f"{self.path} is damaged: photo {missing} is missing", MEND)
        return [found[number] for number in ids]

    def _numbers(self, values: Iterable[Any]) -> Ids:
        found = list(values)
        if not all(type(value) is int for value in found):
            raise CatalogueError(f"{self.path} is damaged: a number is none", MEND)
        return np.array(found, np.int64)

    def _list(self, values: Iterable[Any]) -> list[int]:
        return [int(number) for number in self._numbers(values)]

    def _blob(self, stored: tuple[Any, ...], version: Version) -> bytes:
        blob = stored[-2]
        if not intact(stored) or len(blob) != 2 * version.dim:
            raise CatalogueError(f"{self.path}: the vector of photo {stored[1]} is damaged", MEND)
        return bytes(blob)

    def _rows(self, column: str, keys: Sequence[Any]) -> Iterator[Row]:
        yield from map(
            self._row, self._database.among(f"SELECT {COLUMNS} FROM photos WHERE {column} IN ({{}})", keys)
        )

    def _row(self, stored: tuple[Any, ...]) -> Row:
        row = row_of(stored)
        if row is None:
            raise CatalogueError(f"{self.path}: the row of photo {stored[1]} is damaged", MEND)
        return row

    def _next_sequence(self) -> int:
        self._database.do("UPDATE state SET sequence = sequence + 1")
        return self.state().sequence

    def _next_id(self) -> int:
        sql = "SELECT COALESCE(MAX(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'photos'"
        return int(self._numbers(self._database.one(sql))[0])

    def _sum_up(self, change: int) -> None:
        self._database.do("UPDATE state SET checksum = checksum + ?", (change,))

    def _count(self, row: Row, one: int) -> None:
        """Counts a row in (1) or out (-1)."""
        item = row.photo.item_id
        values = (one, one * row.checksum)
        self._database.do("UPDATE state SET photos = photos + ?, checksum = checksum + ?", values)
        sql = "INSERT INTO items VALUES (?, ?) ON CONFLICT (item_id) DO UPDATE SET photos = photos + ?"
        self._database.do(sql, (item, one, one))
        self._database.do("DELETE FROM items WHERE item_id = ? AND photos = 0", (item,))

    def _drop_vectors(self, which: str, values: tuple[Any, ...]) -> None:
        for version, crc in self._database.all(f"SELECT version, checksum FROM vectors WHERE {which}", values):
            self.versions.count(version, -1, -crc)
        self._database.do(f"DELETE FROM vectors WHERE {which}", values)
