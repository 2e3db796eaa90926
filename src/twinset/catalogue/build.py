"""Entry to everything that writes a catalogue: index, remove; one writer at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from twinset import bundle as bundles
from twinset import manifest as manifests
from twinset import photos as photo_files
from twinset.catalogue import derived, ingest
from twinset.catalogue import folder as folders
from twinset.catalogue.candidates import fitting
from twinset.catalogue.folder import CatalogueFolder, Index
from twinset.catalogue.ingest import Target
from twinset.catalogue.named import named
from twinset.catalogue.writer import writer
from twinset.embedder import Embedder
from twinset.errors import (
    FingerprintError,
    InputError,
    ManifestError,
    SourceError,
    UnknownItemError,
    UsageError,
)
from twinset.manifest import Manifest, write_faults
from twinset.manifest.read import MAIN
from twinset.progress import SILENT, Progress
from twinset.records import IndexReport, Photo
from twinset.runtime import Device
from twinset.store import faiss, received
from twinset.store.rows import Rows, Source
from twinset.store.schema import Row
from twinset.store.versions import Version
from twinset.where import Where, parse

SKIPPED: Final = "skipped.csv"
"""Where the catalogue's folder lists the rows that the last run skipped."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How photos come into a catalogue.

    `source` names the place they come from (None: the first one, `main`), `mirror` removes what that place no
    longer has, `any_domain` takes customer photos too, `photos_root` is where relative paths start. Files whose
    size and modification time are known are not opened, unless `verify_content` asks for it. `index` is how the
    catalogue is searched from now on (None: as before, and at first exactly).
    """

    source: str | None = None
    mirror: bool = False
    any_domain: bool = False
    ignore_boxes: bool = False
    photos_root: Path | None = None
    verify_content: bool = False
    index: Index | None = None


_DEFAULTS: Final = IndexOptions()


def index(
    path: str | Path,
    photos: str | Path,
    *,
    bundle: str | Path | None = None,
    device: Device = "auto",
    options: IndexOptions = _DEFAULTS,
    progress: Progress = SILENT,
) -> IndexReport:
    """Makes a catalogue of a manifest or a folder, or brings it up to date.

    New photos are added; those whose bytes, box or domain changed are embedded again; changed attributes are
    stored; what is unchanged is not embedded. A file that keeps its size and modification time counts as unchanged
    and is not opened: a change that keeps both is only seen with `verify_content`. Faulty rows are left out and
    listed in `skipped.csv`. `device` is where photos are embedded; it is no fact of a catalogue, as a GPU's vectors
    differ by no more than 1e-5.

    Raises:
        PathError: there is no such manifest, folder or bundle, or `path` holds something else.
        ManifestError: not one photo can be used; then nothing is changed.
        SourceError: the source of that name has another root.
        FingerprintError: the catalogue was made with another bundle.
        MissingExtraError: the device, or what the index needs, is not there; then nothing is changed.
        UsageError: so it is with the device, or the source is that of photos put one by one.
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    path = Path(path)
    if options.source == received.SOURCE.name:
        raise UsageError(
            f"the source {options.source} is of photos that were put one by one", "name another --source"
        )
    if options.index == "hnsw":
        faiss.library()
    manifest = manifests.read(photos, source=options.source or MAIN, photos_root=options.photos_root)
    chosen = to_index(manifest, options)
    if folders.exists(path):
        folder = folders.open_folder(path)
    else:
        opened = bundles.open_bundle(bundle)
        Embedder(opened, device)  # a device or a model that fails does so before a folder is made
        folder = folders.create(path, opened)
    with writer(folder) as (rows, copies):
        version = rows.live()
        _check_bundle(bundle, version)
        name = check_source(rows.sources(), options.source, manifest.root)
        if name != (options.source or MAIN):
            manifest = manifests.read(photos, source=name, photos_root=options.photos_root)
            chosen = to_index(manifest, options)
        source = Source(name, str(manifest.root), options.ignore_boxes)
        target = Target(rows, copies, version, Embedder(folder.bundle(version), device), source)
        report = ingest.run(
            target, manifest, chosen, progress, mirror=options.mirror, verify_content=options.verify_content
        )
        (path / SKIPPED).unlink(missing_ok=True)
        if report.faults:
            write_faults(path / SKIPPED, report.faults)
        derived.catch_up(folder, rows, version, progress=progress)
        derived.catch_up_graph(folders.choose_index(path, options.index), version, progress)
    return report


def remove(
    folder: CatalogueFolder,
    item_ids: Sequence[str],
    paths: Sequence[str],
    filters: Sequence[str] = (),
    progress: Progress = SILENT,
) -> int:
    """Removes items, photos, and what fits all `filters`: all of them or none; returns the count of photos.

    Raises:
        UnknownItemError: one of them is not there, or nothing fits.
        WhereError, UnknownFieldError: a filter cannot be read, or names a field that no photo has.

    """
    where = parse(filters)
    with writer(folder) as (rows, copies):
        ingest.clear(rows, copies)
        try:
            doomed = named(folder, rows, item_ids, paths, undone="nothing is removed")
            if filters:
                known = {row.id for row in doomed}
                doomed += [row for row in _fitting(folder, rows, where, filters) if row.id not in known]
            ingest.drop(rows, copies, doomed, progress)
        finally:  # a run that was cut short may have removed all of them, and stopped here
            derived.catch_up(folder, rows, rows.live(), progress=progress)
    return len(doomed)


def _check_bundle(name: str | Path | None, version: Version) -> None:
    if name is None:
        return
    bundle = bundles.open_bundle(name)
    if bundle.fingerprint != version.fingerprint:
        raise FingerprintError(
            f"bundle {bundle.facts.name} has fingerprint {bundle.fingerprint[:12]}…, the catalogue was made with "
            f"{version.bundle}, {version.fingerprint[:12]}…",
            "leave --bundle out, or go over to it with `twinset upgrade --bundle`",
        )


def _fitting(folder: CatalogueFolder, rows: Rows, where: Where, filters: Sequence[str]) -> list[Row]:
    """Found by the derived columns; no row goes that does not fit by itself."""
    with rows.snapshot():
        columns = derived.open_columns(folder, rows, rows.state().sequence)
        near = rows.by_id(np.flatnonzero(fitting(columns, where)).tolist()).values()
    found = [row for row in near if where.matches(row.photo.value)]
    if not found:
        raise UnknownItemError(
            f"no photo fits {' and '.join(filters)}; nothing is removed", "see what is there with `twinset info`"
        )
    return found


def to_index(manifest: Manifest, options: IndexOptions) -> list[Photo]:
    """The photos of a manifest that belong into a catalogue.

    Raises:
        ManifestError: there are none, or not one of them can be decoded.

    """
    manifest.require_photos()
    photos = [photo for photo in manifest.photos if options.any_domain or photo.domain == "shop"]
    if options.ignore_boxes:
        photos = [replace(photo, box=None) for photo in photos]
    if not photos:
        raise ManifestError(
            f"none of {len(manifest.photos):,} photos is a shop photo ({len(manifest.faults):,} rows are faulty)",
            "index customer photos too: --domain any",
        )
    first = ""
    for photo in photos:
        try:
            decoded = photo_files.decode(photo_files.read_bytes(manifest.root / photo.path))
            photo_files.in_fractions(photo.box, decoded)
        except InputError as error:
            first = first or f"{photo.path}: {error}"
        else:
            return photos
    raise ManifestError(f"none of {len(photos):,} photos can be read; {first}", "mend the photos")


def check_source(known: Sequence[Source], name: str | None, root: Path) -> str:
    """The name of the source that `root` is: the `name` given, or the one known by this root, or the first.

    Raises:
        SourceError: there are sources, none of them has this root, and none is named.

    """
    known = [source for source in known if source.name != received.SOURCE.name]
    if name is not None or not known:
        return name or MAIN
    here = [source.name for source in known if source.root == str(root)]
    if here:
        return MAIN if MAIN in here else here[0]
    first = next((source for source in known if source.name == MAIN), known[0])
    raise SourceError(
        f"the catalogue's source {first.name} is {first.root}, not {root}",
        f"name it: --source NAME for another source, --source {first.name} where the photos moved",
    )
