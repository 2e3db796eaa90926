"""Parquet manifests: the same photos as from a CSV of the same table; what cannot be read is one line."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shops import shop
from twinset import manifest
from twinset.cli.main import main
from twinset.errors import ManifestError, MissingExtraError, UsageError
from twinset.manifest import parquet

pa = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")

Out = pytest.CaptureFixture[str]
COLOUR = ["--bundle", "colour", "-q"]


def write(file: Path, /, **columns: Any) -> Path:
    """A Parquet file of some columns."""
    pq.write_table(pa.table(columns), file)
    return file


def again(source: Path) -> Path:
    """The Parquet file of a CSV's texts, beside it."""
    with source.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return write(source.with_suffix(".parquet"), **dict(zip(header, zip(*rows, strict=True), strict=True)))


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array(["00123", None, "a|b"]), ["00123", "", "a|b"]),
        (pa.array(["red", "red", None]).dictionary_encode(), ["red", "red", ""]),
        (pa.array([7, None, 10**18]), ["7", "", str(10**18)]),
        (pa.array([39.9, 123456789012.0, None]), ["39.9", "123456789012", ""]),
        (pa.array([39.9, 1e-7, float("nan")], pa.float32()), ["39.9", "0.0000001", ""]),
        (pa.array([39.9, 40, None], pa.float16()), ["39.9", "40", ""]),
        (pa.array([True, False, None]), ["true", "false", ""]),
        (pa.array([["S", "M"], [], None]), ["S|M", "", ""]),
        (pa.array([["S|M", None, "L"], ["XL"], [""]], pa.large_list(pa.string())), ["S/M|L", "XL", ""]),
        (pa.array([[36, 38], None, [40, 42]], pa.list_(pa.int32(), 2)), ["36|38", "", "40|42"]),
        (pa.array([[0.5], [2.0], None]), ["0.5", "2", ""]),
        (pa.nulls(3), ["", "", ""]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_value_is_a_text(values: Any, texts: list[str], tmp_path: Path) -> None:
    """Numbers are written plainly, lists with `|`; what is missing is empty; rows come in groups."""
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"x": values}), path, row_group_size=2)
    assert parquet.columns(path) == ["x"]
    assert [row for (row,) in parquet.rows(path)] == texts


def test_a_manifest_is_that_of_the_csv(tmp_path: Path) -> None:
    """Photos, faults and columns are those of the CSV, with rows for lines."""
    source = shop(tmp_path, items=3)
    with source.open("a", encoding="utf-8") as file:
        file.write("none.png,x,,1,\n../out.png,x,,1,\n000/0.png,x,,1,\n,x,,1,\n")
    of_csv, of_parquet = manifest.read(source), manifest.read(again(source))
    assert of_parquet.columns == of_csv.columns
    assert [fault.code for fault in of_parquet.faults] == [fault.code for fault in of_csv.faults]
    assert [fault.line for fault in of_parquet.faults] == [fault.line - 1 for fault in of_csv.faults]
    assert [photo.attributes for photo in of_parquet.photos] == [photo.attributes for photo in of_csv.photos]
    assert [photo.photo_id for photo in of_parquet.photos] == [photo.photo_id for photo in of_csv.photos]
    assert of_parquet.photos[0].line == 1


def test_a_box_may_be_a_list_of_numbers(tmp_path: Path) -> None:
    """As other programs keep it; it is the box of a CSV."""
    boxes = [[1.0, 2.0, 30.0, 31.5], None]
    path = write(tmp_path / "m.PARQUET", path=["a.png", "b.png"], item_id=[1, 2], box=boxes)
    read = manifest.read(path, files=False)
    assert [photo.box for photo in read.photos] == [(1.0, 2.0, 30.0, 31.5), None]
    assert [photo.item_id for photo in read.photos] == ["1", "2"]


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    """Each is one line that names the file, and the column or row."""
    paths = ["a.png", "b.png"]
    with pytest.raises(ManifestError, match=r"m\.parquet has no column item_id \(it has path\)"):
        manifest.read(write(tmp_path / "m.parquet", path=paths))
    twice = pa.Table.from_arrays([pa.array(paths)] * 3, names=["path", "item_id", "path"])
    pq.write_table(twice, tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match="has the column 'path' twice"):
        manifest.read(tmp_path / "m.parquet")
    for values, kind in (([b"x", b"y"], "binary"), ([{"a": 1}, None], "struct"), ([[[1]], None], "list<")):
        with pytest.raises(ManifestError, match=f"m.parquet: the column odd holds {kind}.*: leave it out"):
            manifest.read(write(tmp_path / "m.parquet", path=paths, item_id=paths, odd=values))
    with pytest.raises(ManifestError, match=r"m\.parquet, row 2: a value has more than 131,072 characters"):
        manifest.read(write(tmp_path / "m.parquet", path=paths, item_id=["x", "y" * 131_073]))
    nul = manifest.read(write(tmp_path / "m.parquet", path=["a\0.png"], item_id=["x"]))
    assert [fault.code for fault in nul.faults] == ["bad_path"]


def test_a_damaged_file_is_one_line_or_the_same_table(tmp_path: Path) -> None:
    """Cut anywhere, or with any byte turned over, it is refused in one line, or reads as texts of some table."""
    path = write(tmp_path / "m.parquet", path=[f"{n}.png" for n in range(50)], item_id=list(range(50)))
    good, generator = path.read_bytes(), np.random.default_rng(7)
    refused = []
    for number in range(120):
        data = bytearray(good)
        place = int(generator.integers(len(data)))
        if number % 2:
            data[place] ^= 1 << int(generator.integers(8))
        else:
            del data[place:]
        path.write_bytes(data)
        try:
            manifest.read(path, files=False)
        except ManifestError as error:
            refused.append(str(error))
    assert len(refused) > 60
    assert all(str(path) in message and "\n" not in message for message in refused)
    path.write_text("path,item_id\na.png,1\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"m\.parquet is damaged: .*: write it again, or save it as CSV"):
        manifest.read(path)


def test_every_command_takes_it(tmp_path: Path, capsys: Out) -> None:
    """Checked, embedded, measured and indexed as the CSV; a split of it is a CSV beside it."""
    source = again(shop(tmp_path, items=4))
    assert main(["data", "check", str(source), "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 8
    assert main(["embed", str(source), "--out", str(tmp_path / "v.npz"), *COLOUR]) == 0
    assert main(["index", str(source), "-c", str(tmp_path / "c"), *COLOUR]) == 0
    assert main(["data", "split", str(source), "--out", str(tmp_path / "split.csv"), "-q"]) == 0
    split = manifest.read(tmp_path / "split.csv")
    assert split.columns == (*manifest.read(source).columns, "split")
    capsys.readouterr()
    figures = []
    for given in (str(source), str(tmp_path / "photos.csv")):
        assert main(["evaluate", given, "--protocol", "leave-one-out", "--json", *COLOUR]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1]
    assert main(["data", "split", str(source), "--out", str(source), "-q"]) == 2
    assert "manifests are written as CSV: name it photos.csv" in capsys.readouterr().err


def test_manifests_are_written_as_csv(tmp_path: Path) -> None:
    """Another name than .parquet is asked for."""
    source = again(shop(tmp_path, items=2))
    read = manifest.read(source)
    with pytest.raises(UsageError, match=r"out\.parquet: manifests are written as CSV: name it out\.csv"):
        manifest.write_split(source, tmp_path / "out.parquet", read, ["train"] * 4)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usage, with the exact command."""
    source = again(shop(tmp_path, items=1))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        MissingExtraError, match=r'need pyarrow, which is not installed: pip install "twinset\[parquet\]"'
    ):
        manifest.read(source)
