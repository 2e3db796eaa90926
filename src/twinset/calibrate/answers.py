"""What a shop answers to queries whose item is known: at several sizes of the gallery, and without that item."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset.progress import SILENT, Progress
from twinset.ranking import SAME_SCORE, Ints
from twinset.records import Vectors

SHOWN: Final = 20
"""How many hits of an answer are looked at: as many as a search shows."""
_PRODUCTS_AT_ONCE: Final = 2**22

Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries `(Q, D)` and the gallery `(G, D)`: `items` `(G,)` says which photos are one item.

    `right` `(Q,)` is the item that each query shows. A query does not find the photo at its
    place `left_out` `(Q,)`, -1 for none.
    """

    queries: Vectors
    right: Ints
    left_out: Ints
    gallery: Vectors
    items: Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """A answers: to which `query`, and the `scores` `(A, 20)` of the first items, best first, -inf beyond the end.

    `right` is the place of the right item among them, -1 where it is not shown; `items` is how many were searched,
    `share` which part of the gallery these are; `absent` whether the right item was taken out.
    """

    query: Ints
    scores: Scores
    right: Ints
    items: Ints
    share: Scores
    absent: Mask

    def only(self, chosen: Mask) -> "Answers":
        """Some of them."""
        return Answers(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def gaps(self) -> Scores:
        """Each score less the best of any other item's; -inf beyond the end, and where there is no other."""
        first, second = self.scores[:, :1], self.scores[:, 1:2]
        best_other = np.repeat(first, self.scores.shape[1], axis=1)
        best_other[:, :1] = second
        missing = ~np.isfinite(self.scores) | ~np.isfinite(second)
        return np.where(missing, -np.inf, self.scores - np.where(missing, 0, best_other))


def ask(asked: Questions, shares: Sequence[float], *, seed: int = 0, progress: Progress = SILENT) -> Answers:
    """The answers to all queries in random parts of the gallery, once with their right item and once without it.

    Each query has parts of its own; a smaller one lies within the larger ones.
    """
    order = np.argsort(asked.items, kind="stable")
    photos, starts = asked.gallery[order], np.unique(asked.items[order], return_index=True)[1]
    place = np.argsort(order)
    draw = np.random.Generator(np.random.PCG64(seed))
    found: list[Answers] = []
    block = max(1, _PRODUCTS_AT_ONCE // len(photos))
    progress.start("searching", len(asked.queries))
    try:
        for first in range(0, len(asked.queries), block):
            rows = np.arange(first, min(first + block, len(asked.queries)))
            products = asked.queries[rows] @ photos.T
            barred = np.flatnonzero(asked.left_out[rows] >= 0)
            products[barred, place[asked.left_out[rows][barred]]] = -np.inf
            best = np.maximum.reduceat(products, starts, axis=1).astype(np.float64)
            found += _answered(rows, best, asked.right[rows], shares, draw)
            progress.advance(len(rows))
    finally:
        progress.finish()
    return Answers(*(np.concatenate([getattr(part, f.name) for part in found]) for f in fields(Answers)))


def _answered(
    rows: Ints, best: Scores, right: Ints, shares: Sequence[float], draw: np.random.Generator
) -> list[Answers]:
    """The answers to some queries, by the `best` score `(B, U)` of each item."""
    each = np.arange(len(rows))
    own = best[each, right]
    drawn = draw.random(best.shape, np.float32)
    drawn[each, right] = np.inf
    found: list[Answers] = []
    for share in shares:
        others = _first(np.where(drawn < share, best, -np.inf))
        ahead = (others >= (own - SAME_SCORE)[:, None]).sum(axis=1)
        ranked = np.where(np.arange(SHOWN) < ahead[:, None], others, np.roll(others, 1, axis=1))
        shown = np.flatnonzero(ahead < SHOWN)
        ranked[shown, ahead[shown]] = own[shown]
        count = (drawn < share).sum(axis=1)
        parts = np.full(len(rows), share)
        place = np.where(ahead < SHOWN, ahead, -1)
        found.append(Answers(rows, ranked, place, count + 1, parts, np.zeros(len(rows), np.bool_)))
        found.append(Answers(rows, others, np.full(len(rows), -1), count, parts, np.ones(len(rows), np.bool_)))
    return found


def _first(scores: Scores) -> Scores:
    """The highest of each row, falling; -inf where a row is shorter."""
    width = scores.shape[1]
    if width > SHOWN:
        scores = np.partition(scores, width - SHOWN, axis=1)[:, width - SHOWN :]
    falling = -np.sort(-scores, axis=1)
    return np.pad(falling, ((0, 0), (0, SHOWN - falling.shape[1])), constant_values=-np.inf)
