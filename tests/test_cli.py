"""The command line as its users type it: output, exit codes, one line per error."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twinset import Catalogue
from twinset.cli.answers import _facet_rows
from twinset.cli.main import main
from twinset.datasets import wardrobe

Out = pytest.CaptureFixture[str]
COLOUR = ["--bundle", "colour"]
"""Small, quick and exact, whichever bundle is the default."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn shop of 12 items with its catalogue."""
    folder = tmp_path_factory.mktemp("shop")
    wardrobe.draw(folder, items=12, seed=7)
    assert main(["index", str(folder / "photos.csv"), "-c", str(folder / "shop.catalogue"), *COLOUR, "-q"]) == 0
    return folder


def customer(shop: Path) -> Path:
    """One customer's photo of a shop."""
    return sorted(shop.rglob("customer_01.jpg"))[0]


def failed(out: Out, arguments: list[str], code: int, says: str) -> None:
    """Runs a command that must fail with one line, with JSON where asked, and without a traceback."""
    assert main(arguments) == code
    seen = out.readouterr()
    lines = seen.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("twinset: ")
    assert says in lines[0]
    assert main([*arguments, "--json"]) == code
    error = json.loads(out.readouterr().out)["error"]
    assert error.keys() == {"code", "message", "mend"}
    assert error["mend"]


def test_index_again_embeds_nothing(shop: Path, capsys: Out) -> None:
    """`index --json` has exactly the documented counts; a second run, no bundle named, finds all unchanged."""
    capsys.readouterr()
    assert main(["index", str(shop / "photos.csv"), "-c", str(shop / "shop.catalogue"), "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [
        "photos",
        "items",
        "added",
        "updated",
        "unchanged",
        "removed",
        "skipped",
        "embedded",
        "seconds",
    ]
    assert report["photos"] == report["unchanged"] == 24
    assert report["items"] == 12
    assert report["embedded"] == report["added"] == 0


def test_search_prints_a_table_and_draws_a_sheet(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A search lists its hits on stdout, the sheet's name on stderr."""
    sheet = tmp_path / "out.png"
    capsys.readouterr()
    assert (
        main(["search", str(customer(shop)), "-c", str(shop / "shop.catalogue"), "-k", "5", "--sheet", str(sheet)])
        == 0
    )
    seen = capsys.readouterr()
    assert len(seen.out.strip().splitlines()) == 6
    assert str(sheet) in seen.err
    with Image.open(sheet) as drawn:
        assert drawn.width > 1000


def test_search_suggests_boxes(shop: Path, capsys: Out) -> None:
    """`--boxes` says each as `--box` takes it, and gives them as JSON; beside a box, or not asked for, none."""
    base = ["search", str(customer(shop)), "-c", str(shop / "shop.catalogue")]
    capsys.readouterr()
    assert main([*base, "--boxes"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "--box " in line]
    assert main([*base, "--boxes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["boxes"]
    assert len(said) == len(found) > 0
    assert main([*base, "--box", said[0].split()[-1], "--boxes"]) == 0
    assert "no boxes: one is given" in capsys.readouterr().err
    assert main([*base, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["boxes"] is None


def test_search_pages_join(shop: Path, capsys: Out) -> None:
    """Pages of five by cursor are the one answer of twelve."""
    base = ["search", str(customer(shop)), "-c", str(shop / "shop.catalogue"), "--json"]
    capsys.readouterr()
    assert main([*base, "-k", "12"]) == 0
    whole = json.loads(capsys.readouterr().out)
    pages, cursor = [], None
    while True:
        assert main([*base, "-k", "5", *(["--cursor", cursor] if cursor else [])]) == 0
        page = json.loads(capsys.readouterr().out)
        pages += page["hits"]
        cursor = page["next"]
        if cursor is None:
            break
    assert pages == whole["hits"]
    assert [hit["rank"] for hit in pages] == list(range(1, 13))


def test_filters_boosts_and_facets_are_those_of_python(shop: Path, capsys: Out) -> None:
    """Every option of `search` and `similar` does what it does in Python, and gives the same JSON."""
    place, photo = shop / "shop.catalogue", customer(shop)
    typed = ["--where", "price<90", "--where", "category=*", "--boost", "view=main:+0.5", "--boost", "price>50:-1"]
    typed += ["--by", "style", "--min-score", "0.1", "--out-of-stock", "sink", "--facets", "-k", "4"]
    with Catalogue(place) as catalogue:
        options: dict[str, Any] = {
            "where": ["price<90", "category=*"],
            "boost": ["view=main:+0.5", "price>50:-1"],
            "by": "style",
            "min_score": 0.1,
            "out_of_stock": "sink",
            "facets": True,
        }
        item = catalogue.search(photo).hits[0].item_id
        expected = [catalogue.search(photo, 4, **options), catalogue.similar(item, 4, **options)]
        two = catalogue.search([photo, photo], 4)
    for command, answer in zip((["search", str(photo)], ["similar", item]), expected, strict=True):
        capsys.readouterr()
        assert main([*command, "-c", str(place), *typed, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        python = json.loads(json.dumps(answer.to_json()))
        assert said.keys() == python.keys()
        for name in said.keys() - {"query_id", "ms"}:
            assert said[name] == python[name]
        assert said["facets"]["category"]
    assert main(["search", str(photo), str(photo), "-c", str(place), "-k", "4", "--json"]) == 0
    assert [hit["item_id"] for hit in json.loads(capsys.readouterr().out)["hits"]] == [h.item_id for h in two]


def test_facets_are_a_small_table(shop: Path, capsys: Out) -> None:
    """Ten values of each field at most, and how many more there are."""
    capsys.readouterr()
    assert main(["similar", "item_00001", "-c", str(shop / "shop.catalogue"), "-k", "2", "--facets"]) == 0
    seen = capsys.readouterr()
    assert re.search(r"^field +value +items$", seen.out, re.MULTILINE)
    assert re.search(r"^availability +\S+ +\d+$", seen.out, re.MULTILINE)
    assert "item_00001" not in seen.out
    assert "more: --cursor" in seen.err
    many = {str(number): 20 - number for number in range(13)}
    assert list(_facet_rows({"size": many}))[9:] == [["size", "9", "11"], ["size", "… 3 more values", ""]]


def test_search_options_that_are_refused(shop: Path, capsys: Out) -> None:
    """Usage exits 2 and unknown items 3, with the value and the mend."""
    place, photo = str(shop / "shop.catalogue"), str(customer(shop))
    failed(capsys, ["search", photo, "-c", place, "--where", "prize<5"], 2, "did you mean price?")
    failed(capsys, ["search", photo, "-c", place, "--where", "price"], 2, "'price' is no filter")
    failed(capsys, ["similar", "item_00001", "-c", place, "--boost", "price<5"], 2, "'price<5' is no boost")
    failed(capsys, ["search", photo, "-c", place, "--min-score", "2"], 2, "min_score is 2.0: use -1 to 1")
    failed(
        capsys, ["search", photo, photo, "-c", place, "--box", "0,0,1,1"], 2, "a box for 2 photos: give one photo"
    )
    failed(capsys, ["similar", "nobody", "-c", place], 3, "holds no item nobody")


def test_search_reads_stdin(shop: Path) -> None:
    """`-` takes the photo from stdin."""
    command = [sys.executable, "-m", "twinset", "search", "-", "-c", str(shop / "shop.catalogue"), "--json"]
    done = subprocess.run(command, input=customer(shop).read_bytes(), capture_output=True, check=True)
    assert len(json.loads(done.stdout)["hits"]) == 12


def test_embed_then_evaluate_agrees_with_the_bundle_and_the_catalogue(
    shop: Path, tmp_path: Path, capsys: Out
) -> None:
    """A vectors file, a bundle and a catalogue give the same figures."""
    vectors, manifest = tmp_path / "v.npz", str(shop / "photos.csv")
    assert main(["embed", manifest, "--out", str(vectors), *COLOUR, "-q"]) == 0
    figures = []
    for option in (["--vectors", str(vectors)], COLOUR, ["-c", str(shop / "shop.catalogue")]):
        capsys.readouterr()
        assert main(["evaluate", manifest, "--split", "all", "--json", "-q", *option]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1]
    assert figures[0]["queries"] == figures[2]["queries"] == 12
    assert figures[0]["recall@1"] == pytest.approx(figures[2]["recall@1"], abs=0.01)


def test_where_no_bundle_is_named_the_default_is_used(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """`embed` and `index` tell the default bundle's fingerprint, and `evaluate` the figures of its vectors."""
    from twinset import bundle

    manifest, catalogue = str(shop / "photos.csv"), str(tmp_path / "c")
    expected, said = bundle.open_bundle().fingerprint, []
    for arguments in (
        ["embed", manifest, "--out", str(tmp_path / "v.npz"), "-q"],
        ["index", manifest, "-c", catalogue, "-q"],
        ["info", "-c", catalogue],
        ["evaluate", manifest, "--split", "all", "-q"],
        ["evaluate", manifest, "--split", "all", "-q", "--vectors", str(tmp_path / "v.npz")],
    ):
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0]["fingerprint"] == said[2]["fingerprint"] == expected
    assert said[3] == said[4]


def test_a_gate_that_fails_exits_1_after_the_figures(shop: Path, capsys: Out) -> None:
    """`--fail-under` prints the figures, then says which one failed."""
    arguments = ["evaluate", str(shop / "photos.csv"), "--split", "all", "--ignore-boxes", *COLOUR, "-q", "--json"]
    capsys.readouterr()
    assert main([*arguments, "--fail-under", "recall@1=1.0"]) == 1
    seen = capsys.readouterr()
    assert json.loads(seen.out)["boxes_ignored"] is True
    assert "recall@1 is" in seen.err


def test_remove_all_or_nothing(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """An unknown id removes nothing; a known one its photos."""
    catalogue = tmp_path / "c.catalogue"
    shutil.copytree(shop / "shop.catalogue", catalogue)
    failed(capsys, ["remove", "item_00000", "nothing-like-it", "-c", str(catalogue)], 3, "nothing-like-it")
    assert main(["info", "-c", str(catalogue), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 24
    known = json.loads(_search(catalogue, customer(shop), capsys))["hits"][0]["item_id"]
    assert main(["remove", known, "-c", str(catalogue), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 2}


def _search(catalogue: Path, photo: Path, out: Out) -> str:
    out.readouterr()
    assert main(["search", str(photo), "-c", str(catalogue), "--json"]) == 0
    return out.readouterr().out


def test_info_and_verify_have_their_json(shop: Path, capsys: Out) -> None:
    """`info` and `verify` have exactly the documented keys."""
    capsys.readouterr()
    assert main(["info", "-c", str(shop / "shop.catalogue"), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info.keys() == {
        "photos",
        "items",
        "fingerprint",
        "bundle",
        "version",
        "store",
        "bytes",
        "built",
        "sources",
        "versions",
        "index",
        "graph",
        "calibration",
    }
    assert main(["verify", "-c", str(shop / "shop.catalogue"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "repaired": [], "problems": []}


def test_verify_names_a_damaged_file(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A flipped byte of the derived vectors ends `verify` with 4; `--repair` mends it."""
    catalogue = tmp_path / "c.catalogue"
    shutil.copytree(shop / "shop.catalogue", catalogue)
    vectors = catalogue / "derived/1/vectors.f32"
    data = bytearray(vectors.read_bytes())
    data[100] ^= 255
    vectors.write_bytes(bytes(data))
    capsys.readouterr()
    assert main(["verify", "-c", str(catalogue), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["problems"][0]["file"] == "derived/1"
    assert main(["verify", "-c", str(catalogue), "--repair"]) == 0


def test_bad_input_is_one_line_and_its_exit_code(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """Every bad thing a user may hand in has its code: 2 usage, 3 data, 4 bundle."""
    capsys.readouterr()
    catalogue, manifest = str(shop / "shop.catalogue"), tmp_path / "m.csv"
    text, cut, empty = tmp_path / "text.jpg", tmp_path / "cut.jpg", tmp_path / "empty"
    text.write_text("no photo", encoding="utf-8")
    cut.write_bytes(customer(shop).read_bytes()[:4000])
    empty.mkdir()
    failed(capsys, ["search", str(text), "-c", catalogue], 3, "no photo of a known kind")
    failed(capsys, ["search", str(cut), "-c", catalogue], 3, "ends too early")
    failed(capsys, ["search", "missing.jpg", "-c", catalogue], 3, "missing.jpg")
    failed(capsys, ["search", str(cut), "-c", str(tmp_path / "none")], 3, "there is no catalogue")
    failed(capsys, ["search", str(cut), "-c", catalogue, "-k", "0"], 2, "k is 0")
    failed(capsys, ["search", str(cut), "-c", catalogue, "--box", "1,2"], 2, "1,2")
    failed(capsys, ["index", str(empty), "-c", str(tmp_path / "new")], 3, "holds no photo")
    manifest.write_text("path,colour\na.jpg,red\n", encoding="utf-8")
    failed(capsys, ["index", str(manifest), "-c", str(tmp_path / "new")], 3, "no column item_id")
    manifest.write_text("path,item_id\n../../etc/passwd,x\n", encoding="utf-8")
    failed(capsys, ["index", str(manifest), "-c", str(tmp_path / "new")], 3, "must stay below")
    assert not (tmp_path / "new").exists()
    failed(capsys, ["index", str(empty), "-c", str(tmp_path / "new"), "--replce"], 2, "--replace")
    failed(capsys, ["serch", str(cut)], 2, "search")
    failed(capsys, ["evaluate", str(shop / "photos.csv"), "--queries", "spilt=test"], 2, "did you mean split?")
    hold_out = ["evaluate", str(shop / "photos.csv"), "--hold-out", "stlye=0-7"]
    failed(capsys, hold_out, 2, "did you mean style?")
    failed(
        capsys,
        ["evaluate", str(shop / "photos.csv"), "--protocol", "views", "--split", "val", "--gallery", "view=x"],
        3,
        "views",
    )


def test_a_bundle_with_one_byte_more_is_refused(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A changed model is exit 4, by itself and inside a catalogue."""
    from twinset import bundle

    capsys.readouterr()
    changed = tmp_path / "bundle"
    shutil.copytree(bundle.open_bundle("colour").folder, changed)
    with (changed / "model.onnx").open("ab") as file:
        file.write(b"\0")
    failed(
        capsys,
        ["embed", str(shop / "photos.csv"), "--out", str(tmp_path / "v.npz"), "--bundle", str(changed)],
        4,
        "SHA",
    )


def test_faulty_rows_are_told_and_listed(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """Good rows are indexed, the others counted on stderr and listed in the catalogue."""
    manifest, catalogue = tmp_path / "m.csv", tmp_path / "c.catalogue"
    Image.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_text("no photo", encoding="utf-8")
    manifest.write_text("path,item_id\na.png,1\nb.jpg,2\nc.jpg,3\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["index", str(manifest), "-c", str(catalogue), *COLOUR]) == 0
    assert "skipped 2 of 3 rows, see" in capsys.readouterr().err
    listed = (catalogue / "skipped.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:3] for line in listed[1:]] == [
        ["4", "c.jpg", "missing_file"],
        ["3", "b.jpg", "not_a_photo"],
    ]


def test_data_check_is_a_gate(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A clean manifest passes; the same photo under two items fails with 1 and is named."""
    assert main(["data", "check", str(shop / "photos.csv"), "-q"]) == 0
    photo = np.full((40, 30, 3), 90, np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / "m.csv").write_text("path,item_id\na.png,1\nb.png,2\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path / "m.csv"), "--json", "-q"]) == 1
    assert json.loads(capsys.readouterr().out)["duplicates_across_items"] == [["a.png", "b.png"]]


def test_doctor_finds_this_installation_sound(capsys: Out) -> None:
    """`doctor` names versions, cores, bundle, disk and open files."""
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {"twinset", "python", "cores", "pillow", "runtime", "bundle", "disk", "open files"} <= {
        finding["name"] for finding in findings
    }


def test_the_demo_runs_twice(tmp_path: Path, capsys: Out) -> None:
    """`demo` prints a recall far above chance, says garments are drawn, and leaves what the README works on."""
    out = tmp_path / "demo"
    for _ in range(2):
        capsys.readouterr()
        assert main(["demo", "--out", str(out), "-q"]) == 0
        said = capsys.readouterr().out
        figures = re.match(r"recall@1 ([01]\.\d\d)  recall@5 ", said)
        assert figures is not None
        assert 0.5 < float(figures[1]) <= 1
        assert "drawn" in said
        assert "index YOUR_PHOTOS --catalogue my.catalogue" in said
        assert {"photos.csv", "shop.catalogue", "sheet.png"} <= {path.name for path in out.iterdir()}


def test_every_command_has_help_and_stands_in_the_readme(capsys: Out) -> None:
    """No command is undocumented."""
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    searching = ("demo", "index", "search", "similar", "remove", "info", "verify")
    keeping = ("snapshot", "dump", "load", "upgrade")
    for command in (
        *searching,
        *keeping,
        "embed",
        "evaluate",
        "compare",
        "calibrate",
        "fit",
        "export",
        "serve",
        "events",
        "doctor",
    ):
        assert main([command, "--help"]) == 0
        assert f"twinset {command}" in readme
    for command in ("check", "split", "convert", "draw", "join"):
        assert main(["data", command, "--help"]) == 0
        assert f"twinset data {command}" in readme
    assert "Usage" in capsys.readouterr().out


def test_boxes_ignored_is_what_the_vectors_were_made_with(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A vectors file or a catalogue made without boxes says so; --ignore-boxes beside them is refused."""
    manifest, vectors, catalogue = str(shop / "photos.csv"), tmp_path / "v.npz", tmp_path / "c"
    assert main(["embed", manifest, "--out", str(vectors), "--ignore-boxes", *COLOUR, "-q"]) == 0
    assert main(["index", manifest, "-c", str(catalogue), "--ignore-boxes", *COLOUR, "-q"]) == 0
    figures = []
    for option in (["--vectors", str(vectors)], ["-c", str(catalogue)], ["--ignore-boxes", *COLOUR]):
        capsys.readouterr()
        assert main(["evaluate", manifest, "--split", "all", "--json", "-q", *option]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert [f["boxes_ignored"] for f in figures] == [True, True, True]
    assert figures[0] == figures[2]
    failed(capsys, ["evaluate", manifest, "-c", str(catalogue), "--ignore-boxes"], 2, "goes with --bundle")


def test_the_demo_leaves_other_folders_alone(shop: Path, tmp_path: Path, capsys: Out) -> None:
    """A folder with photos of one's own is refused, not written into."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "photos.csv").write_text("path,item_id\na.jpg,1\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["demo", "--out", str(own)]) == 3
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in own.iterdir()] == ["photos.csv"]
