"""Bringing a catalogue up to date: which files are opened, which sources touched, what is removed by a filter."""

import csv
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from shops import age, build, index, picture, shop, write
from twinset import Catalogue, IndexOptions
from twinset import photos as photo_files
from twinset.catalogue.stamp import stamp
from twinset.cli.main import main
from twinset.errors import UnknownFieldError, UnknownItemError, WhereError
from twinset.store.rows import Rows

EVERYTHING = IndexOptions(verify_content=True)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of photos that are read, as they are read."""
    names: list[str] = []
    read = photo_files.read_bytes

    def note(path: str | Path) -> bytes:
        names.append("/".join(Path(path).parts[-2:]))
        return read(path)

    monkeypatch.setattr(photo_files, "read_bytes", note)
    return names


def prices(manifest: Path, items: set[str], price: str) -> None:
    """Writes another price for some items."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"price": price if row["item_id"] in items else row["price"]} for row in rows)


def times(place: Path) -> dict[str, int]:
    """The modification time that each row keeps, by path."""
    rows = Rows(place)
    kept = {row.photo.path: row.mtime_ns for row in rows.since(0)}
    rows.close()
    return kept


def whole(place: Path) -> bool:
    """Whether `verify` is content."""
    with Catalogue(place) as catalogue:
        return catalogue.verify() == []


def test_known_files_are_not_opened(tmp_path: Path, opened: list[str]) -> None:
    """Prices change with one photo opened, the first, which every run tries; `verify_content` opens all."""
    manifest, place = shop(tmp_path / "shop"), tmp_path / "c"
    index(place, manifest)
    prices(manifest, {"i003", "i004"}, "12")
    opened.clear()
    report = index(place, manifest)
    assert (report.updated, report.unchanged, report.embedded) == (4, 36, 0)
    assert opened == ["000/0.png"]
    opened.clear()
    assert index(place, manifest, options=EVERYTHING).unchanged == 40
    assert len(opened) == 41
    assert whole(place)


def test_what_may_have_changed_is_opened(tmp_path: Path, opened: list[str]) -> None:
    """Another size, another time, another box, a lost copy: just those photos are read; a touched one is kept."""
    manifest, place = shop(tmp_path / "shop", 6, 1), tmp_path / "c"
    index(place, manifest)
    sequence = _sequence(place)
    age(manifest.parent / "002/0.png", 7200)
    opened.clear()
    report = index(place, manifest)
    assert (report.updated, report.unchanged, report.embedded) == (0, 6, 0)
    assert opened == ["000/0.png", "002/0.png"]
    assert times(place)["002/0.png"] == (manifest.parent / "002/0.png").stat().st_mtime_ns
    assert _sequence(place) == sequence
    opened.clear()
    index(place, manifest)
    assert opened == ["000/0.png"]
    Image.fromarray(picture(77, 48)).save(manifest.parent / "004/0.png")
    report = index(place, manifest)
    assert (report.updated, report.unchanged, report.embedded) == (1, 5, 1)
    assert whole(place)


def test_a_change_that_keeps_size_and_time_is_seen_when_asked_for(tmp_path: Path) -> None:
    """A file replaced under its old time and size passes for unchanged, until `verify_content` reads it."""
    manifest, place = shop(tmp_path / "shop", 3, 1), tmp_path / "c"
    photo = manifest.parent / "001/0.png"
    photo.write_bytes(photo.read_bytes() + b"1")
    age(photo)
    index(place, manifest)
    before = photo.stat()
    photo.write_bytes(photo.read_bytes()[:-1] + b"2")
    os.utime(photo, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert index(place, manifest).embedded == 0
    assert index(place, manifest, options=EVERYTHING).embedded == 1
    assert index(place, manifest, options=EVERYTHING).embedded == 0
    assert whole(place)


def test_young_files_are_read_again(tmp_path: Path) -> None:
    """A file changed within the same tick of the clock in which it was indexed is found by the next run."""
    manifest, place = shop(tmp_path / "shop", 3, 1), tmp_path / "c"
    photo = manifest.parent / "001/0.png"
    photo.write_bytes(photo.read_bytes() + b"1")
    now = time.time_ns()
    os.utime(photo, ns=(now, now))
    index(place, manifest)
    assert times(place)["001/0.png"] == 0
    photo.write_bytes(photo.read_bytes()[:-1] + b"2")
    os.utime(photo, ns=(now, now))
    assert index(place, manifest).embedded == 1
    age(photo)
    assert index(place, manifest).unchanged == 3
    assert times(place)["001/0.png"] == photo.stat().st_mtime_ns
    assert whole(place)


@pytest.mark.parametrize(("seconds", "known"), [(3600, True), (3, True), (1, False), (-3600, False)])
def test_a_time_that_tells_something(tmp_path: Path, seconds: int, known: bool) -> None:
    """Times of young files and of files from the future are not kept."""
    (tmp_path / "a").touch()
    age(tmp_path / "a", seconds)
    assert bool(stamp(tmp_path / "a")) is known


def _sequence(place: Path) -> int:
    rows = Rows(place)
    sequence = rows.state().sequence
    rows.close()
    return sequence


# Several sources


def test_each_source_is_mirrored_alone(tmp_path: Path) -> None:
    """The same paths and items in two sources stand beside each other; mirroring one leaves the other's bytes."""
    rows = [{"path": f"{n}.png", "item_id": f"i{n}"} for n in range(4)]
    one = write(tmp_path / "one", rows, {f"{n}.png": n for n in range(4)})
    two = write(tmp_path / "two", rows, {f"{n}.png": n + 10 for n in range(4)})
    place = tmp_path / "c"
    index(place, one)
    index(place, two, options=IndexOptions(source="two"))
    write(tmp_path / "two", rows[:1], {})
    report = index(place, two, options=IndexOptions(mirror=True))
    assert (report.removed, report.photos, report.items) == (3, 5, 4)
    kept = times(place)
    assert sorted(kept) == ["0.png", "1.png", "2.png", "3.png"]
    with Catalogue(place) as catalogue:
        assert [source.name for source in catalogue.info().sources] == ["main", "two"]
        assert {hit.item_id for hit in catalogue.search(one.parent / "2.png")} == {"i0", "i1", "i2", "i3"}
        assert catalogue.verify() == []
    assert index(place, one, options=IndexOptions(mirror=True)).removed == 0


def test_a_source_that_shrank_is_settled_without_its_gone_photos(tmp_path: Path, opened: list[str]) -> None:
    """Photos that left a manifest and come back are known by their files, and nothing is embedded."""
    manifest, place = shop(tmp_path / "shop", 5, 1), tmp_path / "c"
    index(place, manifest)
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text("\n".join(text.splitlines()[:3]) + "\n", encoding="utf-8")
    assert (index(place, manifest).gone, index(place, manifest).photos) == (3, 5)
    manifest.write_text(text, encoding="utf-8")
    opened.clear()
    assert index(place, manifest).unchanged == 5
    assert opened == ["000/0.png"]


# Removing by a filter


def stock(tmp_path: Path) -> tuple[Path, Path]:
    """A catalogue of five items with two photos each, of which some are sold out."""
    manifest = shop(tmp_path / "shop", 5)
    prices(manifest, {"i001", "i003"}, "0")
    build(tmp_path / "c", manifest).close()
    return manifest, tmp_path / "c"


def test_filters_and_names_add_up(tmp_path: Path) -> None:
    """What fits all filters goes, and what is named beside them; each photo counts once."""
    manifest, place = stock(tmp_path)
    with Catalogue(place) as catalogue:
        assert catalogue.remove(["i003"], ["004/1.png"], ["price=0", "view=v0"]) == 4
        left = catalogue.search(manifest.parent / "000/0.png")
        assert {hit.item_id: len(hit.photos) for hit in left} == {"i000": 2, "i001": 1, "i002": 2, "i004": 1}
        assert catalogue.verify() == []
        assert catalogue.remove(where=["price=*"]) == 6
        assert catalogue.info().photos == 0


def test_a_filter_that_finds_nothing_removes_nothing(tmp_path: Path) -> None:
    """No photo that fits, no such field, no filter: each is refused in words, and all else stays too."""
    _, place = stock(tmp_path)
    with Catalogue(place) as catalogue:
        with pytest.raises(UnknownItemError, match="no photo fits price=99 and view=v0; nothing is removed"):
            catalogue.remove(["i003"], where=["price=99", "view=v0"])
        with pytest.raises(UnknownItemError, match="holds no zz"):
            catalogue.remove(["zz"], where=["price=0"])
        with pytest.raises(UnknownFieldError, match="did you mean price"):
            catalogue.remove(where=["prise=0"])
        with pytest.raises(WhereError, match="is no filter"):
            catalogue.remove(where=["price"])
        assert catalogue.info().photos == 10


def test_the_command_takes_filters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`remove --where` counts; where nothing fits it exits 3 and says so."""
    _, place = stock(tmp_path)
    assert main(["remove", "-c", str(place), "--where", "price=0", "--where", "view=v1", "--json"]) == 0
    assert '"removed": 2' in capsys.readouterr().out
    assert main(["remove", "-c", str(place), "--where", "price=0", "--where", "view=v1"]) == 3
    assert "no photo fits price=0 and view=v1" in capsys.readouterr().err
    assert main(["remove", "-c", str(place)]) == 2
    assert "--where" in capsys.readouterr().err
