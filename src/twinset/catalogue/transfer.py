"""A catalogue → one Parquet file with its bundle beside it, and back; neither ever holds it all in memory."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final

from twinset import bundle as bundles
from twinset.bundle import Bundle
from twinset.calibration import Calibration
from twinset.catalogue import derived, parquet
from twinset.catalogue import folder as folders
from twinset.catalogue.folder import CatalogueFolder
from twinset.catalogue.snapshot import Lacking, with_received
from twinset.errors import BundleError, DumpError, FingerprintError, PathError
from twinset.files import appearing, check_space
from twinset.progress import SILENT, Progress, counted
from twinset.store import received
from twinset.store.copies import Copies
from twinset.store.refill import Record, Refill, Sums
from twinset.store.rows import Rows, Source
from twinset.store.versions import Version

_GROUP: Final = 512
"""Photos a group: with their copies some 20 MB."""


def bundle_beside(file: Path) -> Path:
    """Where the bundle of a dumped catalogue lies: a model may be larger than a Parquet file's own facts may be."""
    return file.with_name(f"{file.name}.bundle")


def received_beside(file: Path) -> Path:
    """Where the received photos of a dumped catalogue lie, in their full size, where there are some."""
    return file.with_name(f"{file.name}.{received.NAME}")


def dump(folder: CatalogueFolder, rows: Rows, copies: Copies, out: Path, progress: Progress = SILENT) -> int:
    """Writes every photo with its vector and copy to `out`; returns the count of photos.

    The bundle, and the received photos, come beside it. The file comes last: where it is, they are whole. A bundle
    that is there already, as after a kill between the two, is kept if it is the same, and so is a received photo.

    Raises:
        PathError: something is at `out`, or where its bundle belongs.
        MissingExtraError: pyarrow is not installed.
        CatalogueError: a record is damaged.
        BusyError, DiskFullError, ResourceError: as the machine has it.

    """
    beside, sums = bundle_beside(out), Sums()
    with appearing(out) as place, ExitStack() as later:
        pictures = _pictures(rows, received_beside(out), later)
        lacking = later.enter_context(with_received(rows, copies, pictures))
        version = rows.live()
        bundle = folder.bundle(version)
        check_space(out, copies.size() // 2 + len(bundle.model))
        if not _is_bundle(beside, bundle):
            bundles.save(later.enter_context(appearing(beside)), bundle.facts, bundle.model)
        with parquet.writing(place, version.dim) as file:
            groups = _groups(rows, copies, version, lacking)
            for group in counted(groups, progress, "dumping", rows.state().photos, len):
                file.add(group)
                for record in group:
                    sums = sums.plus(record)
            sources = [asdict(source) for source in rows.sources()]
            told = {"name": folder.name, "version": asdict(version), "sources": sources, "sums": sums}
            own = folders.open_folder(folder.path).calibrations.get(version.fingerprint)
            file.finish(told | ({"calibrations": {version.fingerprint: own.to_json()}} if own else {}))
    return sums.photos


def _pictures(rows: Rows, beside: Path, later: ExitStack) -> Path:
    """The folder for received photos, which appears at the end where there are some, or goes on if it is there."""
    needed = received.size(rows)
    if beside.exists() or not needed:
        return beside
    check_space(beside, needed)
    place = later.enter_context(appearing(beside))
    place.mkdir()
    return place


def _is_bundle(place: Path, bundle: Bundle) -> bool:
    try:
        return bundles.open_bundle(place.absolute()).fingerprint == bundle.fingerprint
    except (PathError, BundleError):
        return False


def load(
    file: str | Path, catalogue: str | Path, *, bundle: str | Path | None = None, progress: Progress = SILENT
) -> int:
    """Makes a new catalogue of a file that `dump` wrote; returns the count of photos.

    The bundle is the one beside the file, unless `bundle` names it: a folder, or a shipped name.

    Raises:
        PathError: there is no such file, or something is at `catalogue`.
        DumpError: the file is damaged, or newer than this program, or its received photos are not beside it.
        FingerprintError: the bundle is another than made the vectors.
        MissingExtraError: pyarrow is not installed.
        DiskFullError, ResourceError: as the machine has it.

    """
    path, out = Path(file), Path(catalogue)
    with appearing(out) as place, parquet.reading(path) as dumped:
        facts = dumped.facts
        version = Version(**facts["version"])
        calibrations = _calibrations(path, facts)
        opened = _bundle(path, bundle, version)
        check_space(out, path.stat().st_size + len(opened.model))
        place.mkdir()
        _refill(place, version, dumped, Sums(*facts["sums"]), path, progress=progress)
        bundles.save(place / "bundles" / opened.fingerprint, opened.facts, opened.model)
        made = folders.complete(place, facts["name"], calibrations=calibrations)
        rows = Rows(place, write=True)
        try:
            with rows.transaction():
                for source in facts["sources"]:
                    rows.put_source(Source(**source))
                rows.built()
            _bring_received(rows, received_beside(path))
            derived.catch_up(made, rows, version, progress=progress)
        finally:
            rows.close()
    return int(facts["sums"][0])


def _groups(rows: Rows, copies: Copies, version: Version, lacking: Lacking) -> Iterator[list[Record]]:
    """Every photo, inside a snapshot."""
    without = {name for name, _, _ in lacking}
    every = rows.since(0)
    while part := list(islice(every, _GROUP)):
        found = copies.get([row.photo.photo_id for row in part if row.photo.photo_id not in without])
        stored = rows.stored_vectors(version, [row.id for row in part])
        yield [
            Record((*row.values(), row.checksum), (*vector[2:],), found.get(row.photo.photo_id))
            for row, vector in zip(part, stored, strict=True)
        ]


def _refill(
    place: Path, version: Version, dumped: parquet.Reader, expected: Sums, path: Path, *, progress: Progress
) -> None:
    Rows.create(place)
    Copies.create(place)
    rows = Rows(place, write=True)
    with rows.transaction():
        rows.versions.reset(version)
    rows.close()
    refill, sums = Refill(place, version), Sums()
    try:
        for group in counted(dumped.groups(), progress, "loading", expected.photos, len):
            added = refill.add(group)
            sums = Sums(*(a + b for a, b in zip(sums, added, strict=True)))
        refill.finish(sums)
    finally:
        refill.close()
    if sums != expected:
        raise DumpError(
            f"{path} is damaged: it holds {sums.photos:,} photos whose checksums sum up to others than it says of "
            f"{expected.photos:,}",
            "copy the file again, or dump the catalogue again",
        )


def _calibrations(path: Path, facts: Mapping[str, Any]) -> dict[str, Calibration]:
    try:
        return folders.calibrations_of(facts.get("calibrations", {}))
    except (ValueError, AttributeError) as error:
        raise DumpError(f"{path} is damaged: {error}", "dump the catalogue again") from error


def _bring_received(rows: Rows, beside: Path) -> None:
    needed = received.size(rows)
    if needed and not beside.is_dir():
        raise DumpError(f"the received photos of the dump are not in {beside}", "bring that folder along, too")
    check_space(rows.path.parent, needed)
    received.copy(rows, beside, rows.path.parent / received.NAME)


def _bundle(path: Path, named: str | Path | None, version: Version) -> Bundle:
    opened = bundles.open_bundle(named or bundle_beside(path))
    if opened.fingerprint != version.fingerprint:
        raise FingerprintError(
            f"{opened.folder} has fingerprint {opened.fingerprint[:12]}…, the vectors of {path} were made with "
            f"{version.bundle}, {version.fingerprint[:12]}…",
            "name the bundle that made them with --bundle",
        )
    return opened
