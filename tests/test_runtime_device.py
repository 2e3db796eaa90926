"""Where photos are embedded: batches beside singles, memory that runs out, devices that are not there."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shops import index, shop, write
from twinset import doctor, runtime
from twinset.bundle import open_bundle
from twinset.catalogue import Catalogue, folder, ingest
from twinset.catalogue.ingest import Target
from twinset.catalogue.writer import writer
from twinset.cli.main import main
from twinset.embedder import Embedder, embed_in_order, embed_photos
from twinset.errors import MissingExtraError, OutOfMemoryError, UsageError
from twinset.manifest import read
from twinset.progress import SILENT
from twinset.records import Photo, Pixels, Vectors
from twinset.runtime import Installation, Runtime
from twinset.store.rows import Source

Out = pytest.CaptureFixture[str]
GPU = "CUDAExecutionProvider" in runtime.installation().providers
without_gpu = pytest.mark.skipif(GPU, reason="this ONNX Runtime offers CUDA")


def in_batches(batch: int) -> Embedder:
    """An embedder that runs batches as on a GPU, on the CPU."""
    embedder = Embedder(open_bundle("colour"), "cpu")
    embedder.batch = batch
    return embedder


# Batches


def test_the_cpu_runs_photos_singly() -> None:
    """Only a GPU has a batch; on the CPU a vector has the bits of a run of one photo."""
    embedder = Embedder(open_bundle("colour"), "cpu")
    assert (embedder.device, embedder.batch) == ("cpu", None)
    squares = np.random.default_rng(3).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    alone = Runtime(open_bundle("colour").model, "cpu")
    for square in squares:
        assert np.array_equal(embedder.embed_square(square), alone.embed(square[np.newaxis])[0])


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_batches_embed_as_singles_do(tmp_path: Path, batch: int) -> None:
    """In batches, the last of them short, photos keep their order, and faults cost only themselves."""
    manifest = read(shop(tmp_path, items=11, views=1))
    photos = list(manifest.photos)
    (tmp_path / "text.jpg").write_text("no photo")
    bad = [Photo(path="text.jpg", item_id="a", line=90), Photo(path="none.jpg", item_id="b", line=91)]
    mixed = [bad[0], *photos[:5], bad[1], *photos[5:]]
    singly = embed_photos(Embedder(open_bundle("colour"), "cpu"), mixed, tmp_path)
    batched = embed_photos(in_batches(batch), mixed, tmp_path)
    assert batched.photos == singly.photos == tuple(photos)
    assert [(f.line, f.code) for f in batched.faults] == [(90, "not_a_photo"), (91, "no_such_path")]
    assert batched.faults == singly.faults
    assert np.abs(batched.vectors - singly.vectors).max() <= 1e-5


def test_nothing_to_embed_does_not_wait_for_a_batch() -> None:
    """Tasks without a photo are handed on though a batch never fills, and few of them wait."""
    taken = []

    def prepare(task: int) -> tuple[int, Pixels | None]:
        taken.append(task)
        return task, np.zeros((96, 96, 3), np.uint8) if task == 0 else None

    results = embed_in_order(in_batches(64), prepare, range(5000))
    number, vector = next(results)
    assert number == 0
    assert vector is not None
    assert len(taken) < 2500
    assert [number for number, _ in results] == list(range(1, 5000))


def test_a_catalogue_is_indexed_in_batches(tmp_path: Path) -> None:
    """Batches give the rows, copies and faults that singles give, and vectors within 1e-5; again embeds nothing."""
    rows = [{"path": f"{n:02}.png", "item_id": f"i{n % 7}"} for n in range(23)]
    manifest_path = write(tmp_path / "shop", rows, {f"{n:02}.png": n for n in range(23)})
    (tmp_path / "shop/05.png").write_text("no photo")
    index(tmp_path / "singly", manifest_path, device="cpu")
    place = folder.create(tmp_path / "batched", open_bundle("colour"))
    manifest = read(manifest_path)

    def run() -> tuple[int, int, int]:
        with writer(place) as (table, copies):
            target = Target(table, copies, table.live(), in_batches(4), Source("main", str(manifest.root), False))
            report = ingest.run(target, manifest, manifest.photos, SILENT, mirror=False)
        return report.embedded, report.unchanged, report.skipped

    assert run() == (22, 0, 1)
    assert run() == (0, 22, 1)
    found: list[Vectors] = []
    for name in ("singly", "batched"):
        with Catalogue(tmp_path / name) as catalogue:
            stored = catalogue.embed(manifest, manifest.photos, device="cpu")
            assert [photo.path for photo in stored.photos] == [r["path"] for r in rows if r["path"] != "05.png"]
            assert catalogue.verify(repair=True) == []
            found.append(stored.vectors)
    assert np.abs(found[0] - found[1]).max() <= 1e-3  # stored in 16 bits, which may round to either side


@pytest.mark.parametrize(("size", "batch"), [(8, 256), (96, 256), (160, 64), (224, 32), (512, 8), (2048, 1)])
def test_the_first_batch_is_a_guess_by_size(size: int, batch: int) -> None:
    """Larger photos make smaller batches, never none."""
    from twinset.embedder import _batch

    assert _batch(size) == batch


# Memory


LITTLE_MEMORY = """
import resource, sys
import numpy as np
from twinset.bundle import open_bundle
from twinset.embedder import Embedder
from twinset.errors import OutOfMemoryError

embedder = Embedder(open_bundle("colour"), "cpu")
squares = np.random.default_rng(0).integers(0, 256, (int(sys.argv[1]), 96, 96, 3), dtype=np.uint8)
singly = np.stack([embedder.embed_square(square) for square in squares])
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 2**20,) * 2)
embedder.batch = len(squares)
print(np.abs(embedder.embed_squares(squares) - singly).max() <= 1e-5, embedder.batch)
try:
    embedder._runtime.embed(squares)
except OutOfMemoryError as error:
    print(error.code, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's account of a process's memory")
def test_a_batch_is_halved_where_memory_runs_out() -> None:
    """Under a limit of the system's, what does not fit at once is embedded in smaller batches, and they stay so."""
    command = [sys.executable, "-c", LITTLE_MEMORY, "300", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    equal, batch = first.split()
    assert equal == "True"
    assert int(batch) in (150, 75, 37, 18, 9, 4, 2, 1)
    assert second == "out_of_memory memory ran out on cpu for a batch of 300: free some"
    assert not done.stderr


class Narrow(Runtime):
    """A runtime with room for a few photos: what a GPU does, where there is none."""

    def __init__(self, room: int) -> None:
        super().__init__(open_bundle("colour").model, "cpu")
        self.room, self.asked = room, list[int]()

    def embed(self, photos: Pixels) -> Vectors:
        self.asked.append(len(photos))
        if len(photos) > self.room:
            raise runtime._out_of_memory(f"a batch of {len(photos)}", "cuda")
        return super().embed(photos)


@pytest.mark.parametrize(("room", "asked"), [(3, [8, 4, 2, 2, 2, 2, 2]), (1, [8, 4, 2, *[1] * 10]), (8, [8, 2])])
def test_halving_keeps_order_and_is_remembered(room: int, asked: list[int]) -> None:
    """Each batch that is too large is tried again at half its size, and no larger one after it."""
    embedder = in_batches(8)
    squares = np.random.default_rng(1).integers(0, 256, (10, 96, 96, 3), dtype=np.uint8)
    singly = np.stack([embedder.embed_square(square) for square in squares])
    embedder._runtime = narrow = Narrow(room)
    assert np.abs(embedder.embed_squares(squares) - singly).max() <= 1e-5
    assert narrow.asked == asked


def test_no_room_for_one_photo_is_told(tmp_path: Path) -> None:
    """A device that cannot hold one photo ends the run as a lack of resources, and never asks for none."""
    manifest = read(shop(tmp_path, items=3))
    embedder = in_batches(4)
    embedder._runtime = narrow = Narrow(0)
    with pytest.raises(
        OutOfMemoryError, match="on cuda for a batch of 1: free some of the GPU's, or use --device cpu"
    ) as e:
        embed_photos(embedder, manifest.photos, manifest.root)
    assert (e.value.exit_code, e.value.http_status) == (5, 503)
    assert narrow.asked == [4, 2, 1]


# Devices that are not there


@without_gpu
@pytest.mark.parametrize("command", ["index", "embed", "evaluate", "evaluate --catalogue", "serve"])
def test_cuda_without_a_gpu_is_usage_and_changes_nothing(
    wardrobe: Path, place: Path, tmp_path: Path, capsys: Out, command: str
) -> None:
    """A device asked for and absent ends with 2 and the commands that mend it, in JSON too, and writes nothing."""
    out = tmp_path / "out"
    rest = {
        "index": ["index", str(wardrobe), "-c", str(out), "--bundle", "colour"],
        "embed": ["embed", str(wardrobe), "--out", str(out), "--bundle", "colour"],
        "evaluate": ["evaluate", str(wardrobe), "--bundle", "colour"],
        "evaluate --catalogue": ["evaluate", str(wardrobe), "-c", str(place)],
        "serve": ["serve", "-c", str(place), "--port", "0"],
    }[command]
    assert main([*rest, "--device", "cuda", "-q"]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert len(seen.err.splitlines()) == 1
    assert "cuda needs the extra `gpu`" in seen.err
    assert main([*rest, "--device", "cuda", "--json", "-q"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "missing_extra"
    assert error["mend"].startswith('pip install "twinset[gpu]" && pip uninstall -y onnxruntime onnxruntime-gpu')
    assert not out.exists()


@without_gpu
def test_cuda_without_a_gpu_leaves_a_catalogue_alone(wardrobe: Path, place: Path) -> None:
    """An index of a standing catalogue fails before anything is written; auto goes on with the CPU."""
    with Catalogue(place) as catalogue:
        before = replace(catalogue.info(), bytes=0)
    with pytest.raises(MissingExtraError, match="computes on the CPU alone"):
        index(place, wardrobe, device="cuda")
    with Catalogue(place) as catalogue:
        assert replace(catalogue.info(), bytes=0) == before
    assert index(place, wardrobe, device="auto").unchanged == before.photos


@without_gpu
def test_auto_is_the_cpu_bit_for_bit(wardrobe: Path, tmp_path: Path, capsys: Out) -> None:
    """Without a GPU `auto` and `cpu` write the same vectors, and say nothing of it."""
    vectors, embed = [], ["embed", str(wardrobe), "--bundle", "colour"]
    for device in ("auto", "cpu"):
        out = tmp_path / f"{device}.npz"
        assert main([*embed, "--out", str(out), "--device", device, "-q"]) == 0
        assert capsys.readouterr().err == ""
        with np.load(out) as file:
            vectors.append(file["embedding"])
    assert np.array_equal(*vectors)


@pytest.mark.parametrize(
    ("given", "mend"),
    [("gpu", "did you mean cuda?"), ("CUDA", "did you mean cuda?"), ("cuda:0", "did you mean cuda?"),
     ("cpus", "did you mean cpu?"), ("directml", "use one of auto, cpu, cuda")],
)  # fmt: skip
def test_an_unknown_device_names_the_nearest(wardrobe: Path, capsys: Out, given: str, mend: str) -> None:
    """A device that does not exist is usage, on the command line and in Python."""
    with pytest.raises(UsageError, match="there is no device") as caught:
        Embedder(open_bundle("colour"), given)  # type: ignore[arg-type]
    assert caught.value.mend == mend
    assert main(["embed", str(wardrobe), "--out", "o.npz", "--bundle", "colour", "--device", given]) == 2
    assert f"there is no device '{given}': {mend}" in capsys.readouterr().err


def test_a_device_does_not_go_with_vectors(wardrobe: Path, tmp_path: Path, capsys: Out) -> None:
    """`evaluate --vectors` embeds nothing, and says so rather than pass over a device."""
    out = tmp_path / "v.npz"
    assert main(["embed", str(wardrobe), "--out", str(out), "--bundle", "colour", "-q"]) == 0
    assert main(["evaluate", str(wardrobe), "--vectors", str(out), "--device", "cpu"]) == 2
    assert "--device goes with --bundle and --catalogue" in capsys.readouterr().err


# What is installed


def test_doctor_tells_the_device(tmp_path: Path) -> None:
    """`doctor` names the runtime's distribution, what it offers, and where photos are embedded."""
    found = {finding.name: finding for finding in doctor.examine(tmp_path)}
    assert found["runtime"].value.startswith("onnxruntime")
    assert "CPUExecutionProvider" in found["providers"].value
    assert found["device"].value in ("cpu", "cuda")
    assert found["runtime"].ok
    assert found["device"].ok


@without_gpu
def test_two_runtimes_side_by_side_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """Both distributions in one place are a finding of `doctor`'s with its mend, and what `cuda` fails for."""
    facts = tmp_path / "onnxruntime_gpu-1.31.1.dist-info/METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.31.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    mend = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-deps onnxruntime-gpu"
    assert main(["doctor", "--json"]) == 1
    findings = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert "onnxruntime-gpu 1.31.1" in findings["runtime"]["value"]
    assert (findings["runtime"]["ok"], findings["runtime"]["mend"]) == (False, mend)
    with pytest.raises(UsageError, match="stand side by side: pip uninstall -y onnxruntime onnxruntime-gpu"):
        Embedder(open_bundle("colour"), "cuda")


def test_a_gpu_that_cannot_be_used_is_told() -> None:
    """The GPU's runtime where no GPU answers: what it lacks, and what to use meanwhile."""
    found = Installation({"onnxruntime-gpu": "1.31.1"}, ("CUDAExecutionProvider", "CPUExecutionProvider"), "")
    error = runtime._no_gpu(found)
    assert (error.code, error.exit_code) == ("usage", 2)
    assert str(error).startswith("no GPU can be used: onnxruntime-gpu 1.31.1 finds none")
    assert str(error).endswith("or use --device cpu")


def test_a_gpu_without_room_for_the_model_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full GPU that is asked for is a lack of memory, not of a GPU; `auto` goes on with the processor."""

    def full(*_given: object, **_named: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory")

    monkeypatch.setattr(runtime.onnxruntime, "InferenceSession", full)
    with pytest.raises(OutOfMemoryError, match="on cuda for the model: free some of the GPU's"):
        runtime._on_gpu(b"", asked=True)
    assert runtime._on_gpu(b"", asked=False) is None


def test_a_runtime_that_lost_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What uninstalling one of two distributions leaves behind is refused with the commands that mend it."""
    import types

    monkeypatch.setattr(runtime, "onnxruntime", types.ModuleType("onnxruntime"))
    with pytest.raises(
        UsageError, match=r"lost files .*: pip uninstall -y onnxruntime onnxruntime-gpu && pip inst"
    ):
        Runtime(b"")
