"""Which photos a search may find, and by how much they are lifted: filters, boosts, stock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twinset import where
from twinset.catalogue.options import SearchOptions
from twinset.records import Photo
from twinset.store.columns import Columns, Mask
from twinset.store.rows import Ids
from twinset.store.view import Scores, View

SINK: Final = -3.0
"""Below every other score, which lie in [-1, 1]."""
_STYLE, _ITEM = "style ", "item "
"""Before what is ranked by style: a style may bear the name of an item that has none."""
_OUT: Final = frozenset(("outofstock", "soldout", "discontinued", "unpublished"))


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be found, by photo number: `kept` says which, `lift` is added to their scores.

    None is all of them, and nothing.
    """

    kept: Mask | None = None
    lift: Scores | None = None

    def of(self, view: View) -> View:
        """The photos of a view that may be found."""
        if self.kept is None:
            return view
        return replace(view.only(self.kept), lift=self.lift)

    def holds(self, number: int) -> bool:
        """Whether a photo may be found."""
        return self.kept is None or bool(self.kept[number])

    def items(self, columns: Columns | None, every: int) -> int:
        """How many items may be found, of `every` one."""
        if columns is None or self.kept is None:
            return every
        return len(np.unique(columns.column("item_id").codes[self.kept]))

    def lift_of(self, number: int) -> float:
        """What is added to a photo's score."""
        return 0.0 if self.lift is None else float(self.lift[number])


def choose(columns: Columns, options: SearchOptions, without: Sequence[int] = ()) -> Candidates:
    """The photos that pass the filters, less those `without`; each is lifted as its item is.

    Raises:
        WhereError: a filter or boost cannot be parsed.
        UnknownFieldError: no photo has a field.

    """
    kept = columns.alive.copy()
    kept[list(without)] = False
    kept &= fitting(columns, where.parse(options.where))
    if options.out_of_stock == "hide":
        kept &= ~_out(columns)
    lift = np.zeros(len(kept))
    for boost in where.parse_boosts(options.boost):
        lift += boost.amount * _of_items(columns, fitting(columns, where.Where((boost.condition,))))
    if options.out_of_stock == "sink":
        lift += SINK * _of_items(columns, _out(columns))
    return Candidates(kept, lift if lift.any() else None)


def fitting(columns: Columns, filters: where.Where) -> Mask:
    """The photos that pass every filter.

    Raises:
        UnknownFieldError: no photo has a field.

    """
    kept = columns.alive.copy()
    for condition in filters.conditions:
        kept &= columns.column(condition.field).matching(condition.matches)
    return kept


def key_of(photo: Photo, options: SearchOptions) -> str:
    """What a photo is ranked under: its item, itself, or its style; its item where it has no style."""
    match options.by:
        case "photo":
            return photo.photo_id
        case "style":
            style = photo.value("style")
            return f"{_STYLE}{style}" if style else f"{_ITEM}{photo.item_id}"
        case _:
            return photo.item_id


def of_styles(columns: Columns, keys: Sequence[str]) -> list[int]:
    """The numbers of the photos that are ranked under `keys` by style."""
    wanted = frozenset(keys)
    styles = columns.optional("style")
    unstyled = styles.matching(lambda text: not text)
    ours = styles.matching(lambda text: f"{_STYLE}{text}" in wanted) & ~unstyled
    ours |= columns.column("item_id").matching(lambda text: f"{_ITEM}{text}" in wanted) & unstyled
    numbers: Ids = np.flatnonzero(ours)
    return [int(number) for number in numbers]


def is_out_of_stock(availability: str) -> bool:
    """Whether a text of `availability` says so, in one of the ways in which shops write it.

    >>> [is_out_of_stock(text) for text in ("Out of stock", "sold_out", "http://schema.org/OutOfStock", "in")]
    [True, True, True, False]
    """
    return where.stock_word(availability) in _OUT


def _out(columns: Columns) -> Mask:
    return columns.optional(where.AVAILABILITY).matching(is_out_of_stock)


def _of_items(columns: Columns, photos: Mask) -> Mask:
    """All photos of the items that these photos are of."""
    items = columns.column("item_id")
    chosen = np.zeros(len(items.texts) + 1, np.bool_)
    chosen[items.codes[photos]] = True
    return chosen[items.codes]
