"""What takes long: many kills, damages, readers beside writers, and histories of a catalogue."""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

import test_catalogue as quick
from test_oracle import History
from twinset import Catalogue, IndexOptions
from twinset.catalogue import index
from twinset.errors import IntegrityError

pytestmark = pytest.mark.deep
Record = Callable[[str, object], None]


def test_forty_kills(wardrobe: Path, built: Path, tmp_path: Path, record_property: Record) -> None:
    """Twenty builds, each killed twice at random moments, end as one that was not interrupted."""
    hit = sum(quick.check_kills(wardrobe, built, tmp_path, seed, 2) for seed in range(1000, 1020))
    record_property("kills", hit)
    assert hit >= 20


@pytest.mark.parametrize("name", ["rows.sqlite", "copies.sqlite", "catalogue.json", "model.onnx", "bundle.json"])
def test_six_hundred_damages(place: Path, wardrobe: Path, name: str, record_property: Record) -> None:
    """Six hundred flips, zeroed and swapped pages and cuts of a file: noticed, or the same answers."""
    if not (place / name).exists():
        name = str(next((place / "bundles").rglob(name)).relative_to(place))
    tally = quick.check_damage(place, quick.customers(wardrobe)[1], name, 600, 21)
    record_property("tally", tally)


@pytest.mark.parametrize("name", ["vectors.f32", "ids.i64", "state.json"])
def test_derived_files_may_hold_anything(place: Path, wardrobe: Path, name: str) -> None:
    """Two hundred damages of each derived file change no answer, `verify` names them, `repair` mends them."""
    file = place / "derived/1" / name
    data = file.read_bytes()
    tally = quick.check_damage(place, quick.customers(wardrobe)[1], f"derived/1/{name}", 200, 22)
    assert tally["noticed"] == 0
    for _, mutant in quick.mutants(data, 40, np.random.Generator(np.random.PCG64(23))):
        file.write_bytes(mutant)
        with Catalogue(place) as catalogue:
            assert {problem.file for problem in catalogue.verify()} == {"derived/1"}
            assert catalogue.verify(repair=True) == []
        assert file.read_bytes() == data


CATCH_UP = """
import sys
from pathlib import Path
from twinset.catalogue import folder
from twinset.store import vectors
from twinset.store.rows import Rows
place = folder.open_folder(Path(sys.argv[1]))
rows = Rows(place.path, write=True)
version = rows.live()
print("ready", flush=True)
for turn in range(10_000):
    vectors.catch_up(place.derived(version), rows, version, place.id, rebuild=True)
"""


def killed(place: Path, seconds: Iterator[float]) -> None:
    """A process that rewrites derived files without end is killed."""
    process = subprocess.Popen([sys.executable, "-c", CATCH_UP, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        process.wait(next(seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_kills_while_derived_files_are_written(place: Path, wardrobe: Path) -> None:
    """Forty kills at random moments of writing them: the same answers, and one run makes them whole."""
    query = quick.customers(wardrobe)[3]
    expected = quick.asked(place, query)
    generator = np.random.Generator(np.random.PCG64(31))
    waits = iter((generator.random(40) * 0.05).tolist())
    for _ in range(40):
        killed(place, waits)
        assert quick.asked(place, query) == expected
    assert index(place, wardrobe).embedded == 0
    with Catalogue(place) as catalogue:
        assert catalogue.verify() == []
    assert quick.asked(place, query) == expected


def test_readers_long_beside_a_writer(place: Path, wardrobe: Path, tmp_path: Path, record_property: Record) -> None:
    """Two processes, eight searches at once in each, for half a minute of changing attributes: one list."""
    record_property("runs", quick.check_readers(place, wardrobe, tmp_path / "w", 2, 30.0))


def test_verify_long_beside_a_writer(tmp_path: Path, record_property: Record) -> None:
    """`verify` finds nothing while photos are embedded again for two hundred runs."""
    record_property("looks", quick.check_verify_beside(tmp_path, 200))


def test_many_histories() -> None:
    """A thousand random histories of a catalogue against a dictionary and brute force."""
    run_state_machine_as_test(
        History, settings=settings(max_examples=1000, stateful_step_count=25, deadline=None, derandomize=True)
    )


def outcome(work: Callable[[], object]) -> str:
    """`done`, or the name of a typed error of exit code 4; any other error fails the test."""
    try:
        work()
    except IntegrityError as error:
        return type(error).__name__
    return "done"


@pytest.mark.parametrize("name", ["rows.sqlite", "copies.sqlite", "derived/1/state.json", "derived/1/ids.i64"])
def test_writers_on_damage(place: Path, wardrobe: Path, tmp_path: Path, name: str, record_property: Record) -> None:
    """Indexing changed prices into a damaged catalogue, and removing, ends well or with exit code 4."""
    manifest = Path(shutil.copytree(wardrobe.parent, tmp_path / "w")) / "photos.csv"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(",EUR,", ",USD,"), encoding="utf-8")
    data, tally = (place / name).read_bytes(), Counter[tuple[str, str]]()
    item = json.loads(quick.asked(place, quick.customers(wardrobe)[0]))[0]["item_id"]
    for _, mutant in quick.mutants(data, 200, np.random.Generator(np.random.PCG64(41))):
        damaged = Path(shutil.copytree(place, tmp_path / "damaged"))
        (damaged / name).write_bytes(mutant)
        indexed = outcome(lambda damaged=damaged: index(damaged, manifest, options=IndexOptions(source="main")))
        with Catalogue(damaged) as catalogue:
            tally[indexed, outcome(lambda catalogue=catalogue: catalogue.remove([item]))] += 1
        shutil.rmtree(damaged)
    record_property("tally", str(tally))
    assert tally["done", "done"] > 0
    if name.startswith("derived"):
        assert len(tally) == 1
