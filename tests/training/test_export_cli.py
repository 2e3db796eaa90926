"""`twinset export` of a published model: which way it goes, what it says, what it refuses."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub
import onnx
import pytest

from test_adopt import folder as onnx_folder
from test_adopt import vision
from training.checkpoints import saved
from twinset.cli import export
from twinset.cli.main import main

Out = pytest.CaptureFixture[str]


def test_a_model_of_transformers(tmp_path: Path, capsys: Out) -> None:
    """By its folder: the way is told, and the figures come as JSON."""
    saved("dinov3-convnext", tmp_path / "m")
    told = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "m/preprocessor_config.json").write_text(json.dumps(told))
    arguments = ["export", str(tmp_path / "m"), "--out", str(tmp_path / "b"), "--licence", "mine", "--json"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "m is a model of transformers: its weights are exported by way of torch" in err
    made = json.loads(out)
    assert (made["from"], made["dim"], made["photos"]) == ("transformers", 20, 6)
    assert made["cosine"] >= 0.9999
    assert json.loads((tmp_path / "b/bundle.json").read_text())["licence"] == "mine"


def test_an_onnx_folder_and_file(tmp_path: Path, capsys: Out) -> None:
    """Without other weights it is adopted as it is; a file may be named itself."""
    model = onnx_folder(tmp_path / "m", vision())
    assert main(["export", str(model), "--out", str(tmp_path / "b"), "--json", "-q"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["from"], made["dim"], made["cosine"], made["photos"]) == ("onnx", 5, None, None)
    file = str(model / "onnx/vision_model.onnx")
    assert main(["export", file, "--out", str(tmp_path / "c"), "--name", "other"]) == 0
    out, err = capsys.readouterr()
    assert "adopted as it is: the embedding is its image_embeds" in err
    assert "5 dimensions" in out
    assert json.loads((tmp_path / "c/bundle.json").read_text())["name"] == "other"


def test_torch_goes_first_and_onnx_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Where a folder has both, and torch is missing, the ONNX file is taken; without one the extra is named."""
    model = onnx_folder(tmp_path / "m", vision())
    saved("dinov2", tmp_path / "n")
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    monkeypatch.setattr("twinset.cli.output.find_spec", lambda name: None if name == "torch" else find_spec(name))
    (tmp_path / "n/model.safetensors").rename(model / "model.safetensors")
    assert main(["export", str(model), "--out", str(tmp_path / "b")]) == 0
    assert "was adopted as it is" in capsys.readouterr().err
    (model / "onnx/vision_model.onnx").unlink()
    assert main(["export", str(model), "--out", str(tmp_path / "c")]) == 2
    said = capsys.readouterr().err
    assert 'need the extra `train` (torch is missing): pip install "twinset[train]"' in said


@pytest.mark.parametrize("name", ["owner/net", "owner/net/onnx/vision_model_fp16.onnx"])
def test_a_model_of_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """By its id, or by one file of it; the card names the id."""
    model = onnx_folder(tmp_path / "snapshot", vision())
    onnx.save(vision(kind=onnx.TensorProto.FLOAT16), model / "onnx/vision_model_fp16.onnx")
    asked: list[str] = []

    def fetch(name: str, *, allow_patterns: list[str]) -> str:
        asked.extend([name, *allow_patterns])
        return str(model)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert main(["export", name, "--out", str(tmp_path / "b")]) == 0
    assert asked[0] == "owner/net"
    assert ("onnx/vision_model_fp16.onnx*" in asked) == ("fp16" in name)
    file = "vision_model_fp16.onnx" if "fp16" in name else "vision_model.onnx"
    assert f"{file} of owner/net was adopted" in capsys.readouterr().err
    assert json.loads((tmp_path / "b/bundle.json").read_text())["backbone"] == "owner/net"


def test_a_hub_without_what_is_asked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """A file that it lacks; and without torch a model that has no ONNX file, whose extra is named."""
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda _name, allow_patterns: str(tmp_path))
    assert main(["export", "owner/net/onnx/model.onnx", "--out", str(tmp_path / "b")]) == 3
    assert "owner/net of the hub has no onnx/model.onnx" in capsys.readouterr().err
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    monkeypatch.setattr("twinset.cli.output.find_spec", lambda name: None if name == "torch" else find_spec(name))
    assert main(["export", "owner/net", "--out", str(tmp_path / "b")]) == 2
    said = capsys.readouterr().err
    assert "owner/net has no ONNX file, and other weights need the extra `train` (torch is missing)" in said


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with things that are no model."""
    monkeypatch.chdir(tmp_path)
    Path("file.bin").write_bytes(b"x")
    Path("pickled").mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (Path("pickled") / name).write_text("{}")
    Path("bundled").mkdir()
    for name in ("bundle.json", "model.onnx"):
        (Path("bundled") / name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere"], 3, "there is no nowhere: name a run's or a model's folder"),
        (["./a/b"], 3, r"there is no \./a/b"),
        (["file.bin"], 3, r"file\.bin is no ONNX file"),
        (["models/x.onnx"], 3, r"there is no models/x\.onnx"),
        (["bundled"], 3, "bundled is a bundle already: name the model that it was made of"),
        (["pickled"], 3, "pickled holds no run and no model: .*pickles are never read"),
        (["model", "--photos-root", "."], 2, "--photos-root is for the photos of a run, and model is none"),
        (["model", "--halves"], 2, "--halves is for the weights of a run, and model is none: leave it out"),
        (["pickled", "--halves"], 2, "--halves is for the weights of a run, and pickled is none"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    arguments: list[str], code: int, says: str, here: Path, capsys: Out
) -> None:
    """What, which value, how to mend it; nothing is written."""
    assert main(["export", *arguments, "--out", "b"]) == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(says, line)
    assert not (here / "b").exists()
