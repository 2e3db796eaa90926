"""`rows.sqlite`, the truth of a catalogue: sources, photos, vectors, versions, and what was removed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from twinset.errors import CatalogueError
from twinset.records import Photo, Vectors
from twinset.store.database import MEND, Database, create
from twinset.store.schema import COLUMNS, SCHEMA, Row, checksum, pack, unpack

NAME: Final = "rows.sqlite"
Ids = npt.NDArray[np.int64]
T = TypeVar("T")
_VECTOR: Final = "version, id, sequence, made_from, vector, checksum"


@dataclass(frozen=True, slots=True)
class Version:
    """The catalogue's photos embedded by one bundle; `bundle` is its name."""

    number: int
    fingerprint: str
    bundle: str
    dim: int


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

    @staticmethod
    def create(folder: Path) -> None:
        """Makes an empty `rows.sqlite`."""
        create(folder / NAME, SCHEMA)

    def close(self) -> None:
        """Closes every thread's connection."""
        self._database.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """One unchanging state for all that is read inside."""
        return self._database.transaction(write=False)

    def transaction(self) -> AbstractContextManager[None]:
        """All changes inside, or none."""
        return self._database.transaction(write=True)

    # What is read

    def state(self) -> State:
        """The sequence number, the count of photos, and when the last run ended."""
        sequence, photos, built = self._database.one("SELECT sequence, photos, built FROM state")
        return State(sequence, photos, built)

    def items(self) -> int:
        """The count of distinct items."""
        return int(self._database.one("SELECT COUNT(DISTINCT item_id) FROM photos")[0])

    def sources(self) -> list[Source]:
        """The sources, by name."""
        found = self._database.all("SELECT name, root, boxes_ignored FROM sources ORDER BY name")
        return [Source(name, root, bool(ignored)) for name, root, ignored in found]

    def live(self) -> Version:
        """The version that answers."""
        return Version(*self._database.one("SELECT number, fingerprint, bundle, dim FROM versions WHERE live = 1"))

    def find(self, photo_ids: Sequence[str]) -> dict[str, Row]:
        """Rows by photo id, of those that are there; each row's checksum is checked."""
        return {row.photo.photo_id: row for row in self._rows("photo_id", photo_ids)}

    def by_id(self, ids: Sequence[int]) -> dict[int, Row]:
        """Rows by number."""
        return {row.id: row for row in self._rows("id", ids)}

    def of_items(self, item_ids: Sequence[str]) -> list[Row]:
        """Every row of some items."""
        return list(self._rows("item_id", item_ids))

    def of_paths(self, paths: Sequence[str]) -> list[Row]:
        """Every row of some paths, in whichever source."""
        return list(self._rows("path", paths))

    def items_of(self, ids: Sequence[int]) -> list[str]:
        """The item of each photo, in the order of `ids`."""
        return [row.photo.item_id for row in self._each(self.by_id(ids), ids)]

    def photo_ids_of(self, ids: Sequence[int]) -> list[str]:
        """The photo id of each photo, in the order of `ids`."""
        return [row.photo.photo_id for row in self._each(self.by_id(ids), ids)]

    def of_source(self, source: str) -> dict[str, int]:
        """Photo id → number of every row of a source."""
        return dict(self._database.all("SELECT photo_id, id FROM photos WHERE source = ?", (source,)))

    def contents(self) -> dict[str, str]:
        """Photo id → content hash of every photo."""
        return dict(self._database.all("SELECT photo_id, content FROM photos"))

    def vectors(self, version: Version, ids: Sequence[int]) -> Vectors:
        """The vectors f32 `(N, D)` of photos, in the order of `ids`; their checksums are checked."""
        sql = f"SELECT {_VECTOR} FROM vectors WHERE version = {version.number:d} AND id IN ({{}})"
        found = {stored[1]: self._blob(stored) for stored in self._database.among(sql, ids)}
        return unpack(self._each(found, ids), version.dim)

    def vectors_since(self, version: Version, sequence: int) -> Iterator[tuple[Vectors, Ids]]:
        """Vectors `(N, D)` and numbers `(N,)` that changed after `sequence`, oldest first, in chunks; checked."""
        sql = f"SELECT {_VECTOR} FROM vectors WHERE version = ? AND sequence > ? ORDER BY sequence"
        for chunk in self._database.chunks(sql, (version.number, sequence)):
            numbers = np.array([stored[1] for stored in chunk], np.int64)
            yield unpack([self._blob(stored) for stored in chunk], version.dim), numbers

    def changed_since(self, version: Version, sequence: int) -> Ids:
        """Numbers of photos whose vector changed or which were removed after `sequence`."""
        sql = (
            "SELECT id FROM vectors WHERE version = ? AND sequence > ? "
            "UNION SELECT id FROM removed WHERE sequence > ?"
        )
        found = self._database.all(sql, (version.number, sequence, sequence))
        return np.array([number for (number,) in found], np.int64)

    # What is written, inside a transaction

    def reset_versions(self, version: Version) -> None:
        """Makes `version`, without vectors yet, the only one and live."""
        self._database.do("DELETE FROM versions")
        self._database.do("INSERT INTO versions VALUES (?, ?, ?, ?, 1, 0, 0)", tuple(_fields(version)))

    def put_source(self, source: Source) -> None:
        """Adds or changes a source."""
        self._database.do("INSERT OR REPLACE INTO sources VALUES (?, ?, ?)", tuple(_fields(source)))

    def put(self, photo: Photo, source: str, file: tuple[str, int, int], old: Row | None) -> Row:
        """Adds a photo, or replaces its row `old`; `file` is its content hash, size and modification time."""
        sequence = self._next_sequence()
        number = old.id if old else self._next_id()
        row = Row(number, source, photo, *file, sequence, 0)
        row = replace(row, checksum=checksum(*row.values()))
        places = ", ".join("?" * 15)
        self._database.do(
            f"INSERT OR REPLACE INTO photos ({COLUMNS}) VALUES ({places})", (*row.values(), row.checksum)
        )
        self._count(0 if old else 1, row.checksum - (old.checksum if old else 0))
        return row

    def put_vector(self, version: Version, row: Row, vector: Vectors, made_from: str) -> None:
        """Adds or replaces the vector of a photo; `made_from` is `source` or `copy`."""
        self._drop_vectors("version = ? AND id = ?", (version.number, row.id))
        blob = pack(vector)
        crc = checksum(version.number, row.id, row.sequence, made_from, blob)
        values = (version.number, row.id, row.sequence, made_from, blob, crc)
        self._database.do("INSERT INTO vectors VALUES (?, ?, ?, ?, ?, ?)", values)
        sql = "UPDATE versions SET vectors = vectors + 1, checksum = checksum + ? WHERE number = ?"
        self._database.do(sql, (crc, version.number))

    def remove(self, rows: Iterable[Row]) -> None:
        """Removes photos with their vectors."""
        for row in rows:
            self._drop_vectors("id = ?", (row.id,))
            self._database.do("DELETE FROM photos WHERE id = ?", (row.id,))
            self._count(-1, -row.checksum)
            self._database.do("INSERT INTO removed VALUES (?, ?)", (row.id, self._next_sequence()))

    def built(self) -> None:
        """Notes that a run ended now."""
        self._database.do("UPDATE state SET built = ?", (datetime.now(UTC).isoformat(timespec="seconds"),))

    # What is checked

    def problems(self) -> list[str]:
        """Everything that does not agree with its checksum: pages, rows, vectors, and their sums."""
        found = self._database.problems()
        count = total = 0
        for stored in self._database.all(f"SELECT {COLUMNS} FROM photos"):
            if checksum(*stored[:-1]) != stored[-1]:
                found.append(f"the row of photo {stored[1]} is damaged")
            count, total = count + 1, total + stored[-1]
        if (count, total) != self._database.one("SELECT photos, checksum FROM state"):
            found.append("rows are missing or extra: their count and sum do not agree with the state")
        for number, vectors, summed in self._database.all("SELECT number, vectors, checksum FROM versions"):
            found += self._vector_problems(number, vectors, summed)
        return found

    def _vector_problems(self, version: int, vectors: int, summed: int) -> Iterator[str]:
        sql = f"SELECT {_VECTOR} FROM vectors WHERE version = ?"
        count = total = 0
        for stored in self._database.all(sql, (version,)):
            if checksum(*stored[:-1]) != stored[-1]:
                yield f"the vector of photo {stored[1]}, version {version}, is damaged"
            count, total = count + 1, total + stored[-1]
        if (count, total) != (vectors, summed):
            yield f"vectors of version {version} are missing or extra"

    def _each(self, found: Mapping[int, T], ids: Sequence[int]) -> list[T]:
        missing = next((number for number in ids if number not in found), None)
        if missing is not None:
            raise CatalogueError(f"{self.path} is damaged: photo {missing} is missing", MEND)
        return [found[number] for number in ids]

    def _blob(self, stored: tuple[Any, ...]) -> bytes:
        *_, blob, crc = stored
        if checksum(*stored[:-1]) != crc:
            raise CatalogueError(f"{self.path}: the vector of photo {stored[1]} is damaged", MEND)
        return bytes(blob)

    def _rows(self, column: str, keys: Sequence[Any]) -> Iterator[Row]:
        for stored in self._database.among(f"SELECT {COLUMNS} FROM photos WHERE {column} IN ({{}})", keys):
            if checksum(*stored[:-1]) != stored[-1]:
                raise CatalogueError(f"{self.path}: the row of photo {stored[1]} is damaged", MEND)
            yield Row.of(stored)

    def _next_sequence(self) -> int:
        self._database.do("UPDATE state SET sequence = sequence + 1")
        return int(self._database.one("SELECT sequence FROM state")[0])

    def _next_id(self) -> int:
        return int(
            self._database.one("SELECT COALESCE(MAX(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'photos'")[0]
        )

    def _count(self, photos: int, crc: int) -> None:
        self._database.do("UPDATE state SET photos = photos + ?, checksum = checksum + ?", (photos, crc))

    def _drop_vectors(self, which: str, values: tuple[Any, ...]) -> None:
        for version, crc in self._database.all(f"SELECT version, checksum FROM vectors WHERE {which}", values):
            sql = "UPDATE versions SET vectors = vectors - 1, checksum = checksum - ? WHERE number = ?"
            self._database.do(sql, (crc, version))
        self._database.do(f"DELETE FROM vectors WHERE {which}", values)


def _fields(record: Version | Source) -> Iterator[Any]:
    return (getattr(record, name) for name in record.__dataclass_fields__)
