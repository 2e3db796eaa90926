"""The photos of an audit in numbers: items, kin, pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twinset.audit.findings import Pair
from twinset.ranking import Ints
from twinset.records import Photo, Vectors

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """N photos with their vectors `(N, D)`; all else is `(N,)`.

    `item` numbers the items. Photos of equal `kin` are of one style, or of items that are one product: no fault is
    seen between them. Photos of equal `picture` are near-identical. `shop` tells the domain.
    """

    photos: tuple[Photo, ...]
    vectors: Vectors
    item: Ints
    kin: Ints
    picture: Ints
    category: Ints
    shop: Mask

    @classmethod
    def of(cls, photos: Sequence[Photo], vectors: Vectors, picture: Ints) -> "Table":
        """Photos as their manifest tells them; items of one style are kin."""
        item = _numbered([photo.item_id for photo in photos])
        category = _numbered([photo.category for photo in photos])
        shop = np.array([photo.domain == "shop" for photo in photos], bool)
        table = cls(tuple(photos), vectors, item, item, picture, category, shop)
        styles: dict[str, int] = {}
        return table.joined(
            (styles.setdefault(style, code), code)
            for photo, code in zip(photos, item.tolist(), strict=True)
            if (style := photo.value("style"))
        )

    def joined(self, pairs: Iterable[tuple[int, int]]) -> "Table":
        """The same photos, with the items of some pairs, by their numbers, as kin."""
        known = zip(self.kin.tolist(), self.item.tolist(), strict=True)
        return replace(self, kin=components(int(self.item.max(initial=-1)) + 1, (*known, *pairs))[self.item])

    def rows(self) -> list[Ints]:
        """The photos of each item, by its number."""
        order = np.argsort(self.item, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.item))[:-1]) if len(order) else []

    def name(self, item: int, rows: Sequence[Ints]) -> str:
        """An item's id."""
        return self.photos[int(rows[item][0])].item_id

    def pair(self, photo: int, other: int) -> Pair:
        """A photo and the one that speaks against it, by their places."""
        one, two = self.photos[photo], self.photos[other]
        return Pair(one.path, one.item_id, two.path, two.item_id)


def components(count: int, pairs: Iterable[tuple[int, int]]) -> Ints:
    """For each of `count` numbers the least that it is tied to by pairs, however many lie between."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(node) for node in range(count)], np.int64)


def _numbered(values: Sequence[str]) -> npt.NDArray[Any]:
    return np.unique(np.array(values, np.str_), return_inverse=True)[1].astype(np.int64)
