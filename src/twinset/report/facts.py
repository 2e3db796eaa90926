"""What a report tells of an evaluation beside its figures: the curve, the scores, and what goes wrong where."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset import metrics
from twinset.evaluate import Measured
from twinset.ranking import TOP
from twinset.records import Photo

FIRST: Final = 5
"""So many of each list are shown."""
SEEN: Final = 20
"""An item that none of its queries finds in the first so many counts as found by nobody."""
ROWS: Final = 20
TILES: Final = 40
_BINS: Final = (10, 40)
"""How many at least and at most; few queries fill few."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Recall@k (0-1) and its 95 % interval for k = 1 … 50, each `(50,)`."""

    depths: npt.NDArray[np.int64]
    recall: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """Histograms of the best right and the best wrong score of each query, as shares of the queries.

    `edges` `(B + 1,)` are the bins', `right` and `wrong` `(B,)`; `shared` (0-1) is the area that both cover.
    """

    edges: Floats
    right: Floats
    wrong: Floats
    shared: float


@dataclass(frozen=True, slots=True)
class Place:
    """A photo of the gallery where it stands in a list."""

    photo: Photo
    rank: int
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """A query whose right answer does not stand first: the first of its list, and the right answer."""

    query: Photo
    first: tuple[Place, ...]
    right: Place


@dataclass(frozen=True, slots=True)
class Confused:
    """Two items, a photo of each: how often a query of the one had the other first, and the rarer other way."""

    one: Photo
    other: Photo
    other_for_one: int
    one_for_other: int


@dataclass(frozen=True, slots=True)
class Unfound:
    """An item that none of its queries finds in the first `SEEN`; `rank` is the best that one came to."""

    photo: Photo
    queries: int
    rank: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it; `unfound` items are the first of `all_unfound`, of `asked` items in all."""

    curve: Curve
    scores: Scores
    worst: tuple[Missed, ...]
    confused: tuple[Confused, ...]
    unfound: tuple[Unfound, ...]
    all_unfound: int
    asked: int


def gather(found: Measured, seed: int = 0) -> Facts:
    """Everything that a report tells of what was measured; `seed` is the bootstrap's."""
    shown: dict[str, Photo] = {}
    for photo in (*found.gallery, *found.queries):
        shown.setdefault(photo.item_id, photo)
    unfound = _unfound(found, shown)
    return Facts(
        curve=_curve(found, seed),
        scores=_scores(found),
        worst=_worst(found),
        confused=_confused(found, shown),
        unfound=tuple(unfound[:TILES]),
        all_unfound=len(unfound),
        asked=len({photo.item_id for photo in found.queries}),
    )


def first_ranks(found: Measured) -> npt.NDArray[np.int64]:
    """The rank of each query's best right answer `(Q,)`."""
    return np.array([ranks[0] for ranks in found.ranking.ranks], np.int64)


def _first(found: Measured, i: int) -> tuple[Place, ...]:
    """The first of query i's list."""
    wanted = found.queries[i].value(found.protocol.relevant)
    listed = zip(found.ranking.top[i, :FIRST].tolist(), found.ranking.scores[i, :FIRST].tolist(), strict=True)
    return tuple(
        Place(photo, rank, score, photo.value(found.protocol.relevant) == wanted)
        for rank, (place, score) in enumerate(listed, 1)
        if place >= 0
        for photo in (found.gallery[place],)
    )


def _curve(found: Measured, seed: int) -> Curve:
    depths = np.arange(1, TOP + 1)
    values = (first_ranks(found)[:, np.newaxis] <= depths).astype(np.float64)
    low, high = np.array(metrics.bootstrap(values, [photo.item_id for photo in found.queries], seed=seed)).T
    return Curve(depths, values.mean(axis=0), low, high)


def _scores(found: Measured) -> Scores:
    right, wrong = found.ranking.right_score, found.ranking.wrong_score
    wrong = wrong[~np.isnan(wrong)]
    both = np.concatenate([right, wrong])
    bins = int(np.clip(2 * np.sqrt(len(right)), *_BINS))
    edges = np.histogram_bin_edges(both, bins, (float(both.min()), float(both.max())))
    one, other = (np.histogram(values, edges)[0] / max(1, len(values)) for values in (right, wrong))
    return Scores(edges, one, other, float(np.minimum(one, other).sum()))


def _worst(found: Measured) -> tuple[Missed, ...]:
    """The queries whose right answer stands furthest behind, the worst of each item."""
    first, ranking = first_ranks(found), found.ranking
    order = sorted(np.flatnonzero(first > 1).tolist(), key=lambda i: (-first[i], found.queries[i].path))
    of_item: dict[str, int] = {}
    for i in order:
        of_item.setdefault(found.queries[i].item_id, i)
    return tuple(
        Missed(
            found.queries[i],
            _first(found, i),
            Place(found.gallery[ranking.right[i]], int(first[i]), float(ranking.right_score[i]), right=True),
        )
        for i in list(of_item.values())[:ROWS]
    )


def _confused(found: Measured, shown: dict[str, Photo]) -> tuple[Confused, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for i in np.flatnonzero(first_ranks(found) > 1).tolist():
        asked, stood = found.queries[i].item_id, found.gallery[found.ranking.top[i, 0]].item_id
        if asked != stood:
            counts[asked, stood] += 1
    pairs = {max(pair, pair[::-1], key=lambda way: (counts[way], way)) for pair in counts}
    order = sorted(pairs, key=lambda pair: (-counts[pair] - counts[pair[::-1]], pair))
    return tuple(
        Confused(shown[one], shown[other], counts[one, other], counts[other, one]) for one, other in order[:ROWS]
    )


def _unfound(found: Measured, shown: dict[str, Photo]) -> list[Unfound]:
    ranks: defaultdict[str, list[int]] = defaultdict(list)
    for photo, rank in zip(found.queries, first_ranks(found).tolist(), strict=True):
        ranks[photo.item_id].append(rank)
    missed = [Unfound(shown[item], len(r), min(r)) for item, r in ranks.items() if min(r) > SEEN]
    return sorted(missed, key=lambda item: (-item.queries, -item.rank, item.photo.item_id))
