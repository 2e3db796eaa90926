"""What a catalogue holds of an item, and the categories that are near a query."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from twinset import where
from twinset.catalogue.candidates import fitting
from twinset.catalogue.facets import count
from twinset.catalogue.page import Search
from twinset.catalogue.versions import Live
from twinset.records import CategoryShare, Item, ItemPhoto, Photo
from twinset.store.copies import Copies
from twinset.store.rows import Rows
from twinset.store.view import View

VOTES: Final = 50
"""So many photos vote for their category."""


def item(rows: Rows, copies: Copies, item_id: str) -> Item | None:
    """An item and its photos; None where the catalogue does not hold it."""
    photos = sorted((row.photo for row in rows.of_items([item_id])), key=_in_order)
    if not photos:
        return None
    first = photos[0]
    sizes = copies.get([photo.photo_id for photo in photos])
    return Item(
        item_id=item_id,
        category=first.category,
        style=first.value("style"),
        title=first.value("title"),
        url=first.value("url"),
        photos=tuple(
            ItemPhoto(
                photo.photo_id,
                photo.path,
                photo.view,
                *((copy.width, copy.height) if (copy := sizes.get(photo.photo_id)) else (0, 0)),
            )
            for photo in photos
        ),
        attributes={k: v for k, v in first.attributes.items() if k not in ("split", "style", "title", "url")},
    )


def facets(rows: Rows, live: Live, filters: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many items pass the filters, by field and value.

    Raises:
        WhereError, UnknownFieldError: a filter cannot be read, or names a field that no photo has.

    """
    with rows.snapshot():
        columns = live.columns(rows.state())
        return count(columns, fitting(columns, where.parse(filters)))


def voted(asked: Search, view: View) -> tuple[CategoryShare, ...]:
    """The categories of the nearest photos of a view with their shares, the most frequent first, ties by name."""
    ids, _ = view.search(asked.query, VOTES, -1.0)
    named = [row.photo.category for row in asked.rows.in_order(ids.tolist()) if row.photo.category]
    frequent = sorted(Counter(named).items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(CategoryShare(category, votes / len(named)) for category, votes in frequent)


def _in_order(photo: Photo) -> tuple[bool, str]:
    return photo.view != "main", photo.path
