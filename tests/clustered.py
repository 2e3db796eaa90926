"""Vectors that lie as a shop's do: categories, items within them, a few views of each."""

from dataclasses import replace

import numpy as np

from twinset.records import Vectors
from twinset.store.view import View

CATEGORIES = 50
_VIEWS = (2, 5)
_ITEM, _VIEW, _CUSTOMER = 1.0, 0.6, 0.75
"""How far an item lies from its category's middle, a view from its item, and a customer's photo from its item."""


def clustered(count: int, queries: int, dim: int = 256, seed: int = 7) -> tuple[Vectors, Vectors]:
    """`count` views of items in a random order, and customers' photos of some of the items."""
    generator = np.random.Generator(np.random.PCG64(seed))

    def around(middles: Vectors, distance: float) -> Vectors:
        drawn = generator.standard_normal(middles.shape, np.float32)
        drawn = middles + distance * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    categories = around(np.zeros((CATEGORIES, dim), np.float32), 1.0)
    views = generator.integers(_VIEWS[0], _VIEWS[1] + 1, count // _VIEWS[0] + 1)
    items = around(categories[generator.integers(0, CATEGORIES, len(views))], _ITEM)
    items = items[: int(np.searchsorted(np.cumsum(views), count)) + 1]
    shown = generator.permutation(np.repeat(np.arange(len(items)), views[: len(items)])[:count])
    found = np.empty((count, dim), np.float32)
    for start in range(0, count, 50_000):
        found[start : start + 50_000] = around(items[shown[start : start + 50_000]], _VIEW)
    return found, around(items[generator.integers(0, len(items), queries)], _CUSTOMER)


def recall(view: View, queries: Vectors, share: float = 1.0, k: int = 10) -> float:
    """Of the `k` nearest among a random `share` of the photos, the share that a view finds."""
    kept = np.random.Generator(np.random.PCG64(3)).random(1 + max(int(ids.max(initial=0)) for _, ids in view.parts))
    given = view if share == 1.0 else view.only(kept < share)
    exact = replace(given, graph=None)
    pairs = [(given.search(query, k)[0], exact.search(query, k)[0]) for query in queries]
    return float(np.mean([np.isin(truth, found).mean() for found, truth in pairs]))
