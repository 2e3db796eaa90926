"""Where the object of a photo lies, told from what its places contribute: boxes to search with."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset.embedder import Embedder
from twinset.photos import Decoded
from twinset.records import Box
from twinset.runtime import Patches

WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)
_ROUNDS: Final = 4
_FINE: Final = 56
"""The photo is divided into as many cells a side, between whose saliency edges are drawn."""
_LEAST_SHARE: Final = 0.25
"""A further object has at least this share of the first one's saliency."""
_SEEN: Final = 0.75
"""Of a place that shows less of the photo, the ground beside it would be taken for an object."""
_LEAST_CONTRAST: Final = 1e-6
"""Between places, as a share of their mean square: below it there is only noise of the arithmetic."""

Grid = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def of_photo(embedder: Embedder, photo: Decoded, *, closer: bool = True) -> tuple[Box, ...]:
    """At most three boxes around what a photo shows, the best first, in fractions 0-1 of it upright.

    The model takes two looks: of the one that embeds, places are few and see much of their surroundings; of the
    closer one, they are more, but the quarters do not know of each other. It is left out where not `closer`.

    Raises:
        BundleError: the model has no `patches`.

    """
    height, width = photo.pixels.shape[:2]
    _, seen = embedder.closer.shown(width, height)
    looks = [embedder.patches(photo), *([embedder.closer_patches(photo)] if closer else [])]
    found = suggest(looks, seen)
    mapped = (embedder.closer.in_photo(box, width, height) for box in found)
    return tuple(box for box in mapped if box is not None)


def suggest(looks: Sequence[Patches], seen: Box = WHOLE, most: int = 3) -> tuple[Box, ...]:
    """At most `most` boxes, the best first, in fractions 0-1 of the square that the model saw.

    Each look is the contributions of the square's places, `(h, w, D)` with its own h and w; what is salient is so
    in all of them. `seen` is the part of the square that the photo fills. There is no box where the places of a
    look are alike, or where the photo fills fewer than three a side.
    """
    salient = np.ones((_FINE, _FINE))
    for patches in looks:
        down = _Side(seen[1], seen[3], patches.shape[0])
        across = _Side(seen[0], seen[2], patches.shape[1])
        scores = saliency(patches[down.places, across.places].astype(np.float64))
        if scores is None:
            return ()
        fine = across.finer(down.finer(scores).T).T
        salient *= (fine - fine.min()) / np.ptp(fine)
    salient **= 1 / len(looks)
    width, height = seen[2] - seen[0], seen[3] - seen[1]
    return tuple(
        (
            seen[0] + left / _FINE * width,
            seen[1] + top / _FINE * height,
            min(seen[2], seen[0] + right / _FINE * width),
            min(seen[3], seen[1] + bottom / _FINE * height),
        )
        for left, top, right, bottom in _objects(salient - split(salient), most)
    )


def saliency(places: Grid) -> Grid | None:
    """How much each place `(h, w, D)` is of the object, `(h, w)`; None where all are alike or too few.

    The places at the edge are taken for the background, all for the object; a place's score is its projection on
    the difference of the two means. The scores are split in two, which gives better means, and so on. Places are
    first divided by the root of their length: a loud one does not drown the others, a silent one stays silent.
    """
    if min(places.shape[:2]) < 3:  # then there is nothing but edge
        return None
    length = np.linalg.norm(places, axis=2, keepdims=True)
    places = places / np.sqrt(np.where(length > 0, length, 1.0))
    behind = np.ones(places.shape[:2], bool)
    behind[1:-1, 1:-1] = False
    there: Mask = np.ones_like(behind)
    scores = np.zeros(behind.shape)
    for _ in range(_ROUNDS):
        ground = places[behind].mean(axis=0)
        scores = (places - ground) @ (places[there].mean(axis=0) - ground)
        if float(np.ptp(scores)) <= _LEAST_CONTRAST * float((places**2).sum(axis=2).mean()):
            return None
        there = scores > split(scores)
        behind = ~there
    return scores


def split(values: Grid) -> float:
    """The value that parts others so that the two parts' means lie furthest asunder (Otsu, 1979).

    >>> split(np.array([0.0, 1.0, 9.0, 10.0]))
    5.0
    """
    ordered = np.sort(values, axis=None)
    below = np.arange(1, len(ordered))
    above = len(ordered) - below
    sums = ordered.cumsum()
    asunder = (sums[-1] - sums[:-1]) / above - sums[:-1] / below
    best = int(np.argmax(below * above * asunder**2))
    return float(ordered[best] + ordered[best + 1]) / 2


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0-1.

    >>> overlap((0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 1.5, 1.0))
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


class _Side:
    """One side of a look: which of its `count` places show the photo, and what lies between them."""

    def __init__(self, start: float, end: float, count: int) -> None:
        beside = 1 - _SEEN
        first, last = max(0, ceil(start * count - beside)), min(count, floor(end * count + beside))
        self.places = slice(first, max(first, last))
        middles = start + (np.arange(_FINE) + 0.5) / _FINE * (end - start)
        self._at = np.clip(middles * count - 0.5 - first, 0, max(0, last - first - 1))

    def finer(self, rows: Grid) -> Grid:
        """A row for each cell: straight lines between the middles of places, level beyond the outer ones."""
        before = np.minimum(self._at.astype(np.int64), len(rows) - 2)
        share = (self._at - before)[:, np.newaxis]
        found: Grid = rows[before] * (1 - share) + rows[before + 1] * share
        return found


def _objects(excess: Grid, most: int) -> list[tuple[int, int, int, int]]:
    """Left, top, right and bottom of the connected parts above 0, the one with the greatest sum first."""
    names = _connected(excess > 0)
    sums = np.bincount(names.ravel(), weights=np.maximum(excess, 0).ravel())
    ranked = sorted(np.unique(names[names > 0]).tolist(), key=lambda name: (-sums[name], name))
    found = []
    for name in ranked[:most]:
        if sums[name] >= _LEAST_SHARE * sums[ranked[0]]:
            rows, columns = (np.flatnonzero((names == name).any(axis=axis)) for axis in (1, 0))
            found.append((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    return found


def _connected(mask: Mask) -> npt.NDArray[np.int64]:
    """A number above 0 for each part of the mask whose cells share sides, 0 outside."""
    names = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        wide = np.pad(names, 1)
        sides = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
        largest = np.where(mask, np.maximum.reduce([names, *sides]), 0)
        if np.array_equal(largest, names):
            return names
        names = largest
