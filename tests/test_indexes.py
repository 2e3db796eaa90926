"""One contract for every way of finding the nearest: exact, by a graph, and a plain numpy reference."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clustered import clustered, recall
from shops import build, index, shop
from test_store import DIM, NAME, VERSION, add, drop, seen, units
from twinset import Catalogue, IndexOptions
from twinset.errors import MissingExtraError
from twinset.progress import SILENT
from twinset.records import Vectors, photo_id
from twinset.store import faiss, graph, vectors
from twinset.store.blocks import sums
from twinset.store.rows import Rows
from twinset.store.schema import pack, unpack
from twinset.store.view import View

Record = Callable[[str, object], None]
Found = list[tuple[int, float]]
POOL = units(40, 5)
QUERIES = units(4, 6)


# The contract


class Reference:
    """A dictionary and a loop: what every index has to agree with."""

    def __init__(self) -> None:
        self.held: dict[int, Vectors] = {}

    def search(self, query: Vectors, k: int, kept: frozenset[int] | None) -> Found:
        """The nearest by numbers and scores."""
        scores = [
            (number, float(np.clip((vector.astype(np.float64) * query.astype(np.float64)).sum(), -1, 1)))
            for number, vector in self.held.items()
            if kept is None or number in kept
        ]
        return sorted(scores, key=lambda found: (-found[1], found[0]))[:k]


class Contract(RuleBasedStateMachine):
    """Photos come, change and go, with and without a writer catching up; every answer is the reference's."""

    index = "exact"

    @initialize()
    def begin(self) -> None:
        """An empty store."""
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(graph, "_STEP", 0)  # walk, however few there are
        Rows.create(self.folder)
        self.rows = Rows(self.folder, write=True)
        with self.rows.transaction():
            self.rows.versions.reset(VERSION)
        self.reference, self.names = Reference(), dict[int, int]()

    def teardown(self) -> None:
        """Throws it away."""
        self.patch.undo()
        self.rows.close()
        shutil.rmtree(self.folder)

    @rule(first=st.integers(0, 30), count=st.integers(1, 12), seed=st.integers(0, 28))
    def put(self, first: int, count: int, seed: int) -> None:
        """Photos come, or those there are replaced."""
        add(self.rows, POOL[seed : seed + count], first)
        stored = unpack([pack(vector) for vector in POOL[seed : seed + count]], DIM)
        found = self.rows.of_source("main")
        for name, vector in zip(range(first, first + count), stored, strict=True):
            self.names[name] = found[photo_id("main", f"{name}.png")]
            self.reference.held[self.names[name]] = vector

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A photo goes."""
        name = data.draw(st.sampled_from(sorted(self.names)))
        drop(self.rows, name)
        del self.reference.held[self.names.pop(name)]

    @rule()
    def catch_up(self) -> None:
        """What `index` does at its end."""
        vectors.catch_up(self.folder / "derived", self.rows, VERSION, NAME)
        if self.index == "hnsw":
            vectors.catch_up_graph(self.folder / "derived", VERSION, NAME, 1, SILENT)

    @rule()
    def remove_catches_up(self) -> None:
        """What `remove` does at its end: the graph stays as it is."""
        vectors.catch_up(self.folder / "derived", self.rows, VERSION, NAME)

    @rule()
    def reopen(self) -> None:
        """The store is closed and opened again."""
        self.rows.close()
        self.rows = Rows(self.folder, write=True)

    @rule(place=st.floats(0, 0.999), bit=st.integers(0, 7))
    def damage(self, place: float, bit: int) -> None:
        """A bit of the graph's file, written anew, is another."""
        file = self.folder / "derived" / graph.NAME
        if file.exists():
            data = bytearray(file.read_bytes())
            data[int(place * len(data))] ^= 1 << bit
            file.unlink()
            file.write_bytes(data)

    @invariant()
    def answers_are_the_references(self) -> None:
        """Numbers, scores and order, with and without a filter, for few and for all."""
        view = seen(self.rows, self.folder / "derived")
        numbers = sorted(self.reference.held)
        for kept in (None, frozenset(numbers[::2]), frozenset(numbers[:1])):
            mask = np.isin(np.arange(max(numbers, default=0) + 1), sorted(kept or ()))
            part = view if kept is None else view.only(mask)
            for query in QUERIES:
                for k in (1, 5, 50):
                    found = [column.tolist() for column in part.search(query, k)]
                    assert list(zip(*found, strict=True)) == self.reference.search(query, k, kept)


class WithGraph(Contract):
    """The same with a graph, walked however small it is: so wide that it meets every one of these few photos."""

    index = "hnsw"


_SETTINGS = settings(max_examples=20, stateful_step_count=12, deadline=None, derandomize=True)
Contract.TestCase.settings = _SETTINGS
WithGraph.TestCase.settings = _SETTINGS
TestExact = Contract.TestCase
TestWithGraph = WithGraph.TestCase


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """An empty `rows.sqlite`, open for writing."""
    Rows.create(tmp_path)
    opened = Rows(tmp_path, write=True)
    with opened.transaction():
        opened.versions.reset(VERSION)
    yield opened
    opened.close()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph is walked, however small it is."""
    monkeypatch.setattr(graph, "_STEP", 0)


def up_to_date(rows: Rows, folder: Path) -> View:
    """The view of a store with a graph, after a writer has caught up."""
    vectors.catch_up(folder, rows, VERSION, NAME)
    vectors.catch_up_graph(folder, VERSION, NAME, 2, SILENT)
    return seen(rows, folder)


def same(view: View, queries: Vectors, k: int = 10) -> bool:
    """Whether a view finds what it finds without its graph."""
    pairs = [(view.search(query, k), replace(view, graph=None).search(query, k)) for query in queries]
    return all(np.array_equal(a, b) for found, exact in pairs for a, b in zip(found, exact, strict=True))


# How much is found


def matrix(count: int, queries: int, place: Path) -> tuple[View, Vectors]:
    """Clustered vectors with a graph, and customers' queries; without rows, which recall does not ask for."""
    every, asked = clustered(count, queries)
    numbers = np.arange(1, count + 1)
    of = graph.Matrix(NAME, 1, every, sums(every))
    graph.catch_up(place, of, numbers, len(os.sched_getaffinity(0)), SILENT)
    opened = graph.open_graph(place, of)
    assert opened is not None
    return View(1, 1, ((every, numbers),), graph=opened), asked


def check_recall(count: int, place: Path, record: Record) -> None:
    """recall@10 of at least 0.99 whatever share of the photos a filter leaves, where it leaves ten."""
    view, queries = matrix(count, 200, place)
    assert view.graph is not None
    record("width", view.graph.width)
    for share in (1.0, 0.9, 0.1, 0.01, 0.0001):
        if share * count >= 10:
            found = recall(view, queries, share)
            record(f"recall@10 at {share:.2%}", round(found, 4))
            assert found >= 0.99, share


def test_recall_of_a_thousand(tmp_path: Path, record_property: Record) -> None:
    """As it ships: so few are searched exactly."""
    check_recall(1000, tmp_path, record_property)


@pytest.mark.usefixtures("always")
def test_recall_of_a_thousand_by_the_graph(tmp_path: Path, record_property: Record) -> None:
    """The same where the graph is walked all the same."""
    check_recall(1000, tmp_path, record_property)


@pytest.mark.deep
def test_recall_of_a_hundred_thousand(tmp_path: Path, record_property: Record) -> None:
    """As it ships; `benchmarks/catalogue.py` measures a million, whose graph takes long to build."""
    check_recall(100_000, tmp_path, record_property)


@pytest.mark.usefixtures("always")
def test_a_filter_that_leaves_nothing_near_is_answered_exactly(tmp_path: Path) -> None:
    """Where a filter takes away what is near the query, what is left is found, however many photos pass."""
    view, queries = matrix(3000, 20, tmp_path)
    for query in queries:
        scores = view.parts[0][0] @ query
        for share in (0.1, 0.5):
            kept = np.append(False, scores < np.quantile(scores, 1 - share))
            assert same(view.only(kept), query[np.newaxis])


def test_the_graph_is_walked_where_it_is_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 photos a graph chooses the nearest ten; the nearest 2,000, a tenth, or lifted ones it does not."""
    view, queries = matrix(10_000, 1, tmp_path)
    walked: list[int] = []
    real = faiss.Walker.nearest

    def nearest(self: faiss.Walker, query: Vectors, depth: int, width: int) -> faiss.Slots:
        walked.append(depth)
        return real(self, query, depth, width)

    monkeypatch.setattr(faiss.Walker, "nearest", nearest)
    view.search(queries[0], 10)
    assert len(walked) == 1
    view.search(queries[0], 2000)
    view.only(np.arange(10_001) % 10 == 0).search(queries[0], 10)
    replace(view, lift=np.zeros(10_001)).search(queries[0], 10)
    assert len(walked) == 1


THREADS = """
import os, sys
from pathlib import Path
import test_indexes
view, queries = test_indexes.matrix(3000, 50, Path(sys.argv[1]))
walker = view.graph.walker
before = len(os.listdir("/proc/self/task"))
for query in queries:
    walker.nearest(query, 50, 400)
print(len(os.listdir("/proc/self/task")) - before, walker._faiss.omp_get_max_threads())
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not list threads")
def test_a_search_begins_no_thread(tmp_path: Path) -> None:
    """One query is searched in the thread that asks; building leaves OpenMP's setting as it was."""
    environment = os.environ | {"OMP_NUM_THREADS": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", THREADS, tmp_path], capture_output=True, text=True, check=True, env=environment
    )
    begun, threads = done.stdout.split()
    assert int(begun) <= 0  # those of the build may end meanwhile
    assert threads == "3"


CHANGED = """
import sys
from pathlib import Path
import faiss.contrib.torch_utils
import test_indexes
view, queries = test_indexes.matrix(3000, 5, Path(sys.argv[1]))
print(sum(len(view.graph.walker.nearest(query, 50, 400)) for query in queries))
"""


def test_a_graph_is_walked_beside_libraries_that_change_faiss(tmp_path: Path) -> None:
    """pytorch-metric-learning loads FAISS's methods for torch, which take other arguments."""
    pytest.importorskip("torch")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", CHANGED, tmp_path], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["250"]


# When it is built, and what is wrong with it


def test_a_graph_is_built_anew_when_a_tenth_has_changed(rows: Rows, tmp_path: Path) -> None:
    """Fewer changes are searched exactly beside it; the old one answers for those who have it open."""
    folder = tmp_path / "derived"
    add(rows, units(100, 1))
    old = up_to_date(rows, folder)
    first = graph.stamp(folder)
    add(rows, units(4, 2), first=98)
    drop(rows, 5, 6)
    view = up_to_date(rows, folder)
    assert graph.stamp(folder) == first
    assert [len(ids) for _, ids in view.parts] == [100, 4]
    assert view.counts == (96, 4)
    drop(rows, 7, 8)
    vectors.catch_up(folder, rows, VERSION, NAME)
    assert graph.stamp(folder) == first
    view = up_to_date(rows, folder)
    assert graph.stamp(folder) != first
    assert [len(ids) for _, ids in view.parts] == [104, 0]
    assert same(old, units(3, 9))
    drop(rows, *range(102))
    assert up_to_date(rows, folder).graph is None
    assert graph.stamp(folder) is None


def test_a_graph_that_finds_too_little_is_built_once_and_not_walked(
    rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told; searches are exact, and the next run does not build it again."""
    monkeypatch.setattr(graph, "_RECALL", 1.1)
    folder = tmp_path / "derived"
    add(rows, units(300, 1))
    view = up_to_date(rows, folder)
    assert "searches stay exact" in caplog.text
    assert view.graph is not None
    assert len(view.graph.nearest(units(1, 2)[0], 10, 300)) == 0
    first = graph.stamp(folder)
    add(rows, units(3, 2), first=400)
    up_to_date(rows, folder)
    assert graph.stamp(folder) == first


def test_vectors_that_are_rewritten_lose_their_graph(rows: Rows, tmp_path: Path) -> None:
    """A rewrite moves rows: the graph over the old ones is taken away, and built by the next `index`."""
    folder = tmp_path / "derived"
    add(rows, units(1500, 1))
    assert up_to_date(rows, folder).graph is not None
    drop(rows, *range(1100))
    vectors.catch_up(folder, rows, VERSION, NAME)
    assert graph.stamp(folder) is None
    view = up_to_date(rows, folder)
    assert view.graph is not None
    assert view.counts == (400, 0)


def test_a_graph_of_other_vectors_is_not_walked(rows: Rows, tmp_path: Path) -> None:
    """A whole file of other vectors, of another catalogue, or of more vectors than there are, is passed over."""
    folder, other = tmp_path / "derived", tmp_path / "other"
    add(rows, units(50, 1))
    up_to_date(rows, folder)
    shutil.copytree(folder, other)
    add(rows, units(20, 2), first=40)
    up_to_date(rows, folder)
    shutil.copy(folder / graph.NAME, other)
    with rows.snapshot():
        assert vectors.open_view(other, rows, VERSION, rows.state().sequence, NAME).graph is None
    assert "is of other vectors" in vectors.graph_problems(other, VERSION, NAME)[0]
    of = graph.Matrix(NAME, 1, units(60, 3), sums(units(60, 3)))
    assert graph.open_graph(folder, of) is None


@pytest.mark.usefixtures("always")
def test_damage_changes_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A flipped bit, a cut and garbage: exact answers, one warning a reader, `verify` tells, `index` mends."""
    manifest = shop(tmp_path / "shop", 30)
    build(tmp_path / "c", manifest, options=IndexOptions(index="hnsw")).close()
    file = tmp_path / "c/derived/1" / graph.NAME
    query, data = manifest.parent / "003/0.png", file.read_bytes()
    with Catalogue(tmp_path / "c") as catalogue:
        expected = catalogue.search(query).hits
        assert catalogue.verify() == []
    places = np.random.Generator(np.random.PCG64(3)).integers(0, len(data), 30).tolist()
    flips = [data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :] for place in places]
    for damaged in (*flips, data[:-1], data[: len(data) // 2], data[:5], b"", data + b"x", b"\xff" * 4000):
        file.write_bytes(damaged)
        caplog.clear()
        with Catalogue(tmp_path / "c") as catalogue:
            for _ in range(2):
                assert catalogue.search(query).hits == expected
            assert len([record for record in caplog.records if "searches are exact" in record.message]) == 1
            (problem,) = catalogue.verify()
        assert problem.file == f"derived/1/{graph.NAME}"
        assert problem.what.startswith("the graph does not agree with its checksums")
    index(tmp_path / "c", manifest)
    with Catalogue(tmp_path / "c") as catalogue:
        assert catalogue.verify() == []
        file.write_bytes(data[:-1])
        assert catalogue.verify(repair=True) == []
        assert catalogue.search(query).hits == expected
    assert file.exists()


# A catalogue with one


def test_the_choice_is_kept(tmp_path: Path) -> None:
    """Exact at first; `hnsw` stays until `exact` is asked for, which takes the file away."""
    manifest = shop(tmp_path / "shop", 4)
    file = tmp_path / "c/derived/1" / graph.NAME
    for asked, kept, covered in ((None, "exact", 0), ("hnsw", "hnsw", 8), (None, "hnsw", 8), ("exact", "exact", 0)):
        with build(tmp_path / "c", manifest, options=IndexOptions(index=asked)) as catalogue:
            assert (catalogue.info().index, catalogue.info().graph) == (kept, covered)
        assert file.exists() == (covered > 0)


def test_copies_keep_the_choice_but_no_graph(tmp_path: Path) -> None:
    """A snapshot asks for a graph, which its first `index` builds; a loaded dump is searched exactly."""
    manifest = shop(tmp_path / "shop", 4)
    with build(tmp_path / "c", manifest, options=IndexOptions(index="hnsw")) as catalogue:
        catalogue.snapshot(tmp_path / "s")
    with Catalogue(tmp_path / "s") as copy:
        assert (copy.info().index, copy.info().graph) == ("hnsw", 0)
        assert copy.verify() == []
    index(tmp_path / "s", manifest)
    with Catalogue(tmp_path / "s") as copy:
        assert copy.info().graph == 8


@pytest.mark.usefixtures("always")
def test_a_catalogue_answers_alike_with_and_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All that a search is asked for, and an opened reader takes a new graph up without a change of the rows."""
    manifest = shop(tmp_path / "shop", 30)
    query = manifest.parent / "003/0.png"
    several: list[dict[str, Any]] = [
        {}, {"k": 3}, {"by": "photo"}, {"by": "style"}, {"where": ["view=v1"]}, {"where": ["path=00*"]},
        {"min_score": 0.4}, {"boost": ["view=v0:+0.05"]}, {"facets": True}, {"k": 100},
        {"rerank": "centroid"}, {"rerank": "reciprocal", "k": 5}, {"rerank": "patches", "by": "photo"},
    ]  # fmt: skip
    with build(tmp_path / "c", manifest) as catalogue:
        expected = [catalogue.search(query, **options) for options in several]
        assert catalogue._live._view is not None
        assert catalogue._live._view.graph is None
        index(tmp_path / "c", manifest, options=IndexOptions(index="hnsw"))
        for options, answer in zip(several, expected, strict=True):
            found = catalogue.search(query, **options)
            assert (found.hits, found.facets) == (answer.hits, answer.facets)
        assert catalogue._live._view.graph is not None
        assert catalogue.similar("i003").hits == catalogue.similar("i003", boost=["view=v0:+0"]).hits
    assert caplog.records == []


@pytest.mark.usefixtures("always")
def test_an_item_stands_where_its_best_photo_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the walk missed the best photo of an item but met another, the item's score is that of the best."""
    manifest, real, mended = shop(tmp_path / "shop", 30), faiss.Walker.nearest, 0
    with build(tmp_path / "c", manifest, options=IndexOptions(index="hnsw")) as catalogue:
        expected = [catalogue.search(manifest.parent / f"{item:03d}/0.png", 8).hits for item in range(30)]
        monkeypatch.setattr(faiss.Walker, "nearest", lambda *given: real(*given)[1:])
        for item, right in enumerate(expected):
            found = catalogue.search(manifest.parent / f"{item:03d}/0.png", 8).hits
            assert [hit.score for hit in found] == sorted((hit.photos[0].score for hit in found), reverse=True)
            mended += found[0].item_id == right[0].item_id
    assert 0 < mended < 30


def test_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Asking for a graph is refused and changes nothing; one that is there is passed over, and told once."""
    manifest = shop(tmp_path / "shop", 4)
    query = manifest.parent / "003/0.png"
    with build(tmp_path / "c", manifest, options=IndexOptions(index="hnsw")) as catalogue:
        expected = catalogue.search(query).hits
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        MissingExtraError, match=r'needs FAISS, which is not installed: pip install "twinset\[faiss\]"'
    ):
        index(tmp_path / "new", manifest, options=IndexOptions(index="hnsw"))
    assert not (tmp_path / "new").exists()
    with Catalogue(tmp_path / "c") as catalogue:
        assert [catalogue.search(query).hits for _ in range(2)] == [expected] * 2
        assert catalogue.verify() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (tmp_path / "c/derived/1" / graph.NAME).unlink()
    index(tmp_path / "c", manifest)
    assert "the graph is not brought up to date" in caplog.records[-1].message
