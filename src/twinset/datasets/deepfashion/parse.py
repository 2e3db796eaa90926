"""A row of each annotation file, cells → record; every other form is a ValueError."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twinset.records import Box

SPLITS: Final = ("train", "val", "test")
CLOTHES_TYPES: Final = {"1": "upper", "2": "lower", "3": "full"}
DOMAINS: Final = {"1": "shop", "2": "customer"}
VARIATIONS: Final = {"1": "normal", "2": "medium_pose", "3": "large_pose", "4": "medium_zoom", "5": "large_zoom"}
VISIBILITIES: Final = {"0": "visible", "1": "occluded", "2": "cut_off"}
LANDMARKS: Final = {"upper": 6, "lower": 4, "full": 8}
"""How many landmarks a garment of each type has."""

_FARTHEST: Final = 1e5
_VALUES: Final = {"1", "0", "-1"}


@dataclass(frozen=True, slots=True)
class Pair:
    """A customer's photo and a shop's of one item, by their paths, in a split."""

    customer: str
    shop: str
    item_id: str
    split: str


@dataclass(frozen=True, slots=True)
class BoxRow:
    """A photo's box as it stands in the file, in 300-pixel coordinates; its corners may be in any order."""

    path: str
    clothes_type: str
    domain: str
    box: Box


@dataclass(frozen=True, slots=True)
class LandmarksRow:
    """A photo's landmarks: visibility, x and y each, in 300-pixel coordinates."""

    path: str
    clothes_type: str
    variation: str
    points: tuple[tuple[str, float, float], ...]


def pair(cells: Sequence[str]) -> Pair:
    """`list_eval_partition.txt`."""
    customer, shop, item_id, split = cells
    return Pair(customer, shop, item_id, _one_of(split, dict(zip(SPLITS, SPLITS, strict=True))))


def item(cells: Sequence[str]) -> str:
    """`list_item_consumer2shop.txt`: an item's id."""
    (name,) = cells
    if not name.startswith("id_"):
        raise ValueError(name)
    return name


def box(cells: Sequence[str]) -> BoxRow:
    """`list_bbox_consumer2shop.txt`."""
    path, clothes_type, domain, *sides = cells
    x1, y1, x2, y2 = map(_place, sides)
    return BoxRow(path, _one_of(clothes_type, CLOTHES_TYPES), _one_of(domain, DOMAINS), (x1, y1, x2, y2))


def landmarks(cells: Sequence[str]) -> LandmarksRow:
    """`list_landmarks_consumer2shop.txt`: as many landmarks as the type of clothes has."""
    path, kind, variation, *rest = cells
    clothes_type = _one_of(kind, CLOTHES_TYPES)
    if len(rest) != 3 * LANDMARKS[clothes_type]:
        raise ValueError(path)
    triples = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    points = tuple((_one_of(seen, VISIBILITIES), _place(x), _place(y)) for seen, x, y in triples)
    return LandmarksRow(path, clothes_type, _one_of(variation, VARIATIONS), points)


def attribute_name(cells: Sequence[str]) -> str:
    """`list_attr_cloth.txt`: Chinese name, English name of one word or several, type → the English name.

    >>> attribute_name(["蝙蝠袖", "batwing", "sleeve", "3"])
    'batwing sleeve'
    """
    _, *words, _ = cells
    while len(words) > 1 and _is_chinese(words[0]):
        words = words[1:]
    if not words:
        raise ValueError(cells)
    return " ".join(words)


def attribute_values(cells: Sequence[str]) -> tuple[str, tuple[int, ...], int]:
    """`list_attr_items.txt`: the item, the places (from 0) of what it has, and how many values there are."""
    name, *values = cells
    if not name.startswith("id_") or not values or not _VALUES.issuperset(values):
        raise ValueError(name)
    return name, tuple(place for place, value in enumerate(values) if value == "1"), len(values)


def _one_of(text: str, known: dict[str, str]) -> str:
    if text not in known:
        raise ValueError(text)
    return known[text]


def _place(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > _FARTHEST or "_" in text:
        raise ValueError(text)
    return value


def _is_chinese(word: str) -> bool:
    return any("\u2e80" <= character <= "\u9fff" or character >= "\uf900" for character in word)
