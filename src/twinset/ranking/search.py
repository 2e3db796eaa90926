"""Every query against the whole gallery: ranks of all right answers, and the first of each list, block by block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from twinset.embedder import cores, in_order
from twinset.progress import SILENT, Progress, counted
from twinset.ranking.layout import Layout, numbered
from twinset.ranking.products import Ints, Products, Scores, at_least, floors_of
from twinset.records import Vectors

Alike = Mapping[int, Sequence[int]]
"""Photos of the gallery → others of it that are near-identical to them, by their places in it."""

TOP: Final = 50
SAME_SCORE: Final = 1e-6
"""Scores that differ by less are equal: one cosine, computed on two machines in float32, differs by as much."""

_NOISE: Final = 1e-6
"""How far a product in float32 may be from the exact one."""
_LEAST: Final = np.finfo(np.float32).min
_PRODUCTS_AT_ONCE: Final = 2**26
_THREADS: Final = 4
"""One multiplies while another reads off the ranks; more would hold more products than they are worth."""
_QUERIES_AT_ONCE: Final = 16
"""Read off together: few enough that their products stay in the processor's cache."""
_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Ranking:
    """What was found for the Q queries that have a right answer; photos of the gallery are told by their places.

    `query` `(Q,)` says which queries these are. `ranks` are those of all right answers of each, ascending from 1.
    `first_alike` `(Q,)` is the best rank where units with a photo near-identical to a right one are right too.
    `top` and `scores` `(Q, 50)` are the first of each list, ranked units by their best photo; -1 and NaN beyond its
    end. `right`, `right_score` `(Q,)` are the best right answer's photo and score; `wrong_score` is the best wrong
    answer's, NaN where all are right.
    """

    query: Ints
    ranks: tuple[Ints, ...]
    first_alike: Ints
    top: Ints
    scores: Products
    right: Ints
    right_score: Products
    wrong_score: Products


def rank(
    vectors: Vectors,
    queries: Ints,
    gallery: Ints,
    *,
    codes: Ints,
    units: Ints,
    alike: Alike | None = None,
    progress: Progress = SILENT,
) -> Ranking:
    """Ranks the units of the gallery for every query, each by its best photo.

    `queries` `(Q,)` and `gallery` `(G,)` are rows of `vectors` `(N, D)`; a row is never its own result. Rows of
    equal `codes` `(N,)` are right for each other, those of -1 for none. `units` `(G,)` says which photos are ranked
    as one. Among equal scores the smaller unit stands first, within it the photo that comes first in the gallery.
    """
    search = _Search(vectors, gallery, codes, Layout.of(units), alike or {})
    scored = search.scored(queries)
    threads = min(cores(), _THREADS)
    block = max(1, min(len(scored), _PRODUCTS_AT_ONCE // threads // max(1, len(gallery))))
    buffers = [np.empty((block, len(gallery)), np.float32) for _ in range(threads)]

    def work(part: Ints) -> list[Ranking]:
        products = buffers.pop()
        try:
            return search.block(part, products[: len(part)])
        finally:
            buffers.append(products)

    parts = [queries[scored[start : start + block]] for start in range(0, len(scored), block)]
    blocks = in_order(work, parts, threads=threads)
    told = counted(blocks, progress, "ranking", len(scored), lambda few: sum(len(one.query) for one in few))
    found = [one for few in told for one in few]
    found = found or search.block(queries[:0], buffers[0][:0])
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in found])
        for field in fields(Ranking)
        if field.name not in ("query", "ranks")
    }
    return Ranking(scored, tuple(ranks for part in found for ranks in part.ranks), **joined)


class _Listed(NamedTuple):
    """Units of some queries, by query, then best first: their best photos' places, and the exact scores.

    Those of query i are `starts[i]` to `starts[i + 1]`.
    """

    who: Ints
    units: Ints
    places: Ints
    scores: Scores
    starts: Ints

    @property
    def counts(self) -> Ints:
        return np.diff(self.starts)


class _Block(NamedTuple):
    """Some queries: their vectors `(B, D)`, own places or -1, and products with photos and with units."""

    vectors: Scores
    own: Ints
    photos: Products
    units: Products


class _Search:
    """The gallery, place by place, and what is right for whom."""

    def __init__(self, vectors: Vectors, gallery: Ints, codes: Ints, layout: Layout, alike: Alike) -> None:
        rows = gallery[layout.number]
        self._all, self._codes = vectors, codes
        self._vectors = vectors[rows]
        self._layout = layout
        self._place_of_row = np.full(len(vectors), -1)
        self._place_of_row[rows] = np.arange(len(rows))
        self._by_code = np.argsort(codes[rows], kind="stable")
        self._sorted_codes = codes[rows][self._by_code]
        place = np.argsort(layout.number)
        self._alike = {int(place[photo]): place[list(others)] for photo, others in alike.items()}

    def scored(self, queries: Ints) -> Ints:
        """Which queries have a right answer."""
        lows, highs = self._right(queries)
        return np.flatnonzero(highs - lows - (self._place_of_row[queries] >= 0) > 0)

    def block(self, rows: Ints, products: Products) -> list[Ranking]:
        """What is found for some rows of the vectors, by one product of matrices, which goes into `products`."""
        np.matmul(self._all[rows], self._vectors.T, out=products)
        starts = range(0, max(1, len(rows)), _QUERIES_AT_ONCE)
        return [self._read(rows[i : i + _QUERIES_AT_ONCE], products[i : i + _QUERIES_AT_ONCE]) for i in starts]

    def _read(self, rows: Ints, products: Products) -> Ranking:
        """What is found for a few rows whose products are there; right answers are taken out of these."""
        own = self._place_of_row[rows]
        products[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        block = _Block(self._all[rows].astype(np.float64), own, products, self._layout.best(products))
        who, places = self._relevant(rows, own)
        right = self._take(block, who, self._layout.unit[places])
        wrong, sure = self._wrong(block)
        ranks = numbered(right.counts) + 1 + self._ahead(block, right, right.scores - SAME_SCORE, wrong, sure)
        firsts = right.starts[:-1]
        first_alike = ranks[firsts].copy()
        if self._alike:
            self._count_alike(block, (who, places), right, wrong, sure=sure, first=first_alike)
        top, scores = self._top(len(rows), right, ranks, wrong)
        wrong_score = np.full(len(rows), np.nan, np.float32)
        some = wrong.counts > 0
        wrong_score[some] = wrong.scores[wrong.starts[:-1][some]].clip(-1, 1)
        return Ranking(
            query=rows,
            ranks=tuple(ranks[low:high] for low, high in pairwise(right.starts.tolist())),
            first_alike=first_alike,
            top=top,
            scores=scores,
            right=self._layout.number[right.places[firsts]],
            right_score=right.scores[firsts].clip(-1, 1).astype(np.float32),
            wrong_score=wrong_score,
        )

    def _right(self, rows: Ints) -> tuple[Ints, Ints]:
        """Where the right photos of each row begin and end, by code."""
        codes = self._codes[rows]
        lows = np.searchsorted(self._sorted_codes, codes)
        return lows, np.where(codes < 0, lows, np.searchsorted(self._sorted_codes, codes, side="right"))

    def _relevant(self, rows: Ints, own: Ints) -> tuple[Ints, Ints]:
        """Queries by their number in the block, and the places of the photos that are right for them."""
        lows, highs = self._right(rows)
        who = np.repeat(np.arange(len(rows)), highs - lows)
        places = self._by_code[lows[who] + numbered(highs - lows)]
        others = places != own[who]
        return who[others], places[others]

    def _take(self, block: _Block, who: Ints, units: Ints) -> _Listed:
        """Some units of some queries, sorted, and taken out of the products."""
        who, units = np.divmod(np.unique(who * len(self._layout.sizes) + units), len(self._layout.sizes))
        places, whose = self._layout.photos(units)
        block.units[who, units] = -np.inf
        block.photos[who[whose], places] = -np.inf
        return self._sorted(block, who[whose], places)

    def _wrong(self, block: _Block) -> tuple[_Listed, Scores]:
        """The first of what is left, and the score down to which none is missing."""
        floors = floors_of(block.units, TOP)
        limits = np.maximum(floors - 2 * _NOISE, _LEAST).astype(np.float32)
        there = (block.photos >= limits[:, np.newaxis]).ravel().nonzero()[0]
        listed = self._sorted(block, *np.divmod(there, max(1, block.photos.shape[1])))
        return listed, floors.astype(np.float64) - _NOISE

    def _sorted(self, block: _Block, who: Ints, places: Ints) -> _Listed:
        """The units of some photos by their exact scores; the query's own photo is none of them."""
        others = places != block.own[who]
        who, places = who[others], places[others]
        scores, units = self._exact(block, who, places), self._layout.unit[places]
        order = np.lexsort((self._layout.number[places], self._layout.key[units], -scores, who))
        if not self._layout.single:
            pairs = who[order] * len(self._layout.sizes) + units[order]
            order = order[np.sort(np.unique(pairs, return_index=True)[1])]
        who = who[order]
        starts = np.searchsorted(who, np.arange(len(block.own) + 1))
        return _Listed(who, units[order], places[order], scores[order], starts)

    def _exact(self, block: _Block, who: Ints, places: Ints) -> Scores:
        """Scores summed in float64 row by row: the same wherever a row stands."""
        scores = np.empty(len(places))
        for start in range(0, len(places), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            scores[part] = (self._vectors[places[part]] * block.vectors[who[part]]).sum(axis=1)
        return scores

    def _ahead(self, block: _Block, right: _Listed, limits: Scores, wrong: _Listed, sure: Scores) -> Ints:
        """How many of the wrong units of its query reach each limit, of those that `right` lists."""
        ahead = np.empty(len(limits), np.int64)
        for i, (low, high) in enumerate(pairwise(right.starts.tolist())):
            listed = wrong.scores[wrong.starts[i] : wrong.starts[i + 1]]
            ahead[low:high] = self._reaching(block, i, limits[low:high], listed, sure[i])
        return ahead

    def _reaching(self, block: _Block, i: int, limits: Scores, listed: Scores, sure: float) -> Ints:
        """How many units left for query `i` reach each of the falling limits; `listed` holds all down to `sure`."""
        ahead = np.searchsorted(-listed, -limits, side="right")
        if limits[-1] >= sure:
            return ahead
        beyond = np.flatnonzero(limits < sure)
        row, low, high = block.units[i], limits[beyond] - _NOISE, limits[beyond] + _NOISE
        least, most = at_least(row, high), at_least(row, low)
        for j in np.flatnonzero(least < most):
            near = np.flatnonzero((row >= np.float32(low[j])) & (row < np.float32(high[j])))
            places, _ = self._layout.photos(near)
            scores = self._sorted(block, np.full(len(places), i), places).scores
            least[j] += np.count_nonzero(scores >= limits[beyond[j]])
        ahead[beyond] = least
        return ahead

    def _count_alike(
        self,
        block: _Block,
        relevant: tuple[Ints, Ints],
        right: _Listed,
        wrong: _Listed,
        *,
        sure: Scores,
        first: Ints,
    ) -> None:
        """Puts the best rank into `first` where units that hold a photo near-identical to a right one are right."""
        alike = [
            (i, other) for i, place in zip(*relevant, strict=True) for other in self._alike.get(int(place), ())
        ]
        if not alike:
            return
        who, places = np.array(alike, np.int64).T
        others = places != block.own[who]
        who, units = who[others], self._layout.unit[places[others]]
        taken = self._take(block, who, units)
        for i in np.unique(taken.who).tolist():
            mine, its = taken.units[taken.who == i], slice(wrong.starts[i], wrong.starts[i + 1])
            best = max(right.scores[right.starts[i]], taken.scores[taken.starts[i]])
            left = wrong.scores[its][~np.isin(wrong.units[its], mine)]
            first[i] = 1 + self._reaching(block, i, np.array([best - SAME_SCORE]), left, sure[i])[0]

    def _top(self, count: int, right: _Listed, ranks: Ints, wrong: _Listed) -> tuple[Ints, Products]:
        """The first of each list: right answers at their ranks, wrong ones in the places left."""
        top, scores = np.full((count, TOP), -1), np.full((count, TOP), np.nan, np.float32)
        shown = ranks <= TOP
        at = right.who[shown], ranks[shown] - 1
        top[at], scores[at] = self._layout.number[right.places[shown]], right.scores[shown].clip(-1, 1)
        free = top < 0
        nth = np.cumsum(free, axis=1) - 1
        filled = free & (nth < wrong.counts[:, np.newaxis])
        taken = (wrong.starts[:-1, np.newaxis] + nth)[filled]
        top[filled], scores[filled] = self._layout.number[wrong.places[taken]], wrong.scores[taken].clip(-1, 1)
        return top, scores
