"""The stores by themselves: connections, transactions, checksums, SQLite's errors, derived vectors."""

import gc
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinset.errors import BusyError, CatalogueError, DiskFullError, ReadOnlyError, ResourceError, UsageError
from twinset.records import Photo, Vectors, photo_id
from twinset.store import database, vectors
from twinset.store.copies import Copies, Copy
from twinset.store.rows import OF_ALL_VERSIONS, Rows, Source
from twinset.store.schema import pack, unpack
from twinset.store.vectors import catch_up, open_view
from twinset.store.versions import Version
from twinset.store.view import View, exact_scores

DIM = 8
VERSION = Version(1, "f" * 64, "none", DIM)
NAME = "the catalogue's id"


def units(count: int, seed: int, dim: int = DIM) -> Vectors:
    """Random vectors of length 1."""
    drawn = np.random.Generator(np.random.PCG64(seed)).standard_normal((count, dim))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def add(rows: Rows, given: Vectors, first: int = 0, per_item: int = 2) -> None:
    """Stores photos `first`, `first + 1`, … with these vectors, in one transaction; those known are replaced."""
    with rows.transaction():
        for number, vector in enumerate(given, first):
            path = f"{number}.png"
            photo = Photo(path, f"i{number // per_item:05d}", photo_id=photo_id("main", path))
            old = rows.find([photo.photo_id]).get(photo.photo_id)
            rows.put_vector(VERSION, rows.put(photo, "main", ("0" * 64, 1, 1), old), vector, "source")


def drop(rows: Rows, *numbers: int) -> None:
    """Removes photos."""
    with rows.transaction():
        rows.remove(rows.find([photo_id("main", f"{number}.png") for number in numbers]).values())


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """An empty `rows.sqlite`, open for writing."""
    Rows.create(tmp_path)
    opened = Rows(tmp_path, write=True)
    with opened.transaction():
        opened.versions.reset(VERSION)
    yield opened
    opened.close()


def seen(rows: Rows, folder: Path) -> View:
    """The vectors as a reader opens them."""
    with rows.snapshot():
        return open_view(folder, rows, VERSION, rows.state().sequence, NAME)


def brute(rows: Rows, query: Vectors, k: int) -> list[tuple[int, float]]:
    """The nearest by a loop over what SQLite holds, by hand."""
    with sqlite3.connect(rows.path) as connection:
        stored = connection.execute("SELECT id, vector FROM vectors").fetchall()
    connection.close()
    scores = []
    for number, blob in stored:
        vector = np.frombuffer(blob, "<f2").astype(np.float64)
        vector = (vector / np.sqrt((vector * vector).sum())).astype(np.float32).astype(np.float64)
        scores.append((number, float(np.clip((vector * query.astype(np.float64)).sum(), -1, 1))))
    return sorted(scores, key=lambda found: (-found[1], found[0]))[:k]


def check(rows: Rows, folder: Path, seed: int = 99) -> None:
    """A reader's view finds what the loop finds, whatever lies in the derived folder."""
    view = seen(rows, folder)
    for query in units(3, seed):
        for k in (1, 7, 10_000):
            numbers, scores = view.search(query, k)
            assert list(zip(numbers.tolist(), scores.tolist(), strict=True)) == brute(rows, query, k)


def open_files(path: Path) -> int:
    """How many descriptors this process holds of a file."""
    links = [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return sum(link.readlink() == path.resolve() for link in links if link.is_symlink())


# Connections and transactions


def test_a_snapshot_is_one_state(rows: Rows, tmp_path: Path) -> None:
    """Inside a snapshot nothing changes, whatever another connection commits; afterwards it is seen."""
    add(rows, units(2, 1))
    reader = Rows(tmp_path)
    with reader.snapshot():
        before = reader.state(), reader.items(), len(reader.contents())
        add(rows, units(3, 2), first=2)
        drop(rows, 0)
        assert (reader.state(), reader.items(), len(reader.contents())) == before
    assert reader.state().photos == 4
    reader.close()


def test_a_transaction_is_all_or_nothing(rows: Rows) -> None:
    """An error inside leaves no trace, in no table, and the next transaction works."""
    add(rows, units(2, 1))
    before = rows.state(), rows.items(), rows.tally(VERSION)

    def fail_midway() -> None:
        with rows.transaction():
            rows.put_source(Source("other", "/there", boxes_ignored=False))
            rows.remove(rows.by_id([1]).values())
            rows.in_order([2, 1])

    with pytest.raises(CatalogueError, match="photo 1 is missing"):
        fail_midway()
    assert (rows.state(), rows.items(), rows.tally(VERSION), rows.sources()) == (*before, [])
    add(rows, units(1, 3), first=2)
    assert rows.problems() == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_each_thread_has_a_connection_until_it_ends(rows: Rows, tmp_path: Path) -> None:
    """Four threads at once hold four connections; when they end, four others need no more files than they did."""
    add(rows, units(2, 1))
    reader = Rows(tmp_path)
    reader.state()
    alone = open_files(rows.path)
    together = threading.Barrier(5)

    def read() -> None:
        reader.state()
        together.wait()
        together.wait()

    for _ in range(5):
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        together.wait()
        assert open_files(rows.path) == alone + 4
        together.wait()
        for thread in threads:
            thread.join()
    reader.close()
    rows.close()
    assert open_files(rows.path) == 0


def test_closed_is_closed(rows: Rows, tmp_path: Path) -> None:
    """After `close`, which waits for a snapshot in another thread, every use is refused in words."""
    add(rows, units(2, 1))
    reader, inside, go_on = Rows(tmp_path), threading.Event(), threading.Event()

    def read() -> int:
        with reader.snapshot():
            inside.set()
            go_on.wait(10)
            return reader.state().photos

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(read)
        assert inside.wait(10)
        closing = pool.submit(reader.close)
        go_on.set()
        closing.result(10)
        try:
            assert reading.result(10) == 2
        except UsageError as error:  # closed between two statements is refused as well, never read half
            assert "has been closed" in str(error)  # noqa: PT017
    with pytest.raises(UsageError, match="has been closed: open the catalogue again"):
        reader.state()
    reader.close()


# SQLite's errors


def test_a_full_database_is_told_and_works_again(rows: Rows) -> None:
    """SQLITE_FULL becomes `DiskFullError`, nothing of it stays, and with space again the same call succeeds."""
    add(rows, units(2, 1))
    before = rows.state()
    rows._database.do("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFullError, match="no space is left"):
        add(rows, units(2000, 2), first=2)
    rows._database.do("PRAGMA max_page_count = 1000000")
    assert rows.state() == before
    add(rows, units(2000, 2), first=2)
    assert rows.problems() == []


def test_a_held_database_is_busy(rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second writing connection waits, then says that another process holds it; readers are not disturbed."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    add(rows, units(2, 1))
    second, reader = Rows(tmp_path, write=True), Rows(tmp_path)
    with rows.transaction():
        rows.put_source(Source("main", "/", boxes_ignored=False))
        with pytest.raises(BusyError, match="held by another process"), second.transaction():
            pass
        assert reader.sources() == []
    assert [source.name for source in reader.sources()] == ["main"]
    second.close()
    reader.close()


@pytest.mark.parametrize("content", [b"", b"no database" * 500, b"SQLite format 3\0" + b"\1" * 4096])
def test_no_database_is_damage(tmp_path: Path, content: bytes) -> None:
    """An empty, a foreign and a garbled file are a damaged catalogue, and so is a missing one."""
    (tmp_path / "rows.sqlite").write_bytes(content)
    for look in (lambda r: r.state(), lambda r: r.live(), lambda r: r.problems()):
        table = Rows(tmp_path)
        with pytest.raises(CatalogueError, match="damaged"):
            look(table)
        table.close()
    (tmp_path / "rows.sqlite").unlink()
    with pytest.raises(CatalogueError, match="is missing"):
        Rows(tmp_path).state()


def as_child(code: str, *arguments: object) -> str:
    """What a Python process prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


LIMITED = """
import resource, sys
from pathlib import Path
from twinset.errors import TwinsetError
from twinset.store.rows import Rows
import os
held = [os.open("/dev/null", os.O_RDONLY)]
resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, held[0] + 1))
try:
    Rows(Path(sys.argv[1])).state()
except TwinsetError as error:
    print(type(error).__name__, error.exit_code)
"""


def test_too_many_open_files_are_no_damage(rows: Rows, tmp_path: Path) -> None:
    """Where no file can be opened any more, the error is of resources, exit code 5, not of corruption."""
    assert as_child(LIMITED, tmp_path) == "ResourceError 5"
    assert issubclass(ReadOnlyError, ResourceError)


AS_NOBODY = """
import os, sys
from pathlib import Path
from twinset.errors import TwinsetError
from twinset.store.lock import writing
from twinset.store.rows import Rows
folder = Path(sys.argv[1])
os.chdir(folder)
os.setgid(65534)
os.setuid(65534)
print(Rows(Path(".")).state().photos)
for write in (lambda: Rows(Path("."), write=True).state(), lambda: writing(Path(".")).__enter__()):
    try:
        write()
    except TwinsetError as error:
        print(type(error).__name__, error.exit_code)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_without_the_right_to_write_one_may_read(rows: Rows, tmp_path: Path) -> None:
    """A user who may not write the folder reads it, leaves nothing behind, and is refused as a writer."""
    add(rows, units(2, 1))
    rows.close()
    place = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    place.chmod(0o755)
    try:
        shutil.copy(rows.path, place)
        assert as_child(AS_NOBODY, place).splitlines() == ["2", "ReadOnlyError 5", "ReadOnlyError 5"]
        assert [path.name for path in place.iterdir()] == ["rows.sqlite"]
    finally:
        shutil.rmtree(place)


def test_what_a_killed_creation_left_is_no_hindrance(tmp_path: Path) -> None:
    """A temporary database of an earlier, killed creation, with its log, is replaced."""
    for name in ("rows.sqlite.tmp", "rows.sqlite.tmp-wal", "rows.sqlite.tmp-shm"):
        (tmp_path / name).write_bytes(b"half made")
    Rows.create(tmp_path)
    assert Rows(tmp_path).state().photos == 0
    gc.collect()
    assert not list(tmp_path.glob("*.tmp*"))


# What is stored agrees with itself


TAMPERINGS = [
    'UPDATE photos SET attributes = \'{"price": "1"}\' WHERE id = 3',
    "UPDATE photos SET item_id = 'i00000' WHERE id = 3",
    "UPDATE photos SET checksum = 'text' WHERE id = 3",
    "UPDATE photos SET sequence = x'00' WHERE id = 3",
    "DELETE FROM photos WHERE id = 3",
    "DELETE FROM vectors WHERE id = 3",
    "UPDATE vectors SET vector = zeroblob(16) WHERE id = 3",
    "UPDATE vectors SET checksum = 'text' WHERE id = 3",
    "UPDATE items SET photos = 5 WHERE item_id = 'i00001'",
    "DELETE FROM items WHERE item_id = 'i00001'",
    "INSERT INTO items VALUES ('ghost', 1)",
    "UPDATE sources SET root = '/elsewhere'",
    "UPDATE state SET sequence = sequence - 1",
    "UPDATE state SET sequence = 'text'",
    "UPDATE state SET photos = photos + 1",
    "UPDATE state SET checksum = checksum + 1",
    "UPDATE versions SET checksum = 0",
    "UPDATE versions SET dim = 'text'",
    "UPDATE versions SET live = 0",
    "DELETE FROM state",
    "INSERT INTO removed VALUES (3, 1)",
    "UPDATE sqlite_sequence SET seq = 2",
    "UPDATE sqlite_sequence SET seq = 'text'",
]


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_every_tampering_is_noticed(rows: Rows, tampering: str) -> None:
    """Whatever is changed behind twinset's back is listed by `problems`, or refused as damage."""
    with rows.transaction():
        rows.put_source(Source("main", "/here", boxes_ignored=True))
    add(rows, units(6, 1))
    drop(rows, 5)
    assert rows.problems() == []
    with sqlite3.connect(rows.path) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(tampering)
    connection.close()
    try:
        found = rows.problems()
    except CatalogueError as error:
        found = [str(error)]
    assert found


def test_a_lost_index_entry_is_noticed_by_a_search_for_items(rows: Rows) -> None:
    """An item's photos are counted: where SQLite's index gives fewer, the rows are refused."""
    add(rows, units(6, 1))
    assert len(rows.of_items(["i00001", "none"])) == 2
    with sqlite3.connect(rows.path) as connection:
        connection.execute("UPDATE items SET photos = 3 WHERE item_id = 'i00001'")
    connection.close()
    with pytest.raises(CatalogueError, match="lost or gained photos"):
        rows.of_items(["i00001"])


def test_damaged_rows_and_vectors_are_refused_when_read(rows: Rows) -> None:
    """A row or vector that does not agree with its checksum is never given out."""
    add(rows, units(4, 1))
    with sqlite3.connect(rows.path) as connection:
        connection.execute("UPDATE photos SET path = 'other.png' WHERE id = 2")
        connection.execute("UPDATE vectors SET vector = zeroblob(16) WHERE id = 3")
    connection.close()
    assert [row.photo.item_id for row in rows.in_order([1])] == ["i00000"]
    with pytest.raises(CatalogueError, match=r"the row of photo \w+ is damaged"):
        rows.in_order([1, 2])
    with pytest.raises(CatalogueError, match="the vector of photo 3 is damaged"):
        rows.vectors(VERSION, [1, 3])
    with pytest.raises(CatalogueError, match="the vector of photo 3 is damaged"):
        list(rows.vectors_since(VERSION, 0))
    with pytest.raises(CatalogueError, match="photo 77 is missing"):
        rows.in_order([77])


def test_a_damaged_copy_is_refused_and_listed(tmp_path: Path) -> None:
    """One changed byte in a stored JPEG: it is not given out, and `problems` names it; the others are given."""
    Copies.create(tmp_path)
    copies = Copies(tmp_path, write=True)
    copies.put([Copy("a", "1" * 64, 8, 6, b"jpeg of a"), Copy("b", "2" * 64, 8, 6, b"jpeg of b")])
    assert copies.problems() == []
    with sqlite3.connect(tmp_path / "copies.sqlite") as connection:
        connection.execute("UPDATE copies SET jpeg = CAST('jpeg of c' AS BLOB) WHERE photo_id = 'a'")
    connection.close()
    assert copies.get(["b", "none"]) == {"b": Copy("b", "2" * 64, 8, 6, b"jpeg of b")}
    with pytest.raises(CatalogueError, match="the copy of photo a is damaged"):
        copies.get(["a", "b"])
    assert copies.problems() == ["the copy of photo a is damaged"]
    copies.remove(["a", "b"])
    assert copies.contents() == {}
    copies.close()


def test_numbers_and_sequences_are_never_used_again(rows: Rows) -> None:
    """A removed photo that comes back gets a new number; every change counts the sequence up."""
    add(rows, units(3, 1))
    first = rows.of_source("main")[photo_id("main", "2.png")]
    before = rows.state().sequence
    drop(rows, 2)
    add(rows, units(1, 1), first=2)
    assert rows.of_source("main")[photo_id("main", "2.png")] > first
    assert rows.state().sequence == before + 2
    assert rows.problems() == []


# Derived vectors


def test_derived_vectors_follow_the_rows(rows: Rows, tmp_path: Path) -> None:
    """Added, changed and removed photos are right before a writer has caught up, and after it."""
    folder = tmp_path / "derived"
    add(rows, units(50, 1))
    check(rows, folder)
    catch_up(folder, rows, VERSION, NAME)
    check(rows, folder)
    inode = (folder / "vectors.f32").stat().st_ino
    add(rows, units(20, 2), first=40)
    drop(rows, 0, 7, 41, 59)
    check(rows, folder)
    assert vectors.problems(folder, rows, VERSION, NAME) == []
    catch_up(folder, rows, VERSION, NAME)
    check(rows, folder)
    assert vectors.problems(folder, rows, VERSION, NAME) == []
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    assert (state["rows"], len(state["dead"])) == (70 - 2, 12)
    assert (folder / "vectors.f32").stat().st_ino == inode
    assert (folder / "vectors.f32").stat().st_size == 68 * DIM * 4


def test_much_waste_is_rewritten(rows: Rows, tmp_path: Path) -> None:
    """Past a thousand dead slots, and a tenth, the files are made anew without them, in the rows' order."""
    folder = tmp_path / "derived"
    add(rows, units(1500, 1))
    catch_up(folder, rows, VERSION, NAME)
    drop(rows, *range(1000))
    catch_up(folder, rows, VERSION, NAME)
    assert json.loads((folder / "state.json").read_text(encoding="utf-8"))["rows"] == 1500
    drop(rows, 1000)
    catch_up(folder, rows, VERSION, NAME)
    assert json.loads((folder / "state.json").read_text(encoding="utf-8"))["rows"] == 499
    check(rows, folder)
    drop(rows, *range(1001, 1500))
    catch_up(folder, rows, VERSION, NAME)
    assert len(seen(rows, folder)) == 0
    check(rows, folder)


def test_more_vectors_than_a_block(rows: Rows, tmp_path: Path) -> None:
    """Over 65,536 rows, on disk and in memory, the nearest are those of the loop; a flip in any block is seen."""
    folder = tmp_path / "derived"
    add(rows, units(66_000, 4))
    query = units(1, 5)[0]
    expected = brute(rows, query, 30)
    for _ in range(2):
        numbers, scores = seen(rows, folder).search(query, 30)
        assert list(zip(numbers.tolist(), scores.tolist(), strict=True)) == expected
        catch_up(folder, rows, VERSION, NAME)
    file = folder / "vectors.f32"
    data = bytearray(file.read_bytes())
    data[65_900 * DIM * 4 + 1] ^= 1
    file.write_bytes(data)
    assert "checksums" in vectors.problems(folder, rows, VERSION, NAME)[0]
    numbers, scores = seen(rows, folder).search(query, 30)
    assert list(zip(numbers.tolist(), scores.tolist(), strict=True)) == expected


def test_any_byte_of_the_state_may_flip(rows: Rows, tmp_path: Path) -> None:
    """`state.json` is sealed: a flip of any of its bytes, or a shorter file, gives the same view, from the rows."""
    folder = tmp_path / "derived"
    add(rows, units(30, 1))
    catch_up(folder, rows, VERSION, NAME)
    add(rows, units(3, 2), first=2)
    drop(rows, 9, 10)
    catch_up(folder, rows, VERSION, NAME)
    drop(rows, 11)
    file, query = folder / "state.json", units(1, 3)[0]
    data, expected = file.read_bytes(), brute(rows, query, 30)
    for offset in range(len(data)):
        for flip in (0x01, 0x08):
            file.write_bytes(data[:offset] + bytes([data[offset] ^ flip]) + data[offset + 1 :])
            numbers, scores = seen(rows, folder).search(query, 30)
            assert list(zip(numbers.tolist(), scores.tolist(), strict=True)) == expected, offset
        file.write_bytes(data[:offset])
        assert len(seen(rows, folder)) == 27
    for text in ("[" * 100_000, "null", "[1]", '{"format": 1}', '{"checksum": 0}'):
        file.write_text(text, encoding="utf-8")
        assert len(seen(rows, folder)) == 27


def restored(rows: Rows, tmp_path: Path, folder: Path) -> None:
    """The rows as of an earlier copy, while the derived files stay as they are."""
    rows._database.do("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(rows.path, tmp_path / "copy")
    add(rows, units(20, 7), first=5)
    catch_up(folder, rows, VERSION, NAME)
    rows.close()
    (tmp_path / "copy").replace(rows.path)


def test_rows_restored_from_a_copy_win_over_derived_files(rows: Rows, tmp_path: Path) -> None:
    """Derived files ahead of restored rows are neither read nor taken further."""
    folder = tmp_path / "derived"
    add(rows, units(10, 1))
    restored(rows, tmp_path, folder)
    again = Rows(tmp_path, write=True)
    check(again, folder)
    assert "ahead" in vectors.problems(folder, again, VERSION, NAME)[0]
    catch_up(folder, again, VERSION, NAME)
    check(again, folder)
    assert vectors.problems(folder, again, VERSION, NAME) == []
    again.close()


def test_changed_vectors_ahead_of_restored_rows_are_not_read(rows: Rows, tmp_path: Path) -> None:
    """Also where no photo came or went, only vectors changed, restored rows win over derived files."""
    add(rows, units(10, 1))
    rows._database.do("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(rows.path, tmp_path / "copy")
    add(rows, units(10, 7))
    catch_up(tmp_path / "derived", rows, VERSION, NAME)
    rows.close()
    (tmp_path / "copy").replace(rows.path)
    again = Rows(tmp_path)
    check(again, tmp_path / "derived")
    again.close()


def test_numbers_used_again_after_a_restore_do_not_revive_old_vectors(rows: Rows, tmp_path: Path) -> None:
    """A writer throws derived files that are ahead away before it counts the sequence up past them."""
    folder = tmp_path / "derived"
    add(rows, units(10, 1))
    restored(rows, tmp_path, folder)
    again = Rows(tmp_path, write=True)
    vectors.discard_ahead(folder, again)
    add(again, units(40, 8), first=3)
    catch_up(folder, again, VERSION, NAME)
    check(again, folder)
    again.close()


def test_another_catalogues_derived_files_are_not_read(rows: Rows, tmp_path: Path) -> None:
    """Files of another catalogue, version or D are passed over."""
    folder = tmp_path / "derived"
    add(rows, units(5, 1))
    catch_up(folder, rows, VERSION, "another")
    assert "checksums" in vectors.problems(folder, rows, VERSION, NAME)[0]
    check(rows, folder)
    catch_up(folder, rows, VERSION, NAME)
    assert vectors.problems(folder, rows, VERSION, NAME) == []


def test_problems_name_vectors_that_differ_from_their_rows(rows: Rows, tmp_path: Path) -> None:
    """Derived files whole in themselves but of other vectors, or lacking a photo, are named; `rebuild` mends."""
    folder, other = tmp_path / "derived", tmp_path / "other"
    add(rows, units(6, 1))
    other.mkdir()
    Rows.create(other)
    strange = Rows(other, write=True)
    with strange.transaction():
        strange.versions.reset(VERSION)
    changed = units(6, 1)
    changed[4] = units(1, 2)[0]
    add(strange, changed)
    catch_up(folder, strange, VERSION, NAME)
    assert "vector of photo 5 differs" in vectors.problems(folder, rows, VERSION, NAME)[0]
    drop(strange, 4)
    catch_up(folder, strange, VERSION, NAME)
    strange.close()
    add(rows, units(1, 1)[:1])
    assert "missing" in vectors.problems(folder, rows, VERSION, NAME)[-1]
    catch_up(folder, rows, VERSION, NAME, rebuild=True)
    assert vectors.problems(folder, rows, VERSION, NAME) == []


CHURN = """
import sys
from pathlib import Path
from twinset.store.rows import Rows
from twinset.store.versions import Version
from twinset.store.vectors import catch_up
folder, version = Path(sys.argv[1]), Version(1, "f" * 64, "none", 8)
rows = Rows(folder, write=True)
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    photos = rows.by_id([turn % 40 + 1])
    with rows.transaction():
        for row in photos.values():
            new = rows.put(row.photo, "main", (row.content, 1, turn), row)
            rows.put_vector(version, new, rows.vectors(version, [row.id])[0][::-1], "source")
    catch_up(folder / "derived", rows, version, "the catalogue's id", rebuild=turn % 3 == 0)
"""


def check_churn(rows: Rows, folder: Path, turns: int) -> int:
    """Opens views while another process appends to and rewrites the derived files; returns how many."""
    add(rows, units(40, 1))
    process = subprocess.Popen([sys.executable, "-c", CHURN, folder, str(turns)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    reader, query, views = Rows(folder), units(1, 2)[0], 0
    while process.poll() is None or views < 3:
        with reader.snapshot():
            state = reader.state()
            view = open_view(folder / "derived", reader, VERSION, state.sequence, NAME)
            whole = View(state.sequence, 1, tuple(reader.vectors_since(VERSION, 0)))
        for found, expected in zip(view.search(query, 40), whole.search(query, 40), strict=True):
            assert found.tolist() == expected.tolist()
        views += 1
    process.stdout.close()
    assert process.returncode == 0
    reader.close()
    return views


def test_readers_beside_a_writer_of_derived_files(rows: Rows, tmp_path: Path) -> None:
    """While another process appends and rewrites, every view that is opened is that of its snapshot's rows."""
    assert check_churn(rows, tmp_path, 120) >= 3


@pytest.mark.deep
def test_readers_long_beside_a_writer_of_derived_files(
    rows: Rows, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The same, for thousands of rewrites."""
    record_property("views", check_churn(rows, tmp_path, 5000))


# Exactness


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 400),
    dim=st.sampled_from([1, 2, 3, 8, 31, 512]),
    data=st.data(),
)
def test_what_stands_beside_does_not_matter(seed: int, count: int, dim: int, data: st.DataObject) -> None:
    """A vector read back, and its score, are equal bit by bit alone, in any slice and in any order."""
    given, query = units(count, seed, dim), units(1, seed + 1, dim)[0]
    blobs = [pack(vector) for vector in given]
    whole = unpack(blobs, dim)
    scores = exact_scores(whole, query)
    order = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20))
    assert unpack([blobs[i] for i in order], dim).tobytes() == whole[order].tobytes()
    assert exact_scores(whole[order], query).tobytes() == scores[order].tobytes()
    first = order[0]
    assert exact_scores(whole[first:], query).tobytes() == scores[first:].tobytes()
    assert exact_scores(whole[first : first + 1], query)[0] == scores[first]


@settings(max_examples=100, deadline=None)
@given(
    drawn=st.builds(units, st.integers(1, 30), st.integers(0, 10_000)),
    copies=st.lists(st.integers(0, 29), max_size=90),
    dead=st.sets(st.integers(0, 89)),
    k=st.integers(1, 120),
    cuts=st.lists(st.integers(0, 90), max_size=3),
)
def test_a_view_is_brute_force(drawn: Vectors, copies: list[int], dead: set[int], k: int, cuts: list[int]) -> None:
    """Duplicates, dead slots, any parts and any k: numbers and scores of a loop over all rows, ties by number."""
    matrix = np.ascontiguousarray(drawn[[copy % len(drawn) for copy in copies]].reshape(-1, DIM))
    ids = np.random.Generator(np.random.PCG64(k)).permutation(len(matrix)).astype(np.int64)
    ids[[slot for slot in dead if slot < len(ids)]] = -1
    edges = [0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]
    parts = tuple((matrix[a:b], ids[a:b]) for a, b in pairwise(edges))
    query = drawn[0]
    loop = [
        (-float(exact_scores(v[np.newaxis], query)[0]), int(i)) for v, i in zip(matrix, ids, strict=True) if i >= 0
    ]
    view = View(1, 1, parts)
    numbers, scores = view.search(query, k)
    assert list(zip((-scores).tolist(), numbers.tolist(), strict=True)) == sorted(loop)[:k]
    assert view.tally() == (len(loop), sum(number for _, number in loop))


def test_removing_a_photo_looks_at_its_own_vectors_only(tmp_path: Path) -> None:
    """By an index: a scan for each photo made the removal of half of 80,000 photos last more than an hour."""
    Rows.create(tmp_path)
    with closing(sqlite3.connect(tmp_path / "rows.sqlite")) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN DELETE FROM vectors WHERE {OF_ALL_VERSIONS}", (1,))
        steps = [step for *_, step in plan]
    assert any(step.startswith("SEARCH vectors USING") for step in steps)
    assert not any("SCAN vectors" in step for step in steps)
