"""The versions of a catalogue: which bundles its photos are embedded by, which of them answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinset.errors import CatalogueError
from twinset.store.database import MEND, Database
from twinset.store.schema import checksum, intact

FACTS: Final = "number, fingerprint, bundle, dim, live, switched, facts"


@dataclass(frozen=True, slots=True)
class Version:
    """The catalogue's photos embedded by one bundle; `bundle` is its name."""

    number: int
    fingerprint: str
    bundle: str
    dim: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """A version, whether it is live, and which in the row of switches made it so last (0: it never was)."""

    version: Version
    live: bool
    switched: int


class Versions:
    """Reads and writes the table; exactly one version is live.

    Each record has a checksum: a flipped bit must not make another version answer.

    Raises:
        CatalogueError: the table is damaged.

    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _path(self) -> Path:
        return self._database.path

    def live(self) -> Version:
        """The version that answers."""
        return self._live(self._stored())

    def all(self) -> list[Version]:
        """Every version, by number."""
        return [stored.version for stored in self._stored()]

    def before(self) -> Version | None:
        """The version that answered before the live one, None where none did."""
        earlier = [stored for stored in self._stored() if stored.switched and not stored.live]
        return max(earlier, key=lambda stored: stored.switched).version if earlier else None

    def answered(self, version: Version) -> bool:
        """Whether a version has ever been live."""
        return any(stored.version == version and stored.switched for stored in self._stored())

    def sums(self) -> list[tuple[int, int, int]]:
        """Number of each version, its count of vectors, and the sum of their checksums."""
        return self._database.all("SELECT number, vectors, checksum FROM versions ORDER BY number")

    # What is written, inside a transaction

    def reset(self, version: Version) -> None:
        """Makes `version`, without vectors yet, the only one and live."""
        self._database.do("DELETE FROM versions")
        self._insert(_Stored(version, live=True, switched=1))

    def add(self, fingerprint: str, bundle: str, dim: int) -> Version:
        """A new version without vectors, which does not answer yet."""
        number = max(stored.version.number for stored in self._stored()) + 1
        version = Version(number, fingerprint, bundle, dim)
        self._insert(_Stored(version, live=False, switched=0))
        return version

    def switch(self, version: Version) -> None:
        """Makes a version the one that answers."""
        before = self._stored()
        latest = max(stored.switched for stored in before)
        for stored in before:
            if stored.live:
                self._update(_Stored(stored.version, live=False, switched=stored.switched))
        self._update(_Stored(version, live=True, switched=latest + 1))

    def go_back(self, version: Version) -> None:
        """Makes an earlier version answer again, as if the live one never had: from there is no way back to it."""
        for stored in self._stored():
            if stored.live:
                self._update(_Stored(stored.version, live=False, switched=0))
            elif stored.version == version:
                self._update(_Stored(version, live=True, switched=stored.switched))

    def drop(self, version: Version) -> None:
        """Takes a version and its vectors away."""
        self._database.do("DELETE FROM vectors WHERE version = ?", (version.number,))
        self._database.do("DELETE FROM versions WHERE number = ?", (version.number,))

    def count(self, number: int, vectors: int, checksum_: int) -> None:
        """Counts vectors in, or out where negative, with the sum of their checksums."""
        sql = "UPDATE versions SET vectors = vectors + ?, checksum = checksum + ? WHERE number = ?"
        self._database.do(sql, (vectors, checksum_, number))

    def _stored(self) -> list[_Stored]:
        found = self._database.all(f"SELECT {FACTS} FROM versions ORDER BY number")
        for stored in found:
            if not intact(stored):
                raise CatalogueError(f"{self._path} is damaged: its version is {stored}", MEND)
        versions = [_Stored(Version(*facts), bool(live), switched) for *facts, live, switched, _ in found]
        self._live(versions)
        return versions

    def _live(self, versions: list[_Stored]) -> Version:
        live = [stored.version for stored in versions if stored.live]
        if len(live) != 1:
            raise CatalogueError(f"{self._path} is damaged: {len(live)} versions are live", MEND)
        return live[0]

    def _insert(self, stored: _Stored) -> None:
        sql = f"INSERT INTO versions ({FACTS}, vectors, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)"
        self._database.do(sql, _values(stored))

    def _update(self, stored: _Stored) -> None:
        *_, live, switched, facts = _values(stored)
        sql = "UPDATE versions SET live = ?, switched = ?, facts = ? WHERE number = ?"
        self._database.do(sql, (live, switched, facts, stored.version.number))


def _values(stored: _Stored) -> tuple[Any, ...]:
    """A record in the order of `FACTS`."""
    version = stored.version
    values = (version.number, version.fingerprint, version.bundle, version.dim, int(stored.live), stored.switched)
    return (*values, checksum(*values))
