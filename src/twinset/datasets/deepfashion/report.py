"""What a conversion found: counts beside the published ones, and the kinds of oddities."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from twinset.manifest.notes import Finding
from twinset.records import Fault

PUBLISHED: Final = {
    "photos": 239_557,
    "items": 33_881,
    "pairs": 195_540,
    "customer_photos": 194_165,
    "shop_photos": 45_392,
    "train_pairs": 98_832,
    "val_pairs": 48_527,
    "test_pairs": 48_181,
    "categories": 23,
    "founding_photos": 226_980,
    "attributes": 303,
}
"""The owners' totals; those of the founding study are of DRESSES, TOPS and TROUSERS."""

KINDS: Final = {
    "missing_annotation": "annotation files that are not there",
    "not_utf8": "annotation files that are not UTF-8",
    "wrong_count": "annotation files whose first line does not count their rows",
    "malformed_row": "rows of another form, passed over",
    "duplicate_pair": "rows of a pair that stands in a row before",
    "photo_in_several_pairs": "photos in several pairs",
    "duplicate_annotation": "photos or items annotated twice: the first row counts",
    "photo_in_several_splits": "photos in several splits: test wins over val, val over train",
    "photo_of_several_items": "photos under several items: the first row counts",
    "item_in_several_splits": "items in several splits",
    "item_in_several_categories": "items in several categories",
    "item_not_of_path": "photos whose folder names another item: the item's column counts",
    "domain_not_of_column": "photos in the column of the other domain: the file's name counts",
    "domain_not_of_box_file": "photos whose source_type is the other domain: the file's name counts",
    "type_not_of_box_file": "photos whose landmarks name another clothes_type: the box's counts",
    "item_not_listed": "items of the pairs that the list of items lacks",
    "item_without_pair": "listed items in no pair, left out",
    "photo_without_pair": "annotated photos in no pair, left out: they belong to no split",
    "one_sided_item": "items with photos of one domain only, kept",
    "no_box": "photos that the file of boxes lacks",
    "zero_box": "boxes without an area, left empty",
    "clipped_box": "boxes partly outside their photo, clipped",
    "outside_box": "boxes outside their photo, left empty",
    "unread_size": "photos that cannot be decoded: their boxes and landmarks are left empty",
    "guessed_scale": "boxes scaled as if the 300-pixel photo's long side were 300: it is not there",
    "other_shape": "high-resolution photos of another shape than the 300-pixel one: look at their boxes",
    "renamed_folder": "photos found under Summer_Suit where the annotations say Summer_Wear",
}
"""What may be found, in the order in which it is told."""


@dataclass(frozen=True, slots=True)
class Count:
    """A total as found, beside the published one."""

    name: str
    found: int
    published: int

    @property
    def agrees(self) -> bool:
        """Whether both are equal."""
        return self.found == self.published

    def to_json(self) -> dict[str, Any]:
        """The fields, and whether they agree."""
        return asdict(self) | {"agrees": self.agrees}


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion: `photos` were written of the `listed` ones that the pairs name, in photos of `tree`.

    `splits` has for train, val and test the counts `customer`, `shop` (photos), `items` and `pairs` (rows of the
    right form, also those of a photo that was left out, as the published totals count them);
    `categories` counts photos by `BIG/small`; `faults` are the photos left out, with their line among the pairs.
    """

    manifest: Path
    tree: str
    photos: int
    listed: int
    counts: tuple[Count, ...]
    splits: Mapping[str, Mapping[str, int]]
    categories: Mapping[str, int]
    findings: tuple[Finding, ...]
    faults: tuple[Fault, ...]

    @property
    def agrees(self) -> bool:
        """Whether every total is the published one."""
        return all(count.agrees for count in self.counts)

    def finding(self, code: str) -> Finding:
        """What was found of one of `KINDS`, possibly nothing."""
        return next((found for found in self.findings if found.code == code), Finding(code, KINDS[code], 0, ()))

    def to_json(self) -> dict[str, Any]:
        """`data convert --json`."""
        counts = [count.to_json() for count in self.counts]
        return asdict(self) | {"manifest": str(self.manifest), "counts": counts, "agrees": self.agrees}
