"""Manifests → the photos to train on, and those to validate with."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twinset import manifest, where
from twinset.embedder import in_order
from twinset.errors import InputError, ManifestError, UsageError
from twinset.manifest import Manifest
from twinset.manifest.split import HoldOut
from twinset.progress import SILENT, Progress
from twinset.records import Fault, Photo
from twinset.training.loader import Loader
from twinset.training.shop import Source, Validation, no_validation, of_root
from twinset.training.sources import Part
from twinset.where import Where


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of the manifests take part (filters in the where language, and what is held out), and where the
    paths of a manifest start, if not in its folder.
    """

    where: tuple[str, ...] = ()
    hold_out: HoldOut | None = None
    photos_root: Path | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Photos to train on, and to validate with; `files` says where each path lies.

    `faults` are rows that cannot be used, `unreadable` those of them whose photo cannot be decoded; `notes` says
    what was decided. With several shops paths and item ids begin with the shop's name.
    """

    parts: tuple[Part, ...]
    validations: tuple[Validation, ...]
    files: Mapping[str, Path]
    sources: tuple[Source, ...]
    rows: int
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    unreadable: tuple[Fault, ...] = ()

    @property
    def train(self) -> tuple[Photo, ...]:
        """The photos to train on, of all sources."""
        return tuple(photo for part in self.parts for photo in part.photos)

    @property
    def digest(self) -> str:
        """SHA-256, as hex, over every row and the size of every file: a run is only resumed on the same."""
        parts = [("train", self.train), *((f"{v.name} {v.protocol} {v.split}", v.photos) for v in self.validations)]
        lines = [
            "\0".join((part, *(photo.value(name) for name in _TRAINED_BY), str(_size(self.files[photo.path]))))
            for part, photos in parts
            for photo in photos
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_TRAINED_BY = ("path", "item_id", "category", "domain", "view", "box")


def gather(sources: Sequence[Path], selection: Selection | None = None) -> TrainingData:
    """Reads manifests; those of one root are one shop.

    A shop without a `val` row is split by item, and a note says so. A shop without customer photos but with views
    trains from its other views to its main ones.

    Raises:
        UsageError: a manifest is named twice, or `photos_root` goes with several; a filter that cannot be parsed.
        UnknownFieldError: a filter or the hold-out names a column that no photo has.
        PathError, ManifestError: a manifest cannot be read, or nothing is left to train on.

    """
    selection = selection or Selection()
    _check_sources(sources, selection)
    tables = [manifest.read(source, photos_root=selection.photos_root) for source in sources]
    keep = _filter(tables, selection)
    roots: dict[Path, list[Manifest]] = {}
    for table in tables:
        table.require_photos()
        roots.setdefault(table.root, []).append(table)
    shops = [
        of_root(name, roots[root], keep, selection.hold_out, prefixed=len(roots) > 1)
        for name, root in _names(roots)
    ]
    found = TrainingData(
        parts=tuple(Part(shop.source.name, shop.train, shop.source.studio) for shop in shops),
        validations=tuple(shop.validation for shop in shops if shop.validation),
        files={path: file for shop in shops for path, file in shop.files.items()},
        sources=tuple(shop.source for shop in shops),
        rows=sum(table.rows for table in tables),
        faults=tuple(fault for shop in shops for fault in shop.faults),
        notes=tuple(note for shop in shops for note in shop.notes),
    )
    if not found.train:
        raise ManifestError("no photo is left to train on", "give rows whose split is train or empty")
    return found


def readable(data: TrainingData, loader: Loader, progress: Progress = SILENT) -> TrainingData:
    """The data without photos that cannot be decoded; those are among its faults."""
    photos = {photo.path: photo for photo in (*data.train, *(p for v in data.validations for p in v.photos))}
    faults: list[Fault] = []
    progress.start("reading photos", len(photos))
    try:
        for fault in in_order(lambda photo: _fault(photo, loader), photos.values()):
            if fault is not None:
                faults.append(fault)
            progress.advance()
    finally:
        progress.finish()
    return without(data, faults)


def without(data: TrainingData, faults: Sequence[Fault]) -> TrainingData:
    """The data without the photos of these faults, and without validations that cannot judge any more."""
    bad = {fault.path for fault in faults}
    cut = [replace(part, photos=tuple(p for p in part.photos if p.path not in bad)) for part in data.validations]
    lost = [part.name for part in cut if not part.judges()]
    return replace(
        data,
        parts=tuple(
            replace(part, photos=tuple(p for p in part.photos if p.path not in bad)) for part in data.parts
        ),
        validations=tuple(part for part in cut if part.name not in lost),
        faults=(*data.faults, *faults),
        notes=(*data.notes, *(no_validation(name) for name in lost)),
        unreadable=tuple(faults),
    )


def _fault(photo: Photo, loader: Loader) -> Fault | None:
    try:
        loader.read(photo)
    except InputError as error:
        return Fault(photo.line, photo.path, error.code, str(error))
    return None


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1


def _check_sources(sources: Sequence[Path], selection: Selection) -> None:
    twice = [source for source, count in Counter(source.resolve() for source in sources).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice", "name each manifest once")
    if selection.photos_root is not None and len(sources) > 1:
        raise UsageError("one photos root cannot hold for several manifests", "write it into the paths of each")


def _filter(tables: Iterable[Manifest], selection: Selection) -> Where:
    fields = {field for table in tables for field in table.fields()}
    if selection.hold_out is not None:
        where.check_field(selection.hold_out.column, fields)
    keep = where.parse(selection.where)
    keep.check_fields(fields)
    return keep


def _names(roots: Iterable[Path]) -> list[tuple[str, Path]]:
    """A name for each root: its folder's, with a number where it is taken."""
    names: dict[str, Path] = {}
    for root in roots:
        stem = name = root.name or "photos"
        number = 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names[name] = root
    return list(names.items())
