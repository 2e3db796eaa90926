"""Photo hits → item hits, exactly: as many distinct items as asked for, ties by id, from any place on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Fetch = Callable[[int], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]
"""The `k` best photos: their ids and scores in [-1, 1], best first."""
KeysOf = Callable[[Sequence[int]], Sequence[str]]
"""The key (an item's id) of each photo."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A key and the score of its best photo."""

    key: str
    score: float


def rank(
    fetch: Fetch, keys_of: KeysOf, total: int, k: int, after: Ranked | None = None
) -> tuple[list[Ranked], bool]:
    """The `k` best keys behind `after`, and whether more follow.

    A key's score is its best photo's; equal scores are ordered by key. Photos are fetched deeper until `k`
    keys stand *above* the last photo's score: one that ties with it could still have a smaller key.

    `total` is the number of photos; `fetch` may give fewer than asked for where no more are worth it.
    """
    depth = 4 * k + 16
    while True:
        depth = min(depth, total)
        ids, scores = fetch(depth)
        best = _best(keys_of(ids.tolist()), scores)
        complete = depth == total or len(ids) < depth
        settled = [r for r in best if complete or r.score > scores[-1]]
        page = [r for r in settled if after is None or order(r) > order(after)]
        if complete or len(page) > k:
            return page[:k], len(page) > k
        depth *= 8


def _best(keys: Sequence[str], scores: npt.NDArray[np.floating[Any]]) -> list[Ranked]:
    best: dict[str, float] = {}
    for key, score in zip(keys, scores.tolist(), strict=True):
        best.setdefault(key, score)
    return sorted((Ranked(key, score) for key, score in best.items()), key=order)


def order(ranked: Ranked) -> tuple[float, str]:
    """Best first, ties by key."""
    return -ranked.score, ranked.key
