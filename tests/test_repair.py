"""`verify --repair`: what is damaged is left out, made again from source or copy, or named with its mend."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shops import age, index, picture, shop
from twinset import Catalogue, IndexOptions, bundle
from twinset.catalogue.folder import open_folder
from twinset.catalogue.reembed import Again, embed_again
from twinset.catalogue.repair import repair
from twinset.cli.main import main
from twinset.embedder import Embedder
from twinset.errors import CatalogueError, PathError, UsageError
from twinset.store import vectors
from twinset.store.copies import Copies
from twinset.store.rows import Rows
from twinset.store.versions import Version


@pytest.fixture
def stocked(tmp_path: Path) -> tuple[Path, Path]:
    """A manifest of 12 items with two photos each, and a catalogue of it."""
    manifest, place = shop(tmp_path / "shop", 12), tmp_path / "c"
    index(place, manifest)
    return manifest, place


def do(place: Path, sql: str, file: str = "rows.sqlite") -> list[Any]:
    """Runs SQL on a catalogue's database, behind the back of its checksums."""
    connection = sqlite3.connect(place / file)
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()


def hits(place: Path, manifest: Path) -> str:
    """The whole ranking of a photo, scores to the last bit."""
    with Catalogue(place) as catalogue:
        return json.dumps(catalogue.search(manifest.parent / "003/0.png", 50).to_json()["hits"], sort_keys=True)


def problems(place: Path) -> list[tuple[str, str]]:
    """File and finding of each problem."""
    with Catalogue(place) as catalogue:
        return [(problem.file, problem.what) for problem in catalogue.verify()]


ROWS = "the damaged file is rows.sqlite.damaged, which may be deleted"
COPIES = "the damaged file is copies.sqlite.damaged, which may be deleted"


def test_a_sound_catalogue_is_left_alone(stocked: tuple[Path, Path]) -> None:
    """Nothing is done, no database is written, what killed writers left goes; the answers are the same."""
    manifest, place = stocked
    before, expected = (place / "rows.sqlite").read_bytes(), hits(place, manifest)
    assert repair(place) == []
    (place / "derived/1/state.json.tmp").write_text("{", encoding="utf-8")
    (place / "derived/7").mkdir()
    assert repair(place) == ["1 unfinished files are removed"]
    assert not (place / "derived/7").exists()
    assert (place / "rows.sqlite").read_bytes() == before
    assert hits(place, manifest) == expected


class Counted:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def start(self, what: str, total: int) -> None:
        """Begins a step."""
        self.told.append((what, total))

    def advance(self, count: int = 1) -> None:
        """Adds to it."""
        what, total = self.told[-1]
        self.told[-1] = (what, total - count)

    def finish(self) -> None:
        """Ends it."""


def test_damaged_vectors_are_embedded_again(stocked: tuple[Path, Path]) -> None:
    """From the source bit by bit; from the copy where the source is gone, and marked so; without both it goes."""
    manifest, place = stocked
    expected, stored = hits(place, manifest), do(place, "SELECT id, vector FROM vectors ORDER BY id")
    do(place, "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id <= 3")
    assert len(problems(place)) == 4
    progress = Counted()
    assert repair(place, progress) == [
        f"rows.sqlite is written anew with 24 photos of 24; {ROWS}",
        "3 photos are embedded again from their source",
    ]
    assert progress.told[:2] == [("embedding again", 0), ("copying again", 0)]
    assert {left for _, left in progress.told} == {0}
    assert problems(place) == []
    assert do(place, "SELECT id, vector FROM vectors ORDER BY id") == stored
    assert hits(place, manifest) == expected
    names = do(place, "SELECT photo_id, path FROM photos WHERE id <= 2 ORDER BY id")
    for _, path in names:
        (manifest.parent / path).unlink()
    do(place, "DELETE FROM vectors WHERE id <= 3")
    do(place, f"UPDATE copies SET jpeg = x'00' WHERE photo_id = '{names[0][0]}'", "copies.sqlite")
    assert sorted(repair(place)) == [
        "1 photos are embedded again from their copy",
        "1 photos are embedded again from their source",
        "1 photos that lost their vector have neither source nor copy, and are removed",
        f"copies.sqlite is written anew with 23 copies; {COPIES}",
        f"rows.sqlite is written anew with 24 photos of 24; {ROWS}",
    ]
    assert problems(place) == []
    assert do(place, "SELECT id FROM vectors WHERE made_from = 'copy'") == [(2,)]
    assert do(place, "SELECT COUNT(*) FROM photos") == [(23,)]


def test_a_damaged_row_comes_back_with_the_next_index(stocked: tuple[Path, Path]) -> None:
    """The row is left out and the source named as the mend; after `index` the answers are as before."""
    manifest, place = stocked
    expected, sequence = hits(place, manifest), do(place, "SELECT sequence FROM state")[0][0]
    do(place, "UPDATE photos SET category = 'TOPS/Fee' WHERE id IN (5, 24)")
    assert (
        "rows.sqlite",
        "rows are missing or extra: their count and sum do not agree with the state",
    ) in problems(place)
    assert repair(place)[1] == "index the sources again: photos that have lost their rows come back"
    assert problems(place) == []
    assert do(place, "SELECT COUNT(*) FROM photos") == [(22,)]
    assert do(place, "SELECT sequence FROM state")[0][0] > sequence
    report = index(place, manifest)
    assert (report.added, report.unchanged) == (2, 22)
    assert problems(place) == []
    assert hits(place, manifest) == expected


@pytest.mark.parametrize("damage", ["header", "schema", "index", "leaf", "interior"])
def test_damaged_pages_of_the_rows(stocked: tuple[Path, Path], damage: str) -> None:
    """Header, tables, and indexes are those of every catalogue: nothing is lost; behind a lost page is read on."""
    manifest, place = stocked
    index(place, shop(manifest.parent, 60))
    expected, file = hits(place, manifest), place / "rows.sqlite"
    data = bytearray(file.read_bytes())
    kinds = {"index": 10, "leaf": 13, "interior": 5}
    pages = [page for page in range(4096, len(data), 4096) if data[page] == kinds.get(damage)]
    match damage:
        case "header":
            data[:100] = bytes(100)
        case "schema":
            data[data.index(b"CREATE TABLE photos") + 3] ^= 1
        case "interior":
            data[pages[0] + 11] ^= 0xFF
        case _:
            data[pages[len(pages) // 2] : pages[len(pages) // 2] + 4096] = bytes(4096)
    file.write_bytes(data)
    assert problems(place)
    done = repair(place)
    assert done[0].startswith("rows.sqlite is written anew")
    assert problems(place) == []
    if damage in ("header", "schema", "index"):
        assert done == [f"rows.sqlite is written anew with 120 photos of 120; {ROWS}"]
    else:
        assert do(place, "SELECT COUNT(*) FROM photos")[0][0] >= 90
        index(place, manifest)
    assert hits(place, manifest) == expected


def test_what_waits_in_the_log_is_kept(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """A killed writer's committed changes, not yet folded in, survive the repair of the file below them."""
    manifest, place = stocked
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(",10,", ",12,"), encoding="utf-8")
    with Catalogue(place) as catalogue:
        catalogue.info()
        index(place, manifest)
        left = Path(shutil.copytree(place, tmp_path / "left"))
    assert (left / "rows.sqlite-wal").stat().st_size > 0
    expected, data = hits(place, manifest), bytearray((left / "rows.sqlite").read_bytes())
    data[:100] = bytes(100)
    (left / "rows.sqlite").write_bytes(data)
    repair(left)
    assert problems(left) == []
    assert hits(left, manifest) == expected
    assert do(left, "SELECT COUNT(*) FROM photos WHERE attributes LIKE '%\"12\"%'") == [(24,)]


def test_flips_in_a_log_that_waits(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """A flipped bit in a killed writer's log leaves the state before it, which `verify` sees; or all is as ever."""
    manifest, place = stocked
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(",10,", ",12,"), encoding="utf-8")
    left, work = tmp_path / "left", tmp_path / "work"
    with Catalogue(place) as catalogue:
        catalogue.info()
        index(place, manifest)
        shutil.copytree(place, left)
    expected, generator = hits(place, manifest), np.random.Generator(np.random.PCG64(9))
    seen = 0
    for name in ("rows.sqlite-wal", "rows.sqlite-shm"):
        data = (left / name).read_bytes()
        for place_ in generator.integers(0, len(data), 12).tolist():
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(left, work)
            mutant = bytearray(data)
            mutant[place_] ^= 4
            (work / name).write_bytes(mutant)
            same = hits(work, manifest) == expected
            told = problems(work)
            assert same or told, f"{name}, {place_}"
            seen += bool(told)
            repair(work)
            index(work, manifest)
            assert problems(work) == []
            assert hits(work, manifest) == expected
    assert seen > 3


def test_lost_copies_are_made_again(stocked: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Bit by bit from their sources; one whose source is gone too stays a problem with its mend, exit code 4."""
    manifest, place = stocked
    before = do(place, "SELECT * FROM copies ORDER BY photo_id", "copies.sqlite")
    do(place, "DELETE FROM copies WHERE rowid < 4", "copies.sqlite")
    do(place, "UPDATE copies SET width = 999 WHERE rowid = 9", "copies.sqlite")
    assert repair(place) == [
        f"copies.sqlite is written anew with 20 copies; {COPIES}",
        "4 copies are made again from their sources",
    ]
    assert do(place, "SELECT * FROM copies ORDER BY photo_id", "copies.sqlite") == before
    (place / "copies.sqlite").unlink()
    (manifest.parent / "003/1.png").unlink()
    capsys.readouterr()
    assert main(["verify", "-c", str(place), "--repair", "--json"]) == 4
    out = capsys.readouterr()
    said = json.loads(out.out)
    assert said["ok"] is False
    assert said["repaired"] == [
        "copies.sqlite was missing and is made anew", "23 copies are made again from their sources"
    ]  # fmt: skip
    assert [problem["file"] for problem in said["problems"]] == ["copies.sqlite"]
    assert "remove the photo" in said["problems"][0]["mend"]
    assert f"{place} has 1 problems" in out.err
    with Catalogue(place) as catalogue:
        catalogue.remove(paths=["003/1.png"])
    assert problems(place) == []


def test_a_bundle_that_ships_comes_back(
    stocked: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lost or damaged model is restored where it ships; of another bundle `verify` says where to find it."""
    manifest, place = stocked
    expected = hits(place, manifest)
    model = next(place.glob("bundles/*/model.onnx"))
    shutil.rmtree(model.parent)
    assert problems(place)
    assert repair(place) == ["the bundle colour is restored from the one that ships"]
    model.write_bytes(model.read_bytes()[:-1])
    with Catalogue(place) as catalogue:
        assert catalogue.verify(repair=True) == []
    assert hits(place, manifest) == expected
    own = tmp_path / "own"
    index(own, manifest, bundle=other_bundle(tmp_path / "b"))
    next(own.glob("bundles/*/bundle.json")).unlink()
    capsys.readouterr()
    assert main(["verify", "-c", str(own), "--repair"]) == 4
    assert "bring its folder back from a snapshot" in capsys.readouterr().err


def shop_with(manifest: Path, items: int) -> Path:
    """The same shop with more items, what is there left as it is."""
    text = manifest.read_text(encoding="utf-8")
    for item in range(12, items):
        for view in range(2):
            path = manifest.parent / f"{item:03d}/{view}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture(item * 7 + view)).save(path)
            text += f"{item:03d}/{view}.png,i{item:03d},TOPS/Tee,10,v{view}\n"
    manifest.write_text(text, encoding="utf-8")
    return manifest


def other_bundle(place: Path) -> Path:
    """A bundle that differs from `colour` in its box margin."""
    colour = bundle.open_bundle("colour")
    bundle.save(place, replace(colour.facts, name="other", box_margin=0.25), colour.model)
    return place


def second_version(place: Path) -> Version:
    """Embeds all photos with another bundle too, and lets that version answer."""
    opened = bundle.open_bundle(other_bundle(place.parent / "other"))
    bundle.save(place / "bundles" / opened.fingerprint, opened.facts, opened.model)
    rows, copies, folder = Rows(place, write=True), Copies(place), open_folder(place)
    try:
        roots = {source.name: Path(source.root) for source in rows.sources()}
        with rows.transaction():
            version = rows.versions.add(opened.fingerprint, opened.facts.name, opened.facts.dim)
            for again in embed_again(Embedder(opened, "cpu"), list(rows.since(0)), roots, copies):
                assert isinstance(again, Again)
                rows.put_vector(version, again.row, again.vector, again.made_from)
            rows.versions.switch(version)
        vectors.catch_up(folder.derived(version), rows, version, folder.id)
    finally:
        rows.close()
        copies.close()
    return version


def test_every_version_is_checked_and_repaired(stocked: tuple[Path, Path]) -> None:
    """Vectors, derived files and bundle of a version that no longer answers are seen, and made whole."""
    manifest, place = stocked
    first = next(place.glob("bundles/*"))
    version = second_version(place)
    expected, stored = hits(place, manifest), do(place, "SELECT * FROM vectors ORDER BY version, id")
    assert problems(place) == []
    do(place, "UPDATE vectors SET made_from = 'x' WHERE id = 4")
    (place / "derived/1/ids.i64").write_bytes(b"")
    (first / "model.onnx").write_bytes(b"")
    files = {file for file, _ in problems(place)}
    assert files == {"rows.sqlite", "derived/1", f"derived/{version.number}", f"bundles/{first.name}"}
    assert sorted(repair(place)) == [
        "1 photos are embedded again from their source",
        "1 photos are embedded again from their source",
        f"rows.sqlite is written anew with 24 photos of 24; {ROWS}",
        "the bundle colour is restored from the one that ships",
    ]
    assert problems(place) == []
    assert do(place, "SELECT * FROM vectors ORDER BY version, id") == stored
    assert hits(place, manifest) == expected


def test_a_version_that_is_left_behind_is_no_problem(stocked: tuple[Path, Path]) -> None:
    """Photos that are new, changed or gone since it answered have no vector of it, and `verify` asks for none."""
    manifest, place = stocked
    second_version(place)
    Image.fromarray(picture(77)).save(manifest.parent / "002/0.png")
    index(place, shop_with(manifest, 14), bundle=None)
    with Catalogue(place) as catalogue:
        catalogue.remove(["i001"])
    assert do(place, "SELECT vectors FROM versions ORDER BY number") == [(21,), (26,)]
    assert problems(place) == []
    assert repair(place) == []
    assert problems(place) == []


def test_catalogue_json_is_written_anew(stocked: tuple[Path, Path]) -> None:
    """A flipped letter of the name is refused with the mend; a newer format is left alone."""
    manifest, place = stocked
    expected, about = hits(place, manifest), place / "catalogue.json"
    before = about.read_text(encoding="utf-8")
    about.write_text(before.replace('"name": "c"', '"name": "b"'), encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"catalogue\.json is damaged: run `twinset verify --repair"):
        Catalogue(place)
    (done,) = repair(place)
    assert done.startswith("catalogue.json is written anew")
    assert "calibrate it again" in done
    told = json.loads(about.read_text(encoding="utf-8"))
    assert told["name"] == "c"
    assert told["id"] != json.loads(before)["id"]
    assert problems(place) == []
    assert hits(place, manifest) == expected
    with pytest.raises(PathError, match="there is no catalogue"):
        repair(manifest.parent)
    assert not (manifest.parent / "writer.lock").exists()


def test_a_source_that_lost_its_record(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Its photos stay, and are embedded again from their copies; `index` with its name brings it back."""
    manifest, place = stocked
    more = tmp_path / "more"
    more.mkdir()
    Image.fromarray(picture(99)).save(more / "a.png")
    age(more / "a.png")
    index(place, more, options=IndexOptions(source="more"))
    do(place, "UPDATE sources SET root = '/nowhere' WHERE name = 'more'")
    do(place, "DELETE FROM vectors WHERE id = 25")
    assert repair(place)[1:] == [
        "a source has lost its record: index it again, with its --source NAME",
        "1 photos are embedded again from their copy",
    ]
    assert problems(place) == []
    assert index(place, more, options=IndexOptions(source="more")).embedded == 1
    assert index(place, manifest).unchanged == 24


@pytest.mark.parametrize("damage", ["stump", "versions", "gone"])
def test_what_cannot_be_mended_is_left_and_named(
    stocked: tuple[Path, Path], damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of which too little can be read are left as they are: exit code 4, and the way out."""
    _, place = stocked
    file = place / "rows.sqlite"
    match damage:
        case "stump":
            file.write_bytes(file.read_bytes()[:6000])
        case "versions":
            do(place, "UPDATE versions SET fingerprint = 'x'")
        case _:
            file.unlink()
    before = file.read_bytes() if file.exists() else None
    capsys.readouterr()
    assert main(["verify", "-c", str(place), "--repair"]) == 4
    out = capsys.readouterr()
    assert out.out.startswith("rows.sqlite: ")
    assert "go back to a snapshot, or index into a new folder" in out.err
    assert (file.read_bytes() if file.exists() else None) == before
    assert not (place / "repair.tmp").exists()


def test_an_open_reader_goes_on(stocked: tuple[Path, Path]) -> None:
    """A catalogue that was open before answers as before; the one that repaired sees what is there now."""
    manifest, place = stocked
    query = manifest.parent / "003/0.png"
    with Catalogue(place) as reader, Catalogue(place) as mender:
        expected = [hit.score for hit in reader.search(query, 50)]
        do(place, "UPDATE photos SET category = 'TOPS/Fee' WHERE id = 24")
        assert mender.verify(repair=True) == []
        assert mender.info().photos == 23
        assert [hit.score for hit in mender.search(query, 11)] == expected[:11]
    mender.close()
    with pytest.raises(UsageError, match="has been closed"):
        mender.verify(repair=True)


REPAIR = """
import sys
from twinset.catalogue.repair import repair
print("ready", flush=True)
repair(sys.argv[1])
"""


def check_kills(place: Path, work: Path, manifest: Path, count: int, repaired: Callable[[], float]) -> int:
    """Kills repairs at random moments; the next one ends as if nothing had been. Returns how many were hit."""
    expected, hit = hits(place, manifest), 0
    do(place, "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id % 3 = 0")
    do(place, "DELETE FROM copies WHERE rowid % 3 = 0", "copies.sqlite")
    do(place, "UPDATE copies SET width = 1 WHERE rowid % 3 = 1", "copies.sqlite")
    for _ in range(count):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(place, work)
        child = subprocess.Popen([sys.executable, "-c", REPAIR, work], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(repaired())
        child.send_signal(signal.SIGKILL)
        child.communicate()
        hit += child.returncode == -signal.SIGKILL
        repair(work)
        assert problems(work) == []
        assert hits(work, manifest) == expected
    return hit


def test_a_killed_repair_is_repeated(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    """Two repairs, killed on the way: the next one makes the catalogue whole."""
    manifest, place = stocked
    check_kills(place, tmp_path / "work", manifest, 2, iter((0.02, 0.06)).__next__)


@pytest.mark.deep
def test_forty_killed_repairs(
    stocked: tuple[Path, Path], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The same, forty times at random moments."""
    manifest, place = stocked
    index(place, shop(manifest.parent, 200))
    waits = (np.random.Generator(np.random.PCG64(5)).random(40) * 0.4).tolist()
    hit = check_kills(place, tmp_path / "work", manifest, 40, iter(waits).__next__)
    record_property("killed", hit)
    assert hit >= 20
