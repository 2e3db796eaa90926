"""One page of a search: what is ranked, each with its photos, and the first of it in another order where asked."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinset import group, rerank
from twinset.calibration import Calibration
from twinset.catalogue import reorder
from twinset.catalogue.candidates import Candidates, key_of, of_styles
from twinset.catalogue.cursor import Cursor
from twinset.catalogue.options import Rerank, SearchOptions
from twinset.catalogue.reorder import Looks
from twinset.catalogue.versions import Live
from twinset.errors import CatalogueError
from twinset.group import Ranked
from twinset.records import Vectors
from twinset.store.columns import Columns
from twinset.store.database import MEND
from twinset.store.rows import Rows
from twinset.store.schema import Row
from twinset.store.versions import Version
from twinset.store.view import View, exact_scores


@dataclass(frozen=True, slots=True)
class Search:
    """One query, inside a snapshot of the rows; the photos `without`, by number, are left out.

    `looks` is there where the query is a photo, `calibration` where it was fitted on such searches: items, by one.
    """

    rows: Rows
    live: Live
    version: Version
    query: Vectors
    options: SearchOptions
    without: tuple[int, ...] = ()
    looks: Looks | None = None
    calibration: Calibration | None = None

    def name(self) -> str:
        """Equal for the pages of one search."""
        facts = self.options.order() + json.dumps(self.without).encode() + self.version.fingerprint.encode()
        return hashlib.sha256(self.query.tobytes() + facts).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Member:
    """A photo of what is ranked: what it is ordered by, its cosine, its vector `(D,)`."""

    rank_by: float
    score: float
    row: Row
    vector: Vectors

    def order(self) -> tuple[float, float, str]:
        """Best first, ties by photo id."""
        return -self.rank_by, -self.score, self.row.photo.photo_id


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown, the photos of each best first; whether more follows, and behind which of the plain ranking."""

    shown: list[list[Member]]
    more: bool
    last: Ranked | None


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of a search among the candidates of a view."""

    asked: Search
    view: View
    chosen: Candidates
    columns: Columns | None

    def behind(self, after: Cursor | None) -> Page:
        """The page behind a cursor.

        What is ordered anew are the first hits of the plain ranking, as a whole and for each page again; behind
        them it goes on as it is.
        """
        options, told = self.asked.options, after.rank if after else 0
        if options.rerank is None or told >= reorder.first(options.rerank):
            return self._plain(options.k, after.last if after else None)
        head = self._plain(reorder.first(options.rerank), None)
        shown = self._reordered(head.shown, options.rerank)[told : told + options.k]
        missing = options.k - len(shown)
        if not missing or not head.more:
            return Page(shown, head.more or told + options.k < len(head.shown), head.last)
        tail = self._plain(missing, head.last)
        return Page(shown + tail.shown, tail.more, tail.last)

    def best(self, k: int) -> Sequence[Ranked]:
        """The first by their scores alone, whatever lifts them or is asked of them."""
        return self._ranked(replace(self.view, lift=None), -1.0, k)[0]

    def _plain(self, k: int, after: Ranked | None) -> Page:
        ranked, more = self._ranked(self.view, self.asked.options.least, k, after)
        members = self._members(ranked)
        ranked = self._settled(ranked, members)
        return Page([members[r.key] for r in ranked], more, ranked[-1] if ranked else None)

    def _ranked(self, view: View, least: float, k: int, after: Ranked | None = None) -> tuple[list[Ranked], bool]:
        asked = self.asked
        return group.rank(
            lambda depth: view.search(asked.query, depth, least),
            lambda ids: [key_of(row.photo, asked.options) for row in asked.rows.in_order(ids)],
            len(view),
            k,
            after,
        )

    def _reordered(self, head: list[list[Member]], method: Rerank) -> list[list[Member]]:
        """The same in another order: their cosines are dealt out anew, and then lifted as ever."""
        if not head:
            return []
        found = [np.stack([member.vector for member in members]) for members in head]
        best = [members[0] for members in head]
        new = reorder.rescored(method, self.asked.query, found, [one.row for one in best], self.asked.looks)
        plain = np.array([one.score for one in best])
        place = rerank.places(plain, new)
        lift = np.array([self.chosen.lift_of(one.row.id) for one in best])
        rank_by = np.sort(plain)[::-1][place] + lift
        return [head[i] for i in np.lexsort((place, -rank_by))]

    def _members(self, ranked: Sequence[Ranked]) -> dict[str, list[Member]]:
        """The photos of each key that may be found, as they are ordered: best first, ties by photo id."""
        asked, keys = self.asked, [r.key for r in ranked]
        match asked.options.by:
            case "photo":
                found = list(asked.rows.find(keys).values())
            case "style":
                found = asked.rows.in_order([] if self.columns is None else of_styles(self.columns, keys))
            case _:
                found = asked.rows.of_items(keys)
        found = [row for row in found if self.chosen.holds(row.id)]
        members: defaultdict[str, list[Member]] = defaultdict(list)
        if not found:
            return members
        vectors = asked.rows.vectors(asked.version, [row.id for row in found])
        scores = exact_scores(vectors, asked.query).tolist()
        for row, score, vector in zip(found, scores, vectors, strict=True):
            if score >= asked.options.least:
                member = Member(score + self.chosen.lift_of(row.id), score, row, vector)
                members[key_of(row.photo, asked.options)].append(member)
        for found_of_key in members.values():
            found_of_key.sort(key=Member.order)
        return members

    def _settled(self, ranked: Sequence[Ranked], members: Mapping[str, Sequence[Member]]) -> list[Ranked]:
        """The same, each by the best of all its photos: a graph may have met another of them first.

        Raises:
            CatalogueError: the rows do not give the scores by which they were ranked.

        """
        for r in ranked:
            scores = [member.rank_by for member in members.get(r.key, ())]
            if r.score not in (scores[:1] if self.view.exact else scores):
                raise CatalogueError(f"{self.asked.rows.path} is damaged: the photos of {r.key} do not agree", MEND)
        return sorted((Ranked(r.key, members[r.key][0].rank_by) for r in ranked), key=group.order)
