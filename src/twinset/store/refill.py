"""Records of photos as another catalogue stored them → an empty one, each checked before it is taken."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from twinset.errors import DumpError
from twinset.store import copies, rows
from twinset.store.copies import Copy
from twinset.store.database import Database
from twinset.store.schema import COLUMNS, checksum, intact
from twinset.store.versions import Version

PHOTO_ID: Final = 1
CONTENT: Final = 10
"""Where a row holds its photo's id, and its content hash."""


class Record(NamedTuple):
    """All that is kept of a photo: its row, the record of its vector, and its copy, None where it is lost.

    `row` is in the order of `COLUMNS`; `vector` is sequence, made from, f16 bytes; each has its checksum last.
    """

    row: tuple[Any, ...]
    vector: tuple[int, str, bytes, int]
    copy: Copy | None


class Sums(NamedTuple):
    """How many photos there are, and the sums of their rows', vectors' and copies' checksums."""

    photos: int = 0
    rows: int = 0
    vectors: int = 0
    copies: int = 0

    def plus(self, record: Record) -> "Sums":
        """With another record."""
        copied = 0 if record.copy is None else copies.values(record.copy)[-1]
        return Sums(
            self.photos + 1, self.rows + record.row[-1], self.vectors + record.vector[-1], self.copies + copied
        )


class Refill:
    """Writes records into the databases of a new catalogue, whose only version is there and has no vectors."""

    def __init__(self, folder: Path, version: Version) -> None:
        self._rows = Database(folder / rows.NAME, write=True)
        self._copies = Database(folder / copies.NAME, write=True)
        self._version = version

    def add(self, records: Iterable[Record]) -> Sums:
        """Adds records, all or none; returns their count and sums.

        Raises:
            DumpError: one of them does not agree with its checksum.

        """
        sums = Sums()
        with self._copies.transaction(write=True), self._rows.transaction(write=True):
            for record in records:
                self._check(record)
                self._rows.do(f"INSERT INTO photos ({COLUMNS}) VALUES ({', '.join('?' * 15)})", record.row)
                sequence, made_from, blob, crc = record.vector
                values = (self._version.number, record.row[0], sequence, made_from, blob, crc)
                self._rows.do("INSERT INTO vectors VALUES (?, ?, ?, ?, ?, ?)", values)
                if record.copy is not None:
                    self._copies.do(copies.INSERT.format(""), copies.values(record.copy))
                sums = sums.plus(record)
        return sums

    def finish(self, sums: Sums) -> None:
        """Writes what stands beside the photos: items, counts, sums, and the sequence number of the last change."""
        with self._rows.transaction(write=True):
            self._rows.do("INSERT INTO items SELECT item_id, COUNT(*) FROM photos GROUP BY item_id")
            self._rows.do(
                "UPDATE state SET photos = ?, checksum = ?, "
                "sequence = (SELECT COALESCE(MAX(sequence), 0) FROM photos)",
                (sums.photos, sums.rows),
            )
            self._rows.do("UPDATE versions SET vectors = ?, checksum = ?", (sums.photos, sums.vectors))

    def close(self) -> None:
        """Closes both databases."""
        self._rows.close()
        self._copies.close()

    def _check(self, record: Record) -> None:
        *vector, crc = record.vector
        whole = intact(record.row) and len(record.vector[2]) == 2 * self._version.dim
        if not whole or checksum(self._version.number, record.row[0], *vector) != crc:
            raise DumpError(f"the record of photo {record.row[PHOTO_ID]} is damaged", "dump the catalogue again")
