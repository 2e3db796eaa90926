"""What two versions are compared on: query photos that are given or saved, or photos of the catalogue itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from twinset import manifest
from twinset.catalogue.folder import QUERIES, CatalogueFolder
from twinset.embedder import Embedder, embed_photos
from twinset.errors import ManifestError, NoQueriesError, UsageError
from twinset.manifest import Manifest
from twinset.photos import content_hash, read_bytes
from twinset.progress import Progress
from twinset.records import Fault, Photo, Vectors
from twinset.runtime import Device
from twinset.store.columns import Columns
from twinset.store.rows import Ids, Rows
from twinset.store.versions import Version

SAMPLE: Final = 200
_TABLE: Final = "photos.csv"

Kind = Literal["given", "saved", "sampled"]


@dataclass(frozen=True, slots=True)
class Queries:
    """The photos of a manifest, given or saved with the catalogue; or, without one, a sample of the catalogue's.

    Of a manifest the customers' photos count, all where there are none. `sample` is how many photos are drawn.
    """

    kind: Kind
    manifest: Manifest | None = None
    sample: int = SAMPLE
    seed: int = 0

    @classmethod
    def of(
        cls, folder: CatalogueFolder, given: Path | None = None, sample: int = SAMPLE, seed: int = 0
    ) -> "Queries":
        """Those that are given, else those saved in the catalogue's folder `queries`, else a sample.

        Raises:
            UsageError: a sample of none.
            PathError: what is given is not there, or cannot be read.
            ManifestError: it cannot be used, or has no good row.

        """
        if sample < 1:
            raise UsageError(f"a sample of {sample} photos", "draw 1 or more")
        saved = folder.path / QUERIES
        if given is not None:
            return cls("given", _read(given))
        if saved.exists():
            table = saved / _TABLE
            return cls("saved", _read(table if table.is_file() else saved))
        return cls("sampled", None, sample, seed)


@dataclass(frozen=True, slots=True)
class Asked:
    """Query photos, the file of each, and their vectors `(Q, D)` by the old and the new version.

    `files` has None for the catalogue's own photos, which have copies. `own` has each photo's number in the
    catalogue, -1 where it is not there: a query is never its own result, whatever its file is called.
    """

    photos: tuple[Photo, ...]
    files: tuple[Path | None, ...]
    own: Ids
    vectors: tuple[Vectors, Vectors]
    faults: tuple[Fault, ...] = ()


def embedded(
    folder: CatalogueFolder,
    rows: Rows,
    table: Manifest,
    versions: tuple[Version, Version],
    *,
    device: Device,
    progress: Progress,
) -> Asked:
    """The queries of a manifest, embedded by the bundles of both versions, inside a snapshot of the rows.

    Raises:
        ManifestError: none of them can be read.
        BundleError, FingerprintError, CatalogueError: a version's bundle is damaged or missing.
        MissingExtraError, UsageError: the device is not there.

    """
    chosen: Sequence[Photo] = [photo for photo in table.photos if photo.domain == "customer"] or table.photos
    faults = list(table.faults)
    by_path = []
    for version in versions:
        found = embed_photos(Embedder(folder.bundle(version), device), chosen, table.root, progress)
        chosen = found.photos
        faults += found.faults
        by_path.append(dict(zip((photo.path for photo in chosen), found.vectors, strict=True)))
        if not chosen:
            first = faults[0]
            raise ManifestError(
                f"none of {len(faults):,} query photos can be read; {first.path}: {first.message}",
                "mend them, or name others",
            )
    old, new = (np.stack([vectors[photo.path] for photo in chosen]) for vectors in by_path)
    files = tuple(table.root / photo.path for photo in chosen)
    return Asked(tuple(chosen), files, _own(rows, files), (old, new), tuple(faults))


def sampled(rows: Rows, columns: Columns, versions: tuple[Version, Version], sample: int, seed: int) -> Asked:
    """Photos of the catalogue with their stored vectors, one of each item before any item has two.

    Raises:
        NoQueriesError: the catalogue is empty.

    """
    numbers = _spread(columns, sample, seed)
    if not len(numbers):
        raise NoQueriesError("the catalogue holds no photo to compare on", "index some first")
    old, new = (rows.vectors(version, numbers.tolist()) for version in versions)
    photos = tuple(row.photo for row in rows.in_order(numbers.tolist()))
    return Asked(photos, (None,) * len(photos), numbers, (old, new))


def _read(path: Path) -> Manifest:
    table = manifest.read(path)
    table.require_photos()
    return table


def _own(rows: Rows, files: Sequence[Path]) -> Ids:
    """The number of the catalogue's photo that has the same bytes, -1 where there is none."""
    stored = {content: name for name, content in rows.contents().items()}
    names = [stored.get(content_hash(read_bytes(file)), "") for file in files]
    found = rows.find(names)
    return np.array([found[name].id if name in found else -1 for name in names], np.int64)


def _spread(columns: Columns, sample: int, seed: int) -> Ids:
    """Numbers of photos in a random order, all first photos of items before all second ones."""
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.permutation(np.flatnonzero(columns.alive))
    items = columns.column("item_id").codes[drawn]
    by_item = np.argsort(items, kind="stable")
    begins = np.searchsorted(items[by_item], items[by_item], side="left")
    turn = np.empty(len(drawn), np.int64)
    turn[by_item] = np.arange(len(drawn)) - begins
    chosen: Ids = drawn[np.argsort(turn, kind="stable")][:sample]
    return chosen
