"""Another bundle for a catalogue: beside the live version, cut, resumed, switched to, and taken back."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shops import age, build, index, other_bundle, picture, shop, write
from twinset import Catalogue
from twinset.catalogue.upgrade import UpgradeReport, prepare, prune, rollback, switch
from twinset.cli.main import main
from twinset.errors import CatalogueError, CursorExpiredError, FingerprintError, UsageError
from twinset.progress import SILENT, Progress
from twinset.records import Answer, Vectors
from twinset.store.rows import Rows

Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def middle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second bundle."""
    return other_bundle(tmp_path_factory.mktemp("bundles") / "middle")


def upgrade(place: Path, other: str | Path, progress: Progress = SILENT) -> UpgradeReport:
    """As the command does it; `embedded` counts the first step's photos."""
    made = prepare(place, other, progress=progress)
    return switch(place, made.version, progress=progress).after(made)


class Cut:
    """A `Progress` that does something at its first advance, outside of any lock, as a user or another process."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act
        self.steps: list[tuple[str, int]] = []

    def start(self, what: str, total: int) -> None:
        """Notes a step."""
        self.steps.append((what, total))

    def advance(self, count: int = 1) -> None:
        """Acts once."""
        act, self._act = self._act, None
        if act is not None:
            act()

    def finish(self) -> None:
        """Nothing."""


def interrupt() -> None:
    """As Ctrl-C."""
    raise KeyboardInterrupt


def told(answer: Answer) -> list[tuple[str, float]]:
    """Items and scores."""
    return [(hit.item_id, hit.score) for hit in answer]


def vectors(place: Path) -> dict[str, Vectors]:
    """The live version's vectors by path."""
    rows = Rows(place)
    found = list(rows.since(0))
    stored = rows.vectors(rows.live(), [row.id for row in found])
    rows.close()
    return {row.photo.path: vector for row, vector in zip(found, stored, strict=True)}


def same(one: dict[str, Vectors], two: dict[str, Vectors]) -> bool:
    """Whether they are equal, bit by bit."""
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def test_it_then_answers_as_a_catalogue_made_with_that_bundle(wardrobe: Path, place: Path, middle: Path) -> None:
    """Vectors and answers are those of a fresh catalogue, boxes among them; an opened reader follows at once."""
    query = next(wardrobe.parent.rglob("customer*.jpg"))
    with Catalogue(place) as reader, build(place.parent / "fresh", wardrobe, bundle=middle) as fresh:
        old = told(reader.search(query))
        report = upgrade(place, middle)
        assert (report.version.number, report.version.bundle, report.switched) == (2, "middle", True)
        assert (report.embedded, report.from_copies) == (reader.info().photos, 0)
        answer = reader.search(query)
        assert told(answer) == told(fresh.search(query)) != old
        assert answer.catalogue.version == 2
        assert reader.verify() == []
    assert same(vectors(place), vectors(place.parent / "fresh"))


def test_the_old_one_answers_until_the_switch_and_again_after_a_rollback(
    wardrobe: Path, place: Path, middle: Path
) -> None:
    """Bit by bit the same answers before, beside and after."""
    query = next(wardrobe.parent.rglob("customer*.jpg"))
    with Catalogue(place) as catalogue:
        before, page = catalogue.search(query), catalogue.search(query, 3)
        assert not prepare(place, middle).switched
        assert told(catalogue.search(query)) == told(before)
        assert catalogue.search(query).catalogue == before.catalogue
        assert upgrade(place, middle).embedded == 0
        with pytest.raises(CursorExpiredError, match="changed since this cursor"):
            catalogue.search(query, 3, cursor=page.next)
        assert told(catalogue.search(query)) != told(before)
        back = rollback(place)
        assert (back.version.number, back.embedded, back.switched) == (1, 0, True)
        assert told(catalogue.search(query)) == told(before)
        with pytest.raises(UsageError, match="no version that answered before"):
            rollback(place)
        again = upgrade(place, middle)
        assert (again.version.number, again.embedded, again.switched) == (2, 0, True)
        assert catalogue.verify() == []


def test_an_interrupted_upgrade_goes_on_where_it_stopped(tmp_path: Path, middle: Path) -> None:
    """Ctrl-C after the first of 600 photos are stored: the old one answers, and the rest is embedded later."""
    manifest, place = shop(tmp_path / "shop", items=300), tmp_path / "c"
    with build(place, manifest) as catalogue:
        before = told(catalogue.search(tmp_path / "shop/007/1.png"))
        with pytest.raises(KeyboardInterrupt):
            upgrade(place, middle, progress=Cut(interrupt))
        assert told(catalogue.search(tmp_path / "shop/007/1.png")) == before
        assert catalogue.verify() == []
        done = catalogue.info().versions[1].photos
        assert 0 < done < 600
        assert upgrade(place, middle).embedded == 600 - done
    with build(tmp_path / "fresh", manifest, bundle=middle):
        assert same(vectors(place), vectors(tmp_path / "fresh"))


def test_other_writers_come_in_between(tmp_path: Path, middle: Path) -> None:
    """While it embeds, photos are added, changed and removed: the new version has what is there in the end."""
    folder, place = tmp_path / "shop", tmp_path / "c"
    manifest = shop(folder, items=300)
    index(place, manifest)

    def another() -> None:
        Image.fromarray(picture(999)).save(folder / "004/0.png")
        age(folder / "004/0.png", 1800)
        rows = [{"path": f"new/{n}.png", "item_id": "new"} for n in range(3)]
        more = write(folder, rows, {row["path"]: 5000 + n for n, row in enumerate(rows)})
        with manifest.open(encoding="utf-8") as file:
            lines = file.read()
        more.write_text(base + "".join(f"{line},,,\n" for line in lines.splitlines()[1:]), encoding="utf-8")
        with Catalogue(place) as catalogue:
            catalogue.remove(["i005"])
        assert index(place, more).added == 5

    base = manifest.read_text(encoding="utf-8")
    with Catalogue(place) as catalogue:
        report = upgrade(place, middle, progress=Cut(another))
        assert report.switched
        assert report.embedded >= 600
        assert catalogue.verify() == []
        assert catalogue.info().photos == 603
    with build(tmp_path / "fresh", manifest, bundle=middle):
        assert same(vectors(place), vectors(tmp_path / "fresh"))


def test_what_came_since_is_embedded_before_going_back(tmp_path: Path, middle: Path) -> None:
    """New photos and changed ones: as many as lack the old bundle's vector, and the same vectors as it gives."""
    folder, place = tmp_path / "shop", tmp_path / "c"
    manifest = shop(folder)
    with build(place, manifest) as catalogue:
        upgrade(place, middle)
        Image.fromarray(picture(999)).save(folder / "004/0.png")
        with manifest.open("a", encoding="utf-8") as file:
            file.write("new.png,new,TOPS/Tee,10,v0\n")
        Image.fromarray(picture(1000)).save(folder / "new.png")
        report = index(place, manifest, bundle=None)
        assert (report.added, report.updated, report.embedded) == (1, 1, 2)
        progress = Cut(lambda: None)
        back = rollback(place, progress=progress)
        assert (back.version.number, back.embedded) == (1, 2)
        assert progress.steps[0] == ("embedding by colour", 2)
        assert catalogue.search(folder / "new.png", 1).hits[0].item_id == "new"
        assert catalogue.verify() == []
    index(tmp_path / "fresh", manifest)
    assert same(vectors(place), vectors(tmp_path / "fresh"))


def test_photos_whose_source_is_gone_come_from_their_copy_and_are_marked(
    wardrobe: Path, tmp_path: Path, middle: Path, capsys: Out
) -> None:
    """Near the source's vector, boxes of large photos too; the next run makes them of the source again."""
    folder, place = tmp_path / "shop", tmp_path / "c"
    folder.mkdir()
    lines = ["path,item_id,box"]
    for n, path in enumerate(sorted(wardrobe.parent.rglob("customer*.jpg"))[:6]):
        photo = Image.open(path).resize((1000, 1500))
        photo.save(folder / f"{n}.png")
        age(folder / f"{n}.png")
        lines.append(f'{n}.png,i{n},"{100 * n},300,{500 + 100 * n},1300"')
    manifest = folder / "photos.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    index(place, manifest)
    shutil.move(folder, tmp_path / "away")
    with Catalogue(place) as catalogue:
        report = upgrade(place, middle)
        assert (report.embedded, report.from_copies) == (6, 6)
        assert [version.from_copies for version in catalogue.info().versions] == [0, 6]
    assert main(["info", "-c", str(place)]) == 0
    assert "2: middle, 6 photos, 6 of them from copies, live" in capsys.readouterr().out
    shutil.move(tmp_path / "away", folder)
    with build(tmp_path / "fresh", manifest, bundle=middle):
        pass
    ours, theirs = vectors(place), vectors(tmp_path / "fresh")
    assert min(float(ours[name] @ theirs[name]) for name in ours) > 0.97
    assert not same(ours, theirs), "a JPEG differs a little from the photo it was made of"
    report_ = index(place, manifest, bundle=None)
    assert (report_.embedded, report_.unchanged) == (6, 0)
    assert same(vectors(place), theirs)
    with Catalogue(place) as catalogue:
        assert catalogue.info().versions[1].from_copies == 0
        assert catalogue.verify() == []


def test_a_photo_without_source_and_copy_is_told_and_nothing_switches(tmp_path: Path, middle: Path) -> None:
    """One of 40 photos has lost both: exit 4 names it, the old one answers; removed, the rest goes over."""
    folder, place = tmp_path / "shop", tmp_path / "c"
    index(place, shop(folder))
    (folder / "007/1.png").unlink()
    with sqlite3.connect(place / "copies.sqlite") as connection, Catalogue(place) as catalogue:
        rows = Rows(place)
        [lost] = rows.of_paths(["007/1.png"])
        rows.close()
        connection.execute("DELETE FROM copies WHERE photo_id = ?", (lost.photo.photo_id,))
        connection.commit()
        with pytest.raises(CatalogueError, match=r"1 photos have neither .* first 007/1\.png"):
            upgrade(place, middle)
        assert catalogue.info().version == 1
        assert catalogue.search(folder / "007/0.png", 1).hits[0].item_id == "i007"
        catalogue.remove(paths=["007/1.png"])
        report = upgrade(place, middle)
        assert (report.embedded, report.switched) == (0, True)
    connection.close()


def test_pruned_versions_are_gone(place: Path, middle: Path) -> None:
    """Vectors, bundle and derived files; then there is no way back, and an upgrade begins anew."""
    with Catalogue(place) as catalogue:
        upgrade(place, middle)
        large = catalogue.info().bytes
        assert [version.bundle for version in prune(place)] == ["colour"]
        assert catalogue.info().bytes < large
        assert [path.name for path in (place / "derived").iterdir() if path.is_dir()] == ["2"]
        assert len(list((place / "bundles").iterdir())) == 1
        with pytest.raises(UsageError, match="no version that answered before"):
            rollback(place)
        assert upgrade(place, "colour").version.number == 3
        assert catalogue.verify() == []
        assert [version.number for version in prune(place)] == [2]
        assert upgrade(place, middle).version.number == 4
        assert prune(place)
        assert prune(place) == []


def test_the_bundle_in_use_is_refused(wardrobe: Path, place: Path, middle: Path) -> None:
    """Before anything is made; `index` names the way to another bundle."""
    with Catalogue(place) as catalogue:
        with pytest.raises(UsageError, match="is of colour already"):
            upgrade(place, "colour")
        with pytest.raises(UsageError, match="no version that answered before"):
            rollback(place)
        assert len(catalogue.info().versions) == 1
    with pytest.raises(FingerprintError, match="go over to it with `twinset upgrade --bundle`"):
        index(place, wardrobe, bundle=middle)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE versions SET live = 1 - live",
        "UPDATE versions SET live = 0",
        "UPDATE versions SET switched = 9 WHERE number = 1",
        "UPDATE versions SET fingerprint = 'f' || substr(fingerprint, 2)",
        "DELETE FROM versions WHERE live",
    ],
)
def test_a_damaged_table_of_versions_lets_no_other_version_answer(
    wardrobe: Path, place: Path, middle: Path, damage: str
) -> None:
    """Whichever version such a change would choose: it is refused."""
    with Catalogue(place) as catalogue:
        upgrade(place, middle)
    with sqlite3.connect(place / "rows.sqlite") as connection:
        connection.execute(damage)
    connection.close()
    query = next(wardrobe.parent.rglob("customer*.jpg"))
    with Catalogue(place) as catalogue, pytest.raises(CatalogueError, match="is damaged"):
        catalogue.search(query)


def test_a_snapshot_can_be_taken_back_too(place: Path, middle: Path, tmp_path: Path) -> None:
    """It holds both versions and their bundles."""
    with Catalogue(place) as catalogue:
        upgrade(place, middle)
        catalogue.snapshot(tmp_path / "copy")
    with Catalogue(tmp_path / "copy") as copy:
        assert copy.verify() == []
        assert rollback(tmp_path / "copy").version.bundle == "colour"
        assert copy.verify() == []


def test_searches_beside_an_upgrade_are_each_of_one_version(wardrobe: Path, place: Path, middle: Path) -> None:
    """Two threads ask all the while: only the old answer and the new one are seen, in that order."""
    query = next(wardrobe.parent.rglob("customer*.jpg")).read_bytes()
    seen: list[list[tuple[int, list[tuple[str, float]]]]] = [[], []]
    stop = threading.Event()

    def ask(mine: list[tuple[int, list[tuple[str, float]]]]) -> None:
        with Catalogue(place) as reader:
            while not stop.is_set():
                answer = reader.search(query)
                mine.append((answer.catalogue.version, told(answer)))

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    with Catalogue(place) as catalogue:
        upgrade(place, middle)
        rollback(place)
        upgrade(place, middle)
        stop.set()
        for thread in threads:
            thread.join()
        new = told(catalogue.search(query))
        rollback(place)
        right = {1: told(catalogue.search(query)), 2: new}
    assert all(answer == right[version] for mine in seen for version, answer in mine)
    assert all(mine for mine in seen)


def test_the_command_compares_switches_and_goes_back(
    wardrobe: Path, place: Path, middle: Path, tmp_path: Path, capsys: Out
) -> None:
    """Query photos of a shop: figures, a sheet, a gate that is missed; then the switch, and the way back."""
    manifest, drawn = str(wardrobe), tmp_path / "changed.png"
    asked = ["upgrade", "-c", str(place), "--bundle", str(middle), "--queries", manifest, "-q"]
    assert main([*asked, "--fail-under", "recall@1=1", "--sheet", str(drawn)]) == 1
    seen = capsys.readouterr()
    assert "asked with 24 query photos" in seen.out
    assert "middle, version 2, does not answer yet; embedded 48 in" in seen.out
    assert seen.err.startswith("twinset: recall@1 is 0.")
    with Image.open(drawn) as image:
        assert image.width > 500
    assert main([*asked, "--no-switch", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["embedded"], report["switched"]) == (2, 0, False)
    assert report["comparison"]["kind"] == "given"
    assert main([*asked, "--fail-under", "recall@1=0.01", "--fail-under", "overlap@10=0.01", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["switched"] is True
    assert 0 < report["comparison"]["old"]["recall@1"] < report["comparison"]["new"]["recall@1"] < 1
    with Catalogue(place) as catalogue:
        assert catalogue.info().bundle == "middle"
    assert main(["upgrade", "-c", str(place), "--rollback"]) == 0
    seen = capsys.readouterr()
    assert "colour, version 1, answers; embedded 0 in" in seen.out
    assert main(["upgrade", "-c", str(place), "--prune"]) == 0
    assert "pruned version 2 (middle)" in capsys.readouterr().out
    assert main(["upgrade", "-c", str(place), "--prune", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pruned": []}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "one of --bundle, --rollback and --prune is needed"),
        (["--rollback", "--prune"], 2, "one of --bundle, --rollback and --prune is needed"),
        (["--rollback", "--no-switch"], 2, "--no-switch goes with --bundle"),
        (["--bundle", "colour"], 2, "is of colour already"),
        (["--bundle", "nowhere"], 3, "nowhere"),
        (["--rollback"], 2, "has no version that answered before"),
        (["--bundle", "default", "--fail-under", "recall@2=0.5"], 2, "NAME one of overlap@10, recall@1"),
        (["--bundle", "default", "--queries", "nowhere"], 3, "nowhere"),
        (["--bundle", "default", "--sheet", "changed.gif"], 2, "cannot be written as 'changed.gif'"),
        (["--bundle", "default", "--sample", "0"], 2, "a sample of 0 photos"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_embedded(
    place: Path, arguments: list[str], code: int, says: str, capsys: Out
) -> None:
    """One line each, and the catalogue has one version as before."""
    assert main(["upgrade", "-c", str(place), *arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert says in lines[0]
    with Catalogue(place) as catalogue:
        assert len(catalogue.info().versions) == 1
