"""What makes the program pleasant: silence where asked for, completion, suggestions, progress, sheets."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shops import build, picture, shop, write
from twinset import Catalogue, photos, protocols, twins
from twinset.catalogue import load
from twinset.cli import output
from twinset.cli.main import main
from twinset.errors import UnknownItemError, did_you_mean
from twinset.evaluate import evaluate
from twinset.manifest import read
from twinset.progress import Progress, counted

Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the manifest of a shop, `photos.csv`, and its catalogue, `c`; not to be changed."""
    manifest = shop(tmp_path_factory.mktemp("stocked"), items=6)
    build(manifest.parent / "c", manifest).close()
    return manifest.parent


class Recorder:
    """A `Progress` that keeps, of each step, its total and what was counted."""

    def __init__(self) -> None:
        self.steps: dict[str, list[int]] = {}
        self.open = False

    def start(self, what: str, total: int) -> None:
        assert not self.open, f"{what} begins inside another step"
        self.open = True
        self.now = self.steps[what] = [total, 0]

    def advance(self, count: int = 1) -> None:
        assert self.open
        self.now[1] += count

    def finish(self) -> None:
        self.open = False


def test_quiet_says_nothing(stocked: Path, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --quiet no command writes a word on stderr, also where rows are skipped and sheets drawn."""
    shutil.copytree(stocked, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with Path("photos.csv").open("a", encoding="utf-8") as file:
        file.write("none.png,x,,1,\n")
    feed = "Handle,Title,Image Src\nfern,Fern,fern.jpg\n"
    Path("feed.csv").write_text(feed, encoding="utf-8")
    for command in (
        "data draw drawn --items 2",
        "data check 000",
        "data split photos.csv --out split.csv",
        "data convert shopify feed.csv --out feed.photos.csv",
        "index photos.csv -c c --source main",
        "search 000/0.png -c c -k 2 --boxes --facets --sheet s.png",
        "similar i000 -c c -k 2 --sheet s.png",
        "embed photos.csv --out v.npz --bundle colour",
        "evaluate photos.csv --protocol leave-one-out --bundle colour",
        "info -c c",
        "verify -c c --repair",
        "doctor",
        "snapshot copy -c c",
        "dump -c c --out d.parquet",
        "load d.parquet -c loaded",
        "remove i003 -c c",
    ):
        capsys.readouterr()
        assert main([*command.split(), "--quiet"]) == 0, command
        assert capsys.readouterr().err == "", command


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["twinset", "simi"], ["similar"]),
        (["twinset", "data", "ch"], ["check"]),
        (["twinset", "search", "photo.jpg", "--out-of"], ["--out-of-stock"]),
        (["twinset", "search", "photo.jpg", "--by", "s"], ["style"]),
        (["twinset", "index", "shop", "--bundle", ""], ["colour", "default"]),
        (["twinset", "fit", "shop", "--recipe", "fo"], ["founding"]),
        (["twinset", "evaluate", "shop", "--protocol", "vi"], ["views"]),
        (["twinset", "data", "convert", "mag"], ["magento"]),
        (["twinset", "search", "pho"], []),
    ],
    ids=" ".join,
)
def test_bash_completes(typed: list[str], completed: list[str], tmp_path: Path) -> None:
    """Bash, after it has read the program's own script; where nothing is completed, bash offers files."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    program = tmp_path / "twinset"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m twinset "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = " ".join(f"'{word}'" for word in typed)
    script = f"""
PATH={tmp_path}:$PATH
eval "$(_TWINSET_COMPLETE=source_bash twinset)"
complete -p twinset | grep -q -- '-o default' || exit 1
COMP_WORDS=({words}) COMP_CWORD={len(typed) - 1}
_twinset_completion twinset
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == completed
    assert done.stderr == ""


def test_suggestions(stocked: Path, capsys: Out) -> None:
    """Whatever is named wrongly, what is nearest is told."""
    place, manifest = str(stocked / "c"), str(stocked / "photos.csv")
    for arguments, says in (
        (["search", "x.png", "-c", place, "--facts"], "did you mean --facets?"),
        (["data", "chek", manifest], "did you mean 'check'?"),
        (["index", manifest, "-c", place, "--bundle", "Color"], "did you mean colour?"),
        (["evaluate", manifest, "--protocol", "leave-one"], "did you mean leave-one-out?"),
        (["evaluate", manifest, "--relevant", "Item"], "did you mean item_id?"),
        (["search", str(stocked / "000/0.png"), "-c", place, "--boost", "Price<5:+1"], "did you mean price?"),
        (["search", "x.png", "-c", place, "--rerank", "centriod"], "did you mean centroid?"),
        (["similar", "I005", "-c", place], "did you mean i005 or "),
        (["remove", "i05", "-c", place], "did you mean i005?"),
        (["remove", "--photo", "000/2.png", "-c", place], "did you mean 000/1.png or 000/0.png or "),
        (["data", "split", manifest, "--out", "x.csv", "--by", "itemid"], "did you mean item_id?"),
    ):
        capsys.readouterr()
        assert main(arguments) in (2, 3)
        told = capsys.readouterr().err
        assert says in told, told
        assert len(told.splitlines()) == 1


def test_recipes_are_suggested(stocked: Path, tmp_path: Path, capsys: Out) -> None:
    """With the extra `train`: a recipe, and a setting."""
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    fit = ["fit", str(stocked / "photos.csv"), "--out", str(tmp_path / "run")]
    assert main([*fit, "--recipe", "contrasts"]) == 3
    assert "did you mean contrast?" in capsys.readouterr().err
    assert main([*fit, "--set", "marign=1"]) == 2
    assert "did you mean margin?" in capsys.readouterr().err


def test_suggestions_among_very_many() -> None:
    """Among 100,000 names those that begin alike are compared, so that an error is told at once."""
    names = [f"item-{number:06d}" for number in range(100_000)]
    assert did_you_mean("item-077777x", names, "") == "did you mean item-077777?"
    assert did_you_mean("zzz", names, "see the ids") == "see the ids"


def steps_of_a_catalogue(stocked: Path, tmp_path: Path) -> list[tuple[str, Callable[[Progress], object]]]:
    """Everything that takes long with a large catalogue."""
    manifest, place = read(stocked / "photos.csv"), tmp_path / "c"
    protocol, split = protocols.choose(manifest.photos, "leave-one-out", "all")
    opened = Catalogue(place)
    return [
        ("verify", lambda p: opened.verify(repair=True, progress=p)),
        ("snapshot", lambda p: opened.snapshot(tmp_path / "copy", p)),
        ("dump", lambda p: opened.dump(tmp_path / "d.parquet", p)),
        ("load", lambda p: load(tmp_path / "d.parquet", tmp_path / "loaded", progress=p)),
        ("remove", lambda p: opened.remove(["i001", "i002"], progress=p)),
        (
            "evaluate",
            lambda p: evaluate(
                manifest.photos,
                lambda chosen: (chosen, np.eye(len(chosen), 12, dtype=np.float32)),
                protocol,
                split,
                twins=lambda photos: twins.find(photos, manifest.root, p),
                progress=p,
            ),
        ),
        ("close", lambda _: opened.close()),
    ]


def test_progress_counts_all_of_every_long_step(stocked: Path, tmp_path: Path) -> None:
    """What is announced is counted to its end, one step after the other."""
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    shutil.copytree(stocked / "c", tmp_path / "c")
    found = {}
    for name, run in steps_of_a_catalogue(stocked, tmp_path):
        recorder = Recorder()
        run(recorder)
        assert not recorder.open
        for what, (total, done) in recorder.steps.items():
            assert done == total or "pages of" in what, (name, what)
        found[name] = {what: total for what, (total, _) in recorder.steps.items()}
    assert {"checking rows", "checking copies", "checking derived vectors", "reading columns"} <= found[
        "verify"
    ].keys()
    assert found["verify"]["checking copies"] == 12
    assert "copying pages of copies.sqlite" in found["snapshot"]
    assert found["dump"] == {"dumping": 12}
    assert found["load"]["loading"] == 12
    assert found["remove"]["removing"] == 4
    assert found["evaluate"] == {"looking for twins": 12, "ranking": 12}


def test_a_step_ends_where_its_work_fails() -> None:
    """A step that is cut short does not stay open, and counts what was done."""
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        [1 // number for number in counted([2, 1, 0], recorder, "dividing", 3)]
    del recorder.now
    assert recorder.steps == {"dividing": [3, 2]}


def test_lines_tell_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two seconds, then every ten, also where several short steps follow each other."""
    now, told = [100.0], list[str]()
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    lines = output.Lines(told.append)
    lines.start("reading", 10)
    now[0] += 1
    lines.advance(10)
    lines.finish()
    lines.start("indexing", 80_000)
    for _ in range(12):
        now[0] += 1
        lines.advance(2_000)
    lines.finish()
    assert told == [
        "indexing 2,000 of 80,000 · 2,000/s · 39 s left",
        "indexing 22,000 of 80,000 · 2,000/s · 29 s left",
    ]
    lines.start("waiting", 10)
    now[0] += 20
    lines.advance(0)  # nothing is done yet: nothing to tell
    assert len(told) == 2


def test_one_photo_comes_from_standard_input(stocked: Path, capsys: Out) -> None:
    """Through a real pipe, beside others; twice it is refused."""
    command = [sys.executable, "-m", "twinset", "search", "-", str(stocked / "000/1.png"), "-c", str(stocked / "c")]
    with (stocked / "000/0.png").open("rb") as file:
        done = subprocess.run([*command, "-k", "1", "-q"], stdin=file, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1].split()[1] == "i000"
    assert main(["search", "-", "-", "-c", str(stocked / "c")]) == 2
    assert "- is given twice, and there is one standard input: give it once" in capsys.readouterr().err


def test_a_sheet_of_similar_items_shows_the_item(tmp_path: Path, capsys: Out) -> None:
    """Its `main` view, else the first by path, stands where a search has its photo."""
    rows = [
        {"path": "a.png", "item_id": "red", "view": "back"},
        {"path": "b.png", "item_id": "red", "view": "main"},
        {"path": "c.png", "item_id": "blue"},
        {"path": "d.png", "item_id": "blue"},
    ]
    manifest = write(tmp_path, rows, {"a.png": 1, "b.png": 2, "c.png": 3, "d.png": 4})
    with build(tmp_path / "c", manifest) as catalogue:
        for item, seed in (("red", 2), ("blue", 3)):
            shown = photos.read(catalogue.portrait(item)).astype(int)
            assert np.abs(shown - picture(seed)).mean() < 12
        with pytest.raises(UnknownItemError, match="holds no item rd: did you mean red"):
            catalogue.portrait("rd")
    sheet = tmp_path / "s.png"
    assert main(["similar", "red", "-c", str(tmp_path / "c"), "--sheet", str(sheet)]) == 0
    assert f"sheet: {sheet}" in capsys.readouterr().err
    with Image.open(sheet) as drawn:
        assert drawn.width > 2 * drawn.height / 3


@pytest.mark.parametrize(("version", "sound"), [("1.6.9", False), ("1.7.0", True), ("2.0", True)])
def test_doctor_tells_an_old_reader_of_heic(
    version: str, sound: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Below 1.7 lie known holes: the finding is bad, and the mend is the command."""
    facts = tmp_path / f"pillow_heif-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: pillow-heif\nVersion: {version}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    main(["doctor", "--json"])
    finding = next(f for f in json.loads(capsys.readouterr().out)["findings"] if f["name"] == "pillow-heif")
    assert finding["value"] == version
    assert finding["ok"] is sound
    assert finding["mend"] == ("" if sound else 'pip install -U "twinset[heic]"')
