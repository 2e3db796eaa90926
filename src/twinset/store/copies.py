"""`copies.sqlite`: each photo at long side ≤ 640, for display and where its source is gone."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from twinset.store.connect import connect, create, integrity_problems, transaction, translated

NAME: Final = "copies.sqlite"
LONG_SIDE: Final = 640
_SCHEMA: Final = "CREATE TABLE copies (photo_id TEXT PRIMARY KEY, content TEXT NOT NULL, jpeg BLOB NOT NULL);"


class Copies:
    """JPEG copies by photo id; `content` is the SHA-256 of the photo each was made from."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder / NAME
        self._write = write

    @staticmethod
    def create(folder: Path) -> None:
        """Makes an empty `copies.sqlite`."""
        create(folder / NAME, _SCHEMA)

    def get(self, photo_ids: Sequence[str]) -> dict[str, bytes]:
        """The JPEG bytes of photos, of those that have a copy."""
        sql = "SELECT photo_id, jpeg FROM copies WHERE photo_id = ?"
        with translated(self.path), self._open() as connection:
            return {name: jpeg for p in photo_ids for name, jpeg in connection.execute(sql, (p,))}

    def put(self, copies: Iterable[tuple[str, str, bytes]]) -> None:
        """Stores (photo id, content hash, JPEG) all at once."""
        with self._open() as connection, transaction(connection, self.path, write=True):
            connection.executemany("INSERT OR REPLACE INTO copies VALUES (?, ?, ?)", copies)

    def remove(self, photo_ids: Iterable[str]) -> None:
        """Removes copies."""
        with self._open() as connection, transaction(connection, self.path, write=True):
            connection.executemany("DELETE FROM copies WHERE photo_id = ?", ((p,) for p in photo_ids))

    def contents(self) -> dict[str, str]:
        """Photo id → content hash of every copy."""
        with translated(self.path), self._open() as connection:
            return dict(connection.execute("SELECT photo_id, content FROM copies"))

    def problems(self) -> list[str]:
        """What SQLite's own check of its pages finds."""
        with translated(self.path), self._open() as connection:
            return integrity_problems(connection)

    def _open(self) -> "_Closing":
        return _Closing(connect(self.path, write=self._write))


class _Closing:
    """A connection that is closed on leaving."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
