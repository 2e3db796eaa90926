"""Retrieval metrics over ranks, and their bootstrap intervals: numpy only.

Everything is derived from the rank of each right answer. Ranks count from 1, and among equal scores a right
answer ranks *last*: a constant embedding scores 0, not by luck.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]

SAME_SCORE: Final = 1e-6
"""Scores that differ by less are equal: one cosine, summed in two orders in float32, differs by as much."""


def ranks_of_relevant(scores: Floats, relevant: Bools) -> Ints:
    """The ranks, ascending, of the right answers among `scores` `(G,)`; `-inf` marks what is not there.

    The i-th best right answer has rank i + the number of wrong answers that score at least as high.

    >>> ranks_of_relevant(np.array([0.9, 0.5, 0.7, 0.5]), np.array([False, True, True, False]))
    array([2, 4])
    """
    there = scores > -np.inf
    right = np.sort(scores[relevant & there])[::-1]
    wrong = np.sort(scores[~relevant & there])
    at_least = len(wrong) - np.searchsorted(wrong, right - SAME_SCORE, side="left")
    return np.arange(1, len(right) + 1) + at_least


def recall_at_k(first_ranks: Ints, k: int) -> float:
    """The share of queries with at least one right answer in the first `k`, from each query's best rank `(Q,)`.

    Elsewhere this is called cmc@k or accuracy@k.

    >>> recall_at_k(np.array([1, 3, 12]), 5)
    0.6666666666666666
    """
    return float(np.mean(first_ranks <= k))


def average_precision(ranks: Ints) -> float:
    """The mean, over one query's right answers, of the precision at each one's rank `(P,)`.

    The i-th right answer at rank r has precision i / r; over the full ranking (Buckley and Voorhees, 2000).

    >>> average_precision(np.array([1, 4]))
    0.75
    """
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def mean_average_precision(ranks: Sequence[Ints]) -> float:
    """The mean of `average_precision` over queries.

    >>> mean_average_precision([np.array([1, 4]), np.array([2])])
    0.625
    """
    return float(np.mean([average_precision(r) for r in ranks]))


def bootstrap(
    values: Floats, groups: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> list[tuple[float, float]]:
    """95 % percentile intervals of the column means of `values` `(Q, M)`, resampling whole groups.

    Queries of one item rise and fall together, so items are drawn with replacement, not queries
    (the cluster bootstrap; Efron and Tibshirani 1993, section 8).

    >>> bootstrap(np.ones((4, 1)), ["a", "a", "b", "c"])
    [(1.0, 1.0)]
    """
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.stack([np.bincount(codes, weights=column) for column in values.T], axis=1)
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((resamples, values.shape[1]))
    for row in means:
        drawn = generator.integers(0, len(sizes), len(sizes))
        row[:] = sums[drawn].sum(axis=0) / sizes[drawn].sum()
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]
