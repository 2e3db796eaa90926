"""How SQLite is opened, and its errors translated."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinset.errors import BusyError, CatalogueError, DiskFullError, ReadOnlyError, ResourceError, TwinsetError

BUSY_SECONDS: Final = 10.0


def may_write(folder: Path) -> bool:
    """Whether this process may create files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Opens a database in WAL mode; a reader also where the folder may not be written.

    A reader opens read-write and forbids itself to write, since one that opens read-only leaves an empty
    `-wal` behind. On a read-only folder it reads the file as immutable, which would pass over a `-wal` left
    by a writer: then it refuses.

    Raises:
        ReadOnlyError: the folder may not be written, and a write-ahead log waits in it.
        CatalogueError: the database is damaged or missing.

    """
    if not path.is_file():
        raise CatalogueError(f"{path} is missing", "restore it from a copy, or build the catalogue again")
    mode = "rw"
    if not write and not (may_write(path.parent) and os.access(path, os.W_OK)):
        wal = path.with_name(f"{path.name}-wal")
        if wal.exists() and wal.stat().st_size:
            raise ReadOnlyError(
                f"{path.parent} may not be written, and {wal.name} waits to be folded in",
                "run `twinset verify` once where the folder may be written",
            )
        mode = "ro&immutable=1"
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        if write:
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")
        return connection


def create(path: Path, schema: str) -> None:
    """Makes a database in WAL mode with `schema`; it appears whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with translated(path):
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {schema} COMMIT;")
        finally:
            connection.close()
    temporary.replace(path)


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, *, write: bool) -> Iterator[None]:
    """All or nothing; a reader sees one state of the database throughout."""
    with translated(path):
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours: what is not full, busy, I/O or memory is corruption.

    Raises:
        DiskFullError, BusyError, ResourceError, CatalogueError: by SQLite's code.

    """
    try:
        yield
    except sqlite3.Error as error:
        raise _ours(error, path) from error


def _ours(error: sqlite3.Error, path: Path) -> TwinsetError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL:
            return DiskFullError(f"no space is left to write {path}", "free some space and run it again")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError(f"{path} is held by another process", "wait for it, then run it again")
        case sqlite3.SQLITE_IOERR:
            return ResourceError(f"{path} cannot be read or written: {error}", "check the disk")
        case sqlite3.SQLITE_NOMEM:
            return ResourceError(f"memory ran out while {path} was read", "free some memory")
        case _:
            return CatalogueError(
                f"{path} is damaged: {error}", "run `twinset verify`, restore it from a copy, or build it again"
            )


def integrity_problems(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's own check of its pages finds."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else found
