"""Items are ranked from photos exactly: against a brute-force ranking, whole pages joined, ties by id."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset import group
from twinset.group import Fetch, Ranked


class Shop:
    """Photos, each with a key and a score, and the depths to which they were fetched."""

    def __init__(self, photos: Sequence[tuple[str, float]], seed: int = 0) -> None:
        self.keys = [key for key, _ in photos]
        self.scores = np.array([score for _, score in photos], np.float64)
        mixed = np.random.default_rng(seed).permutation(len(photos))
        self.order = mixed[np.argsort(-self.scores[mixed], kind="stable")]
        self.depths: list[int] = []

    @property
    def fetch(self) -> Fetch:
        """The best photos; those of equal scores come in a random order."""

        def best(k: int) -> tuple[np.ndarray, np.ndarray]:
            self.depths.append(k)
            return self.order[:k].astype(np.int64), self.scores[self.order[:k]]

        return best

    def keys_of(self, ids: Sequence[int]) -> list[str]:
        return [self.keys[i] for i in ids]

    def rank(self, k: int, after: Ranked | None = None) -> tuple[list[Ranked], bool]:
        return group.rank(self.fetch, self.keys_of, len(self.keys), k, after)

    def everything(self) -> list[Ranked]:
        """Each key with its best score, best first, equal scores by key: a loop over all photos."""
        best: dict[str, float] = {}
        for key, score in zip(self.keys, self.scores.tolist(), strict=True):
            best[key] = max(score, best.get(key, -2.0))
        return [Ranked(key, best[key]) for key in sorted(best, key=lambda key: (-best[key], key))]

    def pages(self, k: int) -> list[list[Ranked]]:
        pages, after, more = [], None, True
        while more:
            page, more = self.rank(k, after)
            pages.append(page)
            after = page[-1] if page else None
            assert len(pages) <= len(self.keys) + 1
        return pages


PHOTOS = st.lists(
    st.tuples(st.integers(0, 30).map(lambda i: f"item {i}"), st.integers(-3, 3).map(lambda i: i / 3)), max_size=120
)


@settings(max_examples=300, deadline=None)
@given(PHOTOS, st.integers(1, 8), st.integers(0, 99))
def test_against_brute_force(photos: list[tuple[str, float]], k: int, seed: int) -> None:
    """The first k items, and whether more follow, are those of a loop over all photos, with many ties too."""
    shop = Shop(photos, seed)
    every = shop.everything()
    assert shop.rank(k) == (every[:k], len(every) > k)


@settings(max_examples=200, deadline=None)
@given(PHOTOS, st.integers(1, 8), st.integers(0, 99))
def test_pages_join(photos: list[tuple[str, float]], k: int, seed: int) -> None:
    """Pages, each behind the last of the one before, hold every item once, in order; only the last is short."""
    shop = Shop(photos, seed)
    pages = shop.pages(k)
    assert [ranked for page in pages for ranked in page] == shop.everything()
    assert all(len(page) == k for page in pages[:-1])


@settings(max_examples=100, deadline=None)
@given(PHOTOS, st.tuples(st.integers(0, 30).map(lambda i: f"item {i}"), st.floats(-1, 1)), st.integers(1, 8))
def test_behind_any_place(photos: list[tuple[str, float]], place: tuple[str, float], k: int) -> None:
    """`after` may be any score and key, also one that no item has."""
    shop = Shop(photos)
    after = Ranked(*place)
    behind = [r for r in shop.everything() if (-r.score, r.key) > (-after.score, after.key)]
    assert shop.rank(k, after) == (behind[:k], len(behind) > k)


@pytest.fixture
def crowded() -> Shop:
    """60 items, one of them with 400 near-copies nearer than all the others."""
    generator = np.random.default_rng(5)
    copies = [("copied", 0.9 + 1e-4 * x) for x in generator.random(400)]
    return Shop([*copies, *((f"item {i:02}", 0.8 * x) for i, x in enumerate(generator.random(59)))])


def test_near_copies_crowd_nothing_out(crowded: Shop) -> None:
    """One item with 400 near-copies among 60: twenty hits are twenty items."""
    ranked, more = crowded.rank(20)
    assert len({r.key for r in ranked}) == 20
    assert ranked[0].key == "copied"
    assert (ranked, more) == (crowded.everything()[:20], True)


def test_pages_of_seven_join_to_one_call(crowded: Shop) -> None:
    """Pages of 7 joined equal one call with k = 61, which finds all 60 items and no more."""
    whole, more = crowded.rank(61)
    assert (len(whole), more) == (60, False)
    pages = crowded.pages(7)
    assert [len(page) for page in pages] == [7] * 8 + [4]
    assert [r for page in pages for r in page] == whole


def test_constant_scores() -> None:
    """Where all photos score the same, items come by id, on every page."""
    shop = Shop([(f"{i:03}", 0.5) for i in range(100)])
    assert [r.key for page in shop.pages(7) for r in page] == [f"{i:03}" for i in range(100)]


def test_nothing_there() -> None:
    """No photo gives no item, and no more."""
    assert Shop([]).rank(5) == ([], False)


def test_the_last_page_is_told() -> None:
    """Exactly k items leave nothing behind; one more does, also where only k are surely settled at first."""
    assert Shop([("a", 1.0), ("b", 0.5)]).rank(2)[1] is False
    assert Shop([("a", 1.0), ("b", 0.5), ("c", 0.5)]).rank(2)[1] is True
    assert Shop([("a", 1.0), *[("b", 0.5)] * 30]).rank(1) == ([Ranked("a", 1.0)], True)


def test_only_as_deep_as_needed() -> None:
    """Where every photo is an item of its own, few are fetched, and depths only grow."""
    shop = Shop([(f"{i:05}", 1 - i / 20_000) for i in range(20_000)])
    ranked, more = shop.rank(20)
    assert (len(ranked), more) == (20, True)
    assert max(shop.depths) < 200
    deep = Shop([("one", 0.9)] * 19_000 + [(f"{i}", 0.1) for i in range(1000)])
    assert len(deep.rank(20)[0]) == 20
    assert all(shallow < deeper for shallow, deeper in pairwise(deep.depths))
    assert len(deep.depths) < 6


@settings(max_examples=100, deadline=None)
@given(PHOTOS, st.integers(-3, 4).map(lambda i: i / 3), st.integers(1, 8))
def test_photos_that_are_worth_nothing_are_not_fetched(
    photos: list[tuple[str, float]], least: float, k: int
) -> None:
    """Where `fetch` gives fewer than asked for, there are no more: pages are those of the photos it gives."""
    shop, worth = Shop(photos), Shop([photo for photo in photos if photo[1] >= least])
    page, more = group.rank(
        lambda depth: tuple(part[shop.scores[shop.order[:depth]] >= least] for part in shop.fetch(depth)),  # type: ignore[arg-type, return-value]
        shop.keys_of,
        len(photos),
        k,
    )
    assert (page, more) == worth.rank(k)
