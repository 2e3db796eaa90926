"""A photo and one of the catalogue → an `Explanation`: which places of the two make their score."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset import photos
from twinset.catalogue.reembed import from_copy, stored_photo
from twinset.catalogue.versions import Live
from twinset.embedder import Embedder, query_box
from twinset.errors import CatalogueError, UnknownItemError, UsageError
from twinset.explain import Explanation, Places, Side, parts
from twinset.photos import Decoded
from twinset.records import Box, ExplainedHit, ExplainedSide, Hit
from twinset.store.copies import LONG_SIDE, Copies
from twinset.store.rows import Rows
from twinset.store.versions import Version
from twinset.store.view import exact_scores

_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class _Seen:
    """A photo, and the part of it that is embedded."""

    photo: Decoded
    box: Box | None


def explain(
    rows: Rows, live: Live, copies: Copies, photo: str | Path | bytes, photo_id: str, *, box: Sequence[float] | None
) -> Explanation:
    """Takes the score of a photo, and of one of the catalogue, apart; both seen by the live bundle.

    Raises:
        UsageError: the bundle has no patches, or `box` is out of its range.
        UnknownItemError: the catalogue does not hold the photo `photo_id`.
        PathError, PhotoError: the photo is not there, or is refused.
        CatalogueError: the stored photo has neither its source nor its copy any more.

    """
    with rows.snapshot():
        version = rows.live()
        embedder = live.embedder(version)
        check_patches(embedder, version)
        part = None if box is None else query_box(box)
        row = rows.find([photo_id]).get(photo_id)
        if row is None:
            raise UnknownItemError(f"the catalogue holds no photo {photo_id}", "take a photo_id of an answer")
        vector, roots = rows.vectors(version, [row.id]), rows.roots()
    query = _Seen(photos.decode(photo if isinstance(photo, bytes) else photos.read_bytes(photo)), part)
    stored, made_from = stored_photo(row, roots, copies)
    if stored is None:
        raise CatalogueError(
            f"{rows.path.parent} has lost the copy of {row.photo.path}, whose source is gone or has changed",
            "index its source again",
        )
    hit = _Seen(stored, photos.in_fractions(row.photo.box, stored))
    found = parts(embedder.patches(query.photo, query.box), embedder.patches(hit.photo, hit.box))
    return Explanation(
        query=_side(embedder, query, found[0]),
        hit=_side(embedder, hit, found[1]),
        made_from=made_from,
        stored_score=float(exact_scores(vector, embedder.embed(query.photo, query.box))[0]),
    )


def explain_hits(
    rows: Rows, embedder: Embedder, copies: Copies, query: tuple[Decoded, Box | None], hits: Sequence[Hit]
) -> tuple[ExplainedHit, ...]:
    """The scores of a photo, or of its part in a box, and of the copies of hits, taken apart.

    Within a snapshot of the rows, by a model that has patches; a hit whose copy is lost is left out.
    """
    asked = _Seen(*query)
    own = embedder.patches(asked.photo, asked.box)
    names = [hit.photo_id for hit in hits]
    found, kept = rows.find(names), copies.get(names)
    explained = []
    for name in names:
        stored = from_copy(found[name], kept.get(name))
        if stored is not None:
            seen = _Seen(stored, photos.in_fractions(found[name].photo.box, stored))
            places = parts(own, embedder.patches(seen.photo, seen.box))
            sides = (_told(embedder, *one) for one in zip((asked, seen), places, strict=True))
            explained.append(ExplainedHit(name, round(float(places[0].sum()), _DIGITS), *sides))
    return tuple(explained)


def check_patches(embedder: Embedder, version: Version) -> None:
    """Refuses a model that does not tell what its places contribute.

    Raises:
        UsageError: it has no patches.

    """
    if not embedder.has_patches:
        raise UsageError(
            f"the bundle {version.bundle} has no patches: it cannot tell which places make a score",
            "upgrade to one whose model gives patches, as both that ship do",
        )


def _side(embedder: Embedder, seen: _Seen, places: Places) -> Side:
    part, where = embedder.shown(seen.photo, seen.box)
    return Side(photos.shrink(seen.photo.pixels, LONG_SIDE), places, part, where)


def _told(embedder: Embedder, seen: _Seen, places: Places) -> ExplainedSide:
    part, where = embedder.shown(seen.photo, seen.box)
    return ExplainedSide(tuple(tuple(row) for row in places.round(_DIGITS).tolist()), part, where)
