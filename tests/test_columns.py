"""Columns by photo number: always what the rows say, whatever lies in the derived folder."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shops import build, shop
from twinset import Catalogue, where
from twinset.errors import CatalogueError, UnknownFieldError
from twinset.records import Photo, photo_id
from twinset.store import columns, columns_file
from twinset.store.columns import Columns, catch_up, open_columns, problems
from twinset.store.rows import Rows
from twinset.store.versions import Version

NAME = "the catalogue's id"
FIELDS = ("path", "item_id", "domain", "category", "view", "box", "colour", "price", "naïve")


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """An empty `rows.sqlite`, open for writing."""
    Rows.create(tmp_path)
    opened = Rows(tmp_path, write=True)
    with opened.transaction():
        opened.versions.reset(Version(1, "f" * 64, "none", 8))
    yield opened
    opened.close()


def put(rows: Rows, number: int, **attributes: str) -> None:
    """Stores a photo, or replaces it."""
    path = f"{number}.png"
    photo = Photo(path, f"i{number // 2}", "TOPS", attributes=attributes, photo_id=photo_id("main", path))
    with rows.transaction():
        rows.put(photo, "main", ("0" * 64, 1, 1), rows.find([photo.photo_id]).get(photo.photo_id))


def drop(rows: Rows, number: int) -> None:
    """Removes a photo."""
    with rows.transaction():
        rows.remove(rows.find([photo_id("main", f"{number}.png")]).values())


def opened(rows: Rows, folder: Path) -> Columns:
    """As a reader opens them."""
    with rows.snapshot():
        return open_columns(folder, rows, rows.state().sequence, NAME)


def check(rows: Rows, folder: Path) -> None:
    """Each field of each photo is what its row says, and there are no other photos, fields or texts."""
    found = opened(rows, folder)
    stored = {row.id: row.photo for row in rows.since(0)}
    assert set(np.flatnonzero(found.alive).tolist()) == stored.keys()
    for name in FIELDS:
        values = {number: photo.value(name) for number, photo in stored.items()}
        if name in ("path", "item_id", "domain") or any(values.values()):
            column = found.column(name)
            assert {n: column.texts[column.codes[n]] for n in values} == values
            assert set(column.texts) == set(values.values())
            assert np.array_equal(column.codes >= 0, found.alive)
        else:
            with pytest.raises(UnknownFieldError, match=f"no photo has a field '{name}'"):
                found.column(name)
            assert not any(found.optional(name).texts)
    for condition in where.parse(["path=*1.png", "item_id!=i0"]).conditions:
        fits = found.column(condition.field).matching(condition.matches)
        right = {number for number, photo in stored.items() if condition.matches(photo.value(condition.field))}
        assert set(np.flatnonzero(fits).tolist()) == right


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 7), st.dictionaries(
            st.sampled_from(["colour", "price", "naïve"]), st.sampled_from(["red", "a|b", "é\u2028\"", "10"])
        )),
        st.tuples(st.just("drop"), st.integers(0, 7)),
        st.tuples(st.sampled_from(["derive", "rebuild", "check", "lose", "damage"])),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(0, 10**6))
def test_columns_follow_the_rows(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple], where_: int) -> None:
    """Through any puts, removals, catching up, loss and damage: at every moment what the rows say."""
    place = tmp_path_factory.mktemp("columns")
    folder = place / "derived"
    Rows.create(place)
    rows = Rows(place, write=True)
    with rows.transaction():
        rows.versions.reset(Version(1, "f" * 64, "none", 8))
    for step in steps:
        match step:
            case ("put", number, attributes):
                put(rows, number, **attributes)
            case ("drop", number):
                drop(rows, number)
            case ("derive",):
                catch_up(folder, rows, NAME)
                assert problems(folder, rows, NAME) == []
            case ("rebuild",):
                catch_up(folder, rows, NAME, rebuild=True)
            case ("check",):
                check(rows, folder)
            case ("lose",):
                (folder / columns.NAME).unlink(missing_ok=True)
            case ("damage",) if columns_file.read(folder / columns.NAME, NAME) is not None:
                data = bytearray((folder / columns.NAME).read_bytes())
                data[where_ % len(data)] ^= 1 << where_ % 8
                (folder / columns.NAME).write_bytes(data)
                assert problems(folder, rows, NAME) != []
    check(rows, folder)
    catch_up(folder, rows, NAME)
    check(rows, folder)
    assert problems(folder, rows, NAME) == []
    rows.close()


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff" * 8, b"\xff" * 400, b"\2" + bytes(7) + b"[]", b"\2" + bytes(7) + b"{}"]
)
def test_what_is_no_file_of_columns_is_not_read(rows: Rows, tmp_path: Path, data: bytes) -> None:
    """Anything that lies there is passed over, told by `verify`, and replaced by a writer."""
    folder = tmp_path / "derived"
    put(rows, 0, colour="red")
    catch_up(folder, rows, NAME)
    good = (folder / columns.NAME).read_bytes()
    (folder / columns.NAME).write_bytes(data)
    check(rows, folder)
    (found,) = problems(folder, rows, NAME)
    assert found.startswith("the columns do not agree with their checksums; the next `index` makes them anew")
    catch_up(folder, rows, NAME)
    assert (folder / columns.NAME).read_bytes() == good


def test_another_catalogues_columns_are_not_read(rows: Rows, tmp_path: Path) -> None:
    """Columns that a file of another id holds count for nothing."""
    put(rows, 0, colour="red")
    catch_up(tmp_path / "derived", rows, "another id")
    assert columns_file.read(tmp_path / "derived" / columns.NAME, NAME) is None
    check(rows, tmp_path / "derived")


def test_rows_restored_from_a_copy_win(rows: Rows, tmp_path: Path) -> None:
    """After a restore the rows count up past the file again: its columns, of another history, are not read."""
    folder = tmp_path / "derived"
    for number in range(6):
        put(rows, number, colour="red")
    rows.close()
    shutil.copytree(tmp_path, tmp_path / "kept", ignore=shutil.ignore_patterns("kept"))
    again = Rows(tmp_path, write=True)
    put(again, 3, colour="blue")
    put(again, 4, colour="blue")
    catch_up(folder, again, NAME)
    again.close()
    for file in (tmp_path / "kept").iterdir():
        shutil.copy(file, tmp_path / file.name)
    restored = Rows(tmp_path, write=True)
    assert problems(folder, restored, NAME)[0].startswith("the columns are ahead of the rows; the next `index`")
    check(restored, folder)
    for number in (0, 1, 2):
        put(restored, number, colour="green")
        check(restored, folder)
    assert problems(folder, restored, NAME)[0].startswith("the columns are of other rows; the next `index`")
    catch_up(folder, restored, NAME)
    check(restored, folder)
    assert problems(folder, restored, NAME) == []
    restored.close()


def test_a_column_that_differs_from_the_rows_is_named(rows: Rows, tmp_path: Path) -> None:
    """`verify` reads each field of each photo against its row."""
    folder = tmp_path / "derived"
    put(rows, 0, colour="red", price="5")
    found = opened(rows, folder)
    wrong = {name: found.column(name) for name in ("path", "item_id", "domain", "colour", "category")}
    wrong["price"] = columns_file.Column(("6",), found.column("price").codes)
    folder.mkdir()
    sums = np.array([-1, next(iter(rows.since(0))).checksum])
    data = columns_file.write(NAME, found.sequence, sums, wrong)
    (folder / columns.NAME).write_bytes(data)
    assert problems(folder, rows, NAME) == [
        "the column price differs from the rows; the next `index` makes them anew, and so does `verify --repair`"
    ]


def test_an_unknown_field_is_not_remembered(rows: Rows, tmp_path: Path) -> None:
    """Asking for fields that are not there takes no memory, and suggests one that is."""
    put(rows, 0, colour="red")
    found = opened(rows, tmp_path)
    with pytest.raises(UnknownFieldError, match="no photo has a field 'color': did you mean colour"):
        found.column("color")
    assert not found._read


def test_a_reader_makes_lost_columns_in_memory(tmp_path: Path) -> None:
    """Where the file is missing a search filters as before, and writes nothing."""
    manifest = shop(tmp_path / "shop", 4)
    build(tmp_path / "c", manifest).close()
    (tmp_path / "c/derived" / columns.NAME).unlink()
    with Catalogue(tmp_path / "c") as catalogue:
        assert len(catalogue.search(manifest.parent / "000/0.png", where=["view=v1"])) == 4
    assert not (tmp_path / "c/derived" / columns.NAME).exists()


def test_verify_names_the_file_and_repair_mends_it(tmp_path: Path) -> None:
    """A damaged file changes no answer; `verify` names it, `--repair` makes it anew."""
    manifest = shop(tmp_path / "shop", 4)
    build(tmp_path / "c", manifest).close()
    file = tmp_path / "c/derived" / columns.NAME
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with Catalogue(tmp_path / "c") as catalogue:
        found = catalogue.search(manifest.parent / "000/0.png", where=["view=v1"])
        assert all([photo.view for photo in hit.photos] == ["v1"] for hit in found)
        assert [problem.file for problem in catalogue.verify()] == [f"derived/{columns.NAME}"]
        assert catalogue.verify(repair=True) == []
    assert file.read_bytes() == data


def test_rows_that_were_lost_are_noticed(tmp_path: Path) -> None:
    """Columns made from rows that are not those the catalogue counted are refused."""
    manifest = shop(tmp_path / "shop", 4)
    build(tmp_path / "c", manifest).close()
    (tmp_path / "c/derived" / columns.NAME).unlink()
    with sqlite3.connect(tmp_path / "c/rows.sqlite") as connection:
        connection.execute("DELETE FROM photos WHERE id = 8")
    connection.close()
    with (
        Catalogue(tmp_path / "c") as catalogue,
        pytest.raises(CatalogueError, match=r"rows.sqlite is damaged: rows are missing or extra"),
    ):
        catalogue.search(manifest.parent / "000/0.png", 1, where=["path=000/*"])
