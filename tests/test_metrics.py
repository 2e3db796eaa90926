"""The metrics against slow loops, with many ties; the bootstrap against a slow one over items."""

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twinset import metrics

SCORED = st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.booleans()), max_size=30)
"""Answers: a score (few distinct ones, so that many tie), whether it is right, whether it is there at all."""


def slow_ranking(scored: list[tuple[float, bool]]) -> list[bool]:
    """Whether each answer is right, best first; among equal scores the right ones come last."""
    return [right for score, right in sorted(scored, key=lambda answer: (-answer[0], answer[1]))]


def slow_average_precision(ranking: list[bool]) -> float:
    """The precision at each right answer, summed while walking down the ranking."""
    found, total = 0, 0.0
    for place, right in enumerate(ranking, 1):
        if right:
            found += 1
            total += found / place
    return total / found


def ranks(scored: list[tuple[float, bool]], dtype: type = np.float32) -> list[int]:
    scores = np.array([score for score, _ in scored], dtype)
    relevant = np.array([right for _, right in scored], np.bool_)
    return metrics.ranks_of_relevant(scores, relevant).tolist()


@settings(max_examples=400)
@given(SCORED)
@example([])
@example([(1, True, False)])
def test_ranks_against_a_slow_ranking(answers: list[tuple[int, bool, bool]]) -> None:
    """The ranks of the right answers are their places in a plain ranking; what scores -inf is not there."""
    scored = [(score / 3 if there else -np.inf, right) for score, right, there in answers]
    ranking = slow_ranking([answer for answer in scored if answer[0] > -np.inf])
    assert ranks(scored) == [place for place, right in enumerate(ranking, 1) if right]


@settings(max_examples=200)
@given(SCORED.filter(lambda answers: any(right and there for _, right, there in answers)), st.integers(1, 40))
def test_figures_against_slow_loops(answers: list[tuple[int, bool, bool]], k: int) -> None:
    """Average precision, and recall at any k, are what a walk down the ranking gives."""
    scored = [(score / 3, right) for score, right, there in answers if there]
    found = np.array(ranks(scored))
    ranking = slow_ranking(scored)
    assert metrics.average_precision(found) == pytest.approx(slow_average_precision(ranking), abs=1e-12)
    assert metrics.recall_at_k(found[:1], k) == float(any(ranking[:k]))


@given(SCORED, st.randoms(use_true_random=False))
def test_order_does_not_matter(answers: list[tuple[int, bool, bool]], shuffler: random.Random) -> None:
    """The ranks are the same for every order of the gallery, with ties too."""
    scored = [(float(score), right) for score, right, _ in answers]
    shuffled = list(scored)
    shuffler.shuffle(shuffled)
    assert ranks(scored) == ranks(shuffled)


def test_equal_scores_rank_the_right_answer_last() -> None:
    """Of n equal scores one right answer has rank n, the two of a pair n - 1 and n."""
    assert ranks([(0.5, False)] * 9 + [(0.5, True)]) == [10]
    assert ranks([(0.5, True)] * 2 + [(0.5, False)] * 8) == [9, 10]


def test_the_noise_of_float32_is_a_tie() -> None:
    """A score that is higher by less than float32 sums differ is equal, one that is higher by more is not."""
    assert ranks([(0.9, False), (0.9 + 5e-7, True)]) == [2]
    assert ranks([(0.9, False), (0.9 + 5e-6, True)]) == [1]
    assert ranks([(0.9, False), (0.9 + 5e-6, True)], np.float64) == [1]


def test_recall_is_a_share_of_queries() -> None:
    """Recall counts each query once, whatever the number of its right answers."""
    first = np.array([1, 2, 5, 6, 51])
    assert [metrics.recall_at_k(first, k) for k in (1, 5, 50, 1000)] == [0.2, 0.6, 0.8, 1.0]


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, unique=True).map(sorted), min_size=1, max_size=8))
def test_mean_average_precision(lists: list[list[int]]) -> None:
    """It is the mean over queries of the mean over right answers."""
    total = 0.0
    for one in lists:
        total += sum(i / rank for i, rank in enumerate(one, 1)) / len(one)
    found = metrics.mean_average_precision([np.array(one) for one in lists])
    assert found == pytest.approx(total / len(lists), abs=1e-12)


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
