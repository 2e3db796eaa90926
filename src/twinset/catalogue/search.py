"""A photo, or an item → an `Answer`: embed, filter, search, rank items, page."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinset import boxes, photos, rerank
from twinset.catalogue.candidates import Candidates, choose
from twinset.catalogue.cursor import Cursor, place
from twinset.catalogue.explanation import check_patches, explain_hits
from twinset.catalogue.facets import count
from twinset.catalogue.items import voted
from twinset.catalogue.likely import Likely, judge
from twinset.catalogue.options import MAX_EXPLAIN, SearchOptions
from twinset.catalogue.page import Member, Pages, Search
from twinset.catalogue.reorder import Looks
from twinset.catalogue.versions import Live
from twinset.embedder import query_box
from twinset.errors import (
    NEAREST,
    CatalogueError,
    FingerprintError,
    InputError,
    UnknownItemError,
    UsageError,
    did_you_mean,
)
from twinset.group import Ranked
from twinset.photos import Decoded
from twinset.records import Answer, Box, Hit, PhotoHit, Vectors
from twinset.store.copies import Copies
from twinset.store.rows import Rows


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a shopper says of an answer: items that are right, and wrong.

    `vector` `(D,)` is the query's embedding, `fingerprint` the bundle's that made it.
    """

    vector: Vectors
    fingerprint: str
    positive: Sequence[str] = ()
    negative: Sequence[str] = ()


def search(
    rows: Rows,
    live: Live,
    copies: Copies,
    given: Sequence[bytes | Decoded],
    options: SearchOptions,
    *,
    box: Sequence[float] | None,
    suggest: bool,
    explain: int,
) -> Answer:
    """The items, styles or photos nearest to a photo, or to several of one garment; `suggest` asks for boxes.

    The scores of the first `explain` hits are taken apart.

    Raises:
        UsageError: `box` or `explain` is out of its range or belongs to several photos, or there is no photo; or
            patches are to be compared, and the bundle has none.
        PhotoError: a photo is refused.
        WhereError, UnknownFieldError: a filter or a boost cannot be used.
        CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

    """
    _check_asked(
        len(given), "a box" if box is not None or suggest else "an explanation" if explain else "", explain
    )
    part: Box | None = None if box is None else query_box(box)
    clock = [time.perf_counter()]
    decoded = [photo if isinstance(photo, Decoded) else photos.decode(photo) for photo in given]
    clock.append(time.perf_counter())
    with rows.snapshot():
        version = rows.live()
        embedder = live.embedder(version)
        if options.rerank == "patches" and not embedder.has_patches:
            raise UsageError("the catalogue's bundle has no patches", "re-rank by another method")
        if explain:
            check_patches(embedder, version)
        query = _middle([embedder.embed(photo, part) for photo in decoded])
        wanted = suggest and part is None
        suggested = boxes.of_photo(live.suggesting(version), decoded[0]) if wanted else None
        clock.append(time.perf_counter())
        looks = Looks(embedder, decoded, part, copies)
        calibration = live.calibration(version) if options.by == "item" and len(given) == 1 else None
        answer = _answer(Search(rows, live, version, query, options, looks=looks, calibration=calibration))
        explained = (
            explain_hits(rows, embedder, copies, (decoded[0], part), answer.hits[:explain]) if explain else None
        )
    clock.append(time.perf_counter())
    return replace(answer, ms=_milliseconds(clock), boxes=suggested, explained=explained)


def similar(rows: Rows, live: Live, item_id: str, options: SearchOptions) -> Answer:
    """What is nearest to an item of the catalogue, by its stored vectors; the item itself is left out.

    Raises:
        UnknownItemError: the catalogue does not hold it.
        UsageError: the re-ranking needs a photo.
        WhereError, UnknownFieldError, CursorError, CursorExpiredError: as `search`.

    """
    _check_photoless(options)
    clock = [time.perf_counter()] * 2  # nothing is decoded
    with rows.snapshot():
        version = rows.live()
        own = tuple(sorted(row.id for row in rows.of_items([item_id])))
        if not own:
            raise unknown(rows, live, item_id)
        query = _middle(list(rows.vectors(version, own)))
        clock.append(time.perf_counter())
        answer = _answer(Search(rows, live, version, query, options, own))
    clock.append(time.perf_counter())
    return replace(answer, ms=_milliseconds(clock))


def refine(rows: Rows, live: Live, verdict: Verdict, options: SearchOptions) -> Answer:
    """What is nearest to an earlier query moved towards some items and away from others, which are left out.

    Raises:
        UnknownItemError: the catalogue does not hold one of them.
        FingerprintError: the query was embedded by another bundle than answers now.
        InputError: nothing is left of the query.
        UsageError, WhereError, UnknownFieldError, CursorError, CursorExpiredError: as `similar`.

    """
    _check_photoless(options)
    clock = [time.perf_counter()] * 2  # nothing is decoded
    with rows.snapshot():
        version = rows.live()
        if verdict.fingerprint != version.fingerprint:
            raise FingerprintError("the query was embedded by another bundle", "search with the photo again")
        near, far = (_numbers(rows, live, items) for items in (verdict.positive, verdict.negative))
        parts = [
            rows.vectors(version, ids) if ids else np.empty((0, version.dim), np.float32) for ids in (near, far)
        ]
        query = _directed(rerank.moved(verdict.vector, *parts), "the query and the verdict")
        clock.append(time.perf_counter())
        found = _answer(Search(rows, live, version, query, options, tuple(sorted(far))))
    clock.append(time.perf_counter())
    return replace(found, ms=_milliseconds(clock))


def portrait(rows: Rows, live: Live, copies: Copies, item_id: str) -> bytes:
    """The JPEG copy of an item's `main` view, else of its first photo by path.

    Raises:
        UnknownItemError: the catalogue does not hold the item.
        CatalogueError: its copies are lost.

    """
    with rows.snapshot():
        of_item = [row.photo for row in rows.of_items([item_id])]
        if not of_item:
            raise unknown(rows, live, item_id)
    found = copies.get([photo.photo_id for photo in of_item])
    for photo in sorted(of_item, key=lambda photo: (photo.view != "main", photo.path)):
        if photo.photo_id in found:
            return found[photo.photo_id].jpeg
    raise CatalogueError(
        f"{rows.path.parent} has lost the copies of item {item_id}", "index again: it makes them anew"
    )


def unknown(rows: Rows, live: Live, item_id: str) -> UnknownItemError:
    """What is said of an item that is not there, inside a snapshot of the rows."""
    known = live.columns(rows.state()).column("item_id").texts
    mend = did_you_mean(item_id, known, "see the ids with `twinset search`", most=NEAREST)
    return UnknownItemError(f"the catalogue holds no item {item_id}", mend)


def _check_asked(count: int, of_one: str, explain: int) -> None:
    if not count or (count > 1 and of_one):
        raise UsageError(f"{of_one} for {count} photos" if count else "there is no photo", "give one photo")
    if not 0 <= explain <= MAX_EXPLAIN:
        raise UsageError(f"explain is {explain}", f"use 0 to {MAX_EXPLAIN}")


def _middle(vectors: Sequence[Vectors]) -> Vectors:
    """The direction between vectors; of one it is the vector itself.

    Raises:
        InputError: they cancel each other out.

    """
    if len(vectors) == 1:
        return vectors[0]
    return _directed(rerank.centroid(np.stack(vectors)), f"the {len(vectors)} photos")


def _directed(query: Vectors, what: str) -> Vectors:
    if not query.any():
        raise InputError(f"{what} have nothing in common", "search with one of them")
    return query


def _check_photoless(options: SearchOptions) -> None:
    if options.rerank in ("views", "patches"):
        raise UsageError(
            f"re-ranking by {options.rerank} looks at a photo, and there is none",
            "use expansion, reciprocal or centroid, or search with a photo",
        )


def _numbers(rows: Rows, live: Live, item_ids: Sequence[str]) -> list[int]:
    """The photos of some items, by their numbers."""
    found = rows.of_items(item_ids)
    missing = sorted(set(item_ids) - {row.photo.item_id for row in found})
    if missing:
        raise unknown(rows, live, missing[0])
    return [row.id for row in found]


def _answer(asked: Search) -> Answer:
    rows, options, number = asked.rows, asked.options, asked.version.number
    state, name = rows.state(), asked.name()
    after = place(options.cursor, number, state.sequence, name)
    view = asked.live.view(asked.version, state)
    known = asked.live.state(asked.version, state)
    columns = asked.live.columns(state) if options.need_columns or asked.without else None
    chosen = Candidates() if columns is None else choose(columns, options, asked.without)
    pages = Pages(asked, chosen.of(view), chosen, columns)
    page = pages.behind(after)
    first = after.rank + 1 if after else 1
    plain = after is None and chosen.lift is None and options.rerank is None
    best = [Ranked(one[0].row.photo.item_id, one[0].score) for one in page.shown] if plain else []
    likely = judge(asked.calibration, chosen.items(columns, known.items), best, pages.best)
    end = first + len(page.shown) - 1
    return Answer(
        hits=tuple(_hit(rank, members, likely) for rank, members in enumerate(page.shown, first)),
        query_id=uuid.uuid4().hex,
        next=Cursor(number, state.sequence, name, end, page.last).encode() if page.more and page.last else None,
        catalogue=known,
        ms={},
        nothing_close=likely.nothing_close,
        calibration=likely.told,
        categories=voted(asked, view) if options.categories else None,
        facets=count(columns, chosen.kept) if options.facets and columns and chosen.kept is not None else None,
        vector=asked.query,
    )


def _hit(rank: int, members: Sequence[Member], likely: Likely) -> Hit:
    best = members[0].row.photo
    rest = {k: v for k, v in best.attributes.items() if k not in ("split", "style", "title", "url")}
    return Hit(
        rank=rank,
        item_id=best.item_id,
        score=members[0].score,
        probability=likely.probability(best.item_id, members[0].score),
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
