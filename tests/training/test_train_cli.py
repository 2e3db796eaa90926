"""`fit` and `export` as their users type them, and the founding study from its files to a searched catalogue."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepfashion_layout import lay_out
from training.toys import shop
from twinset.cli.main import main
from twinset.training.journal import METRICS, rows
from twinset.training.recipe import names

Out = pytest.CaptureFixture[str]
ROOT = Path(__file__).parent.parent.parent
SMALL = ("backbone=mobilenetv2", "pretrained=false", "size=32", "dim=16", "batch=4", "epochs=1", "precision=f32")


def small(*more: str) -> list[str]:
    """Settings that train in seconds."""
    return [part for setting in (*SMALL, *more) for part in ("--set", setting)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a toy shop and a run on it; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    table = shop(folder / "shop")
    assert main(["fit", str(table), "--out", str(folder / "run"), *small(), "-q"]) == 0
    return folder


def test_a_run_tells_what_it_did_and_writes_it_down(trained: Path, capsys: Out) -> None:
    """Told again from its folder: JSON and a line; recipe, facts, figures, curves and weights are there."""
    arguments = ["fit", str(trained / "shop/photos.csv"), "--out", str(trained / "run"), *small(), "--resume", "-q"]
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["steps"] > 0
    assert 0 <= facts["recall"] <= 1
    assert main(arguments) == 0
    assert "validation recall@1" in capsys.readouterr().out
    for name in ("recipe.toml", "run.json", METRICS, "curves.png", "last.safetensors", "best.safetensors"):
        assert (trained / "run" / name).stat().st_size > 0
    described = json.loads((trained / "run/run.json").read_text())
    assert described["sources"][0]["photos"] == described["train"]["photos"] == 36
    assert described["environment"]["libraries"]["torch"].startswith("2.")
    assert 'backbone = "mobilenetv2"' in (trained / "run/recipe.toml").read_text()


def test_a_run_becomes_a_bundle_that_indexes_and_searches(trained: Path, tmp_path: Path, capsys: Out) -> None:
    """Export, index, search, evaluate: the bundle's recall is the run's."""
    bundle, catalogue = tmp_path / "bundle", tmp_path / "c"
    assert main(["export", str(trained / "run"), "--out", str(bundle), "--licence", "mine", "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert exported["dim"] == 16
    assert exported["cosine"] >= 0.9999
    table = str(trained / "shop/photos.csv")
    assert main(["index", table, "-c", str(catalogue), "--bundle", str(bundle), "-q"]) == 0
    assert main(["search", str(trained / "shop/0_customer1.jpg"), "-c", str(catalogue), "-k", "12", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {hit["item_id"] for hit in found["hits"]} == {f"id_{item}" for item in range(12)}
    assert main(["evaluate", table, "--bundle", str(bundle), "--split", "val", "--json", "-q"]) == 0
    measured = json.loads(capsys.readouterr().out)["recall@1"]
    assert measured == pytest.approx(max(r["recall@1"] for r in rows(trained / "run" / METRICS) if "recall@1" in r))
    card = (bundle / "README.md").read_text()
    assert "Backbone: mobilenetv2" in card
    assert "Licence: mine" in card
    assert "| shop | 36 | 9 |" in card
    assert "shop, consumer-to-shop, split val" in card


def test_a_run_is_compared_by_its_best_weights(trained: Path, tmp_path: Path, capsys: Out) -> None:
    """With the bundle that is exported from it there is no difference; nothing is left behind."""
    table, run, bundle = trained / "shop/photos.csv", trained / "run", tmp_path / "bundle"
    assert main(["export", str(run), "--out", str(bundle), "-q"]) == 0
    held = sorted(path.name for path in run.iterdir())
    capsys.readouterr()
    assert main(["compare", str(table), str(run), str(bundle), "--split", "all", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["queries"] > 0
    assert found["only_a"] == found["only_b"] == found["left_out"] == 0
    assert {figure["difference"] for figure in found["figures"].values()} == {0}
    assert sorted(path.name for path in run.iterdir()) == held


def test_a_run_whose_photos_moved_is_exported_from_where_they_are(
    trained: Path, tmp_path: Path, capsys: Out
) -> None:
    """A photo that is gone is named; --photos-root says where the paths start now. In halves the file is half."""
    folder = Path(shutil.copytree(trained, tmp_path / "copy"))
    facts = json.loads((folder / "run/run.json").read_text())
    for sample in facts["samples"]:
        sample["file"] = "/gone/" + sample["path"]
    (folder / "run/run.json").write_text(json.dumps(facts))
    arguments = ["export", str(folder / "run"), "--out", str(tmp_path / "b"), "-q"]
    assert main(arguments) == 3
    assert "a photo of this run, is not there: name with --photos-root" in capsys.readouterr().err
    assert main([*arguments, "--photos-root", str(folder / "shop"), "--halves"]) == 0
    facts = json.loads((tmp_path / "b/bundle.json").read_text())
    assert facts["precision"] == "f32"
    assert (tmp_path / "b/model.onnx").stat().st_size < 2.8 * 2_250_000


def test_a_resumed_run_needs_no_recipe_again(tmp_path: Path, capsys: Out) -> None:
    """By its own recipe, also one of several seeds; where nothing was begun that is said."""
    table = shop(tmp_path / "shop")
    begin = ["fit", str(table), "--out", str(tmp_path / "run")]
    assert main([*begin, *small(), "--resume"]) == 0
    assert "there is no run in" in capsys.readouterr().err
    assert main([*begin, "--resume", "--set", "checkpoint_minutes=3", "-q"]) == 0
    assert main([*begin, "--resume", "--set", "rate=0.5"]) == 2
    assert "was begun with rate" in capsys.readouterr().err


def test_seeds_are_told_with_their_spread(tmp_path: Path, capsys: Out) -> None:
    """Mean, deviation and each run."""
    table = shop(tmp_path / "shop")
    assert main(["fit", str(table), "--out", str(tmp_path / "runs"), *small(), "--seeds", "2", "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    resumed = ["fit", str(table), "--out", str(tmp_path / "runs"), "--resume", "--seeds", "2", "--json", "-q"]
    assert main(resumed) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert told["recall@1"]["lowest"] <= told["recall@1"]["mean"] <= told["recall@1"]["highest"]
    assert len(told["runs"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--recipe", "foundin"], 3, "there is no recipe foundin: did you mean founding?"),
        (["--recipe", "mine"], 3, f"there is no recipe mine: name a .toml file, or one of {', '.join(names())}"),
        (["--set", "looks=2"], 2, "head = dense does not go with looks = 2: set head = blend"),
        (["--set", "marign=1"], 2, "there is no setting 'marign': did you mean margin?"),
        (["--set", "backbone=lite9"], 3, "there is no backbone lite9: use one of mobilenetv2, efficientnet-lite0"),
        (["--hold-out", "style"], 2, "is no hold-out"),
        (["--hold-out", "itm_id=0-7"], 2, "no photo has a field 'itm_id'"),
        (["--where", "categor=TOPS/*"], 2, "no photo has a field 'categor'"),
        (["--set", "size=4"], 2, "size = 4 is out of range"),
        (["--seeds", "0"], 2, "--seeds 0"),
        (["missing.csv"], 3, "there is no manifest or folder missing.csv"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], code: int, says: str, tmp_path: Path, capsys: Out) -> None:
    """What, which value, how to mend it; nothing is left behind that would stand in the way."""
    table = shop(tmp_path / "shop", items=4)
    assert main(["fit", str(table), "--out", str(tmp_path / "run"), *arguments, "-q"]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert says in lines[0]
    assert main(["fit", str(table), "--out", str(tmp_path / "run"), *small(), "-q"]) == 0


def test_what_is_no_run_is_not_exported(tmp_path: Path, capsys: Out) -> None:
    """A missing folder, and one that holds nothing."""
    assert main(["export", str(tmp_path / "none"), "--out", str(tmp_path / "b")]) == 3
    assert "none: name a run's or a model's folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["export", str(tmp_path / "empty"), "--out", str(tmp_path / "b")]) == 3
    assert "empty holds no run and no model: name a folder with run.json" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_example_trains_resumes_and_exports_its_own(tmp_path: Path) -> None:
    """In a process of its own, twice: the second time the run is complete and only exported again."""
    table = shop(tmp_path / "shop", items=40)
    script = [sys.executable, str(ROOT / "examples/own_net.py"), str(table)]
    for bundle in ("first", "second"):
        done = subprocess.run(
            [*script, str(tmp_path / "run"), str(tmp_path / bundle)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "64 dimensions" in done.stdout
    assert (tmp_path / "first/model.onnx").read_bytes() == (tmp_path / "second/model.onnx").read_bytes()
    assert len((ROOT / "examples/own_net.py").read_text().splitlines()) <= 36


@pytest.mark.deep
def test_the_founding_study_from_its_files_to_a_searched_catalogue(tmp_path: Path, capsys: Out) -> None:
    """A drawn wardrobe in DeepFashion's layout, traps included; the whole founding recipe with a ResNet-50 that
    begins at random, on small photos; by the README's commands."""
    lay_out(tmp_path / "c2s", items=40)
    table = str(tmp_path / "c2s/photos.csv")
    assert main(["data", "convert", "deepfashion-c2s", str(tmp_path / "c2s"), "-q"]) == 0
    settings = ["--set", "backbone=resnet-50", "--set", "pretrained=false", "--set", "size=64"]
    run, bundle, catalogue = (str(tmp_path / name) for name in ("founding.run", "founding.bundle", "c2s.catalogue"))
    assert main(["fit", table, "--recipe", "founding", *settings, "--out", run, "-q"]) == 0
    assert main(["export", run, "--out", bundle]) == 0
    assert main(["index", table, "--catalogue", catalogue, "--bundle", bundle, "-q"]) == 0
    capsys.readouterr()
    query = sorted((tmp_path / "c2s").rglob("comsumer_*.jpg"))[0]
    assert main(["search", str(query), "--catalogue", catalogue, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["hits"]) == 20
    assert main(["evaluate", table, "--bundle", bundle, "--split", "test", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["queries"] > 10
    shutil.rmtree(run)
