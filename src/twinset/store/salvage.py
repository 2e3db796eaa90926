"""A damaged database → a new one of what is whole in it, record by record; the damaged file is kept beside it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twinset.errors import CatalogueError, TwinsetError
from twinset.files import to_disk
from twinset.store import copies, rows, versions
from twinset.store.database import MEND, Database, create
from twinset.store.schema import COLUMNS, SCHEMA, intact

PLACE: Final = "repair.tmp"
"""Where in a catalogue's folder the new database grows."""
DAMAGED: Final = ".damaged"
"""What the name of a damaged file ends with once another has its place."""
_GIVE_UP: Final = 10_000
"""How many numbers in a row may be unreadable before a table counts as read."""
_PAGE: Final = 4096
_PAGES_AT: Final = slice(28, 32)
"""Where the first page says how many there are."""
_FOLLOWING: Final = """
UPDATE state SET photos = (SELECT COUNT(*) FROM photos), checksum = (SELECT SUM(checksum) FROM photos),
    sequence = 1 + (SELECT MAX(sequence) FROM (SELECT sequence FROM photos UNION ALL SELECT sequence FROM vectors));
UPDATE sqlite_sequence SET seq = seq + 1;
INSERT INTO removed SELECT seq, sequence FROM sqlite_sequence, state;
DELETE FROM vectors WHERE id NOT IN (SELECT id FROM photos) OR version NOT IN (SELECT number FROM versions);
UPDATE versions SET vectors = (SELECT COUNT(*) FROM vectors WHERE version = number),
    checksum = (SELECT COALESCE(SUM(vectors.checksum), 0) FROM vectors WHERE version = number);
INSERT INTO items SELECT item_id, COUNT(*) FROM photos GROUP BY item_id
"""
"""What follows from photos and vectors; the last change is that of a number which no photo had."""


@dataclass(slots=True)
class Salvaged:
    """How many records are kept by table, which tables have lost some, how many photos there were (0: unknown)."""

    kept: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    photos: int = 0


def salvage_rows(folder: Path) -> Salvaged:
    """Writes `rows.sqlite` anew: sources, versions, photos and vectors that agree with their checksums.

    Items, counts and sums follow from them. What was removed before is told no more, so whatever is derived must be
    made anew; the sequence number goes on behind all that are known.

    Raises:
        CatalogueError: not one photo can be read, or not which version is live; then nothing is changed.

    """
    done = Salvaged()
    with _anew(folder / rows.NAME, SCHEMA) as (old, new):
        _carry(old, new, "versions", versions.FACTS, done)
        if new.one("SELECT COUNT(*) FROM versions WHERE live") == (1,):
            _carry(old, new, "photos", COLUMNS, done)
        if not done.kept.get("photos"):
            raise CatalogueError(f"{folder / rows.NAME} is damaged: too little of it can be read", MEND)
        _carry(old, new, "sources", rows.SOURCE, done)
        _carry(old, new, "vectors", rows.VECTOR, done)
        for sql in _FOLLOWING.split(";"):
            new.do(sql)
        with suppress(CatalogueError):
            photos, built = old.one("SELECT photos, built FROM state")
            new.do("UPDATE state SET built = ?", (str(built),))
            done.photos = photos if type(photos) is int else 0
    return done


def salvage_copies(folder: Path) -> Salvaged:
    """Writes `copies.sqlite` anew, with the copies that agree with their checksums."""
    done = Salvaged()
    with _anew(folder / copies.NAME, copies.SCHEMA) as (old, new):
        _carry(old, new, "copies", copies.COLUMNS, done)
    return done


def _carry(old: Database, new: Database, table: str, columns: str, done: Salvaged) -> None:
    places = ", ".join("?" * len(columns.split(",")))
    for stored in _whole(old, table, columns, done):
        new.do(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", stored)
    done.kept[table] = new.one(f"SELECT COUNT(*) FROM {table}")[0]


def _whole(old: Database, table: str, columns: str, done: Salvaged) -> Iterator[tuple[Any, ...]]:
    """The records that agree with their last column, their checksum; past a damaged page it goes on behind it."""
    sql = f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid"
    after, failed = -1, 0
    while failed < _GIVE_UP:
        try:
            for ((number, *stored),) in old.chunks(sql, (after,), at_once=1):
                after, failed = max(after, number), 0
                if intact(tuple(stored)):
                    yield tuple(stored)
                else:
                    done.lost.add(table)
        except CatalogueError:
            done.lost.add(table)
            after, failed = after + 1, failed + 1
        else:
            return


@contextmanager
def _anew(path: Path, schema: str) -> Iterator[tuple[Database, Database]]:
    """What can be read of a database, and a new one that takes its place at the end."""
    if not path.is_file():
        raise CatalogueError(f"{path} is missing", MEND)
    place = path.parent / PLACE
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        create(place / path.name, schema)
        old = Database(_readable(path, place / path.name), write=False)
        new = Database(place / path.name, write=True)
        try:
            with new.transaction(write=True):
                yield old, new
        finally:
            old.close()
            new.close()
        _swap(path, place / path.name)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _readable(path: Path, fresh: Path) -> Path:
    """A copy of a damaged database under the first page of a fresh one: header and tables are the same in both."""
    copy = fresh.with_name(f"old.{path.name}")
    with suppress(TwinsetError):
        waiting = Database(path, write=True)
        waiting.do("PRAGMA wal_checkpoint(TRUNCATE)")
        waiting.close()
    for end in ("", "-wal"):
        if path.with_name(path.name + end).exists():
            shutil.copyfile(path.with_name(path.name + end), copy.with_name(copy.name + end))
    with fresh.open("rb") as made, copy.open("r+b") as file:
        first = bytearray(made.read(_PAGE))
        first[_PAGES_AT] = (copy.stat().st_size // _PAGE).to_bytes(4, "big")
        file.write(first)
    return copy


def _swap(path: Path, new: Path) -> None:
    """Gives `new` the place of a damaged database, whose log must not be taken for the new one's."""
    kept = path.with_name(path.name + DAMAGED)
    kept.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError:  # a file system without links
        shutil.copyfile(path, kept)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    new.replace(path)
    to_disk(path.parent)
