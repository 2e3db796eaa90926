"""A shop's own measurement: customers' photos of a manifest that is no source, searched in a whole catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from twinset import photos as photo_files
from twinset.bundle import Bundle
from twinset.catalogue import folder
from twinset.embedder import Embedded, Embedder, embed_photos
from twinset.errors import CatalogueError, InputError, NoQueriesError, did_you_mean
from twinset.manifest import Manifest
from twinset.manifest.read import NAMELESS
from twinset.progress import SILENT, Progress
from twinset.records import Fault, Photo, Vectors, photo_id
from twinset.runtime import Device
from twinset.store.database import MEND
from twinset.store.rows import Rows

_NO_SOURCE: Final = ""
"""The name of a source that no catalogue can have: a customer's photo never passes for a stored one."""
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class OwnShop:
    """What is measured: `customers` are searched with, `gallery` is the live version, with its vectors `(N, D)`.

    `faults` are photos that the catalogue itself holds. `unknown` are the values of the relevant column that no
    photo of the catalogue has, and `asked` how many there are in all.
    """

    customers: tuple[Photo, ...]
    gallery: tuple[Photo, ...]
    vectors: Vectors
    bundle: Bundle
    faults: tuple[Fault, ...]
    unknown: tuple[str, ...]
    asked: int
    known: tuple[str, ...]

    @property
    def photos(self) -> tuple[Photo, ...]:
        """Both, as `evaluate` takes them: customers' photos and shop photos."""
        return (*self.customers, *self.gallery)

    def embed(self, chosen: Sequence[Photo], root: Path, device: Device, progress: Progress = SILENT) -> Embedded:
        """The stored vectors of the catalogue's photos, those of customers' photos below `root` by its bundle.

        Raises:
            MissingExtraError, UsageError: the device is not there.

        """
        row = {photo.photo_id: i for i, photo in enumerate(self.gallery)}
        stored = [photo for photo in chosen if photo.photo_id in row]
        others = [photo for photo in chosen if photo.photo_id not in row]
        embedded = embed_photos(Embedder(self.bundle, device), others, root, progress)
        held = self.vectors[np.array([row[photo.photo_id] for photo in stored], np.int64)]
        return Embedded((*stored, *embedded.photos), np.concatenate([held, embedded.vectors]), embedded.faults)

    def told(self) -> str:
        """In a sentence what the catalogue does not hold, with the nearest names; empty where it holds all."""
        if not self.unknown:
            return ""
        named = []
        for value in self.unknown[:_NAMED]:
            mend = did_you_mean(value, self.known, "")
            named.append(f"{value} ({mend})" if mend else value)
        more = ", …" if len(self.unknown) > _NAMED else ""
        counts = f"{len(self.unknown):,} of {self.asked:,} items of the manifest"
        return f"the catalogue lacks {counts}: {', '.join(named)}{more}"


def own_shop(place: Path, manifest: Manifest, relevant: str = "item_id") -> OwnShop | None:
    """What to measure a catalogue with where none of the manifest's photos is stored in it; None where some are.

    The customers' photos of the manifest, or where no row is a customer's all of them, take part; all photos of the
    catalogue stand for the shop. A customer's photo without a category has its item's.

    Raises:
        PathError: there is no catalogue.
        CatalogueError: it is damaged or newer than this program.
        NoQueriesError: the catalogue holds none of the items, or each of the photos itself.

    """
    opened = folder.open_folder(place)
    rows = Rows(place)
    try:
        with rows.snapshot():
            version = rows.live()
            names = [s.name for s in rows.sources() if s.root == str(manifest.root)]
            if rows.find([photo_id(name, photo.path) for name in names for photo in manifest.photos]):
                return None
            stored = {row.id: row.photo for row in rows.since(0)}
            contents = set(rows.contents().values())
            parts = list(rows.vectors_since(version, 0))
    finally:
        rows.close()
    ids = [number for _, numbers in parts for number in numbers.tolist()]
    if stored.keys() != set(ids):
        raise CatalogueError(f"{rows.path} is damaged: {len(stored):,} photos, {len(ids):,} vectors", MEND)
    vectors = np.concatenate([np.empty((0, version.dim), np.float32), *(few for few, _ in parts)])
    gallery = tuple(replace(stored[number], domain="shop") for number in ids)
    customers, faults = _customers(manifest, gallery, contents)
    named = [photo for photo in customers if not photo.item_id.startswith(NAMELESS)]
    asked = sorted({photo.value(relevant) for photo in named} - {""})
    known = sorted({photo.value(relevant) for photo in gallery} - {""})
    unknown = sorted(set(asked).difference(known))
    _check(place, manifest, customers, asked=asked, known=known, unknown=unknown)
    bundle = opened.bundle(version)
    return OwnShop(customers, gallery, vectors, bundle, faults, tuple(unknown), len(asked), tuple(known))


def _customers(
    manifest: Manifest, gallery: Sequence[Photo], contents: set[str]
) -> tuple[tuple[Photo, ...], tuple[Fault, ...]]:
    """The manifest's photos as customers', and those that the catalogue holds itself, byte by byte."""
    category = {photo.item_id: photo.category for photo in gallery if photo.category}
    chosen = [p for p in manifest.photos if p.domain == "customer"] or manifest.photos
    kept, faults = [], []
    for photo in chosen:
        if _hash(manifest.root / photo.path) in contents:
            what = "the catalogue holds this very photo, which would find itself"
            faults.append(Fault(photo.line, photo.path, "in_catalogue", what))
            continue
        kept.append(
            replace(
                photo,
                domain="customer",
                category=photo.category or category.get(photo.item_id, ""),
                photo_id=photo_id(_NO_SOURCE, photo.path),
            )
        )
    return tuple(kept), tuple(faults)


def _hash(path: Path) -> str:
    """The content hash of a photo's file, empty where it cannot be read: embedding it tells why."""
    try:
        return photo_files.content_hash(photo_files.read_bytes(path))
    except InputError:
        return ""


def _check(
    place: Path,
    manifest: Manifest,
    customers: Sequence[Photo],
    *,
    asked: Sequence[str],
    known: Sequence[str],
    unknown: Sequence[str],
) -> None:
    if not customers:
        raise NoQueriesError(
            f"{place} holds all {len(manifest.photos):,} photos of the manifest: each would find itself",
            "name photos that customers took, or index this manifest as a source",
        )
    if len(unknown) == len(asked):
        some = ", ".join(unknown[:3]) or "none is named"
        mend = did_you_mean(
            unknown[0] if unknown else "", known, "item_id must be as in the catalogue: see `search`"
        )
        raise NoQueriesError(f"{place} holds none of the {len(asked):,} items of the manifest ({some})", mend)
