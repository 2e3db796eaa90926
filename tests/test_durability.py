"""What a catalogue survives: kills, flipped bytes, writers and readers at once, a read-only disk, a full one."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shops import index, shop
from twinset import Catalogue, IndexOptions
from twinset.errors import BusyError, CatalogueError, DiskFullError, ReadOnlyError
from twinset.store import database, lock
from twinset.store.rows import Rows

INDEX = "import sys; from twinset.catalogue import index; index(sys.argv[1], sys.argv[2], bundle='colour')"
HOLD = (
    "import sys, time; from pathlib import Path; from twinset.store.lock import writing\n"
    "with writing(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)
READ = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from twinset import Catalogue
data = Path(sys.argv[2]).read_bytes()
with Catalogue(sys.argv[1]) as catalogue, ThreadPoolExecutor(8) as pool:
    found = pool.map(lambda _: [(hit.item_id, hit.score) for hit in catalogue.search(data, 10)], range(40))
    for line in {repr(hits) for hits in found}:
        print(line)
"""


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def hits(place: Path, photo: Path, k: int = 10) -> list[tuple[str, float]]:
    """Items and scores of a search in a catalogue that is opened for it."""
    with Catalogue(place) as catalogue:
        return [(hit.item_id, hit.score) for hit in catalogue.search(photo, k)]


def stored(place: Path) -> list[object]:
    """All rows, vectors and versions, and the derived bytes."""
    with_rows = sqlite3.connect(place / "rows.sqlite")
    try:
        tables = [
            with_rows.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("photos", "vectors", "versions", "removed", "sources")
        ]
    finally:
        with_rows.close()
    return [*tables, (place / "derived/1/vectors.f32").read_bytes(), (place / "derived/1/ids.i64").read_bytes()]


@pytest.fixture
def shop_and_place(tmp_path: Path) -> tuple[Path, Path]:
    """A manifest and an indexed catalogue of it."""
    manifest, place = shop(tmp_path / "shop"), tmp_path / "c"
    index(place, manifest)
    return manifest, place


def killed_and_resumed(tmp_path: Path, manifest: Path, seed: int, kills: int) -> tuple[Path, int]:
    """A catalogue indexed by processes that are killed at random moments, then finished; and kills that hit."""
    place, hit = tmp_path / f"killed{seed}", 0
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(kills):
        process = child(INDEX, place, manifest)
        until = time.monotonic() + 10
        while not (place / "rows.sqlite").exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.005)
        time.sleep(float(generator.random()) * 0.6)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
    index(place, manifest)
    return place, hit


def check_kills(tmp_path: Path, photos: int, kills: int, seeds: range) -> int:
    """Indexes under kills and compares with an uninterrupted run, bit by bit; returns the kills that hit."""
    manifest = shop(tmp_path / "shop", photos // 4, 4)
    whole = tmp_path / "whole"
    index(whole, manifest)
    query, total = manifest.parent / "001/0.png", 0
    for seed in seeds:
        place, hit = killed_and_resumed(tmp_path, manifest, seed, kills)
        total += hit
        assert stored(place) == stored(whole)
        assert hits(place, query) == hits(whole, query)
        with Catalogue(place) as catalogue:
            assert catalogue.verify() == []
        shutil.rmtree(place)
    return total


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """SIGKILL while indexing, then again: the same rows, vectors and answers as an uninterrupted run."""
    assert check_kills(tmp_path, 1200, 2, range(2)) >= 1


@pytest.mark.deep
def test_many_kills(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """The same, a hundred times."""
    hit = check_kills(tmp_path, 3000, 4, range(100, 125))
    record_property("kills", hit)
    assert hit >= 50


@pytest.mark.parametrize("name", ["vectors.f32", "ids.i64", "state.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "empty"])
def test_derived_files_may_be_lost(shop_and_place: tuple[Path, Path], name: str, damage: str) -> None:
    """Whatever happens to them, answers are the same; `verify` sees it, `repair` mends it."""
    manifest, place = shop_and_place
    query = manifest.parent / "005/1.png"
    before, file = hits(place, query), place / "derived/1" / name
    data = file.read_bytes()
    file.unlink()
    if damage != "gone":
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        file.write_bytes({"cut": data[: -len(data) // 3], "flipped": flipped, "empty": b""}[damage])
    assert hits(place, query) == before
    with Catalogue(place) as catalogue:
        lost_on_purpose = name == "state.json" and damage == "gone"
        assert bool(catalogue.verify()) != lost_on_purpose
        assert catalogue.verify(repair=True) == []
    assert file.read_bytes() == data
    assert hits(place, query) == before


def test_readers_see_one_list_while_a_writer_changes_attributes(shop_and_place: tuple[Path, Path]) -> None:
    """Forty searches, eight at once, in two processes, while every price changes again and again: one list."""
    manifest, place = shop_and_place
    query = manifest.parent / "007/0.png"
    expected = repr(hits(place, query))
    readers = [child(READ, place, query) for _ in range(2)]
    text, runs = manifest.read_text(encoding="utf-8"), 0
    while any(reader.poll() is None for reader in readers):
        runs += 1
        manifest.write_text(text.replace(",10,", f",{runs},"), encoding="utf-8")
        assert index(place, manifest).embedded == 0
    for reader in readers:
        out, err = reader.communicate()
        assert reader.returncode == 0, err
        assert out.splitlines() == [expected]
    assert runs > 1


def test_a_second_writer_waits_then_names_the_first(shop_and_place: tuple[Path, Path]) -> None:
    """While another process writes, a writer gives up and names it; killed, its lock is free at once."""
    _, place = shop_and_place
    holder = child(HOLD, place)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=f"process {holder.pid} on"), lock.writing(place, wait=0.3):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with lock.writing(place, wait=0.3):
        pass


@pytest.fixture
def read_only(shop_and_place: tuple[Path, Path]) -> Iterator[Path]:
    """The catalogue's folder, mounted again where it may not be written."""
    _, place = shop_and_place
    mounted = place.with_name("mounted")
    mounted.mkdir()
    if subprocess.run(["mount", "--bind", place, mounted], check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", mounted], check=True)
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_a_read_only_catalogue_is_searched(shop_and_place: tuple[Path, Path], read_only: Path) -> None:
    """Forty searches, eight at once, give one list; nothing is written; writing is refused in words."""
    manifest, place = shop_and_place
    query = manifest.parent / "007/0.png"
    reader = child(READ, read_only, query)
    out, err = reader.communicate()
    assert reader.returncode == 0, err
    assert out.splitlines() == [repr(hits(place, query))]
    with pytest.raises(ReadOnlyError, match="may not be written"):
        index(read_only, manifest)
    with Catalogue(read_only) as catalogue, pytest.raises(ReadOnlyError, match="may not be written"):
        catalogue.remove(["i001"])


def test_a_waiting_log_on_a_read_only_disk_is_refused(shop_and_place: tuple[Path, Path], read_only: Path) -> None:
    """A write-ahead log that a killed writer left would be passed over: the search refuses and says the mend."""
    manifest, place = shop_and_place
    (place / "rows.sqlite-wal").write_bytes(b"left by a killed writer")
    with pytest.raises(ReadOnlyError, match="twinset verify"):
        hits(read_only, manifest.parent / "007/0.png")


def test_threads_search_while_the_catalogue_grows(tmp_path: Path) -> None:
    """One opened catalogue answers from eight threads with what had been indexed at that moment."""
    small, large, place = shop(tmp_path / "a", 4), shop(tmp_path / "b", 30), tmp_path / "c"
    index(place, small)
    query = (small.parent / "001/0.png").read_bytes()
    with Catalogue(place) as catalogue, ThreadPoolExecutor(8) as pool:
        running = [pool.submit(catalogue.search, query, 50) for _ in range(60)]
        index(place, large, options=IndexOptions(source="large"))
        for future in running:
            answer = future.result()
            assert len({hit.item_id for hit in answer}) == answer.catalogue.items
        assert catalogue.search(query).catalogue.photos == 68


def test_sqlite_errors_are_ours(shop_and_place: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a held database, a foreign file and a missing one each become a typed error."""
    _, place = shop_and_place
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    rows = Rows(place, write=True)
    with (
        rows.transaction(),
        pytest.raises(BusyError, match="held by another process"),
        Rows(place, write=True).transaction(),
    ):
        pass
    rows._database.do("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFullError, match="no space is left"), rows.transaction():
        rows._database.do("CREATE TABLE filler AS SELECT randomblob(1000000) AS filler")
    rows.close()
    (place / "rows.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(CatalogueError, match="damaged"):
        Rows(place).state()
    (place / "rows.sqlite").unlink()
    with pytest.raises(CatalogueError, match="is missing"):
        Rows(place).state()


def test_a_full_disk_is_searched(tmp_path: Path, shop_and_place: tuple[Path, Path]) -> None:
    """With no byte free an opened catalogue answers; once there is space, it tells what a writer adds."""
    manifest, place = shop_and_place
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount")
    try:
        shutil.copytree(place, disk / "c")
        query = manifest.parent / "007/0.png"
        before = hits(place, query)
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(bytes(4_000_000))
        assert hits(disk / "c", query) == before
        with Catalogue(disk / "c") as catalogue:
            assert [(hit.item_id, hit.score) for hit in catalogue.search(query, 10)] == before
            (disk / "filler").unlink()
            index(disk / "c", shop(tmp_path / "new", 30), options=IndexOptions(source="new"))
            assert catalogue.search(query).catalogue.photos == 100
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_leaves_the_old_answers(tmp_path: Path, shop_and_place: tuple[Path, Path]) -> None:
    """On a disk of 3 MB that fills up, indexing ends with its own error and the catalogue still answers."""
    manifest, place = shop_and_place
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("this system does not let us mount")
    try:
        shutil.copytree(place, disk / "c")
        query = manifest.parent / "007/0.png"
        before = hits(disk / "c", query)
        large = shop(tmp_path / "large", 400, 4)
        with pytest.raises(DiskFullError, match="free some space"):
            index(disk / "c", large, options=IndexOptions(source="large"))
        assert hits(disk / "c", query, 1) == before[:1]
    finally:
        subprocess.run(["umount", disk], check=True)
    assert os.path.ismount(disk) is False
