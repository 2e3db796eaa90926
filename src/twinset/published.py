"""The folder of a published model: fetched from a hub, what it holds, under which licence."""

import errno
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

from twinset.errors import DiskFullError, MissingExtraError, PathError
from twinset.prepared import PREPARED

CONFIG: Final = "config.json"
OPEN_CLIP: Final = "open_clip_config.json"
TOLD: Final = (CONFIG, OPEN_CLIP, PREPARED, "README.md")
"""What a model says of itself; small files."""
WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
OPEN_CLIP_WEIGHTS: Final = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", WEIGHTS[0])
ONNX_MODELS: Final = ("onnx/vision_model.onnx", "onnx/model.onnx", "vision_model.onnx", "model.onnx")
"""Where hubs keep a model as ONNX, the first of them that is there."""
_MOST_HEADER: Final = 100_000_000
_LOCAL: Final = "or download it where there is a net, and name its folder"

Layout = Literal["open_clip", "transformers", "onnx"]
"""What a folder's weights are made for."""


def layouts(path: Path) -> tuple[Layout, ...]:
    """What the weights in a folder are made for, the fullest first; nothing where there are none.

    Pickles are no weights: they are never read.
    """
    found: list[Layout] = []
    if (path / OPEN_CLIP).is_file() and _open_clip_weights(path):
        found.append("open_clip")
    elif (path / CONFIG).is_file() and any((path / name).is_file() for name in WEIGHTS[:2]):
        found.append("transformers")
    if onnx_model(path) is not None:
        found.append("onnx")
    return tuple(found)


def onnx_model(path: Path) -> Path | None:
    """A folder's vision model as ONNX, if it has one."""
    return next((path / name for name in ONNX_MODELS if (path / name).is_file()), None)


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a hub's model, `owner/name`."""
    return bool(re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name))


def fetch(name: str, files: Sequence[str]) -> Path:
    """The folder of a model from the hub, or from its cache, with those of the files that it has.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        PathError: the hub does not have it, or cannot be reached.
        DiskFullError: there is no space for it.

    """
    hub, errors = _client("huggingface_hub"), _client("huggingface_hub.errors")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(files)))
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise PathError(
            f"{name} is no folder, and no model of the hub that may be read", f"mend the name, {_LOCAL}"
        ) from error
    except Exception as error:  # the client's own errors have no common base
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"no space is left to fetch {name}", "free some space and run it again") from error
        raise PathError(f"{name} is no folder, and the hub cannot be reached", f"try again, {_LOCAL}") from error


def fetch_model(name: str, *, onnx: bool) -> Path:
    """The folder of a model from the hub with the weights that will be used; as `fetch` where it fails.

    That is one ONNX file where `onnx`, or where it has no other weights than that and pickles; else safetensors.
    """
    path = fetch(name, TOLD)
    tried: list[tuple[str, ...]] = [(model + "*",) for model in ONNX_MODELS]  # with their external data
    if not onnx:
        is_open_clip = (path / OPEN_CLIP).is_file()
        tried[:0] = [(weights,) for weights in OPEN_CLIP_WEIGHTS] if is_open_clip else [WEIGHTS]
    for files in tried:
        if layouts(path):
            break
        path = fetch(name, (*TOLD, *files))
    return path


def root(path: Path) -> Path:
    """The folder that a model's links may not lead out of: a hub's cache keeps the files beside its snapshots."""
    whole = path.resolve()
    cache = whole.parent.parent
    return cache if whole.parent.name == "snapshots" and (cache / "blobs").is_dir() else whole


def licence(path: Path) -> str:
    """What a folder's model card names as licence, or Apache-2.0 where its LICENSE is that, or nothing."""
    card, text = _text(path / "README.md"), _text(path / "LICENSE")[:400]
    front = card.partition("\n---")[0] if card.startswith("---") else ""
    named: dict[str, str] = dict(re.findall(r"^(license|license_name):[ \"']*([\w.-]+)", front, re.MULTILINE))
    if own := named.get("license"):
        own = named.get("license_name", own) if own == "other" else own
        return {"apache-2.0": "Apache-2.0", "mit": "MIT"}.get(own, own)
    return "Apache-2.0" if "Apache License" in text and "Version 2.0" in text else ""


def _open_clip_weights(path: Path) -> bool:
    """Whether a folder has them; `model.safetensors` may hold the same model in transformers' names instead."""
    *own, shared = (path / name for name in OPEN_CLIP_WEIGHTS)
    if any(file.is_file() for file in own):
        return True
    if not shared.is_file():
        return False
    with shared.open("rb") as file:  # safetensors begin with the length of their header, which is JSON
        header = file.read(min(int.from_bytes(file.read(8), "little"), _MOST_HEADER))
    return b'"vision_model.' not in header


def _client(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            "models of the hub need huggingface_hub, which is not installed", 'pip install "twinset[onnx]"'
        ) from error


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
