"""`copies.sqlite`: each photo at long side ≤ 640, for display and where its source is gone."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from twinset.errors import CatalogueError
from twinset.progress import SILENT, Progress, counted
from twinset.store.database import MEND, Database, create
from twinset.store.schema import checksum, intact

NAME: Final = "copies.sqlite"
LONG_SIDE: Final = 640
SCHEMA: Final = (
    "CREATE TABLE copies (photo_id TEXT PRIMARY KEY, content TEXT NOT NULL, width INTEGER NOT NULL, "
    "height INTEGER NOT NULL, jpeg BLOB NOT NULL, checksum INTEGER NOT NULL);"
)

COLUMNS: Final = "photo_id, content, width, height, jpeg, checksum"
INSERT: Final = "INSERT {} INTO copies VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo's JPEG copy; `content` is the SHA-256 of the photo it was made from, which was so wide and high."""

    photo_id: str
    content: str
    width: int
    height: int
    jpeg: bytes


def values(copy: Copy) -> tuple[Any, ...]:
    """A copy as `INSERT` takes it, its checksum last."""
    told = astuple(copy)
    return (*told, checksum(*told))


class Copies:
    """Reads and writes `copies.sqlite`.

    Raises as `Database` does, and `CatalogueError` for a damaged copy.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self._database = Database(folder / NAME, write=write)

    @staticmethod
    def create(folder: Path) -> None:
        """Makes an empty `copies.sqlite`."""
        create(folder / NAME, SCHEMA)

    @staticmethod
    def create_missing(folder: Path) -> None:
        """Makes `copies.sqlite` where it was lost: `index` fills it again."""
        if not (folder / NAME).exists():
            Copies.create(folder)

    def close(self) -> None:
        """Closes every thread's connection."""
        self._database.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """One unchanging state for all that is read inside."""
        return self._database.transaction(write=False)

    def size(self) -> int:
        """How many bytes the copies take."""
        return self._database.size()

    def copy_to(self, folder: Path, progress: Progress = SILENT) -> None:
        """Makes a copy of what this thread reads, in another folder."""
        self._database.copy_to(folder / NAME, progress)

    def get(self, photo_ids: Sequence[str]) -> dict[str, Copy]:
        """Copies by photo id, of those that are there."""
        found: dict[str, Copy] = {}
        for stored in self._database.among(f"SELECT {COLUMNS} FROM copies WHERE photo_id IN ({{}})", photo_ids):
            if not intact(stored):
                raise CatalogueError(f"{self._database.path}: the copy of photo {stored[0]} is damaged", MEND)
            found[stored[0]] = Copy(*stored[:-1])
        return found

    def put(self, copies: Iterable[Copy]) -> None:
        """Stores copies all at once."""
        with self._database.transaction(write=True):
            for copy in copies:
                self._database.do(INSERT.format("OR REPLACE"), values(copy))

    def remove(self, photo_ids: Iterable[str]) -> None:
        """Removes copies."""
        with self._database.transaction(write=True):
            for name in photo_ids:
                self._database.do("DELETE FROM copies WHERE photo_id = ?", (name,))

    def count(self) -> int:
        """How many there are."""
        return int(self._database.one("SELECT COUNT(*) FROM copies")[0])

    def contents(self) -> dict[str, str]:
        """Photo id → content hash of every copy."""
        return dict(self._database.all("SELECT photo_id, content FROM copies"))

    def problems(self, progress: Progress = SILENT) -> list[str]:
        """What does not agree with its checksum: pages, and copies."""
        found = self._database.problems(SCHEMA, progress)
        chunks = self._database.chunks(f"SELECT {COLUMNS} FROM copies", at_once=64)
        total = self._database.one("SELECT COUNT(*) FROM copies")[0]
        for chunk in counted(chunks, progress, "checking copies", total, len):
            found += [f"the copy of photo {stored[0]} is damaged" for stored in chunk if not intact(stored)]
        return found
