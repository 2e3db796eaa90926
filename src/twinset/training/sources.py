"""Batches of several sources in turn, each drawn as what it holds allows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from twinset.errors import ManifestError
from twinset.records import Photo
from twinset.training.draws import CHOICE, generator
from twinset.training.sampler import Batch, Index, Pairs, Sampler, Size


@dataclass(frozen=True, slots=True)
class Part:
    """The photos of one source to train on; `studio` says that they are a shop's own views, and no customer's."""

    name: str
    photos: tuple[Photo, ...]
    studio: bool = False


class Sources:
    """One source a batch, each in turn, `2 × size` photos of it.

    Items with photos of both domains are drawn as `Pairs`, of all categories. Where there are none, photos of one
    category count as alike in one batch, and looks at one photo in another. `Batch.studio` says whether they are a
    shop's own views.

    Raises:
        ManifestError: a source holds none of these, or there is none.

    """

    def __init__(self, parts: Sequence[Part], size: int, seed: int) -> None:
        parts = [part for part in parts if part.photos]
        if not parts:
            raise ManifestError("no photo is left to train on", "give rows whose split is train or empty")
        self._parts = tuple(parts)
        self._samplers = [_sampler(part, size, seed) for part in parts]
        photos = sum(len(part.photos) for part in parts)
        batches = ceil(photos / (2 * size * len(self._samplers))) * len(self._samplers)
        self.size = Size(batches, 2 * size, 2 * size * batches)
        self.notes = tuple(
            f"{part.name}: {note}" for part, each in zip(parts, self._samplers, strict=True) for note in each.notes
        )
        if len({part.studio for part in parts}) == 1:
            side = "has" if parts[0].studio else "is without"
            self.notes += (f"every source {side} a studio's views alone: the gate learns to be the same for all",)

    def __len__(self) -> int:
        """Batches an epoch: about as many as hold each photo once."""
        return self.size.batches

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""
        turn = step % len(self._parts)
        return replace(self._samplers[turn].batch(step), studio=self._parts[turn].studio)


class Categories:
    """`size` times two photos of one category, each as often as any other; or by lot `size` photos, each twice.

    Photos alone would leave a category apart, categories alone would teach that all of one look alike.

    Raises:
        ManifestError: fewer than two categories have two photos.

    """

    def __init__(self, photos: Sequence[Photo], size: int, seed: int) -> None:
        self._photos, self._size, self._seed = tuple(photos), size, seed
        found: dict[str, list[int]] = {}
        for i, photo in enumerate(photos):
            if photo.category:
                found.setdefault(photo.category, []).append(i)
        self._pools = [np.array(places, np.int64) for _, places in sorted(found.items()) if len(places) > 1]
        if len(self._pools) < 2:
            raise ManifestError(
                "these photos have neither items of both domains nor two categories to learn from",
                "leave this manifest out, or fill `item_id` and `domain` (or `view`), or `category`",
            )
        used = sum(len(pool) for pool in self._pools)
        self.size = Size(ceil(used / (2 * size)), 2 * size, used)
        self.notes: tuple[str, ...] = (
            f"no item has photos of both domains: {used:,} photos are alike where their category or the photo is",
        )

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.size.batches

    def batch(self, step: int) -> Batch:
        """One photo of each of `size` drawn categories or photos, then another of each in the same order."""
        draw = generator(self._seed, CHOICE, step)
        if draw.random() < 0.5:
            chosen = np.tile(draw.permutation(len(self._photos))[: self._size], 2)
            return Batch(tuple(self._photos[i] for i in chosen), chosen, alike(chosen))
        order = np.concatenate(
            [draw.permutation(len(self._pools)) for _ in range(ceil(self._size / len(self._pools)))]
        )
        drawn = np.sort(order[: self._size])
        sides = np.array([draw.choice(self._pools[c], 2, replace=False) for c in drawn.tolist()], np.int64).T
        labels = np.concatenate([drawn, drawn]).astype(np.int64)
        return Batch(tuple(self._photos[i] for i in sides.reshape(-1)), labels, alike(labels))


def alike(labels: Index) -> tuple[Index, ...]:
    """All pairs of a batch by its labels: `(anchor, positive, anchor, negative)`.

    >>> [index.tolist() for index in alike(np.array([4, 4, 7]))]
    [[0, 1], [1, 0], [0, 1, 2, 2], [2, 2, 0, 1]]
    """
    same = labels[:, None] == labels[None, :]
    anchor, positive = np.nonzero(same & ~np.eye(len(labels), dtype=bool))
    other, negative = np.nonzero(~same)
    return anchor, positive, other, negative


def _sampler(part: Part, size: int, seed: int) -> Sampler:
    domains: dict[str, set[str]] = {}
    for photo in part.photos:
        domains.setdefault(photo.item_id, set()).add(photo.domain)
    both = sum({"customer", "shop"} <= found for found in domains.values())
    return Pairs(part.photos, size, seed, mixed=True) if both > 1 else Categories(part.photos, size, seed)
