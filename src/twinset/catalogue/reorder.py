"""The first hits of a search in another order: which are looked at again, by what vectors, with what settings."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinset import photos, rerank
from twinset.catalogue.options import Rerank
from twinset.catalogue.reembed import from_copy
from twinset.embedder import Embedder, in_order
from twinset.photos import Decoded
from twinset.records import Box, Pixels, Vectors
from twinset.rerank import Scores
from twinset.runtime import Patches
from twinset.store.copies import Copies
from twinset.store.schema import Row
from twinset.store.view import exact_scores

FIRST: Final = 100
FIRST_PATCHES: Final = 20
"""How many hits are ordered anew; by patches fewer, since each costs the model one run."""
NEIGHBOURS: Final = 3
ALPHA: Final = 3.0
K1: Final = 6
K2: Final = 2
COSINE: Final = 0.85
"""Settings of expansion and k-reciprocal encoding, chosen as docs/search.md tells."""
_CUT: Final = 0.1
"""What the closer look leaves out of a photo at every side."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looks:
    """The query's photos, and the copies of what is found: for what looks at pixels again."""

    embedder: Embedder
    photos: Sequence[Decoded]
    part: Box | None
    copies: Copies

    def middle(self) -> Vectors:
        """The direction `(D,)` between each photo, its middle, and both seen in a mirror."""
        squares = [
            self.embedder.prepare(photo, box) for photo in self.photos for box in (self.part, inner(self.part))
        ]
        looks = [look for square in squares for look in (square, _mirrored(square))]
        return rerank.centroid(np.stack(list(in_order(self.embedder.embed_square, looks))))

    def similarities(self, rows: Sequence[Row]) -> Scores:
        """How well the places of the photos are found again in those of each row's copy, NaN without one."""
        query = np.concatenate([_places(self.embedder.patches(photo, self.part)) for photo in self.photos])
        copies = self.copies.get([row.photo.photo_id for row in rows])

        def similarity(row: Row) -> float:
            decoded = from_copy(row, copies.get(row.photo.photo_id))
            if decoded is None:
                return np.nan
            box = photos.in_fractions(row.photo.box, decoded)
            return rerank.max_sim(query, _places(self.embedder.patches(decoded, box)))

        found = np.array(list(in_order(similarity, rows)))
        if missing := int(np.isnan(found).sum()):
            _LOG.warning("%d of %d hits keep their place: their copies are lost; index again", missing, len(found))
        return found


def first(method: Rerank | None) -> int:
    """How many hits are ordered anew."""
    return 0 if method is None else FIRST_PATCHES if method == "patches" else FIRST


def rescored(
    method: Rerank, query: Vectors, found: Sequence[Vectors], best: Sequence[Row], looks: Looks | None
) -> Scores:
    """What the candidates are ordered by, `(N,)`, NaN where one keeps its place.

    `found` are the vectors `(n, D)` of each candidate's photos, `best` its best photo; both stand first.
    `looks` is there where the query is a photo.
    """
    match method:
        case "expansion":
            near = np.stack([vectors[0] for vectors in found[:NEIGHBOURS]])
            return _by_best(found, rerank.expanded(query, near, exact_scores(near, query), ALPHA))
        case "reciprocal":
            return rerank.reciprocal(query, np.stack([vectors[0] for vectors in found]), K1, K2, COSINE)
        case "centroid":
            return exact_scores(np.stack([rerank.centroid(vectors) for vectors in found]), query)
        case "views" if looks:
            return _by_best(found, looks.middle())
        case "patches" if looks:
            return looks.similarities(best)
    return np.full(len(found), np.nan)


def inner(part: Box | None) -> Box:
    """The middle of a part of a photo, or of all of it."""
    x1, y1, x2, y2 = part or (0.0, 0.0, 1.0, 1.0)
    across, down = _CUT * (x2 - x1), _CUT * (y2 - y1)
    return x1 + across, y1 + down, x2 - across, y2 - down


def _by_best(found: Sequence[Vectors], query: Vectors) -> Scores:
    return np.array([exact_scores(vectors, query).max() for vectors in found])


def _mirrored(square: Pixels) -> Pixels:
    return np.ascontiguousarray(square[:, ::-1])


def _places(patches: Patches) -> Patches:
    places: Patches = patches.reshape(-1, patches.shape[-1])
    return places
