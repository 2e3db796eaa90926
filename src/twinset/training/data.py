"""Manifests → the photos to train on, and those to validate with."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twinset import manifest, protocols
from twinset.embedder import in_order
from twinset.errors import InputError, ManifestError, NoQueriesError
from twinset.manifest.split import HoldOut, assign
from twinset.progress import SILENT, Progress
from twinset.protocols import Protocol
from twinset.records import Fault, Photo
from twinset.training.loader import Loader


@dataclass(frozen=True, slots=True)
class Validation:
    """The photos of one manifest by which a run is judged, and how."""

    name: str
    photos: tuple[Photo, ...]
    protocol: Protocol
    split: str


@dataclass(frozen=True, slots=True)
class Source:
    """One manifest of a run: the name it goes by, its file or folder, its good rows and items."""

    name: str
    path: str
    photos: int
    items: int


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Photos to train on, and to validate with; `files` says where each path lies.

    `faults` are rows that cannot be used, `unreadable` those of them whose photo cannot be decoded; `notes` says
    what was decided. With several manifests paths and item ids begin with the manifest's name.
    """

    train: tuple[Photo, ...]
    validations: tuple[Validation, ...]
    files: Mapping[str, Path]
    sources: tuple[Source, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    unreadable: tuple[Fault, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256, as hex, over what is trained on: a run is only resumed on the same."""
        lines = (f"{photo.path}\0{photo.item_id}\0{photo.category}\0{photo.domain}" for photo in self.train)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def gather(
    sources: Sequence[Path], *, hold_out: HoldOut | None = None, photos_root: Path | None = None
) -> TrainingData:
    """Reads manifests; those without a `val` row are split by item, and a note says so.

    A manifest without customer photos but with views trains from its other views to its main ones.

    Raises:
        PathError, ManifestError: a manifest cannot be read, or nothing is left to train on.

    """
    train: list[Photo] = []
    validations: list[Validation] = []
    files: dict[str, Path] = {}
    found: list[Source] = []
    faults: list[Fault] = []
    notes: list[str] = []
    for name, source in _names(sources).items():
        table = manifest.read(source, photos_root=photos_root)
        table.require_photos()
        photos = [photo for photo in table.photos if hold_out is None or not hold_out.holds(photo)]
        if held := len(table.photos) - len(photos):
            notes.append(f"{name}: {held:,} photos are held out")
        photos, said = _split(photos)
        notes += [f"{name}: {line}" for line in said]
        prefix = f"{name}/" if len(sources) > 1 else ""
        files |= {prefix + photo.path: table.root / photo.path for photo in photos}
        photos = [replace(photo, path=prefix + photo.path, item_id=prefix + photo.item_id) for photo in photos]
        found.append(Source(name, str(source.resolve()), len(photos), len({photo.item_id for photo in photos})))
        faults += table.faults
        train += _sided([photo for photo in photos if photo.value("split") in ("", "train")])
        validations += _validation(name, photos)
    if not train:
        raise ManifestError("no photo is left to train on", "give rows whose split is train or empty")
    if not validations:
        notes.append("no validation: no split val with queries and a gallery; the last state counts as the best")
    return TrainingData(tuple(train), tuple(validations), files, tuple(found), tuple(faults), tuple(notes))


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
    """The data without the photos of these faults."""
    bad = {fault.path for fault in faults}
    return replace(
        data,
        train=tuple(photo for photo in data.train if photo.path not in bad),
        validations=tuple(
            replace(part, photos=tuple(photo for photo in part.photos if photo.path not in bad))
            for part in data.validations
        ),
        faults=(*data.faults, *faults),
        unreadable=tuple(faults),
    )


def _fault(photo: Photo, loader: Loader) -> Fault | None:
    try:
        loader.read(photo)
    except InputError as error:
        return Fault(photo.line, photo.path, error.code, str(error))
    return None


def _names(sources: Sequence[Path]) -> dict[str, Path]:
    """A name for each manifest: its folder's, with a number where it is taken."""
    names: dict[str, Path] = {}
    for source in sources:
        folder = source if source.is_dir() else source.parent
        stem = name = folder.resolve().name or "photos"
        number = 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names[name] = source
    return names


def _split(photos: list[Photo]) -> tuple[list[Photo], list[str]]:
    """The photos with their splits; where no row is `val`, made by item as `twinset data split` makes them."""
    given = Counter(photo.value("split") for photo in photos)
    if given["val"] or not photos:
        return photos, []
    made = assign(photos, test=0.0) if given["test"] else assign(photos)
    splits = [
        new if photo.value("split") in ("", "train") else photo.value("split")
        for photo, new in zip(photos, made, strict=True)
    ]
    parts = Counter(splits)
    note = (
        f"no row is in split val: split by item into {parts['train']:,} train, {parts['val']:,} val and "
        f"{parts['test']:,} test photos, as `twinset data split` does"
    )
    moved = [
        replace(photo, attributes={**photo.attributes, "split": split})
        for photo, split in zip(photos, splits, strict=True)
    ]
    return moved, [note]


def _sided(photos: list[Photo]) -> list[Photo]:
    """Where there are no customer photos but views, every view but the main one stands for a customer's photo."""
    if any(photo.domain == "customer" for photo in photos):
        return photos
    return [replace(photo, domain="customer") if photo.view not in ("", "main") else photo for photo in photos]


def _validation(name: str, photos: Sequence[Photo]) -> list[Validation]:
    protocol, split = protocols.choose(photos, split="val")
    try:
        queries, gallery = protocols.select(photos, protocol, split)
    except NoQueriesError:
        return []
    both = {photo.path: photo for photo in (*queries, *gallery)}
    relevant = {photo.item_id for photo in gallery}
    return (
        [Validation(name, tuple(both.values()), protocol, split)]
        if any(photo.item_id in relevant for photo in queries)
        else []
    )
