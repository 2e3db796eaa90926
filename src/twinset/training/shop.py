"""The manifests of one root → what a run has of that shop: photos to train on, and photos that judge."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from twinset import protocols
from twinset.errors import NoQueriesError
from twinset.manifest import Manifest
from twinset.manifest.split import HoldOut, assign
from twinset.protocols import Protocol
from twinset.records import Fault, Photo
from twinset.where import Where

_FEW: Final = 50
"""Fewer queries than this say little: one more or less found moves recall by more than two points."""


@dataclass(frozen=True, slots=True)
class Source:
    """One shop of a run: the name it goes by, its root, what was trained on of it, and the licence beside it."""

    name: str
    root: str
    photos: int
    items: int
    licence: str
    studio: bool = False
    """Whether views of a shop stand for customers' photos, of which there are none."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The photos of one shop by which a run is judged, and how."""

    name: str
    photos: tuple[Photo, ...]
    protocol: Protocol
    split: str

    def judges(self) -> bool:
        """Whether some query has a right answer in the gallery."""
        try:
            queries, gallery = protocols.select(self.photos, self.protocol, self.split)
        except NoQueriesError:
            return False
        right = Counter(photo.item_id for photo in gallery)
        within = {photo.path for photo in gallery}
        return any(right[photo.item_id] > (photo.path in within) for photo in queries)


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop's part of a run; `validation` is None where nothing in it can judge."""

    source: Source
    train: tuple[Photo, ...]
    validation: Validation | None
    files: Mapping[str, Path]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def of_root(
    name: str, tables: Sequence[Manifest], keep: Where, hold_out: HoldOut | None, *, prefixed: bool
) -> Shop:
    """What the manifests of one root give, of the rows that `keep` keeps; of a path in several the first counts."""
    root, prefix = tables[0].root, f"{name}/" if prefixed else ""
    rows: dict[str, Photo] = {}
    for photo in (photo for table in tables for photo in table.photos if keep.matches(photo.value)):
        rows.setdefault(photo.path, photo)
    kept = [photo for photo in rows.values() if hold_out is None or not hold_out.holds(photo)]
    photos, notes = _split(kept)
    if hold_out is not None:
        notes = [f"{len(rows) - len(kept):,} photos are held out", *notes]
    files = {prefix + photo.path: root / photo.path for photo in photos}
    photos = [replace(photo, path=prefix + photo.path, item_id=prefix + photo.item_id) for photo in photos]
    chosen = [photo for photo in photos if photo.value("split") in ("", "train")]
    train = _sided(chosen)
    if train != chosen:
        notes.append("no customer photos: views other than main stand for them, and recall is that of views")
    validation = _validation(name, photos)
    if validation:
        notes.append(_judged(validation))
    return Shop(
        source=Source(
            name, str(root), len(train), len({photo.item_id for photo in train}), _licence(root), train != chosen
        ),
        train=tuple(train),
        validation=validation,
        files=files,
        faults=tuple(replace(fault, path=prefix + fault.path) for table in tables for fault in table.faults),
        notes=(*(f"{name}: {note}" for note in notes), *(() if validation else (no_validation(name),))),
    )


def no_validation(name: str) -> str:
    """What is said of a shop that cannot judge."""
    return (
        f"{name}: no validation: no split val with queries and a right answer; without any, the last state counts"
    )


def _judged(validation: Validation) -> str:
    protocol = validation.protocol
    queries, gallery = protocols.select(validation.photos, protocol, validation.split)
    items = len({photo.item_id for photo in gallery})
    few = "" if len(queries) >= _FEW else ": too few to choose between states by, so take recall with care"
    return f"judged by {len(queries):,} queries in {items:,} items (protocol {protocol.name}, split val){few}"


def _validation(name: str, photos: Sequence[Photo]) -> Validation | None:
    protocol, split = protocols.choose(photos, split="val")
    found = Validation(name, tuple(photos), protocol, split)
    if not found.judges():
        return None
    used = {photo.path: photo for part in protocols.select(photos, protocol, split) for photo in part}
    return replace(found, photos=tuple(used.values()))


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


def _licence(root: Path) -> str:
    """The first line of a licence's file beside the photos, or nothing."""
    for file in sorted(
        path for path in root.iterdir() if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ):
        if file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace")[:2000].splitlines()
            return next((line.strip() for line in lines if line.strip()), "")
    return ""
