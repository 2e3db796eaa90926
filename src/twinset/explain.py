"""Which places of two photos make their score: what the places contribute, taken apart exactly."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset.records import Box, MadeFrom, Pixels
from twinset.runtime import Patches

Places = npt.NDArray[np.float64]
"""What each place of a photo adds to a score, `(h, w)`; negative where it takes away."""
_LEAST: Final = 1e-12
"""A mean that is shorter has no direction: then no place adds anything."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two compared photos, upright, and what each place of the square that the model saw adds to the score.

    `photo` is uint8 `(H, W, 3)` with a long side of at most 640. `part` is what of the photo is in the square, in
    fractions 0-1 of the photo: less than all where there is a box or the photo was cropped. `seen` is where in the
    square that lies, in its fractions: beside it is ground that fills the square up, whose places count too.
    """

    photo: Pixels
    places: Places
    part: Box
    seen: Box

    @property
    def ground(self) -> float:
        """What the ground beside the photo adds; a place that shows both is divided by its area."""
        down, across = self.places.shape
        rows, columns = _share(self.seen[1], self.seen[3], down), _share(self.seen[0], self.seen[2], across)
        return float(self.places.sum() - rows @ self.places @ columns)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The score of two photos taken apart, twice: over the places of the query, and over those of the hit.

    `made_from` says which pixels of the hit were looked at: of its `source`, or of the stored `copy` where that is
    gone or has changed. `stored_score` is that of its stored vector, which a search gives.
    """

    query: Side
    hit: Side
    made_from: MadeFrom
    stored_score: float

    @property
    def score(self) -> float:
        """What the query's places, and the hit's, add up to: the cosine of the pixels that were looked at."""
        return float(self.query.places.sum())


def parts(query: Patches, hit: Patches) -> tuple[Places, Places]:
    """What each place of two photos adds to their score: `(h, w)` of the query, `(h', w')` of the hit.

    Of contributions `(h, w, D)` and `(h', w', D)`, whose means, at length 1, are the embeddings. As a score is
    linear in either mean, each of the two sums to it: a place p adds <p, other embedding> / (h w |own mean|).
    This is what class activation maps do for a class (Zhou et al., 2016), for a pair of photos.
    """
    return _against(query, _mean(hit)), _against(hit, _mean(query))


def _share(start: float, end: float, count: int) -> npt.NDArray[np.float64]:
    """How much of each of `count` places along a side lies between two fractions of it."""
    first = np.arange(count)
    shown = np.minimum(first + 1, end * count) - np.maximum(first, start * count)
    return np.asarray(np.maximum(shown, 0.0))


def _against(patches: Patches, other: npt.NDArray[np.float64]) -> Places:
    return np.asarray(_each(patches) @ other)


def _mean(patches: Patches) -> npt.NDArray[np.float64]:
    return np.asarray(_each(patches).sum(axis=(0, 1)))


def _each(patches: Patches) -> npt.NDArray[np.float64]:
    """Each place's share of the embedding, `(h, w, D)`: they sum to it."""
    wide = patches.astype(np.float64)
    length = float(np.linalg.norm(wide.mean(axis=(0, 1))))
    count = wide.shape[0] * wide.shape[1]
    return np.zeros_like(wide) if length < _LEAST else wide / (count * length)
