"""The metrics against slow loops; the bootstrap against a slow one over items."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset import metrics


def slow_average_precision(ranking: list[bool]) -> float:
    """The precision at each right answer, summed while walking down the ranking."""
    found, total = 0, 0.0
    for place, right in enumerate(ranking, 1):
        if right:
            found += 1
            total += found / place
    return total / found


def slow_ndcg(ranking: list[bool], k: int) -> float:
    """The gain of each right answer among the first k, over that of a ranking with the right ones first."""
    best = sorted(ranking, reverse=True)

    def gain(order: list[bool]) -> float:
        return sum(right / math.log2(place + 1) for place, right in enumerate(order[:k], 1))

    return gain(ranking) / gain(best)


RANKINGS = st.lists(st.booleans(), min_size=1, max_size=30).filter(any)
"""Whether each answer of a ranking is right."""


def ranks(ranking: list[bool]) -> np.ndarray:
    return np.array([place for place, right in enumerate(ranking, 1) if right])


@settings(max_examples=300)
@given(RANKINGS, st.integers(1, 40))
def test_figures_against_slow_loops(ranking: list[bool], k: int) -> None:
    """Each figure of a query is what a walk down the ranking gives."""
    found = ranks(ranking)
    assert metrics.average_precision(found) == pytest.approx(slow_average_precision(ranking), abs=1e-12)
    assert metrics.recall_at_k(found[:1], k) == float(any(ranking[:k]))
    assert metrics.reciprocal_rank(found) == 1 / (ranking.index(True) + 1)
    assert metrics.ndcg(found, k) == pytest.approx(slow_ndcg(ranking, k), abs=1e-12)
    rights = sum(ranking)
    cut = slow_average_precision(ranking[:rights]) * sum(ranking[:rights]) if any(ranking[:rights]) else 0
    assert metrics.average_precision_at_r(found) == pytest.approx(cut / rights, abs=1e-12)


def test_the_table_has_a_column_a_figure() -> None:
    """A query's row holds its figures in the order of their names."""
    ((*recalls, ap, ap_at_r, reciprocal, gain),) = metrics.table([np.array([6, 8])])
    assert metrics.FIGURES[-4:] == ("map", "map@r", "mrr", "ndcg@50")
    assert recalls == [0, 0, 1, 1, 1]
    assert (ap, ap_at_r, reciprocal) == (pytest.approx((1 / 6 + 2 / 8) / 2), 0, 1 / 6)
    assert gain == metrics.ndcg(np.array([6, 8]), 50)


def test_recall_is_a_share_of_queries() -> None:
    """Recall counts each query once, whatever the number of its right answers."""
    first = np.array([1, 2, 5, 6, 51])
    assert [metrics.recall_at_k(first, k) for k in (1, 5, 50, 1000)] == [0.2, 0.6, 0.8, 1.0]


def slow_bootstrap(values: list[float], groups: list[str], resamples: int, seed: int) -> tuple[float, float]:
    """Draws as many groups as there are, with replacement, and pools their values."""
    names = sorted(set(groups))
    generator = np.random.Generator(np.random.PCG64(seed))
    means = []
    for _ in range(resamples):
        pooled: list[float] = []
        for drawn in generator.integers(0, len(names), len(names)):
            pooled += [value for value, group in zip(values, groups, strict=True) if group == names[drawn]]
        means.append(sum(pooled) / len(pooled))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdefg")), min_size=1, max_size=20), st.integers(0, 9))
def test_bootstrap_against_a_slow_one(rows: list[tuple[float, str]], seed: int) -> None:
    """Whole items are drawn, each column by itself."""
    values, groups = [value for value, _ in rows], [group for _, group in rows]
    table = np.array([values, [1 - value for value in values]]).T
    found = metrics.bootstrap(table, groups, resamples=40, seed=seed)
    low, high = slow_bootstrap(values, groups, 40, seed)
    assert found[0] == pytest.approx((low, high), abs=1e-9)
    assert found[1] == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_bootstrap_contains_the_mean_and_repeats() -> None:
    """The interval holds the mean, is about as wide as the normal one, and is the same for the same seed."""
    values = np.random.default_rng(3).integers(0, 2, (400, 1)).astype(float)
    names = [str(i) for i in range(400)]
    ((low, high),) = metrics.bootstrap(values, names)
    mean = float(values.mean())
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(mean * (1 - mean) / 400), rel=0.15)
    assert metrics.bootstrap(values, names) == [(low, high)]
    assert len({metrics.bootstrap(values, names, seed=seed)[0] for seed in range(5)}) > 1


def test_bootstrap_knows_that_queries_of_an_item_go_together() -> None:
    """Ten copies of each query under its item leave the interval as it was; as items of their own narrow it."""
    values = np.random.default_rng(4).integers(0, 2, (60, 1)).astype(float)
    items = [f"{i:02}" for i in range(60)]
    ((low, high),) = metrics.bootstrap(values, items)
    copies = np.repeat(values, 10, axis=0)
    ((clustered_low, clustered_high),) = metrics.bootstrap(copies, np.repeat(items, 10).tolist())
    assert (clustered_low, clustered_high) == pytest.approx((low, high))
    ((naive_low, naive_high),) = metrics.bootstrap(copies, [str(i) for i in range(600)])
    assert naive_high - naive_low < 0.5 * (high - low)
