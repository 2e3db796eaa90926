"""The whole conversion: annotations and photos below a folder → `photos.csv` in it, and what was found."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset.datasets.deepfashion import parse, rows
from twinset.datasets.deepfashion.annotations import Annotations, read_annotations
from twinset.datasets.deepfashion.parse import SPLITS
from twinset.datasets.deepfashion.partition import Listed, Partition, note_items, partition
from twinset.datasets.deepfashion.places import Trees, find_trees, locate
from twinset.datasets.deepfashion.report import KINDS, PUBLISHED, Conversion, Count
from twinset.datasets.deepfashion.scale import Frame, frame
from twinset.errors import ManifestError, PathError
from twinset.manifest.notes import Notes
from twinset.manifest.table import Confined, write_rows
from twinset.progress import SILENT, Progress
from twinset.records import Fault, box_text

COLUMNS: Final = (
    "path", "item_id", "category", "domain", "split", "box",
    "clothes_type", "variation", "landmarks", "attributes",
)  # fmt: skip

_PAIRS: Final = "list_eval_partition.txt"
_FOUNDING: Final = ("DRESSES", "TOPS", "TROUSERS")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A photo that is there: where it lies below the root, and its frame if it is needed and known."""

    photo: Listed
    path: str
    frame: Frame | None


def convert(root: Path, *, highres: bool = False, progress: Progress = SILENT) -> Conversion:
    """Converts the set below `root`, and writes `root/photos.csv` whole, in place of one that is there.

    The 300-pixel photos are used where they are there, else the high-resolution ones; `highres` demands these.
    Only photos that stand in a pair are written: the others belong to no split.

    Raises:
        PathError: there are no photos, or there is no `list_eval_partition.txt`.
        ManifestError: no photo of the pairs can be used.
        DiskFullError, ResourceError: the manifest cannot be written.

    """
    trees, notes = find_trees(root, highres=highres), Notes(KINDS)
    pairs = rows.find(root, "Eval", _PAIRS)
    if pairs is None:
        raise PathError(f"{root} has no Eval/{_PAIRS}", "name the folder that holds Anno, Eval and Img")
    listing = partition(root.resolve(), rows.parsed(pairs, parse.pair, notes), notes)
    known = read_annotations(root, listing.photos, notes)
    placed, faults = _placed(root.resolve(), trees, listing, known, progress=progress, notes=notes)
    if not placed:
        raise _nothing(root, faults, notes)
    table = [_row(place, known, notes) for place in placed]
    write_rows(root / "photos.csv", [COLUMNS, *table])
    photos = [place.photo for place in placed]
    note_items(photos, notes)
    return Conversion(
        manifest=root / "photos.csv",
        tree=trees.used,
        photos=len(photos),
        listed=len(listing.photos) + len(listing.faults),
        counts=_counts(photos, listing, known),
        splits={split: _split(photos, split, listing.pairs[split]) for split in SPLITS},
        categories=dict(sorted(Counter(photo.category for photo in photos).items())),
        findings=notes.findings(),
        faults=faults,
    )


def _placed(
    root: Path, trees: Trees, listing: Partition, known: Annotations, *, progress: Progress, notes: Notes
) -> tuple[list[_Placed], tuple[Fault, ...]]:
    """The photos that are there, by path, and the faults, by line."""
    confined, placed, faults = Confined(root), dict[str, _Placed](), list(listing.faults.values())
    photos = sorted(listing.photos.values(), key=lambda photo: photo.path)
    progress.start("converting", len(photos))
    pool = ThreadPoolExecutor()
    try:
        for found in pool.map(lambda photo: _place(confined, trees, photo, known), photos):
            fault = _taken(placed, found, notes) if isinstance(found, _Placed) else found
            faults += [fault] if fault else []
            progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)
        progress.finish()
    return list(placed.values()), tuple(sorted(faults, key=lambda fault: (fault.line, fault.path)))


def _place(confined: Confined, trees: Trees, photo: Listed, known: Annotations) -> _Placed | Fault:
    path, wrong = locate(confined, trees.used, photo.path)
    if wrong:
        return Fault(photo.line, photo.path, *wrong)
    annotated = photo.path in known.boxes or photo.path in known.landmarks
    return _Placed(photo, path, frame(confined, trees, path, photo.path) if annotated else None)


def _taken(placed: dict[str, _Placed], found: _Placed, notes: Notes) -> Fault | None:
    """Keeps a photo, unless another one of the pairs lies in the same file."""
    if found.path in placed:
        message = f"its file is that of {placed[found.path].photo.path} already"
        return Fault(found.photo.line, found.photo.path, "duplicate_path", message)
    placed[found.path] = found
    if found.path.split("/")[-4:] != found.photo.path.split("/")[-4:]:
        notes.add("renamed_folder", found.path)
    return None


def _row(place: _Placed, known: Annotations, notes: Notes) -> tuple[str, ...]:
    photo = place.photo
    row, points = known.boxes.get(photo.path), known.landmarks.get(photo.path)
    box, landmarks = None, ""
    if place.frame is None and (row or points):
        notes.add("unread_size", place.path)
    if place.frame is not None:
        if row:
            box, oddity = place.frame.box(row.box)
            if oddity:
                notes.add(oddity, place.path)
        landmarks = place.frame.landmarks(points.points) if points else ""
        if place.frame.oddity:
            notes.add(place.frame.oddity, place.path)
    known_first = (place.path, photo.item_id, photo.category, photo.domain, photo.split, box_text(box))
    variation, attributes = points.variation if points else "", known.attributes.get(photo.item_id, "")
    return (*known_first, known.clothes_type(photo.path), variation, landmarks, attributes)


def _nothing(root: Path, faults: Sequence[Fault], notes: Notes) -> ManifestError:
    if faults:
        first = faults[0]
        message = f"none of {len(faults):,} photos can be used; line {first.line}, {first.path!r}: {first.message}"
        return ManifestError(f"{root}: {message}", f"mend {_PAIRS}, or unpack the photos")
    bad = next((f.first[0] for f in notes.findings() if f.code == "malformed_row"), "the file is empty")
    return ManifestError(f"{root} has no pair in {_PAIRS}: {bad}", "a row is CONSUMER_PHOTO SHOP_PHOTO ITEM SPLIT")


def _counts(photos: Sequence[Listed], listing: Partition, known: Annotations) -> tuple[Count, ...]:
    domains = Counter(photo.domain for photo in photos)
    found = {
        "photos": len(photos),
        "items": len({photo.item_id for photo in photos}),
        "pairs": listing.pairs.total(),
        "customer_photos": domains["customer"],
        "shop_photos": domains["shop"],
        "categories": len({photo.category for photo in photos}),
        "founding_photos": sum(photo.category.split("/")[0] in _FOUNDING for photo in photos),
        "attributes": len(known.attribute_names),
    } | {f"{split}_pairs": listing.pairs[split] for split in SPLITS}
    return tuple(Count(name, found[name], published) for name, published in PUBLISHED.items())


def _split(photos: Sequence[Listed], split: str, pairs: int) -> Mapping[str, int]:
    own: defaultdict[str, set[str]] = defaultdict(set)
    for photo in photos:
        if photo.split == split:
            own[photo.domain].add(photo.path)
            own["items"].add(photo.item_id)
    return {name: len(own[name]) for name in ("customer", "shop", "items")} | {"pairs": pairs}
