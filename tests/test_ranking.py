"""The exact ranking against a slow one with many ties, however it is cut."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset import ranking
from twinset.progress import Silent
from twinset.ranking import products, search

FEW = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [0.6, 0, 0.8], [-1, 0, 0]], np.float32)
"""So few directions that most scores tie."""


@dataclass(frozen=True)
class Task:
    """What `rank` is given."""

    vectors: np.ndarray
    queries: np.ndarray
    gallery: np.ndarray
    codes: np.ndarray
    units: np.ndarray
    alike: dict[int, list[int]]

    def ranked(self) -> ranking.Ranking:
        return ranking.rank(
            self.vectors, self.queries, self.gallery, codes=self.codes, units=self.units, alike=self.alike
        )


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """A few dozen vectors of which some are queries, some the gallery, some both; units of one or more photos."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(2, 130))
    generator = np.random.default_rng(seed)
    vectors = FEW[generator.integers(0, 6, count)]
    if draw(st.booleans()):
        vectors = generator.normal(size=(count, 4))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    codes = generator.integers(-1, draw(st.integers(1, count)), count)
    gallery = generator.permutation(count)[: draw(st.integers(1, count))]
    queries = generator.permutation(count)[: draw(st.integers(1, count))]
    units = generator.permutation(len(gallery))
    if draw(st.booleans()):
        units = generator.integers(0, draw(st.integers(1, len(gallery))), len(gallery))
    pairs = generator.integers(0, len(gallery), (draw(st.integers(0, 4)), 2)).tolist()
    return Task(vectors, queries, gallery, codes, units, {one: [other] for one, other in pairs if one != other})


@dataclass(frozen=True)
class Slow:
    """One query, ranked in plain loops; units by their best photo."""

    query: int
    ranks: list[int]
    first_alike: int
    top: list[int]
    scores: list[float]
    wrong: list[float]


def slow(task: Task) -> Iterator[Slow]:
    """Query by query, only those with a right answer."""
    for number, query in enumerate(task.queries.tolist()):
        best: dict[int, tuple[float, int]] = {}
        right: set[int] = set()
        alike: set[int] = set()
        for place, row in enumerate(task.gallery.tolist()):
            if row == query:
                continue
            score = sum(float(a) * float(b) for a, b in zip(task.vectors[query], task.vectors[row], strict=True))
            unit = int(task.units[place])
            if unit not in best or score > best[unit][0] + 1e-12:
                best[unit] = (score, place)
            if task.codes[query] >= 0 and task.codes[row] == task.codes[query]:
                right.add(unit)
                others = task.alike.get(place, [])
                alike |= {int(task.units[other]) for other in others if task.gallery[other] != query}
        if right:
            yield _slow(number, best, right, alike)


def _slow(number: int, best: dict[int, tuple[float, int]], right: set[int], alike: set[int]) -> Slow:
    def ranks(units: set[int]) -> list[int]:
        """The i-th best right answer stands behind i - 1 others, and the wrong ones that score at least as high."""
        wrong = [score for unit, (score, _) in best.items() if unit not in units]
        scores = sorted((best[unit][0] for unit in units), reverse=True)
        return [i + sum(w >= score - ranking.SAME_SCORE for w in wrong) for i, score in enumerate(scores, 1)]

    def listed(units: set[int]) -> list[int]:
        return sorted(units, key=lambda unit: (-round(best[unit][0], 9), unit))

    places = dict(zip(ranks(right), listed(right), strict=True))
    wrong = listed(set(best) - right)
    others = iter(wrong)
    full = [places[rank] if rank in places else next(others) for rank in range(1, len(best) + 1)]
    return Slow(
        number,
        ranks(right),
        ranks(right | alike)[0],
        [best[unit][1] for unit in full[: ranking.TOP]],
        [best[unit][0] for unit in full[: ranking.TOP]],
        [best[unit][0] for unit in wrong[:1]],
    )


@pytest.mark.parametrize("small", [False, True], ids=["at once", "cut"])
def test_against_a_slow_ranking(small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks, the list, its scores, and the best right and wrong answers equal plain loops, however work is cut."""
    if small:
        for name, size in {"_PRODUCTS_AT_ONCE": 300, "_QUERIES_AT_ONCE": 3, "_ROWS_AT_ONCE": 7}.items():
            monkeypatch.setattr(search, name, size)
        for name, size in {"_FEW": 1, "_GROUPS": 4}.items():
            monkeypatch.setattr(products, name, size)

    @settings(max_examples=150, deadline=None)
    @given(tasks())
    def same(task: Task) -> None:
        found, expected = task.ranked(), list(slow(task))
        assert found.query.tolist() == [one.query for one in expected]
        assert [ranks.tolist() for ranks in found.ranks] == [one.ranks for one in expected]
        assert found.first_alike.tolist() == [one.first_alike for one in expected]
        for i, one in enumerate(expected):
            length = len(one.top)
            assert found.top[i].tolist() == one.top + [-1] * (ranking.TOP - length)
            assert found.scores[i][:length] == pytest.approx(one.scores, abs=1e-6)
            assert np.isnan(found.scores[i][length:]).all()
            if one.ranks[0] <= ranking.TOP:
                assert found.right[i] == one.top[one.ranks[0] - 1]
                assert found.right_score[i] == found.scores[i][one.ranks[0] - 1]
            assert ([found.wrong_score[i]] if one.wrong else []) == pytest.approx(one.wrong, abs=1e-6)
            assert one.wrong or np.isnan(found.wrong_score[i])

    same()


def ranks_of(scores: list[float], right: list[bool]) -> list[int]:
    """The ranks where one query scores as given."""
    height = np.array(scores, np.float64)
    vectors = np.vstack([[1.0, 0.0], np.stack([height, np.sqrt(1 - height**2)], axis=1)])
    codes = np.array([0, *(0 if r else i + 1 for i, r in enumerate(right))])
    everything = np.arange(len(scores))
    found = ranking.rank(vectors.astype(np.float32), np.array([0]), everything + 1, codes=codes, units=everything)
    return found.ranks[0].tolist()


def test_equal_scores_rank_the_right_answer_last() -> None:
    """Of n equal scores one right answer has rank n, the two of a pair n - 1 and n."""
    assert ranks_of([0.5] * 10, [False] * 9 + [True]) == [10]
    assert ranks_of([0.5] * 10, [True] * 2 + [False] * 8) == [9, 10]


def test_the_noise_of_float32_is_a_tie() -> None:
    """A score that is higher by less than float32 sums differ is equal, one that is higher by more is not."""
    assert ranks_of([0.9, 0.9 + 5e-7], [False, True]) == [2]
    assert ranks_of([0.9, 0.9 + 5e-6], [False, True]) == [1]


def test_how_the_work_is_cut_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits for one query at a time as for all at once, and for the gallery in another order."""
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(150, 96))
    codes = generator.integers(0, 150, 3400)
    vectors = (centres[codes] + 2.5 * generator.normal(size=(3400, 96))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries, gallery = np.arange(200), np.arange(200, 3400)
    task = Task(vectors, queries, gallery, codes, codes[gallery], {})
    whole = task.ranked()
    assert 0.05 < np.mean([ranks[0] > 10 for ranks in whole.ranks]) < 0.95
    order = generator.permutation(len(gallery))
    moved = Task(vectors, queries, gallery[order], codes, codes[gallery[order]], {}).ranked()
    monkeypatch.setattr(search, "_PRODUCTS_AT_ONCE", 1)
    monkeypatch.setattr(search, "_QUERIES_AT_ONCE", 5)
    single = task.ranked()
    assert [order[place] for place in moved.top[0]] == whole.top[0].tolist()
    for other in (single, moved):
        assert [r.tolist() for r in other.ranks] == [r.tolist() for r in whole.ranks]
        for name in ("scores", "right_score", "wrong_score"):
            assert np.array_equal(getattr(other, name), getattr(whole, name))


def test_a_score_is_at_most_one() -> None:
    """Vectors a little longer than 1 score 1, not more."""
    vectors, gallery, units = np.full((3, 4), 0.5000001, np.float32), np.array([1, 2]), np.array([0, 1])
    found = ranking.rank(vectors, np.array([0]), gallery, codes=np.array([0, 0, 1]), units=units)
    assert (found.right_score[0], found.wrong_score[0], found.scores[0, 0]) == (1, 1, 1)


def test_no_query_has_a_right_answer() -> None:
    """Then the ranking is empty."""
    vectors, gallery, units = np.eye(3, dtype=np.float32), np.array([1, 2]), np.array([0, 1])
    found = ranking.rank(vectors, np.array([0]), gallery, codes=np.arange(3), units=units)
    assert (len(found.query), found.ranks, found.top.shape) == (0, (), (0, ranking.TOP))


class Told(Silent):
    """A `Progress` that keeps what it is told: the total, then each count."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def start(self, what: str, total: int) -> None:
        self.counts.append(total)

    def advance(self, count: int = 1) -> None:
        self.counts.append(count)


def test_queries_are_counted_as_their_blocks_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with a right answer, block by block."""
    monkeypatch.setattr(search, "_PRODUCTS_AT_ONCE", 1)
    told, codes = Told(), np.array([0, 0, 1, 1, 2])
    queries, gallery, units = np.array([0, 2, 4]), np.array([1, 3]), np.array([0, 1])
    ranking.rank(np.eye(5, dtype=np.float32), queries, gallery, codes=codes, units=units, progress=told)
    assert told.counts == [2, 1, 1]
