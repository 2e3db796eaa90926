"""The folder that is a catalogue: what lies where, making it, opening it."""

import re
import stat
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from twinset import bundle as bundles
from twinset.bundle import Bundle
from twinset.calibration import Calibration
from twinset.errors import CatalogueError, FingerprintError, PathError, disk_errors
from twinset.files import write_whole
from twinset.store import copies, received, rows, salvage
from twinset.store.copies import Copies
from twinset.store.database import MEND
from twinset.store.lock import writing
from twinset.store.rows import Rows
from twinset.store.sealed import sealed, unsealed
from twinset.store.versions import Version

FORMAT: Final = 1
QUERIES: Final = "queries"
"""Where a shop keeps the query photos that versions are compared on: a folder, or a manifest `photos.csv` in it."""
Index = Literal["exact", "hnsw"]
"""How the nearest are found: by looking at all photos, or where those are many by a graph."""
_ABOUT: Final = "catalogue.json"
Stamp = tuple[int, int, int]
"""Which `catalogue.json` lies there: its number in the file system, its size and its time."""
_PARTS: Final = re.compile(
    rf"bundles|derived|{QUERIES}|{received.NAME}|skipped\.csv|writer\.lock|{_ABOUT}(\.tmp)?|({rows.NAME}|{copies.NAME})(\.tmp|\.damaged)?(-wal|-shm|-journal)?|{salvage.PLACE}"
)
"""What a catalogue's folder may hold, also where a process was killed while it made one."""


@dataclass(frozen=True, slots=True)
class CatalogueFolder:
    """A catalogue's folder, its id and its name, and the index that was asked for.

    `calibrations` are its own, by the fingerprint of the bundle whose vectors they are of.
    """

    path: Path
    id: str
    name: str
    index: Index = "exact"
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    def stamp(self) -> Stamp | None:
        """Which `catalogue.json` lies there now; None where it is gone."""
        try:
            facts = (self.path / _ABOUT).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_size, facts.st_mtime_ns

    def derived(self, version: Version) -> Path:
        """Where what is derived for a version lies."""
        return self.path / "derived" / str(version.number)

    def bytes(self) -> int:
        """The size of all its files; those that a writer takes away meanwhile do not count."""
        total = 0
        for path in self.path.rglob("*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                total += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        return total

    def bundle(self, version: Version) -> Bundle:
        """The bundle of a version, checked.

        Raises:
            BundleError: it is damaged.
            FingerprintError: it is another one than made the version's vectors.
            CatalogueError: it is missing.

        """
        place = self.path / "bundles" / version.fingerprint
        if not (place / bundles.FACTS).is_file():
            raise CatalogueError(f"{place} is missing or has no {bundles.FACTS}", MEND)
        bundle = bundles.open_bundle(place)
        if (bundle.facts.dim, bundle.facts.name) != (version.dim, version.bundle):
            facts = f"version {version.number} is of {version.bundle}, D {version.dim}"
            raise CatalogueError(f"{self.path / rows.NAME} is damaged: {facts}", MEND)
        if bundle.fingerprint != version.fingerprint:
            raise FingerprintError(
                f"{bundle.folder} has fingerprint {bundle.fingerprint[:12]}…, the catalogue's vectors were made by "
                f"{version.fingerprint[:12]}…",
                "run `twinset verify --repair`, or bring the bundle's folder back from a snapshot",
            )
        return bundle


def exists(path: Path) -> bool:
    """Whether a complete catalogue stands at `path`."""
    return (path / _ABOUT).is_file()


def open_folder(path: Path) -> CatalogueFolder:
    """Opens a catalogue's folder.

    Raises:
        PathError: there is no catalogue.
        CatalogueError: it is damaged or newer than this program.

    """
    require(path)
    facts = _facts(path / _ABOUT)
    if facts is None:
        raise CatalogueError(f"{path / _ABOUT} is damaged", f"run `twinset verify --repair -c {path}`")
    if facts["format"] > FORMAT:
        raise CatalogueError(
            f"{path} has format {facts['format']}, this program reads up to {FORMAT}", "install a newer twinset"
        )
    return CatalogueFolder(path, facts["id"], facts["name"], facts.get("index", "exact"), facts["calibrations"])


def require(path: Path) -> None:
    """Refuses a path where no catalogue stands.

    Raises:
        PathError: there is none.

    """
    if not exists(path):
        raise PathError(f"there is no catalogue {path}", f"make one: twinset index PHOTOS --catalogue {path}")


def _facts(about: Path) -> dict[str, Any] | None:
    """What `catalogue.json` says, None where it does not agree with its checksum."""
    try:
        facts = unsealed(about.read_text(encoding="utf-8"))
        kinds = [type(facts[name]) for name in ("format", "id", "name")]
        facts["calibrations"] = calibrations_of(facts.get("calibrations", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    known = facts.get("index", "exact") in get_args(Index)
    return facts if known and kinds == [int, str, str] and facts["format"] > 0 else None


def calibrations_of(raw: Mapping[str, Any]) -> dict[str, Calibration]:
    """Calibrations by fingerprint, as they are stored.

    Raises:
        ValueError, AttributeError: they are none.

    """
    found = {name: Calibration.of(each) for name, each in raw.items()}
    if any(each.fingerprint != name for name, each in found.items()):
        raise ValueError("a calibration is of another bundle")
    return found


def renew(path: Path) -> bool:
    """Writes a damaged `catalogue.json` anew, by a writer; returns whether it was damaged.

    The id is another then, so that derived files are made anew, and the name is the folder's.
    """
    if _facts(path / _ABOUT) is not None:
        return False
    complete(path, _name(path))
    return True


def create(path: Path, bundle: Bundle) -> CatalogueFolder:
    """Makes an empty catalogue; `catalogue.json` comes last. What a killed process left is taken up.

    Raises:
        PathError: the folder holds something else.

    """
    if path.exists() and not path.is_dir():
        raise PathError(f"{path} is a file", "name a folder for the catalogue")
    strangers = sorted(p.name for p in path.iterdir() if not _PARTS.fullmatch(p.name)) if path.is_dir() else []
    if strangers:
        raise PathError(f"{path} holds other things ({strangers[0]})", "name a new folder for the catalogue")
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    with writing(path):
        if not exists(path):
            _make(path, bundle)
    return open_folder(path)


def _make(path: Path, bundle: Bundle) -> None:
    if not (path / rows.NAME).exists():
        Rows.create(path)
    Copies.create_missing(path)
    table = Rows(path, write=True)
    try:
        if not table.state().photos:  # otherwise only `catalogue.json` was lost, and their vectors have a bundle
            bundles.save(path / "bundles" / bundle.fingerprint, bundle.facts, bundle.model)
            with table.transaction():
                table.versions.reset(Version(1, bundle.fingerprint, bundle.facts.name, bundle.facts.dim))
    finally:
        table.close()
    complete(path, _name(path))


def complete(
    path: Path, name: str, index: Index = "exact", calibrations: Mapping[str, Calibration] | None = None
) -> CatalogueFolder:
    """Writes `catalogue.json`, with an id of its own, into a folder that holds all else; opens it."""
    return _write(CatalogueFolder(path, uuid.uuid4().hex, name, index, calibrations or {}))


def choose_index(path: Path, index: Index | None) -> CatalogueFolder:
    """Opens a catalogue's folder by its writer, who asks for an index, or for the one that it has."""
    folder = open_folder(path)
    return folder if index in (None, folder.index) else _write(replace(folder, index=index))


def keep_calibration(path: Path, calibration: Calibration) -> CatalogueFolder:
    """Stores a calibration, by a writer; it replaces that of the same bundle."""
    folder = open_folder(path)
    return _write(replace(folder, calibrations={**folder.calibrations, calibration.fingerprint: calibration}))


def _write(folder: CatalogueFolder) -> CatalogueFolder:
    facts: dict[str, Any] = {"format": FORMAT, "id": folder.id, "name": folder.name}
    if folder.index != "exact":
        facts["index"] = folder.index
    if folder.calibrations:
        facts["calibrations"] = {name: each.to_json() for name, each in folder.calibrations.items()}
    write_whole(folder.path / _ABOUT, (sealed(facts, indent=2) + "\n").encode())
    return open_folder(folder.path)


def _name(path: Path) -> str:
    return path.name.removesuffix(".catalogue")
