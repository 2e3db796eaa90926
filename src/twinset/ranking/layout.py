"""The gallery laid out for ranking: what is ranked as one, its best photo by maxima of slices."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from twinset.ranking.products import Ints, Products


@dataclass(frozen=True, slots=True)
class Layout:
    """The gallery in layers: each unit's first photo, then the second of those that have two, and so on.

    Units are numbered anew, those with the most photos first, so that a layer's units are the first ones and the
    best of each is a maximum of slices. `number` is a place's photo, `unit` its unit; `starts` are the layers',
    `sizes` how many photos a unit has, `key` what it was called.
    """

    number: Ints
    unit: Ints
    starts: Ints
    sizes: Ints
    key: Ints

    @classmethod
    def of(cls, units: Ints) -> "Layout":
        """The layout of a gallery whose photos `(G,)` are ranked as these units."""
        key, codes, sizes = np.unique(units, return_inverse=True, return_counts=True)
        largest_first = np.argsort(-sizes, kind="stable")
        renamed = np.empty_like(largest_first)
        renamed[largest_first] = np.arange(len(key))
        unit, sizes = renamed[codes], sizes[largest_first]
        by_unit = np.argsort(unit, kind="stable")
        within = numbered(sizes)
        number = by_unit[np.lexsort((unit[by_unit], within))]
        starts = np.searchsorted(np.sort(within), np.arange(sizes.max(initial=0)))
        return cls(number, unit[number], starts, sizes, key[largest_first])

    @property
    def single(self) -> bool:
        """Whether every unit is one photo."""
        return len(self.starts) <= 1

    def best(self, photos: Products) -> Products:
        """Each unit's best product `(B, U)` of its photos' `(B, G)`."""
        if self.single:
            return photos
        units = photos[:, : len(self.sizes)].copy()
        for start, end in pairwise([*self.starts[1:], photos.shape[1]]):
            layer = units[:, : end - start]
            np.maximum(layer, photos[:, start:end], out=layer)
        return units

    def photos(self, units: Ints) -> tuple[Ints, Ints]:
        """The places of all photos of some units, and of which of these each is."""
        sizes = self.sizes[units]
        whose = np.repeat(np.arange(len(units)), sizes)
        return self.starts[numbered(sizes)] + units[whose], whose


def numbered(sizes: Ints) -> Ints:
    """0 to size - 1 for each size, one after another."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
