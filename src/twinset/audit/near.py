"""Who is nearest among others, block by block: never more products at once than fit into memory."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from twinset.embedder import cores, in_order
from twinset.progress import SILENT, Progress, counted
from twinset.ranking import Ints, Products
from twinset.records import Vectors

_PRODUCTS_AT_ONCE: Final = 2**24
_THREADS: Final = 4


class Rivals(NamedTuple):
    """For each of Q queries the best score, its place in the gallery, and the second best; -inf where none is."""

    best: Products
    at: Ints
    second: Products


def rivals(
    queries: Vectors,
    gallery: Vectors,
    apart: Sequence[tuple[Ints, Ints]],
    progress: Progress = SILENT,
    what: str = "comparing",
) -> Rivals:
    """The two nearest of the gallery `(G, D)` to each query `(Q, D)`, by their products.

    `apart` are labels of the queries `(Q,)` and of the gallery `(G,)`: where a pair's are equal it does not count.
    """
    if not (len(queries) and len(gallery)):
        none = np.full(len(queries), -np.inf, np.float32)
        return Rivals(none, np.zeros(len(queries), np.int64), none)
    threads = min(cores(), _THREADS)
    step = max(1, _PRODUCTS_AT_ONCE // threads // len(gallery))

    def work(start: int) -> Rivals:
        part = slice(start, start + step)
        products = queries[part] @ gallery.T
        for of_queries, of_gallery in apart:
            products[of_queries[part, np.newaxis] == of_gallery] = -np.inf
        at = products.argmax(axis=1)
        each = np.arange(len(products))
        best = products[each, at]
        products[each, at] = -np.inf
        return Rivals(best, at, products.max(axis=1))

    parts = in_order(work, range(0, len(queries), step), threads=threads)
    found = list(counted(parts, progress, what, len(queries), lambda part: len(part.at)))
    return Rivals(*(np.concatenate(fields) for fields in zip(*found, strict=True)))
