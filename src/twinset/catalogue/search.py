"""A photo, or an item → an `Answer`: embed, filter, search, rank items, page."""

import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twinset import boxes, group, photos
from twinset.catalogue.candidates import Candidates, choose, key_of, of_styles
from twinset.catalogue.cursor import Cursor, place
from twinset.catalogue.facets import count
from twinset.catalogue.options import SearchOptions
from twinset.catalogue.versions import Live
from twinset.embedder import query_box
from twinset.errors import NEAREST, CatalogueError, InputError, UnknownItemError, UsageError, did_you_mean
from twinset.group import Ranked
from twinset.records import Answer, Box, Hit, PhotoHit, Vectors
from twinset.store.columns import Columns
from twinset.store.copies import Copies
from twinset.store.database import MEND
from twinset.store.rows import Rows
from twinset.store.schema import Row
from twinset.store.versions import Version
from twinset.store.view import exact_scores

_SHORTEST: Final = 1e-6
"""A sum of vectors that is shorter has no direction."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A photo of what is ranked: what it is ordered by, and its cosine."""

    rank_by: float
    score: float
    row: Row

    def order(self) -> tuple[float, float, str]:
        return -self.rank_by, -self.score, self.row.photo.photo_id


def search(
    rows: Rows,
    live: Live,
    given: Sequence[bytes],
    options: SearchOptions,
    *,
    box: Sequence[float] | None,
    suggest: bool,
) -> Answer:
    """The items, styles or photos nearest to a photo, or to several of one garment; with boxes it suggests.

    Raises:
        UsageError: `box` is out of its range or belongs to several photos, or there is no photo.
        PhotoError: a photo is refused.
        WhereError, UnknownFieldError: a filter or a boost cannot be used.
        CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

    """
    if not given or (len(given) > 1 and (box is not None or suggest)):
        raise UsageError(f"a box for {len(given)} photos" if given else "there is no photo", "give one photo")
    part: Box | None = None if box is None else query_box(box)
    clock = [time.perf_counter()]
    decoded = [photos.decode(photo) for photo in given]
    clock.append(time.perf_counter())
    with rows.snapshot():
        version = rows.live()
        embedder = live.embedder(version)
        query = _middle([embedder.embed(photo, part) for photo in decoded])
        wanted = suggest and part is None and embedder.has_patches
        suggested = boxes.of_photo(embedder, decoded[0]) if wanted else None
        clock.append(time.perf_counter())
        answer = _answer(_Search(rows, live, version, query, options))
    clock.append(time.perf_counter())
    return replace(answer, ms=_milliseconds(clock), boxes=suggested)


def similar(rows: Rows, live: Live, item_id: str, options: SearchOptions) -> Answer:
    """What is nearest to an item of the catalogue, by its stored vectors; the item itself is left out.

    Raises:
        UnknownItemError: the catalogue does not hold it.
        WhereError, UnknownFieldError, CursorError, CursorExpiredError: as `search`.

    """
    clock = [time.perf_counter()] * 2  # nothing is decoded
    with rows.snapshot():
        version = rows.live()
        own = tuple(sorted(row.id for row in rows.of_items([item_id])))
        if not own:
            raise _unknown(rows, live, item_id)
        query = _middle(list(rows.vectors(version, own)))
        clock.append(time.perf_counter())
        answer = _answer(_Search(rows, live, version, query, options, own))
    clock.append(time.perf_counter())
    return replace(answer, ms=_milliseconds(clock))


def portrait(rows: Rows, live: Live, copies: Copies, item_id: str) -> bytes:
    """The JPEG copy of an item's `main` view, else of its first photo by path.

    Raises:
        UnknownItemError: the catalogue does not hold the item.
        CatalogueError: its copies are lost.

    """
    with rows.snapshot():
        of_item = [row.photo for row in rows.of_items([item_id])]
        if not of_item:
            raise _unknown(rows, live, item_id)
    found = copies.get([photo.photo_id for photo in of_item])
    for photo in sorted(of_item, key=lambda photo: (photo.view != "main", photo.path)):
        if photo.photo_id in found:
            return found[photo.photo_id].jpeg
    raise CatalogueError(
        f"{rows.path.parent} has lost the copies of item {item_id}", "index again: it makes them anew"
    )


def _unknown(rows: Rows, live: Live, item_id: str) -> UnknownItemError:
    known = live.columns(rows.state()).column("item_id").texts
    mend = did_you_mean(item_id, known, "see the ids with `twinset search`", most=NEAREST)
    return UnknownItemError(f"the catalogue holds no item {item_id}", mend)


def _middle(vectors: Sequence[Vectors]) -> Vectors:
    """The direction between vectors; of one it is the vector itself.

    Raises:
        InputError: they cancel each other out.

    """
    if len(vectors) == 1:
        return vectors[0]
    total = np.stack(vectors).astype(np.float64).sum(axis=0)
    length = float(np.linalg.norm(total))
    if length < _SHORTEST:
        raise InputError(f"the {len(vectors)} photos have nothing in common", "search with one of them")
    middle: Vectors = (total / length).astype(np.float32)
    return middle


@dataclass(frozen=True, slots=True)
class _Search:
    """One query, inside a snapshot of the rows; the photos `without`, by number, are left out."""

    rows: Rows
    live: Live
    version: Version
    query: Vectors
    options: SearchOptions
    without: tuple[int, ...] = ()

    def name(self) -> str:
        """Equal for the pages of one search."""
        facts = self.options.order() + json.dumps(self.without).encode() + self.version.fingerprint.encode()
        return hashlib.sha256(self.query.tobytes() + facts).hexdigest()[:16]


def _answer(asked: _Search) -> Answer:
    rows, options, number = asked.rows, asked.options, asked.version.number
    state, name = rows.state(), asked.name()
    after = place(options.cursor, number, state.sequence, name)
    view = asked.live.view(asked.version, state)
    known = asked.live.state(asked.version, state)
    columns = asked.live.columns(state) if options.need_columns or asked.without else None
    chosen = Candidates() if columns is None else choose(columns, options, asked.without)
    view = chosen.of(view)
    ranked, more = group.rank(
        lambda depth: view.search(asked.query, depth, options.least),
        lambda ids: [key_of(row.photo, options) for row in rows.in_order(ids)],
        len(view),
        options.k,
        after.last if after else None,
    )
    first = after.rank + 1 if after else 1
    members = _members(asked, chosen, columns, ranked)
    ranked = _settled(asked, ranked, members, exact=view.exact)
    return Answer(
        hits=tuple(_hit(rank, members[r.key]) for rank, r in enumerate(ranked, first)),
        query_id=uuid.uuid4().hex,
        next=Cursor(number, state.sequence, name, first + len(ranked) - 1, ranked[-1]).encode() if more else None,
        catalogue=known,
        ms={},
        facets=count(columns, chosen.kept) if options.facets and columns and chosen.kept is not None else None,
    )


def _members(
    asked: _Search, chosen: Candidates, columns: Columns | None, ranked: Sequence[Ranked]
) -> dict[str, list[_Member]]:
    """The photos of each key that may be found, as they are ordered: best first, ties by photo id."""
    rows, keys = asked.rows, [r.key for r in ranked]
    match asked.options.by:
        case "photo":
            found = list(rows.find(keys).values())
        case "style":
            found = rows.in_order([] if columns is None else of_styles(columns, keys))
        case _:
            found = rows.of_items(keys)
    found = [row for row in found if chosen.holds(row.id)]
    scores = (
        exact_scores(rows.vectors(asked.version, [row.id for row in found]), asked.query).tolist() if found else []
    )
    members: defaultdict[str, list[_Member]] = defaultdict(list)
    for row, score in zip(found, scores, strict=True):
        if score >= asked.options.least:
            members[key_of(row.photo, asked.options)].append(_Member(score + chosen.lift_of(row.id), score, row))
    for found_of_key in members.values():
        found_of_key.sort(key=_Member.order)
    return members


def _settled(
    asked: _Search, ranked: Sequence[Ranked], members: Mapping[str, Sequence[_Member]], *, exact: bool
) -> list[Ranked]:
    """The same, each by the best of all its photos: a graph may have met another of them first.

    Raises:
        CatalogueError: the rows do not give the scores by which they were ranked.

    """
    for r in ranked:
        scores = [member.rank_by for member in members.get(r.key, ())]
        if r.score not in (scores[:1] if exact else scores):
            raise CatalogueError(f"{asked.rows.path} is damaged: the photos of {r.key} do not agree", MEND)
    return sorted((Ranked(r.key, members[r.key][0].rank_by) for r in ranked), key=group.order)


def _hit(rank: int, members: Sequence[_Member]) -> Hit:
    best = members[0].row.photo
    rest = {k: v for k, v in best.attributes.items() if k not in ("split", "style", "title", "url")}
    return Hit(
        rank=rank,
        item_id=best.item_id,
        score=members[0].score,
        probability=None,
        category=best.category,
        style=best.value("style"),
        title=best.value("title"),
        url=best.value("url"),
        photo_id=best.photo_id,
        photo=best.path,
        photos=tuple(PhotoHit(m.row.photo.photo_id, m.row.photo.path, m.row.photo.view, m.score) for m in members),
        attributes=rest,
    )


def _milliseconds(clock: Sequence[float]) -> dict[str, float]:
    spans = np.diff(clock) * 1e3
    names = ("decode", "embed", "search")
    return {name: round(float(span), 3) for name, span in zip(names, spans, strict=True)} | {
        "total": round(float(spans.sum()), 3)
    }
