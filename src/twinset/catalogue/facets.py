"""Counts of items by the values of their fields: each level of the category, and each attribute that has few."""

from itertools import accumulate
from typing import Final

import numpy as np

from twinset.store.columns import Column, Columns, Mask
from twinset.store.rows import Ids

MOST_DISTINCT: Final = 200
"""An attribute with more values than this in the catalogue is not counted."""
MOST_VALUES: Final = 100
"""How many values of a field are told."""
_NEVER: Final = frozenset(("path", "item_id", "domain", "view", "box", "title", "url", "split"))
"""What names or places a photo, and tells a shopper nothing."""


def count(columns: Columns, kept: Mask) -> dict[str, dict[str, int]]:
    """Field → value → how many items have a kept photo with it, the most frequent first, equal ones by value."""
    items = columns.column("item_id")
    found: dict[str, dict[str, int]] = {}
    for name in sorted(columns.fields - _NEVER):
        column = columns.optional(name)
        parts = _parts(name, column)
        counted = _counts(column, parts, items, kept) if parts else {}
        if counted:
            found[name] = counted
    return found


def _parts(name: str, column: Column) -> list[list[str]] | None:
    """The values that each text stands for: levels of a category, elements of a list; None where they are many."""
    found: list[list[str]] = []
    distinct: set[str] = set()
    for text in column.texts:
        values = list(accumulate(text.split("/"), "{}/{}".format)) if name == "category" else text.split("|")
        found.append(sorted({value for value in values if value}))
        distinct.update(found[-1])
        if len(distinct) > MOST_DISTINCT and name != "category":
            return None
    return found


def _counts(column: Column, parts: list[list[str]], items: Column, kept: Mask) -> dict[str, int]:
    """How many items have each value: distinct (item, text), and from those distinct (item, value)."""
    values = sorted({value for part in parts for value in part})
    if not values:
        return {}
    places = {value: place for place, value in enumerate(values)}
    pairs = np.unique(items.codes[kept].astype(np.int64) * len(parts) + column.codes[kept])
    item, text = np.divmod(pairs, len(parts))
    item, value = _spread([[places[value] for value in part] for part in parts], item, text)
    counts = np.bincount(np.unique(item * len(values) + value) % len(values), minlength=len(values)).tolist()
    frequent = sorted((place for place, n in enumerate(counts) if n), key=lambda place: (-counts[place], place))
    return {values[place]: counts[place] for place in frequent[:MOST_VALUES]}


def _spread(parts: list[list[int]], items: Ids, texts: Ids) -> tuple[Ids, Ids]:
    """Pairs of (item, text) → pairs of (item, value), one for each value that a text stands for."""
    sizes = np.array([len(part) for part in parts], np.int64)
    values = np.array([value for part in parts for value in part], np.int64)
    reach = sizes[texts]
    behind = (np.cumsum(sizes) - sizes)[texts] - (np.cumsum(reach) - reach)
    return np.repeat(items, reach), values[np.arange(reach.sum()) + np.repeat(behind, reach)]
