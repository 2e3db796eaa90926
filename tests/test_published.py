"""The folder of a published model: what it holds, what is fetched of it, its licence."""

import errno
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from twinset import published
from twinset.errors import DiskFullError, MissingExtraError, PathError

SMALL = ("config.json", "preprocessor_config.json", "README.md")


def laid_out(path: Path, *names: str) -> Path:
    """A folder with files of those names; a .safetensors file has an empty header."""
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"\x02\0\0\0\0\0\0\0{}" if name.endswith("safetensors") else b"")
    return path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ()),
        (("config.json", "pytorch_model.bin"), ()),
        (("config.json", "model.safetensors"), ("transformers",)),
        (("config.json", "model.safetensors.index.json"), ("transformers",)),
        (("open_clip_config.json", "open_clip_model.safetensors", "config.json"), ("open_clip",)),
        (("open_clip_config.json", "open_clip_pytorch_model.safetensors"), ("open_clip",)),
        (("open_clip_config.json", "model.safetensors"), ("open_clip",)),
        (("open_clip_config.json", "open_clip_pytorch_model.bin"), ()),
        (("config.json", "onnx/model.onnx"), ("onnx",)),
        (("config.json", "model.safetensors", "onnx/vision_model.onnx"), ("transformers", "onnx")),
        (("model.onnx",), ("onnx",)),
    ],
)
def test_a_folder_is_known_by_its_files(names: tuple[str, ...], expected: tuple[str, ...], tmp_path: Path) -> None:
    """OpenCLIP's config with weights, transformers' with weights, an ONNX file; a pickle is nothing."""
    assert published.layouts(laid_out(tmp_path, *names)) == expected


def test_weights_in_transformers_names_are_not_openclips(tmp_path: Path) -> None:
    """Where a folder for both libraries has one file of weights, its keys tell whose it is."""
    laid_out(tmp_path, "open_clip_config.json", "config.json")
    header = b'{"vision_model.embeddings.class_embedding": {}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert published.layouts(tmp_path) == ("transformers",)


class Hub:
    """A hub's client with one model of some files, which it lays out in a folder as they are asked for."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder, self.names, self.fetched = folder, names, [""]

    def snapshot_download(self, name: str, *, allow_patterns: list[str]) -> str:
        for file in self.names:
            if any(Path(file).match(pattern) for pattern in allow_patterns) and file not in self.fetched:
                self.fetched.append(file)
                laid_out(self.folder, file)
        return str(self.folder)


BOTH = (*SMALL, "model.safetensors", "pytorch_model.bin", "onnx/vision_model.onnx", "onnx/text_model.onnx")


@pytest.mark.parametrize(
    ("names", "onnx", "expected"),
    [
        (BOTH, False, {"model.safetensors"}),
        (BOTH, True, {"onnx/vision_model.onnx"}),
        ((*SMALL, "onnx/model.onnx", "onnx/model.onnx_data"), False, {"onnx/model.onnx", "onnx/model.onnx_data"}),
        (
            (*SMALL, "open_clip_config.json", "open_clip_model.safetensors", "model.safetensors"),
            False,
            {"open_clip_config.json", "open_clip_model.safetensors"},
        ),
        ((*SMALL, "pytorch_model.bin", "modeling_own.py"), False, set()),
    ],
)
def test_only_what_is_used_is_fetched(
    names: tuple[str, ...], onnx: bool, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small files, then one model's weights; never a pickle, never code."""
    hub = Hub(tmp_path, *names)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    assert published.fetch_model("owner/m", onnx=onnx) == tmp_path
    assert set(hub.fetched) - {"", *SMALL} == expected


def test_a_hub_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be reached, or the disk is full; or its client is not installed."""

    def unreachable(name: str, *, allow_patterns: list[str]) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(PathError, match=r"owner/m is no folder, and the hub cannot be reached: .*its folder"):
        published.fetch_model("owner/m", onnx=True)

    def full(name: str, *, allow_patterns: list[str]) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(DiskFullError, match="no space is left to fetch owner/m"):
        published.fetch_model("owner/m", onnx=True)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r'huggingface_hub, which .*: pip install "twinset\[onnx\]"'):
        published.fetch_model("owner/m", onnx=True)


def test_a_model_that_the_hub_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Private ones too, which it does not tell from those that are not there."""

    def lacking(name: str, *, allow_patterns: list[str]) -> str:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lacking)
    with pytest.raises(PathError, match="owner/m is no folder, and no model of the hub that may be read"):
        published.fetch("owner/m", SMALL)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", True),
        ("a.b/c-d_e.1", True),
        ("name", False),
        ("a/b/c", False),
        ("/a/b", False),
        ("../b", False),
    ],
)
def test_a_hubs_id_has_two_parts(name: str, expected: bool) -> None:
    """A path is none."""
    assert published.is_hub_id(name) is expected


@pytest.mark.parametrize(
    ("card", "licence", "expected"),
    [
        ("---\nlicense: mit\n---\n", "", "MIT"),
        ("---\nlicense: other\nlicense_name: dinov3-license\n---\n", "", "dinov3-license"),
        ("---\nlicense_name: x\nlicense: other\n---\n", "", "x"),
        ("---\nlicense: mit\nlicense_name: x\n---\n", "", "MIT"),
        ("---\nlicense: other\n---\n", "", "other"),
        ("license: mit\n", "", ""),
        ("", "Apache License\nVersion 2.0", "Apache-2.0"),
    ],
)
def test_the_licence_is_the_cards(card: str, licence: str, expected: str, tmp_path: Path) -> None:
    """Of its front matter, or of a LICENSE that is Apache's; else it is not known."""
    (tmp_path / "README.md").write_text(card)
    (tmp_path / "LICENSE").write_text(licence)
    assert published.licence(tmp_path) == expected
