"""A catalogue against a dictionary, over random histories."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shops import index, picture, write
from twinset import Catalogue, IndexOptions
from twinset.bundle import open_bundle
from twinset.embedder import Embedder
from twinset.photos import Decoded
from twinset.records import Hit, Vectors
from twinset.store.schema import pack, unpack

PATHS = [f"{number}.png" for number in range(6)]
EMBEDDER = Embedder(open_bundle("colour"))


def embedded(seed: int) -> Vectors:
    """The stored form of a picture's embedding."""
    return unpack([pack(EMBEDDER.embed(Decoded(picture(seed, 16), 16, 16)))], EMBEDDER.dim)[0]


class History(RuleBasedStateMachine):
    """Photos come, change, move to other items, go; files are lost; the answers are those of brute force."""

    @initialize()
    def begin(self) -> None:
        """An empty shop, no catalogue."""
        self.folder = Path(tempfile.mkdtemp())
        self.shop: dict[str, tuple[int, str]] = {}
        self.held: dict[str, tuple[int, str]] = {}
        self.backup: tuple[dict[str, bytes], dict[str, tuple[int, str]]] | None = None
        self.long_open: Catalogue | None = None

    def teardown(self) -> None:
        """Throws the folder away."""
        self.close()
        shutil.rmtree(self.folder)

    @rule(path=st.sampled_from(PATHS), seed=st.integers(0, 5), item=st.sampled_from("abc"))
    def put(self, path: str, seed: int, item: str) -> None:
        """A photo comes, or changes, or moves to another item."""
        self.shop[path] = (seed, item)

    @rule(path=st.sampled_from(PATHS))
    def take(self, path: str) -> None:
        """A photo goes from the shop."""
        self.shop.pop(path, None)

    @precondition(lambda self: self.shop)
    @rule(mirror=st.booleans())
    def index(self, mirror: bool) -> None:
        """The catalogue is brought up to date."""
        rows = [{"path": path, "item_id": item} for path, (_, item) in self.shop.items()]
        manifest = write(self.folder / "shop", rows, {path: seed for path, (seed, _) in self.shop.items()})
        index(self.folder / "c", manifest, options=IndexOptions(mirror=mirror))
        self.held = dict(self.shop) if mirror else self.held | self.shop

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """An item is removed."""
        item = data.draw(st.sampled_from(sorted({item for _, item in self.held.values()})))
        with Catalogue(self.folder / "c") as catalogue:
            catalogue.remove([item])
        self.held = {path: photo for path, photo in self.held.items() if photo[1] != item}

    @precondition(lambda self: self.held)
    @rule(name=st.sampled_from(["vectors.f32", "ids.i64", "state.json"]))
    def lose(self, name: str) -> None:
        """A derived file is lost."""
        (self.folder / "c/derived/1" / name).unlink(missing_ok=True)

    @precondition(lambda self: self.held)
    @rule(name=st.sampled_from(["vectors.f32", "ids.i64", "state.json"]), place=st.floats(0, 0.999))
    def flip(self, name: str, place: float) -> None:
        """A byte of a derived file, written anew, is another."""
        file = self.folder / "c/derived/1" / name
        if file.exists() and file.stat().st_size:
            data = bytearray(file.read_bytes())
            data[int(place * len(data))] ^= 4
            file.unlink()  # an opened catalogue still has the old file mapped
            file.write_bytes(data)

    @precondition(lambda self: self.held)
    @rule()
    def mend(self) -> None:
        """`verify --repair` leaves no problem."""
        with Catalogue(self.folder / "c") as catalogue:
            assert catalogue.verify(repair=True) == []

    @precondition(lambda self: self.held)
    @rule()
    def back_up(self) -> None:
        """The databases are copied while nobody has them open."""
        self.close()
        files = {name: (self.folder / "c" / name).read_bytes() for name in ("rows.sqlite", "copies.sqlite")}
        self.backup = files, dict(self.held)

    @precondition(lambda self: self.backup)
    @rule()
    def restore(self) -> None:
        """The databases are put back, beside derived files of a later time."""
        self.close()
        assert self.backup is not None
        files, held = self.backup
        for name, data in files.items():
            (self.folder / "c" / name).write_bytes(data)
        self.held = dict(held)

    def close(self) -> None:
        """Closes the catalogue that stays open."""
        if self.long_open is not None:
            self.long_open.close()
            self.long_open = None

    @invariant()
    def answers_are_those_of_brute_force(self) -> None:
        """Items, their order, their scores and their photos."""
        if not (self.folder / "c/catalogue.json").exists():
            return
        query = embedded(3).astype(np.float64)
        best: dict[str, float] = {}
        for seed, item in self.held.values():
            best[item] = max(best.get(item, -2.0), float(np.sum(embedded(seed).astype(np.float64) * query)))
        expected = sorted(best, key=lambda item: (-round(best[item], 9), item))
        write(self.folder / "query", [], {"q.png": 3})
        with Catalogue(self.folder / "c") as catalogue:
            answer = catalogue.search(self.folder / "query/q.png")
            assert tuple(self.paged(catalogue)) == answer.hits
            assert [hit.item_id for hit in answer] == expected
            assert sorted(p.photo for hit in answer for p in hit.photos) == sorted(self.held)
            assert catalogue.info().photos == len(self.held)
        if self.long_open is None:
            self.long_open = Catalogue(self.folder / "c")
        assert self.long_open.search(self.folder / "query/q.png").hits == answer.hits

    def paged(self, catalogue: Catalogue) -> Iterator[Hit]:
        """Page by page, two hits each."""
        cursor = None
        while True:
            page = catalogue.search(self.folder / "query/q.png", 2, cursor=cursor)
            yield from page
            cursor = page.next
            if cursor is None:
                return


History.TestCase.settings = settings(max_examples=60, stateful_step_count=12, deadline=None, derandomize=True)
TestHistory = History.TestCase
