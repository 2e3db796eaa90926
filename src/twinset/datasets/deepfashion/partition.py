"""The pairs of a partition → the photos that they name, each with its item and split."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from twinset.datasets.deepfashion.parse import SPLITS, Pair
from twinset.datasets.deepfashion.places import name
from twinset.manifest.notes import Notes
from twinset.manifest.table import Confined
from twinset.records import Fault

_HELD_OUT: Final = SPLITS.index
"""The split that is held out the most wins: what is tested is not trained on, and no test photo is lost."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A photo as the pairs name it, with the first line that does."""

    line: int
    path: str
    item_id: str
    split: str
    category: str
    domain: str


@dataclass(slots=True)
class Partition:
    """The photos by path, those whose path cannot be used, and how many pairs each split has."""

    photos: dict[str, Listed] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    pairs: Counter[str] = field(default_factory=Counter)


def partition(root: Path, pairs: Iterable[tuple[int, Pair]], notes: Notes) -> Partition:
    """Gathers the photos of all pairs, in the order in which they are first named."""
    found, confined, seen = Partition(), Confined(root), set[tuple[str, str]]()
    for line, pair in pairs:
        found.pairs[pair.split] += 1
        sides = plain(pair.customer), plain(pair.shop)
        again = sides in seen
        if again:
            notes.add("duplicate_pair", f"line {line}: {sides[0]} {sides[1]}")
        seen.add(sides)
        for path, domain in zip(sides, ("customer", "shop"), strict=True):
            if path in found.photos:
                found.photos[path] = _merged(found.photos[path], pair, notes)
                if not again:
                    notes.add("photo_in_several_pairs", path)
            elif path not in found.faults:
                photo = _listed(confined, Listed(line, path, pair.item_id, pair.split, "", domain), notes)
                if isinstance(photo, Fault):
                    found.faults[path] = photo
                else:
                    found.photos[path] = photo
    return found


def plain(path: str) -> str:
    """A path in its shortest form, as a manifest keeps it: `img//a.jpg` is `img/a.jpg`."""
    return str(PurePosixPath(path))


def note_items(photos: Iterable[Listed], notes: Notes) -> None:
    """Notes items that stand in several categories or splits, or have photos of one domain only."""
    facts = {column: defaultdict[str, set[str]](set) for column in ("category", "split", "domain")}
    for photo in photos:
        for column, values in facts.items():
            values[photo.item_id].add(getattr(photo, column))
    for column, code in (("category", "item_in_several_categories"), ("split", "item_in_several_splits")):
        for item, found in facts[column].items():
            if len(found) > 1:
                notes.add(code, f"{item}: {', '.join(sorted(found))}")
    for item, domains in facts["domain"].items():
        if len(domains) == 1:
            notes.add("one_sided_item", f"{item}: {min(domains)}")


def _listed(confined: Confined, photo: Listed, notes: Notes) -> Listed | Fault:
    """The photo with the category and domain of its path, whose other facts are compared."""
    wrong, parts = confined.fault(photo.path, on_disk=False), name(photo.path)
    if wrong or parts is None:
        code, message = wrong or ("bad_path", "the path is not img/BIG/small/ITEM/PHOTO")
        return Fault(photo.line, photo.path, code, message)
    if parts.item_id != photo.item_id:
        notes.add("item_not_of_path", f"{photo.path}: {photo.item_id}")
    if parts.domain not in ("", photo.domain):
        notes.add("domain_not_of_column", photo.path)
    return replace(photo, category=parts.category, domain=parts.domain or photo.domain)


def _merged(photo: Listed, pair: Pair, notes: Notes) -> Listed:
    if pair.item_id != photo.item_id:
        notes.add("photo_of_several_items", f"{photo.path}: {photo.item_id}, {pair.item_id}")
    if pair.split != photo.split:
        notes.add("photo_in_several_splits", photo.path)
    return replace(photo, split=max(photo.split, pair.split, key=_HELD_OUT))
