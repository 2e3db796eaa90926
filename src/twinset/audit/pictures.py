"""One picture in several places: photos that are near-identical, and what that says of their items."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from twinset import twins
from twinset.audit.findings import Finding, Pair
from twinset.audit.table import Table, components
from twinset.ranking import Ints, Products
from twinset.records import Pixels

_FEW: Final = 8
"""Up to so many items of one picture are told pair by pair; of more, each is told beside the first."""

Shared = dict[tuple[int, int], list[tuple[int, int]]]
"""Two items by their numbers → the photos that they share, by their places."""


def clusters(squares: Sequence[Pixels | None]) -> Ints:
    """A number for each photo `(N,)`, equal for near-identical ones; a photo that was not seen stands alone.

    Equal squares are looked at once: a placeholder that stands for thousands of photos costs no more than one.
    """
    seen = [place for place, square in enumerate(squares) if square is not None]
    first: dict[bytes, int] = {}
    same: list[tuple[int, int]] = []
    for place in seen:
        square = squares[place]
        if square is not None:
            same.append((first.setdefault(square.tobytes(), place), place))
    places = list(first.values())
    distinct = [square for place in places if (square := squares[place]) is not None]
    if distinct:
        near = twins.pairs(np.stack(distinct), np.zeros(len(distinct), np.int64))
        same += ((places[one], places[other]) for one, other in near)
    return components(len(squares), same)


def groups(table: Table) -> list[Ints]:
    """The photos of each picture that has several."""
    order = np.argsort(table.picture, kind="stable")
    starts = np.flatnonzero(np.diff(table.picture[order])) + 1
    return [rows for rows in np.split(order, starts) if len(rows) > 1]


def shared(table: Table) -> Shared:
    """Items that share pictures: all pairs of a few, else each with the first."""
    found: Shared = defaultdict(list)
    for rows in groups(table):
        places: dict[int, int] = {}
        for row in rows.tolist():
            places.setdefault(int(table.item[row]), row)
        several = sorted(places)
        pairs = combinations(several, 2) if len(several) <= _FEW else ((several[0], one) for one in several[1:])
        for one, other in pairs:
            found[one, other].append((places[one], places[other]))
    return found


def findings(table: Table, between: Shared, own: Products) -> Iterator[tuple[Finding, tuple[int, int] | None]]:
    """What shared pictures say of items, and the items that are one product by it, of their numbers.

    Two items that share most of the smaller one's pictures are one product. Else a picture is out of place in one
    of them: in the one whose other photos are further from it, by `own` `(N,)`; but one picture in two categories
    may show an outfit.
    """
    sizes = np.bincount(np.unique(np.stack([table.item, table.picture]), axis=1)[0])
    for (one, other), places in between.items():
        first = places[0]
        styled = table.kin[first[0]] == table.kin[first[1]]
        alike = table.category[first[0]] == table.category[first[1]]
        if styled or 2 * len(places) > min(sizes[one], sizes[other]):
            pairs = tuple(table.pair(*place) for place in places)
            told = _of_one_style if styled else _of_one_category if alike else _of_two_categories
            yield Finding("same_product", "picture", pairs, 1.0, *told(pairs)), (one, other)
        elif alike:
            yield from ((_misplaced(table, *place, own), None) for place in places)


def _of_one_style(pairs: Sequence[Pair]) -> tuple[str, str]:
    return f"two colours of one style share {_pictures(pairs)}", "give each colour its own picture, if it has one"


def _of_one_category(pairs: Sequence[Pair]) -> tuple[str, str]:
    mend = f"keep one of {pairs[0].item_id} and {pairs[0].other_item_id}, and file all photos under it"
    return f"the items share {_pictures(pairs)}, most of the smaller one's", mend


def _of_two_categories(pairs: Sequence[Pair]) -> tuple[str, str]:
    why = f"items of two categories share {_pictures(pairs)}: an outfit, or one product under two ids"
    return why, "give each its box in the picture, or keep one id"


def _misplaced(table: Table, one: int, other: int, own: Products) -> Finding:
    if own[one] > own[other]:
        one, other = other, one
    pair = table.pair(one, other)
    why = f"the same picture stands under {pair.other_item_id}, whose other photos are nearer to it"
    return Finding("wrong_item", "picture", (pair,), 1.0, why, f"take it out of {pair.item_id}")


def _pictures(pairs: Sequence[Pair]) -> str:
    return "one picture" if len(pairs) == 1 else f"{len(pairs):,} pictures"
