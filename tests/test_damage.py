"""Bits flipped and files cut anywhere in a catalogue: `verify` finds it, or nothing changes; then it is mended."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from shops import index
from twinset import Catalogue, IndexOptions
from twinset.catalogue.repair import repair
from twinset.errors import IntegrityError, ResourceError
from twinset.records import Answer
from twinset.store.rows import Rows

PAGE = 4096
TREE = (2, 5, 10)
"""How a page begins that is no leaf of a table: interior pages, and those of indexes."""
T = TypeVar("T")


@dataclass(frozen=True)
class Sound:
    """A catalogue as it should be, the manifest and the root that it was made of, and two photos to ask with."""

    place: Path
    manifest: Path
    root: Path
    queries: tuple[Path, Path]
    item: str

    def answers(self, place: Path) -> list[str]:
        """What a catalogue that is opened for it answers: the whole ranking, filters, facets, styles, boosts."""
        one, two = self.queries
        with Catalogue(place) as catalogue:
            return [
                told(catalogue.search(one, 5000, by="photo")),
                told(catalogue.search(two, 20, where=["colour=blue|red|white"], facets=True)),
                told(catalogue.search(one, 30, by="style", min_score=0.1)),
                told(catalogue.search(two, 30, boost=["colour=blue:+0.05"])),
                told(catalogue.similar(self.item, 20, facets=True)),
            ]

    def everything(self, place: Path) -> list[str]:
        """All rows, all copies, and what `info` says of them."""
        rows = Rows(place)
        try:
            stored = list(rows.since(0))
        finally:
            rows.close()
        with Catalogue(place) as catalogue:
            info = asdict(catalogue.info()) | {"bytes": 0}
            copies = sorted(catalogue.copy([row.photo.photo_id for row in stored]).items())
        return [str(info), str(sorted(map(str, stored))), str(copies)]

    def index_again(self, place: Path) -> None:
        """Brings back what has lost its row."""
        index(place, self.manifest, options=IndexOptions(source="main", photos_root=self.root))


def sound(place: Path, manifest: Path, root: Path) -> Sound:
    """Indexes a manifest that has one faulty row, so that every file is there which may be."""
    index(place, manifest, options=IndexOptions(photos_root=root))
    assert (place / "skipped.csv").is_file()
    photos = sorted(p for p in root.rglob("*.jpg") if "customer" not in p.name)
    with Catalogue(place) as catalogue:
        item = catalogue.search(photos[3], 1).hits[0].item_id
    return Sound(place, manifest, root, (photos[0], photos[len(photos) // 2]), item)


def with_a_fault(manifest: Path, out: Path) -> Path:
    """The manifest with a photo that is not there."""
    text = manifest.read_text(encoding="utf-8")
    out.write_text(text + "none.jpg,none" + "," * (text.split("\n", 1)[0].count(",") - 1) + "\n", encoding="utf-8")
    return out


def told(answer: Answer) -> str:
    """All that an answer says of the catalogue's photos."""
    said = answer.to_json()
    return json.dumps([said["hits"], said["facets"], said["categories"]], sort_keys=True)


def attempt(work: Callable[[], T]) -> T | None:
    """What comes of it, None where it is refused with exit code 4 or 5; any other error fails the test."""
    try:
        return work()
    except (IntegrityError, ResourceError):
        return None


def found(place: Path) -> int:
    """How many problems `verify` finds, 1 where it refuses the catalogue."""

    def look() -> int:
        with Catalogue(place) as catalogue:
            problems = catalogue.verify()
        assert all(problem.file and problem.what and problem.mend for problem in problems)
        return len(problems)

    count = attempt(look)
    return 1 if count is None else count


def mutants(data: bytes, flips: int, cuts: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The file with one bit flipped, each time elsewhere, and with its end cut off; both spread over the file.

    In a database as many flips again hit what leads to its records: interior pages, and those of indexes; and pages
    are zeroed, and take each other's place.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    places = [int((n + generator.random()) * len(data) / flips) for n in range(flips)]
    if data.startswith(b"SQLite"):
        tree = [p for p in range(0, len(data), PAGE) if data[p + (0 if p else 100)] in TREE or not p]
        places += [int(generator.choice(tree) + generator.integers(PAGE)) for _ in range(flips)]
    for place in places:
        mutant = bytearray(data)
        mutant[place] ^= 1 << int(generator.integers(8))
        yield f"flip at {place}", bytes(mutant)
    for n in range(2 * cuts if data.startswith(b"SQLite") else 0):
        one, two = (int(page) * PAGE for page in generator.integers(0, len(data) // PAGE, 2))
        mutant = bytearray(data)
        mutant[one : one + PAGE] = data[two : two + PAGE] if n % 2 else bytes(PAGE)
        if n % 2:
            mutant[two : two + PAGE] = data[one : one + PAGE]
        yield f"page at {one}{f' swapped with {two}' if n % 2 else ' zeroed'}", bytes(mutant)
    for n in range(cuts):
        size = int((n + generator.random()) * len(data) / cuts)
        yield f"cut at {size}", data[:size]


def check(shop: Sound, work: Path, name: str, mutant: bytes, golden: tuple[list[str], list[str]]) -> list[str]:
    """What becomes of a catalogue whose file `name` is damaged; fails where it answers otherwise than before."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(shop.place, work)
    (work / name).write_bytes(mutant)
    said = attempt(lambda: shop.answers(work))
    assert said is None or said == golden[0], "other answers"
    if not found(work):
        assert said is not None, "refused, and `verify` finds nothing"
        assert shop.everything(work) == golden[1], "other facts, and `verify` finds nothing"
        return ["harmless"]
    seen = ["found by verify", *["refused by the answers"] * (said is None)]
    done = repair(work)
    if found(work):
        return [*seen, "left"]
    lost = any("index the sources again" in what for what in done)
    if lost:
        shop.index_again(work)
        assert not found(work)
    assert shop.answers(work) == golden[0], f"other answers after {done}"
    return [*seen, "repaired, indexed again" if lost else "repaired"]


def sweep(shop: Sound, work: Path, counts: Callable[[str], tuple[int, int]], seed: int) -> dict[str, Counter[str]]:
    """Damages every file of a catalogue, `counts` by its name flips and cuts; tallies what becomes of it."""
    golden = shop.answers(shop.place), shop.everything(shop.place)
    files = [p for p in sorted(shop.place.rglob("*")) if p.is_file() and p.stat().st_size]
    tallies: dict[str, Counter[str]] = {}
    for file in files:
        tally = tallies.setdefault(file.name, Counter())
        for what, mutant in mutants(file.read_bytes(), *counts(file.name), seed):
            try:
                outcome = check(shop, work, str(file.relative_to(shop.place)), mutant, golden)
                tally.update([f"{what.split()[0]}s", *outcome])
            except Exception as error:
                raise AssertionError(f"{file.name}, {what}: {error!r}") from error
    assert shop.answers(shop.place) == golden[0]
    return tallies


def test_what_is_damaged_is_found_or_changes_nothing(wardrobe: Path, tmp_path: Path) -> None:
    """A few flips and cuts of each file: no answer changes unnoticed, and all but bare stumps are made whole."""
    manifest = with_a_fault(wardrobe, tmp_path / "photos.csv")
    shop = sound(tmp_path / "c", manifest, wardrobe.parent)
    tallies = sweep(shop, tmp_path / "work", lambda name: (6 if name == "rows.sqlite" else 2, 1), 3)
    assert len(tallies) >= 10
    total = sum(tallies.values(), Counter[str]())
    assert total["repaired"] > 10
    assert total["left"] <= 1


@pytest.mark.deep
def test_every_file_of_a_real_catalogue(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Twenty flips and five cuts of every file of 715 photos, 300 of the rows: found or harmless, and mended."""
    root = Path(os.environ.get("TWINSET_TEST_DATA", ""), "data/luma")
    if not (root / "photos.csv").is_file():
        pytest.skip("TWINSET_TEST_DATA has no data/luma/photos.csv")
    shop = sound(tmp_path / "c", with_a_fault(root / "photos.csv", tmp_path / "photos.csv"), root)
    tallies = sweep(shop, tmp_path / "work", lambda name: (150 if name == "rows.sqlite" else 20, 5), 21)
    for name, tally in tallies.items():
        record_property(name, ", ".join(f"{count} {what}" for what, count in tally.items()))
    assert all(tally["flips"] >= 20 and tally["cuts"] == 5 for tally in tallies.values())
    assert tallies["rows.sqlite"]["flips"] == 300
