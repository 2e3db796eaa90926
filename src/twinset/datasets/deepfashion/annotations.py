"""What is known of each photo and item beside the pairs: boxes, landmarks, attributes, the list of items."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from twinset.datasets.deepfashion import parse, rows
from twinset.datasets.deepfashion.parse import BoxRow, LandmarksRow
from twinset.datasets.deepfashion.partition import Listed, plain
from twinset.datasets.deepfashion.report import KINDS
from twinset.errors import ManifestError
from twinset.manifest.notes import Notes

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Annotations:
    """Boxes and landmarks by path, attributes by item; `attribute_names` in the order of the file."""

    boxes: Mapping[str, BoxRow]
    landmarks: Mapping[str, LandmarksRow]
    attributes: Mapping[str, str]
    attribute_names: tuple[str, ...]

    def clothes_type(self, path: str) -> str:
        """`upper`, `lower` or `full`, of the box or else of the landmarks; empty where there is neither."""
        row = self.boxes.get(path) or self.landmarks.get(path)
        return row.clothes_type if row else ""


def read_annotations(root: Path, photos: Mapping[str, Listed], notes: Notes) -> Annotations:
    """Reads every annotation file that is there; a missing one is noted.

    Raises:
        PathError: one cannot be read.
        ManifestError: one holds something, and not one row.

    """
    boxes = _by_name(_read(root, "list_bbox_consumer2shop.txt", parse.box, notes), lambda row: row.path, notes)
    landmarks = _by_name(
        _read(root, "list_landmarks_consumer2shop.txt", parse.landmarks, notes), lambda row: row.path, notes
    )
    names = _attribute_names(root, notes)
    attributes = _attributes(root, names, notes)
    _read(root, "list_attr_type.txt", parse.attribute_name, notes)
    items = _read(root, "list_item_consumer2shop.txt", parse.item, notes)
    _note_items(items, {photo.item_id for photo in photos.values()}, notes)
    _note_photos(photos, boxes, landmarks, notes)
    return Annotations(boxes, landmarks, attributes, names)


def _read(
    root: Path, name: str, parser: Callable[[Sequence[str]], Row], notes: Notes
) -> list[tuple[int, Row]] | None:
    """The rows of a file, None where it is not there."""
    path = rows.find(root, "Anno", name)
    if path is None:
        notes.add("missing_annotation", name)
        return None
    found = list(rows.parsed(path, parser, notes, header=parser is not parse.item))
    if not found and [line for _, line in rows.lines(path, Notes(KINDS))][:1] not in ([], ["0"]):
        raise ManifestError(f"{path} holds no row that can be read", "copy it again, or take it away to do without")
    return found


def _by_name(found: Iterable[tuple[int, Row]] | None, key: Callable[[Row], str], notes: Notes) -> dict[str, Row]:
    """Rows by their photo or item, in its shortest form; the first one counts."""
    by: dict[str, Row] = {}
    for line, row in found or ():
        if by.setdefault(plain(key(row)), row) is not row:
            notes.add("duplicate_annotation", f"{key(row)}, line {line}")
    return by


def _attribute_names(root: Path, notes: Notes) -> tuple[str, ...]:
    """The names in the order of the values; a row of another form keeps its place, unnamed."""
    path = rows.find(root, "Anno", "list_attr_cloth.txt")
    if path is None:
        notes.add("missing_annotation", "list_attr_cloth.txt")
        return ()
    places = list(rows.parsed(path, list, Notes(KINDS)))
    named = dict(rows.parsed(path, parse.attribute_name, notes))
    names = (named.get(line, f"attribute {place}") for place, (line, _) in enumerate(places, 1))
    return tuple(name.replace("|", "/") for name in names)  # a list's elements cannot hold a `|`


def _attributes(root: Path, names: tuple[str, ...], notes: Notes) -> dict[str, str]:
    """The attributes that each item has, as a manifest's list."""

    def values(cells: Sequence[str]) -> tuple[str, tuple[int, ...]]:
        item, places, count = parse.attribute_values(cells)
        if names and count != len(names):
            raise ValueError(item)
        return item, places

    found = _by_name(_read(root, "list_attr_items.txt", values, notes), lambda row: row[0], notes)
    if not names:
        return {}
    return {item: "|".join(dict.fromkeys(names[place] for place in places)) for item, (_, places) in found.items()}


def _note_items(listed: Iterable[tuple[int, str]] | None, paired: Collection[str], notes: Notes) -> None:
    if listed is None:
        return
    known = dict.fromkeys(item for _, item in listed)
    for item in sorted(paired):
        if item not in known:
            notes.add("item_not_listed", item)
    for item in known:
        if item not in paired:
            notes.add("item_without_pair", item)


def _note_photos(
    photos: Mapping[str, Listed],
    boxes: Mapping[str, BoxRow],
    landmarks: Mapping[str, LandmarksRow],
    notes: Notes,
) -> None:
    for path in (*boxes, *landmarks):
        if path not in photos:
            notes.add("photo_without_pair", path)
    for path, photo in photos.items():
        row, points = boxes.get(path), landmarks.get(path)
        if row is None and boxes:
            notes.add("no_box", path)
        if row and row.domain != photo.domain:
            notes.add("domain_not_of_box_file", path)
        if row and points and row.clothes_type != points.clothes_type:
            notes.add("type_not_of_box_file", path)
