"""One SQLite file: how it is opened, a connection for each thread, its errors translated."""

import os
import shutil
import sqlite3
import stat
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from twinset.errors import (
    BusyError,
    CatalogueError,
    DiskFullError,
    ReadOnlyError,
    ResourceError,
    TwinsetError,
    UsageError,
)
from twinset.files import to_disk
from twinset.progress import SILENT, Progress, counted

BUSY_SECONDS: Final = 10.0
MEND: Final = (
    "run `twinset verify --repair`, then index the sources again; "
    "else go back to a snapshot, or index into a new folder"
)
_AT_ONCE: Final = 500
_PAGES_AT_ONCE: Final = 4096
_IMMUTABLE: Final = "ro&immutable=1"
_SMALLEST: Final = 65_536
_File = tuple[int, int]
"""A file, by the numbers of its disk and its own."""


def may_write(folder: Path) -> bool:
    """Whether this process may create files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


class Database:
    """An opened database; each thread that uses it has a connection of its own until it ends, or until `close`.

    Where another file takes this one's place, by a repair or from a snapshot, the next transaction reads that.

    Raises:
        UsageError: it has been closed.
        CatalogueError: the file is damaged or missing.
        ReadOnlyError: the folder may not be written, and a write-ahead log waits in it, or a writer asks.
        BusyError, DiskFullError, ResourceError: as the machine has it.

    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path = path
        self._write = write
        self._local = threading.local()
        self._opened: weakref.WeakSet[_Own] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Closes every thread's connection, as soon as the thread is done with what it reads."""
        with self._lock:
            self._closed = True
            opened = list(self._opened)
        for own in opened:
            with own.lock, _translated(self.path):
                own.connection.close()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[None]:
        """All or nothing; a reader sees one state of the database throughout."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # the first error says more; SQLite may have rolled back itself
                    connection.execute("ROLLBACK")
                raise

    def do(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs one statement."""
        with self._connection() as connection:
            connection.execute(sql, values)

    def many(self, sql: str, every: Iterable[Sequence[Any]]) -> None:
        """Runs one statement with each of many values."""
        with self._connection() as connection:
            connection.executemany(sql, every)

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Every row that a query finds."""
        with self._connection() as connection:
            return connection.execute(sql, values).fetchall()

    def one(self, sql: str) -> tuple[Any, ...]:
        """The only row that a query finds.

        Raises:
            CatalogueError: there is none, or more.

        """
        found = self.all(sql)
        if len(found) != 1:
            raise CatalogueError(f"{self.path} is damaged: {sql!r} finds {len(found)} rows", MEND)
        return found[0]

    def among(self, sql: str, keys: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a query whose `{}` stands for any number of keys."""
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            yield from self.all(sql.format(", ".join("?" * len(part))), part)

    def chunks(self, sql: str, values: Sequence[Any] = (), at_once: int = 4096) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a large query, `at_once` at a time."""
        with self._connection() as connection:
            cursor = connection.execute(sql, values)
            while chunk := cursor.fetchmany(at_once):
                yield chunk

    def copy_to(self, path: Path, progress: Progress = SILENT) -> None:
        """Copies what this thread reads to a new file: inside a transaction the state of its beginning."""
        with self._connection() as connection, _translated(path):
            copy = sqlite3.connect(path, isolation_level=None)
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            progress.start(f"copying pages of {path.name}", pages)
            left = pages

            def told(_status: int, remaining: int, _total: int) -> None:
                nonlocal left
                progress.advance(left - remaining)
                left = remaining

            try:
                connection.backup(copy, pages=_PAGES_AT_ONCE, progress=told)
                copy.execute("PRAGMA journal_mode = WAL")
            finally:
                progress.finish()
                copy.close()

    def size(self) -> int:
        """How many bytes it takes, without the pages that wait for use."""
        names = ("page_count", "freelist_count", "page_size")
        pages, free, page = (int(self.one(f"PRAGMA {name}")[0]) for name in names)
        return (pages - free) * page

    def problems(self, schema: str, progress: Progress = SILENT) -> list[str]:
        """What SQLite's own check of its pages finds, and whether its tables are those of `schema`.

        It is one step of `progress`: SQLite does not tell how far it is.
        """
        check = (self.all("PRAGMA integrity_check(10)") for _ in range(1))
        found = [str(row[0]) for rows in counted(check, progress, f"checking {self.path.name}", 1) for row in rows]
        tables = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid"
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(schema)
            other = fresh.execute(tables).fetchall() != self.all(tables)
        return [what for what in found if what != "ok"] + ["its tables are not as they were made"] * other

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, which stays open inside; errors are translated."""
        own = getattr(self._local, "own", None)
        if not isinstance(own, _Own) or (own.is_behind(self.path) and not own.connection.in_transaction):
            with self._lock:
                self.check_open()
                own = _connect(self.path, write=self._write)
                self._opened.add(own)
            self._local.own = own
        with own.lock:
            self.check_open()
            with _translated(self.path):
                yield own.connection

    def check_open(self) -> None:
        """Refuses a database that has been closed."""
        if self._closed:
            raise UsageError(f"{self.path.parent} has been closed", "open the catalogue again")


class _Own:
    """A thread's connection; whoever uses or closes it holds the lock. It is closed when the thread ends.

    One that is `passing` takes the file as unchanging, which may be so for a moment only.
    """

    def __init__(self, connection: sqlite3.Connection, file: _File, *, passing: bool = False) -> None:
        self.connection = connection
        self._file, self._passing = file, passing
        self.lock = threading.RLock()
        weakref.finalize(self, connection.close).atexit = False

    def is_behind(self, path: Path) -> bool:
        """Whether it may read what does not count any more: another file may have the place of its own."""
        return self._passing or _file(path) != self._file


def _connect(path: Path, *, write: bool) -> _Own:
    """Opens a database in WAL mode; a reader also where the folder may not be written, or its disk is full.

    A reader opens read-write and forbids itself to write, since one that opens read-only leaves an empty
    `-wal` behind. Where it may not, or there is no space for the `-shm` that this needs, it reads the file as
    immutable, which would pass over a `-wal` left by a writer: then it refuses.

    Raises:
        ReadOnlyError: the folder may not be written, and a write-ahead log waits in it, or `write` is asked.
        CatalogueError: the database is damaged or missing.

    """
    file = _file(path)
    if file is None:
        raise CatalogueError(f"{path} is missing", MEND)
    wal = path.with_name(f"{path.name}-wal")
    if may_write(path.parent) and os.access(path, os.W_OK):
        with _translated(path):
            connection = _opened(path, "rw")
            if write:
                connection.execute("PRAGMA synchronous = FULL")
                return _Own(connection, file)
            connection.execute("PRAGMA query_only = ON")
            try:
                connection.execute("SELECT 1 FROM sqlite_schema").close()
            except sqlite3.OperationalError as error:
                connection.close()
                if not _refused(error) or _waits(wal):
                    raise
                return _Own(_opened(path, _IMMUTABLE), file, passing=True)
            return _Own(connection, file)
    if write:
        raise ReadOnlyError(f"{path} may not be written", "mend its permissions, or work on a copy")
    if _waits(wal):
        raise ReadOnlyError(
            f"{path.parent} may not be written, and {wal.name} waits to be folded in",
            "run `twinset verify` once where the folder may be written",
        )
    with _translated(path):
        return _Own(_opened(path, _IMMUTABLE), file)


def _file(path: Path) -> _File | None:
    """Which file lies at a path; None where there is none."""
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISREG(facts.st_mode) else None


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _waits(wal: Path) -> bool:
    return wal.exists() and wal.stat().st_size > 0


def _refused(error: sqlite3.Error) -> bool:
    """Whether it was the disk that refused to hold what a reader shares with others."""
    return _code(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


def create(path: Path, schema: str) -> None:
    """Makes a database in WAL mode with `schema`; it appears whole or not at all.

    WAL mode comes last: closing would fold a log in without a word of what it could not write.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    for leftover in path.parent.glob(f"{temporary.name}*"):
        leftover.unlink()
    with _translated(path):
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.executescript(f"BEGIN; {schema} COMMIT; PRAGMA journal_mode = WAL;")
        finally:
            connection.close()
    temporary.replace(path)
    to_disk(path.parent)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours: what is not full, busy, I/O or memory is corruption.

    Raises:
        DiskFullError, BusyError, ResourceError, CatalogueError: by SQLite's code.

    """
    try:
        yield
    except sqlite3.Error as error:
        raise _ours(error, path) from error


def _ours(error: sqlite3.Error, path: Path) -> TwinsetError:
    code = _code(error)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR) and _is_full(path.parent):
        code = sqlite3.SQLITE_FULL
    match code:
        case sqlite3.SQLITE_FULL:
            return DiskFullError(f"no space is left to write {path}", "free some space and run it again")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError(f"{path} is held by another process", "wait for it, then run it again")
        case sqlite3.SQLITE_CANTOPEN:
            mend = "check the disk, its permissions, and how many files are open"
            return ResourceError(f"{path} cannot be opened", mend)
        case sqlite3.SQLITE_IOERR:
            return ResourceError(f"{path} cannot be read or written: {error}", "check the disk")
        case sqlite3.SQLITE_NOMEM:
            return ResourceError(f"memory ran out while {path} was read", "free some memory")
        case _:
            return CatalogueError(f"{path} is damaged: {' '.join(str(error).split())}", MEND)


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _is_full(folder: Path) -> bool:
    """Whether a disk has no room for the smallest file; SQLite says only that it could not open or write one."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free < _SMALLEST
    return False
