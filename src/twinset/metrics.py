"""Retrieval metrics over ranks, and their bootstrap intervals: numpy only.

Each figure is taken, query by query, from the ranks of its right answers, which count from 1 and ascend; a query
without a right answer has no figure.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset.records import Estimate

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

DEPTHS: Final = (1, 5, 10, 20, 50)
FIGURES: Final = (*(f"recall@{k}" for k in DEPTHS), "map", "map@r", "mrr", "ndcg@50")
"""The names of the columns of `table`."""


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


def average_precision_at_r(ranks: Ints) -> float:
    """As `average_precision`, where right answers beyond rank R count nothing, R being how many there are.

    Its mean over queries is MAP@R (Musgrave, Belongie and Lim, 2020).

    >>> average_precision_at_r(np.array([1, 4]))
    0.5
    """
    within = ranks[ranks <= len(ranks)]
    return float(np.sum(np.arange(1, len(within) + 1) / within) / len(ranks))


def reciprocal_rank(ranks: Ints) -> float:
    """1 / the rank of the best right answer; its mean over queries is MRR (Voorhees, 1999).

    >>> reciprocal_rank(np.array([4, 9]))
    0.25
    """
    return float(1 / ranks[0])


def ndcg(ranks: Ints, k: int) -> float:
    """What the right answers in the first `k` gain, 1 / log2(rank + 1) each, divided by the most they could.

    Normalised discounted cumulative gain with gains of 0 and 1 (Järvelin and Kekäläinen, 2002).

    >>> round(ndcg(np.array([1, 3]), 50), 4)
    0.9197
    """
    ideal = np.arange(1, min(k, len(ranks)) + 1)
    return float(np.sum(1 / np.log2(ranks[ranks <= k] + 1)) / np.sum(1 / np.log2(ideal + 1)))


def table(ranks: Sequence[Ints]) -> npt.NDArray[np.float64]:
    """A row a query `(Q, 9)`: its `FIGURES`, recall being whether a right answer is in the first k.

    >>> table([np.array([1, 4])]).round(3).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 1.0, 0.877]]
    """
    first = np.array([r[0] for r in ranks])
    found = [(first <= k).astype(np.float64) for k in DEPTHS]
    others = [
        (average_precision(r), average_precision_at_r(r), reciprocal_rank(r), ndcg(r, DEPTHS[-1])) for r in ranks
    ]
    return np.column_stack([*found, np.array(others)])


def bootstrap(
    values: Floats, groups: Sequence[str] | Ints, *, resamples: int = 1000, seed: int = 0
) -> list[tuple[float, float]]:
    """95 % percentile intervals of the column means of `values` `(Q, M)`, resampling whole groups.

    Queries of one item rise and fall together, so items are drawn with replacement, not queries
    (the cluster bootstrap; Efron and Tibshirani 1993, section 8).

    >>> bootstrap(np.ones((4, 1)), ["a", "a", "b", "c"])
    [(1.0, 1.0)]
    """
    means = resampled(values, groups, resamples=resamples, seed=seed)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [(float(lo), float(hi)) for lo, hi in zip(low, high, strict=True)]


def resampled(
    values: Floats, groups: Sequence[str] | Ints, *, resamples: int = 1000, seed: int = 0
) -> npt.NDArray[np.float64]:
    """The column means of `values` `(Q, M)` in each draw `(R, M)` from which `bootstrap` takes intervals."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.stack([np.bincount(codes, weights=column) for column in values.T], axis=1)
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((resamples, values.shape[1]))
    for row in means:
        times = np.bincount(generator.integers(0, len(sizes), len(sizes)), minlength=len(sizes))
        row[:] = times @ sums / (times @ sizes)
    return means


def estimates(values: Floats, groups: Sequence[str] | Ints, *, seed: int = 0) -> tuple[Estimate, ...]:
    """The mean of each column of `values` `(Q, M)`, and its interval by `bootstrap`.

    Where `values` are the differences of two systems, query by query, these are paired: both are resampled alike.

    >>> estimates(np.full((3, 1), 0.5), ["a", "a", "b"])
    ((0.5, 0.5, 0.5),)
    """
    spans = bootstrap(values, groups, seed=seed)
    return tuple((mean, low, high) for mean, (low, high) in zip(values.mean(axis=0).tolist(), spans, strict=True))
