"""Copies of a catalogue: snapshots beside a writer, dumps as Parquet and back, whole or not at all."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shops import index, shop
from twinset import Catalogue, files
from twinset.catalogue import load, transfer
from twinset.cli.main import main
from twinset.errors import (
    CatalogueError,
    DiskFullError,
    DumpError,
    FingerprintError,
    MissingExtraError,
    PathError,
    TwinsetError,
)
from twinset.store.schema import checksum

pytest.importorskip("pyarrow")

TABLES = ("photos", "vectors", "versions", "sources", "items")


@pytest.fixture
def stocked(tmp_path: Path) -> tuple[Path, Path]:
    """A manifest and a catalogue of it, with attributes beyond ASCII and a photo that has been removed."""
    manifest, place = shop(tmp_path / "shop", 12), tmp_path / "c"
    text = manifest.read_text(encoding="utf-8").replace("i003,TOPS/Tee", "i003,TOPS/Tröye 👚")
    manifest.write_text(text, encoding="utf-8")
    index(place, manifest)
    with Catalogue(place) as catalogue:
        catalogue.remove(paths=["005/1.png"])
    return manifest, place


def told(place: Path, query: Path) -> str:
    """All that an answer says of its hits, scores to the last bit."""
    with Catalogue(place) as catalogue:
        return json.dumps(catalogue.search(query, 50).to_json()["hits"], sort_keys=True)


def table(place: Path, file: str, name: str) -> list[Any]:
    """A table as SQLite holds it."""
    connection = sqlite3.connect(place / file)
    try:
        return connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
    finally:
        connection.close()


def same(one: Path, two: Path) -> bool:
    """Whether two catalogues hold the same rows, vectors and copies, bit by bit."""
    rows = all(table(one, "rows.sqlite", name) == table(two, "rows.sqlite", name) for name in TABLES)
    return rows and table(one, "copies.sqlite", "copies") == table(two, "copies.sqlite", "copies")


def sound(place: Path) -> bool:
    """Whether `verify` is content."""
    with Catalogue(place) as catalogue:
        return catalogue.verify() == []


# Snapshots


def test_a_snapshot_is_the_catalogue_again(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Rows, vectors, copies and answers are the same; it has an id of its own and goes its own way."""
    manifest, place = stocked
    query = manifest.parent / "003/0.png"
    with Catalogue(place) as catalogue:
        catalogue.snapshot(tmp_path / "s")
    assert same(place, tmp_path / "s")
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
        "bundles", "catalogue.json", "copies.sqlite", "derived", "rows.sqlite"
    ]  # fmt: skip
    ids = [json.loads((p / "catalogue.json").read_text(encoding="utf-8"))["id"] for p in (place, tmp_path / "s")]
    assert ids[0] != ids[1]
    assert told(place, query) == told(tmp_path / "s", query)
    assert index(tmp_path / "s", manifest).added == 1
    assert sound(tmp_path / "s")
    assert sound(place)
    assert not same(place, tmp_path / "s")


def test_where_something_is_nothing_is_copied(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """An existing place, one inside the catalogue, one without a folder: refused, and nothing is left."""
    _, place = stocked
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.iterdir())
    with Catalogue(place) as catalogue:
        for out, says in (
            (tmp_path / "there", "is there already"),
            (place / "inside", "lies inside the catalogue"),
            (tmp_path / "none/s", "there is no folder"),
        ):
            with pytest.raises(PathError, match=says):
                catalogue.snapshot(out)
    assert sorted(tmp_path.iterdir()) == before
    assert not (place / "inside").exists()


def test_a_snapshot_that_fails_leaves_nothing(
    stocked: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the bundle is damaged, no folder appears, neither under its name nor under another."""
    _, place = stocked
    model = next((place / "bundles").rglob("model.onnx"))
    model.write_bytes(model.read_bytes()[:-1])
    before = sorted(tmp_path.iterdir())
    with Catalogue(place) as catalogue, pytest.raises(TwinsetError, match="is not the file"):
        catalogue.snapshot(tmp_path / "s")
    assert sorted(tmp_path.iterdir()) == before


def test_lost_copies_do_not_keep_a_snapshot_from_being_made(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """What a killed run left, a row whose copy is of other bytes, is copied as it is and mended by `index`."""
    manifest, place = stocked
    connection = sqlite3.connect(place / "copies.sqlite")
    connection.execute("DELETE FROM copies WHERE rowid IN (SELECT rowid FROM copies LIMIT 3)")
    connection.commit()
    connection.close()
    with Catalogue(place) as catalogue:
        catalogue.snapshot(tmp_path / "s")
    assert same(place, tmp_path / "s")
    assert index(tmp_path / "s", manifest).embedded == 4
    assert sound(tmp_path / "s")


CHANGE = """
import sys
from pathlib import Path
from PIL import Image
from twinset import Catalogue
from twinset.catalogue import index
from shops import age, picture
place, manifest = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
run = 0
while True:
    run += 1
    for number in range(12):
        photo = manifest.parent / f"{number:03d}/{run % 2}.png"
        Image.fromarray(picture(run * 100 + number)).save(photo)
    index(place, manifest)
    with Catalogue(place) as catalogue:
        catalogue.remove([f"i{run % 12:03d}"])
"""


def check_beside(tmp_path: Path, snapshots: int) -> int:
    """Makes snapshots and dumps while another process embeds, adds and removes; returns how many states it met."""
    manifest, place = shop(tmp_path / "shop", 12), tmp_path / "c"
    index(place, manifest)
    query = (manifest.parent / "000/0.png").read_bytes()  # the other process writes the file again and again
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", CHANGE, place, manifest], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    states = set()
    with Catalogue(place) as catalogue:
        for number in range(snapshots):
            out = tmp_path / f"s{number}"
            catalogue.snapshot(out)
            assert sound(out)
            with Catalogue(out) as copy:
                answer = copy.search(query, 99)
                assert sum(len(hit.photos) for hit in answer) == answer.catalogue.photos
                states.add(answer.catalogue.sequence)
            catalogue.dump(tmp_path / f"{number}.parquet")
            load(tmp_path / f"{number}.parquet", tmp_path / f"l{number}")
            assert sound(tmp_path / f"l{number}")
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return len(states)


def test_snapshots_beside_a_writer_are_whole(tmp_path: Path) -> None:
    """While another process embeds photos again, adds and removes, every snapshot and every dump is consistent."""
    assert check_beside(tmp_path, 5) > 1


@pytest.mark.deep
def test_many_snapshots_beside_a_writer(tmp_path: Path) -> None:
    """The same, a hundred times."""
    assert check_beside(tmp_path, 100) > 50


def test_a_killed_snapshot_leaves_no_catalogue(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """SIGKILL at random moments: `OUT` is whole or not there, and the next snapshot works."""
    _, place = stocked
    code = "import sys; from twinset import Catalogue; Catalogue(sys.argv[1]).snapshot(sys.argv[2])"
    generator = np.random.Generator(np.random.PCG64(3))
    for number in range(4):
        out = tmp_path / f"out{number}"
        process = subprocess.Popen([sys.executable, "-c", code, place, out])
        until = time.monotonic() + 20
        while not list(tmp_path.glob(f"out{number}*")) and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(float(generator.random()) * 0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if out.exists():
            assert sound(out)
        with Catalogue(place) as catalogue:
            catalogue.snapshot(tmp_path / f"next{number}")
        assert same(place, tmp_path / f"next{number}")


# Dumps


@pytest.mark.parametrize("group", [5, 512])
def test_a_dump_comes_back_bit_for_bit(
    stocked: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    """Rows with their numbers, vectors, copies, sources and answers are the same, and the catalogue goes on."""
    manifest, place = stocked
    monkeypatch.setattr(transfer, "_GROUP", group)
    with Catalogue(place) as catalogue:
        assert catalogue.dump(tmp_path / "d.parquet") == 23
    assert load(tmp_path / "d.parquet", tmp_path / "l") == 23
    assert same(place, tmp_path / "l")
    assert sound(tmp_path / "l")
    for query in ("003/0.png", "005/1.png", "011/0.png"):
        assert told(place, manifest.parent / query) == told(tmp_path / "l", manifest.parent / query)
    report = index(tmp_path / "l", manifest)
    assert (report.added, report.unchanged) == (1, 23)
    assert sound(tmp_path / "l")


def test_other_programs_read_a_dump(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """The file is plain Parquet: a row a photo, its vector as a list of half floats, its copy as a JPEG."""
    from pyarrow import parquet as pq

    _, place = stocked
    with Catalogue(place) as catalogue:
        catalogue.dump(tmp_path / "d.parquet")
    read = pq.read_table(tmp_path / "d.parquet")
    stored = table(place, "rows.sqlite", "photos")
    assert read.column("item_id").to_pylist() == [row[4] for row in stored]
    assert str(read.schema.field("vector").type) == "fixed_size_list<element: halffloat not null>[512]"
    halves = np.array(read.column("vector").to_pylist(), "<f2")
    assert [half.tobytes() for half in halves] == [row[4] for row in table(place, "rows.sqlite", "vectors")]
    assert all(copy[:2] == b"\xff\xd8" for copy in read.column("copy").to_pylist())


def test_an_emptied_catalogue_is_dumped_and_loaded(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Without a photo there is still a catalogue, which can be filled again."""
    manifest, place = stocked
    with Catalogue(place) as catalogue:
        catalogue.remove(where=["path=*"])
        catalogue.dump(tmp_path / "d.parquet")
    assert load(tmp_path / "d.parquet", tmp_path / "l") == 0
    assert index(tmp_path / "l", manifest).added == 24
    assert sound(tmp_path / "l")


def test_the_bundle_is_beside_or_named(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Without the bundle beside the file, another must be named, and it must be the same."""
    _, place = stocked
    with Catalogue(place) as catalogue:
        catalogue.dump(tmp_path / "d.parquet")
    shutil.rmtree(tmp_path / "d.parquet.bundle")
    with pytest.raises(PathError, match="there is no bundle"):
        load(tmp_path / "d.parquet", tmp_path / "l")
    with pytest.raises(FingerprintError, match="name the bundle that made them with --bundle"):
        load(tmp_path / "d.parquet", tmp_path / "l", bundle="default")
    assert not list(tmp_path.glob("l*"))
    load(tmp_path / "d.parquet", tmp_path / "l", bundle="colour")
    assert same(place, tmp_path / "l")


def test_a_damaged_file_is_refused_or_comes_back_the_same(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Cut files are refused by name; a flipped byte is refused, or changes nothing that is loaded."""
    _, place = stocked
    dumped, noticed = tmp_path / "d.parquet", 0
    with Catalogue(place) as catalogue:
        catalogue.dump(dumped)
    data = dumped.read_bytes()
    for keep in (0, 3, 100, len(data) // 2, len(data) - 1):
        dumped.write_bytes(data[:keep])
        with pytest.raises(DumpError, match=r"d\.parquet is damaged"):
            load(dumped, tmp_path / "l")
    generator = np.random.Generator(np.random.PCG64(4))
    tail = generator.integers(len(data) - 6000, len(data), 30)
    for offset in [*generator.integers(0, len(data), 30).tolist(), *tail.tolist()]:
        dumped.write_bytes(data[:offset] + bytes([data[offset] ^ 0x41]) + data[offset + 1 :])
        code = main(["load", str(dumped), "-c", str(tmp_path / "l"), "-q"])
        assert code in (0, 4)
        noticed += code == 4
        if not code:
            assert same(place, tmp_path / "l"), f"byte {offset}: another catalogue, unnoticed"
            shutil.rmtree(tmp_path / "l")
        assert not list(tmp_path.glob("l*"))
    assert noticed > 30


def test_a_file_that_lies_is_refused(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """A group that is missing, a record that was changed, a table of somebody else's: each is refused in words."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    _, place = stocked
    with Catalogue(place) as catalogue:
        catalogue.dump(tmp_path / "d.parquet")
    read = pq.read_table(tmp_path / "d.parquet")
    facts = pq.ParquetFile(tmp_path / "d.parquet").metadata.metadata
    told = {key: facts[key] for key in (b"twinset", b"twinset.sums")}
    changed = read.set_column(4, read.schema.field(4), pa.array(["other"] * len(read)))
    for lie, says in ((read.slice(1), "checksums sum up"), (changed, "record of photo .* is damaged")):
        pq.write_table(lie.replace_schema_metadata(told), tmp_path / "lie.parquet")
        with pytest.raises(DumpError, match=says):
            load(tmp_path / "lie.parquet", tmp_path / "l", bundle="colour")
    newer = json.loads(told[b"twinset"]) | {"format": 99}
    text = json.dumps(newer)
    told = {b"twinset": text.encode(), b"twinset.sums": str(checksum(text)).encode()}
    pq.write_table(read.replace_schema_metadata(told), tmp_path / "lie.parquet")
    with pytest.raises(DumpError, match="format 99, this program reads 1: install a newer twinset"):
        load(tmp_path / "lie.parquet", tmp_path / "l", bundle="colour")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "lie.parquet")
    with pytest.raises(DumpError, match="was not written by twinset dump"):
        load(tmp_path / "lie.parquet", tmp_path / "l", bundle="colour")
    assert not (tmp_path / "l").exists()


def test_a_damaged_record_is_not_dumped(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Where a vector does not agree with its checksum, there is no file."""
    _, place = stocked
    connection = sqlite3.connect(place / "rows.sqlite")
    connection.execute("UPDATE vectors SET vector = zeroblob(1024) WHERE id = 3")
    connection.commit()
    connection.close()
    with Catalogue(place) as catalogue, pytest.raises(CatalogueError, match="vector of photo 3 is damaged"):
        catalogue.dump(tmp_path / "d.parquet")
    assert not list(tmp_path.glob("d*"))


def test_without_its_extra_the_command_is_told(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Where pyarrow is not installed, `dump` and `load` say what to install, and leave nothing."""
    _, place = stocked
    block = "import sys; sys.modules['pyarrow'] = None; from twinset.cli.main import main; main(sys.argv[1:])"
    for arguments in (
        ["dump", "-c", place, "--out", tmp_path / "d.parquet"],
        ["load", place, "-c", tmp_path / "l"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", block, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert 'pip install "twinset[parquet]"' in done.stderr
    assert not list(tmp_path.glob("d.*"))
    assert not (tmp_path / "l").exists()
    assert issubclass(MissingExtraError, TwinsetError)


def test_the_commands(stocked: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`snapshot`, `dump` and `load` print counts as JSON, and refuse a place that is taken with exit code 3."""
    _, place = stocked
    dumped, made, copy = str(tmp_path / "d.parquet"), str(tmp_path / "l"), str(tmp_path / "s")
    commands = (
        ["dump", "-c", str(place), "--out", dumped],
        ["load", dumped, "-c", made],
        ["snapshot", copy, "-c", made],
    )
    for command in commands:
        capsys.readouterr()
        assert main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["photos"] == 23
        assert main(command) == 3
        assert "is there already" in capsys.readouterr().err
    assert same(place, Path(copy))


def test_what_appears_appears_whole(tmp_path: Path) -> None:
    """Files and folders take their name at the end, or leave nothing when they fail."""
    with files.appearing(tmp_path / "file") as place:
        place.write_bytes(b"whole")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_bytes() == b"whole"
    for make in (Path.mkdir, Path.touch, Path.exists):
        with pytest.raises(ZeroDivisionError, match="stopped"):
            _fail(tmp_path / "other", make)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_killed_processes_left_is_removed_before_something_appears(tmp_path: Path) -> None:
    """A room beside the place goes when its process is dead, and stays while it lives; others' folders stay."""
    out = tmp_path / "out"
    (tmp_path / "out.mine").mkdir()
    dead = tmp_path / "out.0a1b2c3d.twinset-tmp"
    dead.mkdir()
    (dead / "half").write_bytes(b"half of it")
    with files.appearing(out) as first:
        first.write_bytes(b"first")
        assert not dead.exists()
        with files.appearing(tmp_path / "out") as second:
            second.mkdir()
            assert first.read_bytes() == b"first"
            second.rmdir()
            second.write_bytes(b"second")
        assert out.read_bytes() == b"second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.mine"]


def test_what_cannot_fit_is_not_begun(tmp_path: Path) -> None:
    """The place, the bytes needed and those free are told before a byte is written."""
    with pytest.raises(DiskFullError, match=r"out needs about 1,000,000,000\.0 MB more, .* free some"):
        files.check_space(tmp_path / "out", 10**15)
    files.check_space(tmp_path / "out", 1)


def _fail(out: Path, make: Callable[[Path], object]) -> None:
    with files.appearing(out) as place:
        make(place)
        raise ZeroDivisionError("stopped")


def test_a_full_disk_leaves_nothing_behind(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """On a disk that is too small each of the three ends with its own error, and nothing lies there."""
    _, place = stocked
    disk = tmp_path / "disk"
    disk.mkdir()
    with Catalogue(place) as catalogue:
        catalogue.dump(tmp_path / "d.parquet")
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(small, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount")
    try:
        with Catalogue(place) as catalogue:
            for make in (catalogue.snapshot, catalogue.dump):
                with pytest.raises(DiskFullError, match=r"disk/out needs about .* MB more"):
                    make(disk / "out")
        with pytest.raises(DiskFullError, match=r"disk/out needs about|no space is left to write .*disk"):
            load(tmp_path / "d.parquet", disk / "out")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
