"""Models and catalogues made by an attacker: none runs anything, waits for ever, or reads what is not its own."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from server.bad_photos import encoded
from shops import build, index, shop
from twinset import Catalogue
from twinset.bundle import open_bundle
from twinset.embedder import Embedder
from twinset.errors import BundleError, TwinsetError

EXTENSIONS = (
    *("pkl", "pickle", "pt", "pth", "bin", "ckpt", "joblib", "dill", "npy", "npz", "h5", "keras", "msgpack", "pb"),
    *("onnx", "onnx_data", "onnx.data", "safetensors", "json", "py", "pyc", "so", "faiss", "sqlite", "cal", "toml"),
)


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue; not to be changed."""
    home = tmp_path_factory.mktemp("bundles")
    build(home / "c", shop(home / "shop", items=6)).close()
    return home / "c"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "c"))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[bytes]:
    """A pickle that makes a folder when it is read; at the end there is none."""
    nest = tmp_path / "nest"
    yield pickle.dumps(Canary(nest))
    assert not nest.exists()


def asked(place: Path) -> list[tuple[str, float]]:
    """What a catalogue answers."""
    with Catalogue(place) as catalogue:
        return [(hit.item_id, hit.score) for hit in catalogue.search(encoded("JPEG"), k=5)]


def told(place: Path) -> list[tuple[str, float]] | str:
    """What a catalogue answers, or why it refuses to."""
    try:
        return asked(place)
    except TwinsetError as refused:
        return str(refused)


def names(place: Path) -> list[str]:
    """Every file of a catalogue."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def test_a_canary_sings() -> None:
    """The pickle would run where anything read it."""
    assert pickle.dumps(Canary(Path("/a"))).startswith(b"\x80")
    assert b"mkdir" in pickle.dumps(Canary(Path("/a")))


def test_pickles_beside_everything_are_not_read(copy: Path, canary: bytes) -> None:
    """Under every extension, in each folder: the answer is as it was."""
    before = asked(copy)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        for extension in EXTENSIONS:
            (folder / f"model2.{extension}").write_bytes(canary)
            (folder / f"__init__.{extension}").write_bytes(canary)
    assert asked(copy) == before


def test_pickles_in_place_of_everything_run_nothing(whole: Path, tmp_path: Path, canary: bytes) -> None:
    """Each file of a catalogue by itself: refused, or made anew from what is whole."""
    before = asked(whole)
    for number, name in enumerate(names(whole)):
        place = Path(shutil.copytree(whole, tmp_path / str(number)))
        (place / name).write_bytes(canary)
        got = told(place)
        assert got == before or (isinstance(got, str) and "\n" not in got), name


def test_links_that_lead_out_bring_nothing_in(whole: Path, tmp_path: Path) -> None:
    """A file that is a link to what is no part of a catalogue, or never ends: refused, or made anew."""
    before = asked(whole)
    secret = tmp_path / "secret"
    secret.write_text('{"secret": "of another"}', encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    models = [name for name in names(whole) if name.startswith("bundles/")]
    for number, name in enumerate(models):
        for target in (secret, Path("/dev/zero"), tmp_path / "pipe", tmp_path / "nothing", Path("/proc/self/mem")):
            place = Path(shutil.copytree(whole, tmp_path / f"{number}{target.name}"))
            (place / name).unlink()
            (place / name).symlink_to(target)
            got = told(place)
            assert got == before or (isinstance(got, str) and "of another" not in got), (name, target)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "secret", "linked", "a/../../secret", "hard"])
def test_weights_in_other_files_are_refused(location: str, tmp_path: Path) -> None:
    """Wherever a model says that they lie, with checksums that agree."""
    folder = Path(shutil.copytree(open_bundle("colour").folder, tmp_path / "bundle"))
    secret = np.ones(4, np.float32).tobytes()
    for path in (tmp_path / "secret", folder / "secret"):
        path.write_bytes(secret)
    (folder / "linked").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", folder / "hard")
    model = onnx.load(str(folder / "model.onnx"))
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "outside")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    model.graph.initializer.append(tensor)
    model.graph.node.append(helper.make_node("Identity", ["outside"], ["inside"]))
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    facts["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BundleError, match="other files"):
        Embedder(open_bundle(str(folder)))
    with pytest.raises(BundleError, match="other files"):
        index(tmp_path / "c", shop(tmp_path / "shop", items=1), bundle=str(folder))
