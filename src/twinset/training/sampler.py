"""Which photos make a batch, and which of them are pairs: drawn by (seed, step, photo), never remembered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from twinset.errors import ManifestError
from twinset.manifest.check import levels
from twinset.records import Photo
from twinset.training.draws import CHOICE, ORDER, generator

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos of one step, a number for what makes them alike, and which places in the batch count as pairs.

    `indices` holds three index arrays of triplets, or four of pairs (losses.py).
    """

    photos: tuple[Photo, ...]
    labels: Index
    indices: tuple[Index, ...]
    studio: bool = False
    """Whether these are a shop's own views: a `Blend` teaches its gate that they are a studio's."""


class Size(NamedTuple):
    """How much an epoch is: batches, photos in each but perhaps the last, photos in all."""

    batches: int
    photos_per_batch: int
    photos: int

    def before(self, batch: int) -> int:
        """Photos seen before a batch, counted from 0 over all epochs.

        >>> Size(3, 30, 70).before(4)
        100
        """
        epochs, rest = divmod(batch, self.batches)
        return epochs * self.photos + rest * self.photos_per_batch


class Sampler(Protocol):
    """Gives batch `step` of a run without having given the ones before."""

    notes: tuple[str, ...]
    """What of the photos cannot be used, or only otherwise than asked, with counts."""
    size: Size

    def __len__(self) -> int:
        """Batches an epoch."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""


class Triplets:
    """Each customer photo once an epoch, with a shop photo of its item and a photo of another item.

    The negative is of the same category; where that has one item only, of the nearest level above with more
    (counted in `notes`). Customer photos whose item has no shop photo are left out, and counted.

    Raises:
        ManifestError: no customer photo has a shop photo of its item, or there is one item only.

    """

    def __init__(self, photos: Sequence[Photo], size: int, seed: int) -> None:
        self._photos, self._seed = tuple(photos), seed
        self._labels = _labels(photos)
        self._shop = _by_item(photos, self._labels, "shop")
        customers = [i for i, photo in enumerate(photos) if photo.domain == "customer"]
        self._anchors = np.array([i for i in customers if int(self._labels[i]) in self._shop], np.int64)
        _require(len(self._anchors), self._labels)
        self._size = min(size, len(self._anchors))
        batches = ceil(len(self._anchors) / self._size)
        self.size = Size(batches, 3 * self._size, 3 * len(self._anchors))
        self._pools, self._pool = self._negatives()
        fallen = Counter(
            level or "all categories"
            for i in self._anchors
            if (level := self._pool[self._photos[i].category]) != self._photos[i].category
        )
        self.notes = _one_sided(len(customers) - len(self._anchors)) + tuple(
            f"{count:,} customer photos take their negatives from {level}: their category has one item"
            for level, count in sorted(fallen.items())
        )

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.size.batches

    def batch(self, step: int) -> Batch:
        """`size` triplets: all anchors, then all positives, then all negatives; the epoch's last may be smaller."""
        epoch, place = divmod(step, len(self))
        order = _order(self._seed, epoch, len(self._anchors))
        anchors = self._anchors[order[place * self._size : (place + 1) * self._size]]
        others = [self._others(int(anchor), epoch) for anchor in anchors]
        chosen = np.concatenate([anchors, *np.array(others, np.int64).T])
        places = np.arange(len(anchors))
        indices = (places, places + len(anchors), places + 2 * len(anchors))
        return Batch(tuple(self._photos[i] for i in chosen), self._labels[chosen], indices)

    def _others(self, anchor: int, epoch: int) -> tuple[int, int]:
        draw = generator(self._seed, CHOICE, epoch, anchor)
        label = self._labels[anchor]
        shop = self._shop[int(label)]
        positive = int(shop[draw.integers(len(shop))])
        pool = self._pools[self._pool[self._photos[anchor].category]]
        own, after = np.searchsorted(self._labels[pool], (label, label + 1))
        place = draw.integers(len(pool) - (after - own))
        return positive, int(pool[place if place < own else place + after - own])

    def _negatives(self) -> tuple[dict[str, Index], dict[str, str]]:
        """Photos by level, sorted by item; for each category the nearest level, its own first, of several items."""
        order = np.argsort(self._labels, kind="stable").tolist()
        pools = _by_level((i, self._photos[i].category) for i in order)
        several = {level for level, places in pools.items() if len(set(self._labels[places])) > 1}
        climb = {
            photo.category: next(level for level in (*reversed(levels(photo.category)), "") if level in several)
            for photo in self._photos
        }
        return pools, climb


class Pairs:
    """`size` items of one category a batch, a customer and a shop photo of each; pairs lie across the domains.

    A customer photo drawn at random decides the category; where it has too few items, those of the levels above
    fill the batch. With `mixed` items of all categories make a batch. Items with photos of one domain only are left
    out, and counted.

    Raises:
        ManifestError: fewer than two items have photos of both domains.

    """

    def __init__(self, photos: Sequence[Photo], size: int, seed: int, *, mixed: bool = False) -> None:
        self._photos, self._seed, self._mixed = tuple(photos), seed, mixed
        self._labels = _labels(photos)
        self._customer = _by_item(photos, self._labels, "customer")
        self._shop = _by_item(photos, self._labels, "shop")
        self._items = np.array(sorted(self._customer.keys() & self._shop.keys()), np.int64)
        _require(len(self._items), self._items)
        self._anchors = np.concatenate([self._customer[item] for item in self._items.tolist()])
        self._size = min(size, len(self._items))
        batches = ceil(len(self._anchors) / self._size)
        self.size = Size(batches, 2 * self._size, 2 * self._size * batches)
        self._category = {int(self._labels[i]): photo.category for i, photo in enumerate(self._photos)}
        self._pools = _by_level((item, self._category[item]) for item in self._items.tolist())
        customers = sum(len(places) for places in self._customer.values())
        self.notes = _one_sided(customers - len(self._anchors))

    def __len__(self) -> int:
        """Batches an epoch: as many as hold each customer photo once."""
        return self.size.batches

    def batch(self, step: int) -> Batch:
        """The customer photos of `size` items, then a shop photo of each in the same order."""
        draw = generator(self._seed, CHOICE, step)
        anchor = int(self._anchors[draw.integers(len(self._anchors))])
        items = self._neighbours(int(self._labels[anchor]), draw)
        sides = [
            [places[item][draw.integers(len(places[item]))] for item in items]
            for places in (self._customer, self._shop)
        ]
        sides[0][0] = anchor
        chosen = np.array(sides, np.int64).reshape(-1)
        return Batch(tuple(self._photos[i] for i in chosen), self._labels[chosen], across(len(items)))

    def _neighbours(self, item: int, draw: np.random.Generator) -> list[int]:
        """The item, then others in random order: of its category, then of the levels above it."""
        found = {item: None}
        climbed = [] if self._mixed else reversed(levels(self._category[item]))
        for level in (*climbed, ""):
            for other in draw.permutation(self._pools[level]).tolist():
                found.setdefault(other)
                if len(found) == self._size:
                    return list(found)
        return list(found)


def across(items: int) -> tuple[Index, ...]:
    """All pairs between the first half of a batch and the second, in both directions."""
    customer, shop = np.divmod(np.arange(items * items), items)
    same = customer == shop
    shop += items
    anchor, other = np.concatenate([customer, shop]), np.concatenate([shop, customer])
    alike = np.concatenate([same, same])
    return anchor[alike], other[alike], anchor[~alike], other[~alike]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Index:
    return generator(seed, ORDER, epoch).permutation(count)


def _labels(photos: Sequence[Photo]) -> Index:
    _, labels = np.unique([photo.item_id for photo in photos] or [""], return_inverse=True)
    return labels.astype(np.int64)


def _by_item(photos: Sequence[Photo], labels: Index, domain: str) -> dict[int, Index]:
    places: defaultdict[int, list[int]] = defaultdict(list)
    for i, photo in enumerate(photos):
        if photo.domain == domain:
            places[int(labels[i])].append(i)
    return {item: np.array(found, np.int64) for item, found in places.items()}


def _by_level(members: Iterable[tuple[int, str]]) -> dict[str, Index]:
    """The numbers of each level, in their order, from numbers with their category; the level "" holds all."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, category in members:
        for level in ("", *levels(category)):
            found[level].append(number)
    return {level: np.array(numbers, np.int64) for level, numbers in found.items()}


def _one_sided(count: int) -> tuple[str, ...]:
    return (f"{count:,} customer photos are of items without a shop photo, and left out",) if count else ()


def _require(pairs: int, labels: Index) -> None:
    if not pairs or len(np.unique(labels)) < 2:
        raise ManifestError(
            "no two items with a customer photo and a shop photo are there to train on",
            "give photos of both domains (column `domain`), of several items, in the split `train`",
        )
