"""The loop: it learns, it says what is wrong, and a run that was cut goes on bit for bit."""

import json
import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss, ProxyAnchorLoss
from torch import Tensor, nn

from training.toys import Toy, recipe, shop, toy
from twinset.errors import DivergedError, IntegrityError, SourceError, UsageError
from twinset.preprocess import Preprocess
from twinset.progress import Silent
from twinset.training import checkpoint
from twinset.training.data import gather
from twinset.training.fit import Fitted, fit
from twinset.training.journal import METRICS, rows
from twinset.training.loader import Loader
from twinset.training.losses import Loss
from twinset.training.recipe import Recipe
from twinset.training.sampler import Triplets
from twinset.training.seeds import repeat

EVERYTHING = {
    "augment": "light",
    "ema": 0.9,
    "accumulate": 2,
    "schedule": "cosine",
    "warm_up": 0.2,
    "weight_decay": 0.01,
}
"""Settings under which every part of a run's state is in use."""


class Cut(Silent):
    """A `Progress` that cuts training off after so many photos."""

    def __init__(self, photos: int) -> None:
        self.left, self.on = photos, False

    def start(self, what: str, total: int) -> None:
        self.on = what == "training"

    def advance(self, count: int = 1) -> None:
        self.left -= count * self.on
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy shop; not to be changed."""
    return shop(tmp_path_factory.mktemp("toy") / "shop")


def tensors(fitted: Fitted) -> dict[str, Tensor]:
    """Everything in the last checkpoint."""
    return checkpoint.load(fitted.run.last)[0]


def assert_equal(one: Fitted, other: Fitted) -> None:
    """Weights, statistics, optimizer, average and best weights, bit for bit."""
    for mine, theirs in ((tensors(one), tensors(other)), *[[checkpoint.load(f.run.best)[0] for f in (one, other)]]):
        assert mine.keys() == theirs.keys()
        for name, tensor in mine.items():
            assert torch.equal(tensor, theirs[name]), name


def figures(fitted: Fitted) -> list[dict[str, Any]]:
    """The rows of a run but for its speed."""
    return [{k: v for k, v in row.items() if k != "photos/s"} for row in rows(fitted.run.folder / METRICS)]


def test_a_net_learns(manifest: Path, tmp_path: Path) -> None:
    """Recall on items that it never saw rises, and the loss falls."""
    before = fit([manifest], tmp_path / "before", recipe(epochs=1e-6, rate=0), net=toy())
    after = fit([manifest], tmp_path / "after", recipe(epochs=60, loss="contrast", normalise=True), net=toy())
    losses = [row["loss"] for row in rows(after.run.folder / METRICS) if "loss" in row]
    assert losses[-1] < losses[0] / 2
    assert before.recall is not None
    assert after.recall is not None
    assert after.recall > before.recall
    assert after.best is not None
    assert after.best >= after.recall
    assert after.photos == after.steps * 12


@pytest.mark.parametrize("precision", ["f32", "bf16", "fp16"])
def test_a_run_that_was_cut_goes_on_bit_for_bit(precision: str, manifest: Path, tmp_path: Path) -> None:
    """Cut three times, with dropout, batch norm, augmentation, average, accumulation and a schedule."""
    settings = recipe(epochs=12, precision=precision, checkpoint_minutes=0, **EVERYTHING)
    straight = fit([manifest], tmp_path / "straight", settings, net=toy())
    for seed, photos in enumerate((30, 40, 90)):
        with pytest.raises(KeyboardInterrupt):
            fit([manifest], tmp_path / "cut", settings, net=toy(seed), resume=True, progress=Cut(photos))
    cut = fit([manifest], tmp_path / "cut", settings, net=toy(9), resume=True)
    assert_equal(straight, cut)
    assert (straight.recall, straight.best, straight.best_step) == (cut.recall, cut.best, cut.best_step)
    assert figures(straight) == figures(cut)


def test_the_same_seed_is_the_same_run_and_another_is_another(manifest: Path, tmp_path: Path) -> None:
    """Bit for bit, in two folders."""
    runs = [fit([manifest], tmp_path / str(i), recipe(seed=seed), net=toy()) for i, seed in enumerate((1, 1, 2))]
    assert_equal(runs[0], runs[1])
    assert any(not torch.equal(t, tensors(runs[2])[name]) for name, t in tensors(runs[0]).items())


def test_a_finished_run_is_only_told_again(manifest: Path, tmp_path: Path) -> None:
    """Resumed, it trains no further."""
    first = fit([manifest], tmp_path / "run", recipe(), net=toy())
    bytes_ = first.run.last.read_bytes()
    again = fit([manifest], tmp_path / "run", recipe(), net=toy(5), resume=True)
    assert again.run.last.read_bytes() == bytes_
    assert again == first


def test_what_is_decided_and_found_is_said_at_once_and_once(tmp_path: Path) -> None:
    """Notes before the first step, findings as they come; a run that was cut does not repeat them."""
    table = shop(tmp_path / "shop", splits=False)
    flat = toy()
    nn.init.zeros_(flat.layers[-1].weight)
    said: list[str] = []
    settings = recipe(sampler="triplets", loss="triplet", rate=0, epochs=40, checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        fit([table], tmp_path / "run", settings, net=flat, progress=Cut(1000), say=said.append)
    assert "no row is in split val" in said[0]
    assert len([line for line in said if "the embedding collapses:" in line]) == 1
    again: list[str] = []
    fitted = fit([table], tmp_path / "run", settings, net=flat, resume=True, say=again.append)
    assert not [line for line in again if line.startswith("step")]
    assert sorted(finding.code for finding in fitted.findings) == ["at_margin", "collapsed", "no_better"]
    found = [row for row in rows(fitted.run.folder / METRICS) if "finding" in row]
    assert len(found) == 3


def test_weights_that_are_no_numbers_are_never_saved(manifest: Path, tmp_path: Path) -> None:
    """A gradient that is none ruins the weights after a sound loss: the checkpoint before stays."""

    class Ruined(Toy):
        """Its gradient is NaN at the third step."""

        def __init__(self) -> None:
            super().__init__()
            self.steps = 0

        def forward(self, photos: Tensor) -> Tensor:
            self.steps += self.training
            found = super().forward(photos)
            if self.steps == 3 and self.training:
                found.register_hook(lambda gradient: gradient * torch.nan)
            return found

    settings = recipe(checkpoint_minutes=0)
    with pytest.raises(DivergedError, match=r"are no numbers any more at step 3: start anew"):
        fit([manifest], tmp_path / "run", settings, net=Ruined())
    saved, state = checkpoint.load(tmp_path / "run/last.safetensors")
    assert state["step"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in saved.values())


def test_the_first_loss_is_the_founding_formula_in_a_loop(manifest: Path, tmp_path: Path) -> None:
    """max(0, d(a, p) - d(a, n) + 0.5) on the raw outputs, triplet by triplet, mean over the batch."""
    net = Toy(dropout=0.0)
    start = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    settings = recipe(sampler="triplets", batch=8, loss="triplet", margin=0.5, epochs=1e-6, seed=4)
    fitted = fit([manifest], tmp_path / "run", settings, net=net)
    found = gather([manifest])
    batch = Triplets(found.train, 8, seed=4).batch(0)
    net.load_state_dict(start)
    with torch.no_grad():
        outputs = net.train()(Loader(found.files, Preprocess(16), 0.0).batch(batch.photos))
    total = 0.0
    for i in range(8):
        anchor, positive, negative = (outputs[i + 8 * part].tolist() for part in range(3))
        total += max(0.0, math.dist(anchor, positive) - math.dist(anchor, negative) + 0.5)
    [row] = [row for row in rows(fitted.run.folder / METRICS) if "loss" in row]
    assert row["loss"] == pytest.approx(total / 8, abs=1e-5)


def test_accumulated_gradients_are_the_mean_of_the_parts(manifest: Path, tmp_path: Path) -> None:
    """One step of two batches is the step that a plain loop takes."""

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16 * 16 * 3, 4)

        def forward(self, photos: Tensor) -> Tensor:
            found: Tensor = self.layer(photos.flatten(1).float() / 255)
            return found

    from torch.optim import Adam

    from twinset.training.assemble import loss_of, sampler_of

    settings = recipe(accumulate=2, epochs=1e-6)
    torch.manual_seed(0)
    net, other = Plain(), Plain()
    other.load_state_dict(net.state_dict())
    fit([manifest], tmp_path / "run", settings, net=net)
    found = gather([manifest])
    sampler, loss, optimizer = sampler_of(settings, found.parts), loss_of(settings), Adam(other.parameters(), 3e-3)
    loader = Loader(found.files, Preprocess(16), 0.0)
    for number in range(2):
        batch = sampler.batch(number)
        indices = tuple(torch.from_numpy(index) for index in batch.indices)
        (loss(other(loader.batch(batch.photos)), torch.from_numpy(batch.labels), indices) / 2).backward()
    optimizer.step()
    assert torch.allclose(net.layer.weight, other.layer.weight, atol=1e-7)


@pytest.mark.parametrize("loss", [MultiSimilarityLoss(), ProxyAnchorLoss(9, 16)])
def test_losses_of_others_train_too(loss: Loss, manifest: Path, tmp_path: Path) -> None:
    """Called as pytorch-metric-learning calls them; parameters of the loss are trained and kept."""
    settings = recipe(epochs=3, checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        fit([manifest], tmp_path / "run", settings, net=toy(), loss=loss, progress=Cut(30))
    fitted = fit([manifest], tmp_path / "run", settings, net=toy(), loss=loss, resume=True)
    assert fitted.steps > 2
    assert any(name.startswith("loss.") for name in tensors(fitted)) == isinstance(loss, ProxyAnchorLoss)


def test_early_stopping_keeps_the_best(manifest: Path, tmp_path: Path) -> None:
    """After `patience` evaluations without a better recall; the best weights are those of the best step."""
    fitted = fit([manifest], tmp_path / "run", recipe(epochs=100, rate=0, patience=3), net=toy())
    assert fitted.stopped_early
    assert fitted.best_step == fitted.steps // 4
    assert checkpoint.load(fitted.run.best)[1]["step"] == fitted.best_step


def test_max_photos_cuts_a_run(manifest: Path, tmp_path: Path) -> None:
    """In photos seen, whatever the batch."""
    assert fit([manifest], tmp_path / "run", recipe(epochs=100, max_photos=120), net=toy()).photos == 120


def test_several_manifests_are_judged_apart(tmp_path: Path) -> None:
    """A recall each, and their mean."""
    tables = [shop(tmp_path / name, seed=seed) for seed, name in enumerate(("one", "two"))]
    fitted = fit(tables, tmp_path / "run", recipe(epochs=1), net=toy())
    [row] = [row for row in rows(fitted.run.folder / METRICS) if "recall@1" in row]
    assert row["recall@1"] == pytest.approx((row["recall@1/one"] + row["recall@1/two"]) / 2)


def test_without_validation_the_last_state_is_the_best(tmp_path: Path) -> None:
    """Val rows of the shop alone cannot judge; the run says so."""
    table = shop(tmp_path / "shop")
    text = table.read_text().replace("customer,val", "customer,test")
    table.write_text(text)
    fitted = fit([table], tmp_path / "run", recipe(), net=toy())
    assert (fitted.recall, fitted.best, fitted.best_step) == (None, None, fitted.steps)
    assert any("no validation" in note for note in fitted.notes)


def test_unreadable_photos_are_skipped_and_known_on_resuming(tmp_path: Path) -> None:
    """Listed in skipped.csv; a resumed run leaves out the same."""
    table = shop(tmp_path / "shop")
    (tmp_path / "shop" / "0_customer1.jpg").write_bytes(b"broken")
    settings = recipe(checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        fit([table], tmp_path / "run", settings, net=toy(), progress=Cut(30))
    fitted = fit([table], tmp_path / "run", settings, net=toy(), resume=True)
    assert "0_customer1.jpg,not_a_photo" in fitted.run.skipped.read_text()


def refused(manifest: Path, out: Path, settings: Recipe, error: type[Exception], message: str, **more: Any) -> None:
    """`fit` raises this error, with these words."""
    with pytest.raises(error, match=message):
        fit([manifest], out, settings, net=more.pop("net", None) or toy(), **more)


def test_what_cannot_be_resumed_is_refused(manifest: Path, tmp_path: Path) -> None:
    """A folder in use, another recipe, other data, another net; each with its mend."""
    run, settings = tmp_path / "run", recipe(checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        fit([manifest], run, settings, net=toy(), progress=Cut(30))
    refused(manifest, run, settings, UsageError, "holds a run already: add --resume")
    refused(manifest, run, recipe(rate=1.0), UsageError, "was begun with rate = 0.003, not 1.0", resume=True)
    other = shop(tmp_path / "other", items=13)
    refused(other, run, settings, SourceError, "was begun on other rows", resume=True)
    refused(manifest, run, settings, IntegrityError, "belongs to another net", resume=True, net=nn.Linear(2, 2))
    other_loss = MultiSimilarityLoss()
    refused(manifest, run, settings, UsageError, "was begun with the loss", resume=True, loss=other_loss)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    refused(manifest, tmp_path / "full", settings, UsageError, "is no run's folder and not empty")


def test_what_this_machine_cannot_compute_is_refused(manifest: Path, tmp_path: Path) -> None:
    """A frozen net has nothing to train; size 0 tells a net of one's own nothing."""
    refused(
        manifest, tmp_path / "b", recipe(), UsageError, "no trainable parameter", net=toy().requires_grad_(False)
    )
    refused(manifest, tmp_path / "c", recipe(size=0), UsageError, "size = 0 leaves a net of your own")


def test_the_guard_speaks_in_a_real_run(tmp_path: Path) -> None:
    """A net whose outputs are all one, a loss at the margin; wrong item ids; a rate far too high."""
    table = shop(tmp_path / "shop")
    flat = toy()
    nn.init.zeros_(flat.layers[-1].weight)
    settings = recipe(sampler="triplets", loss="triplet", rate=0, epochs=20)
    told = [finding.code for finding in fit([table], tmp_path / "flat", settings, net=flat).findings]
    assert sorted(told) == ["at_margin", "collapsed", "no_better"]

    wrong = tmp_path / "wrong"
    shop(wrong)
    lines = (wrong / "photos.csv").read_text().splitlines()
    turned = [
        re.sub(r"id_(\d+)", lambda found: f"id_{(int(found[1]) + 3) % 12}", line) if ",shop," in line else line
        for line in lines
    ]
    (wrong / "photos.csv").write_text("\n".join(turned).replace(",val", ",train"))
    told = [
        f.code for f in fit([wrong / "photos.csv"], tmp_path / "w", recipe(rate=0, epochs=10), net=toy()).findings
    ]
    assert "no_better" in told

    with pytest.raises(DivergedError, match="start anew with rate at a tenth"):
        fit([table], tmp_path / "fast", recipe(rate=10.0, epochs=3000, normalise=False), net=Overflowing())


class Overflowing(nn.Module):
    """Grows by its own size: a rate too high ends in a number that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, photos: Tensor) -> Tensor:
        """Outputs `(N, 3)`."""
        return photos.float().mean(dim=(1, 2)) * torch.exp(self.scale * self.scale)


def test_seeds_tell_mean_and_spread(manifest: Path, tmp_path: Path) -> None:
    """Of as many runs as asked for; each in its folder, the figures in seeds.json."""

    def train(one: Recipe, folder: Path) -> Fitted:
        return fit([manifest], folder, one, net=toy(one.seed))

    found = repeat(train, recipe(), tmp_path / "runs", 3)
    recalls = [run.recall for run in found.runs]
    assert [run.run.folder.name for run in found.runs] == ["seed-0", "seed-1", "seed-2"]
    assert found.mean == pytest.approx(sum(r or 0 for r in recalls) / 3)
    assert (found.lowest, found.highest) == (min(r or 0 for r in recalls), max(r or 0 for r in recalls))
    assert json.loads((tmp_path / "runs/seeds.json").read_text())["recall@1"]["mean"] == found.mean
    with pytest.raises(UsageError, match="--seeds 1 has no spread"):
        repeat(train, recipe(), tmp_path / "one", 1)


TRAIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from training.toys import toy
from twinset.training.fit import fit
from twinset.training.recipe import load
fit([Path(sys.argv[1])], Path(sys.argv[2]), load(sys.argv[3]), net=toy(), resume=True)
"""


def command(manifest: Path, folder: Path, settings: Recipe) -> list[str | Path]:
    """A process that trains the toy in `folder/run`, or goes on there."""
    folder.mkdir(exist_ok=True)
    table = folder / "recipe.toml"
    table.write_text(settings.text())
    return [sys.executable, "-c", TRAIN, manifest, folder / "run", table, str(Path(__file__).parent.parent)]


def killed(manifest: Path, folder: Path, settings: Recipe, seconds: float) -> bool:
    """Trains in a process of its own, killed so many seconds after its first checkpoint; False where it ended."""
    last = folder / "run" / "last.safetensors"
    before = last.stat().st_mtime_ns if last.exists() else 0
    process = subprocess.Popen(command(manifest, folder, settings))
    while process.poll() is None and not (last.exists() and last.stat().st_mtime_ns > before):
        time.sleep(0.005)
    time.sleep(seconds)
    if process.poll() is None:
        process.kill()
    return process.wait() == -signal.SIGKILL


def kill_and_compare(manifest: Path, tmp_path: Path, precision: str, kills: int) -> None:
    """A run killed so often at random moments ends as one that never was."""
    settings = recipe(epochs=40 * kills, precision=precision, checkpoint_minutes=0, **EVERYTHING)
    moments = torch.rand(kills, generator=torch.Generator().manual_seed(1)).tolist()
    for moment in moments[: kills // 4]:  # before the first checkpoint too, while files are begun
        process = subprocess.Popen(command(manifest, tmp_path / "killed", settings))
        time.sleep(8 * moment)
        process.kill()
        process.wait()
    for moment in moments:
        assert killed(manifest, tmp_path / "killed", settings, 0.5 * moment)
    for name in ("killed", "straight"):
        subprocess.run(command(manifest, tmp_path / name, settings), check=True)
    for file in ("last.safetensors", "best.safetensors"):
        one, other = (checkpoint.load(tmp_path / name / "run" / file)[0] for name in ("straight", "killed"))
        assert one.keys() == other.keys()
        for name, tensor in one.items():
            assert torch.equal(tensor, other[name]), name


def test_a_killed_run_goes_on_bit_for_bit(manifest: Path, tmp_path: Path) -> None:
    """Killed twice."""
    kill_and_compare(manifest, tmp_path, "f32", 2)


@pytest.mark.deep
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_run_killed_20_times_goes_on_bit_for_bit(
    precision: str, manifest: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """In either precision."""
    kill_and_compare(manifest, tmp_path, precision, 20)
    record_property("kills", 20)
