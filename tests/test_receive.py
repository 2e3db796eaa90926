"""Items put, patched and deleted one by one: all at once, beside other sources, in copies of a catalogue too."""

import io
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shops import build, index, other_bundle, picture, shop
from twinset import Catalogue, IndexOptions, photos
from twinset.catalogue import load, upgrade
from twinset.catalogue.patch import patch_items
from twinset.catalogue.receive import MOST_PHOTOS, delete_item, put_item
from twinset.errors import BusyError, DumpError, PhotoError, SourceError, UnknownItemError, UsageError
from twinset.served import PatchReport
from twinset.store import columns, lock, received
from twinset.store.rows import Rows

SECRET = b"52.5200N"


def photo(seed: int, size: int = 32, comment: bytes = SECRET) -> bytes:
    """A JPEG that says where it was taken."""
    out = io.BytesIO()
    Image.fromarray(picture(seed, size)).save(out, "JPEG", quality=95, comment=comment)
    return out.getvalue()


def files(place: Path) -> list[str]:
    """What lies in `received/`."""
    return sorted(
        str(path.relative_to(place / "received")) for path in (place / "received").rglob("*") if path.is_file()
    )


def rows_of(place: Path, item_id: str) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Photo path → source, view and attributes of an item."""
    rows = Rows(place)
    try:
        return {
            row.photo.path: (row.source, row.photo.view, dict(row.photo.attributes))
            for row in rows.of_items([item_id])
        }
    finally:
        rows.close()


def sequence(place: Path) -> int:
    rows = Rows(place)
    try:
        return rows.state().sequence
    finally:
        rows.close()


def found(place: Path, seed: int, **options: list[str]) -> list[str]:
    """The items of a search with a photo."""
    with Catalogue(place) as catalogue:
        return [hit.item_id for hit in catalogue.search(photo(seed), 5, **options)]  # type: ignore[arg-type]


def problems(place: Path) -> list[str]:
    with Catalogue(place) as catalogue:
        return [problem.what for problem in catalogue.verify()]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of twelve items of a manifest, and `dress`, put by the API with three photos."""
    folder = tmp_path_factory.mktemp("stocked")
    index(folder / "c", shop(folder / "shop", 12))
    facts = {"price": "49", "category": "TOPS/Dress", "title": "Dress", "material": "wool|silk"}
    put_item(folder / "c", "dress", [photo(900), photo(901), photo(902)], facts)
    return folder


@pytest.fixture
def place(stocked: Path, tmp_path: Path) -> Path:
    """A catalogue of its own, moved; its shop lies beside it."""
    shutil.copytree(stocked, tmp_path / "moved")
    return tmp_path / "moved/c"


# Put


def test_an_item_is_found_by_photo_and_by_what_is_said_of_it(stocked: Path) -> None:
    """Photos lie in `received/` without metadata, under names of ours; the first is the item's main view."""
    place = stocked / "c"
    assert found(place, 901)[0] == "dress"
    assert found(place, 901, where=["price<50", "material=silk", "category=TOPS/Dress"]) == ["dress"]
    stored = rows_of(place, "dress")
    assert [view for _, view, _ in stored.values()].count("main") == 1
    assert files(place) == sorted(stored)
    for name in stored:
        data = (place / "received" / name).read_bytes()
        assert SECRET not in data
        assert name.endswith(".jpg")
    assert {source for source, _, _ in stored.values()} == {"api"}
    with Catalogue(place) as catalogue:
        assert np.array_equal(photos.read(catalogue.portrait("dress")).shape, photos.read(photo(900)).shape)
        assert {source.name: source.root for source in catalogue.info().sources}["api"] == "received"
    assert problems(place) == []


def test_the_same_put_again_changes_nothing(place: Path) -> None:
    """Nothing is embedded, nor stored; other metadata of the same pictures is nothing new."""
    before = sequence(place)
    facts = {"price": "49", "category": "TOPS/Dress", "title": "Dress", "material": "wool|silk"}
    again = [photo(900, comment=b"other"), photo(901), photo(902), photo(900)]
    assert put_item(place, "dress", again, facts).to_json() == {
        "item_id": "dress", "photos": 3, "added": 0, "removed": 0, "embedded": 0,
    }  # fmt: skip
    assert sequence(place) == before
    put_item(place, "dress", again, {"price": "39"})
    assert {tuple(facts.items()) for _, _, facts in rows_of(place, "dress").values()} == {(("price", "39"),)}
    assert problems(place) == []


def test_a_put_replaces_photos_and_says_all_anew(place: Path) -> None:
    """Only the new photo is embedded; the files of those that are gone are gone, and an open reader sees it."""
    with Catalogue(place) as reader:
        assert reader.search(photo(902), 1).hits[0].score > 0.99
        report = put_item(place, "dress", [photo(950), photo(900)], {"box": "0,0,16,32", "view": "back"})
        assert (report.photos, report.added, report.removed, report.embedded) == (2, 1, 2, 2)
        report = put_item(place, "dress", [photo(950), photo(900)], {"view": "back"})
        assert report.embedded == 2, "another box is another embedding"
        hit = reader.search(photo(950), 1).hits[0]
        assert (hit.item_id, len(hit.photos), hit.attributes, hit.category) == ("dress", 2, {}, "")
        assert reader.search(photo(902), 1).hits[0].score < 0.99
    assert len(files(place)) == 2
    assert problems(place) == []


def test_one_picture_may_show_two_items(place: Path) -> None:
    """Each has its own file, and keeps it when the other goes."""
    put_item(place, "twin", [photo(900)], {})
    assert len(files(place)) == 4
    assert delete_item(place, "dress") == 3
    assert files(place) == list(rows_of(place, "twin"))
    assert problems(place) == []


def test_other_kinds_are_kept_as_jpeg(place: Path) -> None:
    """A GIF becomes a JPEG, a PNG stays one."""
    for kind in ("GIF", "PNG"):
        out = io.BytesIO()
        Image.fromarray(picture(7)).save(out, kind)
        put_item(place, kind, [out.getvalue()], {})
        assert [name.rpartition(".")[2] for name in rows_of(place, kind)] == [{"GIF": "jpg", "PNG": "png"}[kind]]


def test_an_item_of_another_source_is_left_alone(place: Path) -> None:
    """Neither put nor deleted here: 409 over HTTP."""
    for work in (lambda: put_item(place, "i003", [photo(1)], {}), lambda: delete_item(place, "i003")):
        with pytest.raises(SourceError, match="i003 is of the source main: change it there") as caught:
            work()
        assert caught.value.http_status == 409
    assert len(files(place)) == 3


@pytest.mark.parametrize(
    ("item_id", "count", "facts", "said"),
    [
        ("", 1, {}, "no item id"),
        ("  ", 1, {}, "no item id"),
        ("a\nb", 1, {}, "no item id"),
        ("a" * 513, 1, {}, "no item id"),
        ("a", 0, {}, "0 photos are given: give 1 to 20"),
        ("a", MOST_PHOTOS + 1, {}, "21 photos are given"),
        ("a", 1, {"path": "../../etc"}, "path is no field to set"),
        ("a", 1, {"domain": "customer"}, "domain is no field to set"),
        ("a", 1, {f"f{n}": "1" for n in range(101)}, "101 fields"),
        ("a", 1, {"": "1"}, "no name of a field"),
        ("a", 1, {"a=b": "1"}, "no name of a field"),
        ("a", 1, {" a": "1"}, "no name of a field"),
        ("a", 1, {"colour": "x" * 10_001}, "10,001 characters"),
        ("a", 1, {"colour": "\ud800"}, "half a character"),
        ("a", 1, {"colour": "r\0d"}, "a NUL"),
        ("a", 1, {"price": 5}, "give its value as text"),
        ("a", 1, {"box": "1,2,3"}, "x1,y1,x2,y2"),
        ("a", 1, {"split": "some"}, "train, val, test"),
    ],
)
def test_what_cannot_be_put(stocked: Path, item_id: str, count: int, facts: dict[str, str], said: str) -> None:
    """Ids, fields and values that a manifest could not hold, or that are over a limit."""
    with pytest.raises(UsageError, match=said):
        put_item(stocked / "c", item_id, [photo(1)] * count, facts)


def test_a_refused_photo_changes_nothing(place: Path) -> None:
    """The message tells which; a box outside of a photo is refused too."""
    before = sequence(place), files(place)
    with pytest.raises(PhotoError, match="photo 2: ") as caught:
        put_item(place, "dress", [photo(1), photo(2)[:-200]], {})
    assert caught.value.code in ("truncated_photo", "broken_photo")
    with pytest.raises(PhotoError, match="outside the photo"):
        put_item(place, "dress", [photo(1)], {"box": "100,100,120,120"})
    assert (sequence(place), files(place)) == before


def test_a_long_writer_is_waited_for_and_then_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else holds the lock."""
    monkeypatch.setattr("twinset.catalogue.writer.writer.__wrapped__.__defaults__", (0.2,))
    with lock.writing(place):
        for work in (
            lambda: put_item(place, "a", [photo(1)], {}),
            lambda: delete_item(place, "dress"),
            lambda: patch_items(place, {"dress": {"price": "1"}}),
        ):
            with pytest.raises(BusyError, match="being written by process"):
                work()


def test_no_reader_sees_half_of_a_put(place: Path) -> None:
    """While an item changes between two states, every answer is one of them."""
    states = (([photo(900), photo(901)], {"price": "1"}), ([photo(950), photo(951), photo(952)], {"price": "2"}))
    put_item(place, "dress", *states[0])
    ended = threading.Event()

    def work() -> None:
        for number in range(8):
            put_item(place, "dress", *states[number % 2])
        ended.set()

    writer, seen = threading.Thread(target=work), set()
    writer.start()
    with Catalogue(place) as reader:
        while not ended.is_set():
            hit = next(hit for hit in reader.search(photo(900), 50) if hit.item_id == "dress")
            seen.add((len(hit.photos), hit.attributes["price"]))
    writer.join()
    assert seen == {(2, "1"), (3, "2")}


# Deleted


def test_a_deleted_item_is_gone_with_its_files(place: Path) -> None:
    """And one that is unknown is told with the nearest."""
    with pytest.raises(UnknownItemError, match=r"holds no dres .*nothing is removed: did you mean dress"):
        delete_item(place, "dres")
    assert delete_item(place, "dress") == 3
    assert files(place) == []
    assert "dress" not in found(place, 900)
    assert problems(place) == []


def test_remove_takes_received_files_too(place: Path) -> None:
    """By a path, and by a filter."""
    first = next(iter(rows_of(place, "dress")))
    with Catalogue(place) as catalogue:
        assert catalogue.remove(paths=[first]) == 1
        assert sorted(rows_of(place, "dress")) == files(place)
        assert catalogue.remove(where=["price=49"]) == 2
    assert files(place) == []


def test_what_a_killed_writer_left_is_cleared_by_the_next(place: Path) -> None:
    """A file without a row, an unfinished one, and the mark that tells of them; without the mark nothing goes."""
    for name in ("ab/lost.jpg", "cd/half.jpg.tmp"):
        (place / "received" / name).parent.mkdir(exist_ok=True)
        (place / "received" / name).write_bytes(b"x")
    put_item(place, "a", [photo(1)], {})
    assert len(files(place)) == 6
    (place / "received/unsettled").touch()
    patch_items(place, {"a": {"price": "1"}})
    assert files(place) == sorted([*rows_of(place, "a"), *rows_of(place, "dress")])


# Beside index, upgrade, verify, snapshot, dump


def test_index_leaves_the_source_alone(place: Path) -> None:
    """`api` is no name for a manifest, and mirroring another source removes nothing of it."""
    manifest = shop(place.parent / "shop", 10)
    with pytest.raises(UsageError, match="source api is of photos that were put"):
        index(place, manifest, options=IndexOptions(source="api"))
    report = index(place, manifest, options=IndexOptions(source="main", mirror=True))
    assert (report.removed, report.photos) == (4, 23)
    assert found(place, 900)[0] == "dress"


def test_the_first_manifest_may_come_after_the_first_put(tmp_path: Path) -> None:
    """It is `main`, as if nothing had been put."""
    manifest = shop(tmp_path / "shop", 2)
    with build(tmp_path / "c", manifest) as catalogue:
        catalogue.remove(where=["price=10"])
    rows = Rows(tmp_path / "c", write=True)
    with rows.transaction():
        rows._database.do("DELETE FROM sources")  # as in a catalogue that has only been put to
    rows.close()
    put_item(tmp_path / "c", "a", [photo(1)], {})
    assert index(tmp_path / "c", manifest).added == 4


def test_a_snapshot_carries_the_photos(place: Path, tmp_path: Path) -> None:
    """It is whole by itself, and another bundle embeds them from the files."""
    with Catalogue(place) as catalogue:
        catalogue.snapshot(tmp_path / "s")
    shutil.rmtree(place)
    assert problems(tmp_path / "s") == []
    assert len(files(tmp_path / "s")) == 3
    version = upgrade.prepare(tmp_path / "s", other_bundle(tmp_path / "b")).version
    assert upgrade.switch(tmp_path / "s", version).from_copies == 0
    assert put_item(tmp_path / "s", "dress", [photo(900)], {}).embedded == 0


def test_a_dump_carries_the_photos_beside_it(place: Path, tmp_path: Path) -> None:
    """`load` brings them in, and refuses a dump whose photos are left behind."""
    pytest.importorskip("pyarrow")
    out = tmp_path / "d.parquet"
    with Catalogue(place) as catalogue:
        catalogue.dump(out)
    assert load(out, tmp_path / "l") == 27
    assert files(tmp_path / "l") == files(place)
    assert problems(tmp_path / "l") == []
    (tmp_path / "d.parquet.received").rename(tmp_path / "elsewhere")
    with pytest.raises(DumpError, match=r"not in .*d.parquet.received: bring that folder along"):
        load(out, tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_lost_file_is_told_and_its_copy_stands_in(place: Path, tmp_path: Path, damage: str) -> None:
    """Answers stay; another bundle embeds from the copy; the item put again makes it whole."""
    name = next(name for name, (_, view, _) in rows_of(place, "dress").items() if view == "main")
    file = place / "received" / name
    file.unlink() if damage == "gone" else file.write_bytes(photo(1))
    with Catalogue(place) as catalogue:
        (problem,) = catalogue.verify()
        assert (problem.file, "put the item again" in problem.mend) == ("received", True)
        assert f"the file {name} of item dress is missing or of other bytes" in problem.what
        assert len(catalogue.verify(repair=True)) == 1
    assert found(place, 900)[0] == "dress"
    version = upgrade.prepare(place, other_bundle(tmp_path / "b")).version
    assert upgrade.switch(place, version).from_copies == 1
    assert put_item(place, "dress", [photo(900), photo(901), photo(902)], {}).embedded == 1
    assert problems(place) == []


def test_repair_keeps_photos_whose_rows_are_lost(place: Path) -> None:
    """They are all that is left of them; leftovers of a killed writer go where no row is lost."""
    (place / "received/ab").mkdir(exist_ok=True)
    (place / "received/ab/lost.jpg").write_bytes(b"x")
    (place / "received/unsettled").touch()
    rows = Rows(place, write=True)
    rows._database.do("UPDATE photos SET checksum = 1 WHERE item_id = 'dress'")
    rows.close()
    with Catalogue(place) as catalogue:
        assert catalogue.verify(repair=True) == []
    assert len(files(place)) == 4
    (place / "received/unsettled").touch()
    with Catalogue(place) as catalogue:
        assert catalogue.verify(repair=True) == []
    assert files(place) == []


# Patched


def test_a_patch_is_seen_by_the_next_search(place: Path) -> None:
    """By a reader that is open, in filters and in hits; of items of any source, on all of their photos."""
    changes = {"i001": {"price": "3", "category": "SALE"}, "dress": {"price": None, "material": "", "new": "x"}}
    with Catalogue(place) as reader:
        reader.search(photo(1), where=["price<50"])
        assert patch_items(place, changes) == PatchReport(items=2, photos=5, updated=5)
        assert [hit.item_id for hit in reader.search(photo(1), where=["price<4"])] == ["i001"]
        assert [hit.item_id for hit in reader.search(photo(1), where=["category=SALE"])] == ["i001"]
        (hit,) = reader.search(photo(1), where=["new=x"])
        assert (hit.item_id, hit.title, hit.category) == ("dress", "Dress", "TOPS/Dress")
        assert dict(hit.attributes) == {"title": "Dress", "new": "x"} or dict(hit.attributes) == {"new": "x"}
    assert {view for _, view, _ in rows_of(place, "i001").values()} == {"v0", "v1"}
    assert problems(place) == []
    assert patch_items(place, changes).updated == 0


def test_a_patch_brings_the_columns_up_to_date(place: Path) -> None:
    """The derived file says all of it, and no vector is written."""
    before = (place / "derived/1/vectors.f32").stat().st_mtime_ns, sequence(place)
    patch_items(place, {f"i{n:03d}": {"price": str(n)} for n in range(12)})
    assert sequence(place) == before[1] + 22, "i010 cost 10 before"
    assert (place / "derived/1/vectors.f32").stat().st_mtime_ns == before[0]
    rows = Rows(place)
    with Catalogue(place) as catalogue, rows.snapshot():
        folder = catalogue._folder
        told = columns.open_columns(folder.path / "derived", rows, rows.state().sequence, folder.id)
    rows.close()
    assert told.stored()
    assert set(told.column("price").texts) == {*map(str, range(12)), "49"}


def test_the_manifest_is_the_truth_of_its_source(place: Path) -> None:
    """The next `index` puts its values back, and those of received items stay."""
    patch_items(place, {"i001": {"price": "3"}, "dress": {"price": "4"}})
    assert index(place, place.parent / "shop/photos.csv", options=IndexOptions(source="main")).updated == 2
    assert {facts["price"] for _, _, facts in rows_of(place, "i001").values()} == {"10"}
    assert {facts["price"] for _, _, facts in rows_of(place, "dress").values()} == {"4"}


@pytest.mark.parametrize("field", ["path", "item_id", "photo_id", "domain", "box", "view"])
def test_what_decides_photos_cannot_be_patched(stocked: Path, field: str) -> None:
    """Neither to a value nor away."""
    for value in ("main", None):
        with pytest.raises(UsageError, match=f"{field} is no field to set"):
            patch_items(stocked / "c", {"i001": {field: value}})


def test_an_unknown_item_undoes_the_whole_patch(place: Path) -> None:
    """Nothing is changed, and the nearest are told; too many fields undo it too."""
    before = sequence(place)
    with pytest.raises(UnknownItemError, match=r"holds no i0011 .*nothing is changed: did you mean i0"):
        patch_items(place, {"i001": {"price": "3"}, "i0011": {"price": "3"}})
    with pytest.raises(UsageError, match="dress would have 102 fields"):
        patch_items(place, {"i001": {"price": "3"}, "dress": {f"f{n}": "1" for n in range(99)}})
    assert sequence(place) == before


def test_received_names_tell_items_apart() -> None:
    """The same content of two items has two names."""
    assert received.file_name("a", "c", "jpg") != received.file_name("b", "c", "jpg")
