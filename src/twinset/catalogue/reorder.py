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
NEIGHBOURS: Final = 2
ALPHA: Final = 3.0
K1: Final = 6
K2: Final = 2
COSINE: Final = 0.85
PATCHES: Final = 0.25
"""How much of what a hit is ordered by is the cosine beside k-reciprocal encoding, and MaxSim beside the cosine.

These settings are chosen on drawn garments and grocery's photos for training: docs/search.md.
"""
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

    def similarities(self, rows: Sequence[Row]) -> Scores:
        """How well the places of the photos are found again in those of each row's copy, NaN where it is lost."""
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


def middle(embedder: Embedder, given: Sequence[Decoded], part: Box | None) -> Vectors:
    """The direction `(D,)` between photos, or their part, the middle of each, and both seen in a mirror."""
    squares = [embedder.prepare(photo, box) for photo in given for box in (part, inner(part))]
    looks = [look for square in squares for look in (square, mirrored(square))]
    return rerank.centroid(np.stack(list(in_order(embedder.embed_square, looks))))


def first(method: Rerank | None) -> int:
    """How many hits are ordered anew."""
    return 0 if method is None else FIRST_PATCHES if method == "patches" else FIRST


def rescored(
    method: Rerank, query: Vectors, found: Sequence[Vectors], best: Sequence[Row], looks: Looks | None
) -> Scores:
    """What the candidates are ordered by, `(N,)`, NaN where one keeps its place.

    `found` are the vectors `(n, D)` of each candidate's photos, `best` its best photo; both stand first.
    `looks` is there where the query is a photo; what needs them leaves all as it is without.
    """
    match method:
        case "expansion":
            near = _best(found[:NEIGHBOURS])
            return by_best(found, rerank.expanded(query, near, exact_scores(near, query), ALPHA))
        case "reciprocal":
            return rerank.reciprocal(query, _best(found), K1, K2, COSINE)
        case "centroid":
            return exact_scores(np.stack([rerank.centroid(vectors) for vectors in found]), query)
        case "views" if looks:
            return by_best(found, middle(looks.embedder, looks.photos, looks.part))
        case "patches" if looks:
            return with_patches(exact_scores(_best(found), query), looks.similarities(best))
    return np.full(len(found), np.nan)


def with_patches(cosines: Scores, similarities: Scores) -> Scores:
    """Cosines, and beside them how well places are found again."""
    mixed: Scores = (1 - PATCHES) * cosines + PATCHES * similarities
    return mixed


def inner(part: Box | None) -> Box:
    """The middle of a part of a photo, or of all of it."""
    x1, y1, x2, y2 = part or (0.0, 0.0, 1.0, 1.0)
    across, down = _CUT * (x2 - x1), _CUT * (y2 - y1)
    return x1 + across, y1 + down, x2 - across, y2 - down


def _best(found: Sequence[Vectors]) -> Vectors:
    return np.stack([vectors[0] for vectors in found])


def by_best(found: Sequence[Vectors], query: Vectors) -> Scores:
    """The cosine of each candidate's best photo with another query."""
    return np.array([exact_scores(vectors, query).max() for vectors in found])


def mirrored(square: Pixels) -> Pixels:
    """A prepared photo as a mirror shows it."""
    return np.ascontiguousarray(square[:, ::-1])


def _places(patches: Patches) -> Patches:
    places: Patches = patches.reshape(-1, patches.shape[-1])
    return places
