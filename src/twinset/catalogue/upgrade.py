"""Another bundle for a catalogue: its photos are embedded beside the live version, then it answers; and back.

Readers see the live version until the switch, which is one transaction. Other writers come in between: a photo that
they add or embed again meanwhile lacks its vector in the new version, and is embedded before the switch.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from twinset import bundle as bundles
from twinset.bundle import Bundle
from twinset.catalogue import comparison, derived
from twinset.catalogue.comparison import Comparison, Queries
from twinset.catalogue.comparison.told import changed_sheet
from twinset.catalogue.folder import CatalogueFolder, open_folder
from twinset.catalogue.reembed import Again, embed_again
from twinset.catalogue.stamp import seen
from twinset.catalogue.writer import BATCH, batches, writer
from twinset.embedder import Embedder
from twinset.errors import CatalogueError, UsageError
from twinset.files import remove_folders
from twinset.progress import SILENT, Progress
from twinset.records import Pixels
from twinset.runtime import Device
from twinset.store.copies import Copies
from twinset.store.rows import Rows
from twinset.store.schema import Row
from twinset.store.versions import Version, Versions

_PATIENCE_SECONDS: Final = 6 * 3600.0
"""Another writer may be a shop's nightly run: what is embedded so far is worth the wait."""


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What an upgrade, or its way back, did with a version.

    `embedded` counts photos of this run, `from_copies` those of the version whose source was gone; `seconds` are
    of wall time.
    """

    version: Version
    embedded: int
    from_copies: int
    switched: bool
    seconds: float

    def after(self, before: "UpgradeReport") -> "UpgradeReport":
        """Of two steps of one upgrade, together."""
        return replace(self, embedded=before.embedded + self.embedded, seconds=before.seconds + self.seconds)

    def to_json(self) -> dict[str, Any]:
        """As `upgrade --json` prints it."""
        return {
            "version": self.version.number,
            "bundle": self.version.bundle,
            "fingerprint": self.version.fingerprint,
            "embedded": self.embedded,
            "from_copies": self.from_copies,
            "switched": self.switched,
            "seconds": round(self.seconds, 3),
        }


def prepare(
    path: str | Path, bundle: str | Path, *, device: Device = "auto", progress: Progress = SILENT
) -> UpgradeReport:
    """Embeds every photo by another bundle, beside the live version; what is embedded stays, whenever it ends.

    Raises:
        PathError, BundleError: there is no such catalogue or bundle, or it is damaged.
        UsageError: the catalogue is of this bundle already; or the device is not there.
        CatalogueError: photos have neither source nor copy any more.
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    folder, opened = open_folder(Path(path)), bundles.open_bundle(bundle)
    Embedder(opened, device)  # a device or a model that fails does so before a version is made
    with writer(folder) as (rows, _):
        version = _version_of(folder, rows, opened)
    return _completed(folder, version, device, progress, None)


def compare(
    path: str | Path,
    version: Version,
    queries: Queries,
    *,
    device: Device = "auto",
    progress: Progress = SILENT,
) -> Comparison:
    """Asks the live version and another one the same; what the other lacks is embedded first.

    Raises:
        as `prepare`, and ManifestError: none of the query photos can be read.

    """
    folder = open_folder(Path(path))
    while True:
        _embed_lacking(folder, version, device, progress)
        with _reading(folder) as (rows, _), rows.snapshot():
            if not rows.lacking(version):
                return comparison.compare(
                    folder, rows, rows.live(), version, queries, device=device, progress=progress
                )


def draw(path: str | Path, compared: Comparison) -> Pixels:
    """The answers that changed most, old above new; uint8 `(H, W, 3)`.

    Raises:
        PathError, PhotoError: a query photo is not there any more.
        CatalogueError: a copy is damaged.

    """
    with _reading(open_folder(Path(path))) as (_, copies):
        return changed_sheet(compared, copies)


def switch(
    path: str | Path, version: Version, *, device: Device = "auto", progress: Progress = SILENT
) -> UpgradeReport:
    """Makes a version the one that answers; what it lacks, as it came since, is embedded first.

    Raises:
        as `prepare`, and UsageError: the catalogue has no such version.

    """
    return _completed(open_folder(Path(path)), version, device, progress, Versions.switch)


def rollback(
    path: str | Path,
    *,
    device: Device = "auto",
    progress: Progress = SILENT,
    wait: float = _PATIENCE_SECONDS,
) -> UpgradeReport:
    """Makes the version that answered before the live one answer again; it embeds what came since first.

    Another writer is waited for `wait` seconds.

    Raises:
        as `switch`, and UsageError: no version answered before.

    """
    version, _ = way_back(path)
    return _completed(open_folder(Path(path)), version, device, progress, Versions.go_back, wait=wait)


def way_back(path: str | Path) -> tuple[Version, int]:
    """The version that answered before the live one, and how many photos it lacks.

    Raises:
        UsageError: no version answered before.

    """
    with _reading(open_folder(Path(path))) as (rows, _), rows.snapshot():
        version = rows.versions.before()
        if version is None:
            raise UsageError("the catalogue has no version that answered before", "see them with `twinset info`")
        return version, len(rows.lacking(version))


def prune(path: str | Path) -> list[Version]:
    """Takes every version away but the live one, and returns them; what a killed run left goes too.

    Raises:
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    folder = open_folder(Path(path))
    with writer(folder) as (rows, _):
        live = rows.live()
        doomed = [version for version in rows.versions.all() if version != live]
        with rows.transaction():
            for version in doomed:
                rows.versions.drop(version)
        remove_folders(folder.path / "bundles", but={live.fingerprint})
        remove_folders(folder.path / "derived", but={str(live.number)})
    return doomed


def _version_of(folder: CatalogueFolder, rows: Rows, bundle: Bundle) -> Version:
    """The version of a bundle, which was begun before or begins here."""
    known = next((v for v in rows.versions.all() if v.fingerprint == bundle.fingerprint), None)
    if known is not None and known == rows.live():
        raise UsageError(f"{folder.path} is of {bundle.facts.name} already", "name another bundle")
    bundles.save(folder.path / "bundles" / bundle.fingerprint, bundle.facts, bundle.model)
    if known is not None:
        return known
    with rows.transaction():
        return rows.versions.add(bundle.fingerprint, bundle.facts.name, bundle.facts.dim)


def _completed(
    folder: CatalogueFolder,
    version: Version,
    device: Device,
    progress: Progress,
    make_live: Callable[[Versions, Version], None] | None,
    *,
    wait: float = _PATIENCE_SECONDS,
) -> UpgradeReport:
    """Embeds what a version lacks, and again what came meanwhile, until nothing did; then it may be made live."""
    started, embedded = time.monotonic(), 0
    while True:
        embedded += _embed_lacking(folder, version, device, progress, wait)
        with writer(folder, wait) as (rows, _):
            if version not in rows.versions.all():
                raise UsageError(f"{folder.path} has no version {version.number}", "see them with `twinset info`")
            if rows.lacking(version):
                continue
            if make_live and version != rows.live():
                derived.catch_up(
                    folder, rows, version, rebuild=not rows.versions.answered(version), progress=progress
                )
                derived.catch_up_graph(folder, version, progress)
                with rows.transaction():
                    make_live(rows.versions, version)
            copies = len(rows.made_from_copies(version))
            return UpgradeReport(version, embedded, copies, version == rows.live(), time.monotonic() - started)


def _embed_lacking(
    folder: CatalogueFolder, version: Version, device: Device, progress: Progress, wait: float = _PATIENCE_SECONDS
) -> int:
    """Embeds photos until no more can be; returns their count."""
    count, lost = 0, set[int]()
    with _reading(folder) as (rows, copies):
        while left := [number for number in rows.lacking(version) if number not in lost]:
            embedder = Embedder(folder.bundle(version), device)
            roots = rows.roots()
            progress.start(f"embedding by {version.bundle}", len(left))
            try:
                for batch in batches(embed_again(embedder, _each(rows, left), roots, copies)):
                    lost.update(row.id for row in batch if isinstance(row, Row))
                    count += _store(folder, version, [again for again in batch if isinstance(again, Again)], wait)
                    progress.advance(len(batch))
            finally:
                progress.finish()
        without = list(rows.by_id(sorted(lost)).values())
    if without:
        raise CatalogueError(
            f"{len(without):,} photos have neither their source nor a copy any more, first {without[0].photo.path}",
            "index their source again, or remove them, then upgrade again",
        )
    return count


def _each(rows: Rows, numbers: Sequence[int]) -> Iterator[Row]:
    """Rows by number, of those that are still there."""
    for start in range(0, len(numbers), BATCH):
        yield from rows.by_id(numbers[start : start + BATCH]).values()


def _store(folder: CatalogueFolder, version: Version, batch: Sequence[Again], wait: float) -> int:
    """Stores vectors of photos that are still as they were embedded; returns their count."""
    with writer(folder, wait) as (rows, _):
        now = rows.by_id([again.row.id for again in batch])
        with rows.transaction():
            stand = [again for again in batch if _stands(again.row, now.get(again.row.id))]
            for again in stand:
                rows.put_vector(version, now[again.row.id], again.vector, again.made_from)
    return len(stand)


def _stands(before: Row, now: Row | None) -> bool:
    return now is not None and (now.content, seen(now.photo)) == (before.content, seen(before.photo))


@contextmanager
def _reading(folder: CatalogueFolder) -> Iterator[tuple[Rows, Copies]]:
    rows, copies = Rows(folder.path), Copies(folder.path)
    try:
        yield rows, copies
    finally:
        rows.close()
        copies.close()
