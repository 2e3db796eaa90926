"""Backbones from `transformers`, by local folder or hub id: safetensors alone, never code that came with them."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from twinset.errors import IntegrityError, MissingExtraError, PathError, UsageError
from twinset.preprocess import Filter
from twinset.training.prepared import IMAGENET, PREPARED, Colour, Prepared, first_line, prepared, read_json

_RESNET: Final = "resnet"
_CONFIG: Final = "config.json"
_WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
_FETCHED: Final = (_CONFIG, PREPARED, "README.md")
_LOCAL: Final = "or download it where there is a net, and name its folder"

_HALF: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_CLIP: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True, slots=True)
class _Kind:
    """An architecture: what its parts are called, and which keys of a checkpoint belong to none of them.

    `first` is the first stage, `layers` the list of the others, `last` belongs to the last of those. `norm` is one
    that the model applies to its pooled output only: here it is applied at every place. `tokens` come before the
    places, and registers where it has them; None where the output is a map. `patch` is the side of a place in
    pixels, where the config does not tell it. `moves`: positions are interpolated on demand. `untrained` is a
    parameter that no output depends on; `off` a setting that would make further ones.
    """

    model: str
    layers: str
    last: str
    first: tuple[str, ...] = ("embeddings",)
    dropped: tuple[str, ...] = ("classifier.",)
    norm: str = ""
    tokens: int | None = None
    patch: int = 0
    moves: bool = False
    untrained: str = ""
    off: str = ""
    colour: tuple[Colour, Colour] = IMAGENET
    filter: Filter = "bicubic"


_MASK: Final = "embeddings.mask_token"
_TEXT: Final = ("classifier.", "text_model.", "text_projection.", "visual_projection.", "logit_scale", "logit_bias")
_KINDS: Final[Mapping[str, _Kind]] = {
    _RESNET: _Kind("ResNetModel", "encoder.stages", "", ("embedder",), filter="bilinear"),
    "mobilenet_v2": _Kind("MobileNetV2Model", "layer", "conv_1x1", ("conv_stem",), colour=_HALF, filter="bilinear"),
    "convnextv2": _Kind("ConvNextV2Model", "encoder.stages", "layernorm", norm="layernorm"),
    "dinov2": _Kind(
        "Dinov2Model",
        "encoder.layer",
        "layernorm",
        dropped=("classifier.", _MASK, f"dinov2.{_MASK}"),
        tokens=1,
        off="use_mask_token",
    ),
    "dinov2_with_registers": _Kind(
        "Dinov2WithRegistersModel", "encoder.layer", "layernorm", tokens=1, untrained=_MASK
    ),
    "dinov3_vit": _Kind("DINOv3ViTModel", "model.layer", "norm", tokens=1, untrained=_MASK, filter="bilinear"),
    "dinov3_convnext": _Kind(
        "DINOv3ConvNextModel", "model.stages", "layer_norm", (), tokens=1, patch=32, filter="bilinear"
    ),
    "clip_vision_model": _Kind(
        "CLIPVisionModel",
        "encoder.layers",
        "post_layernorm",
        ("embeddings", "pre_layrnorm"),
        dropped=_TEXT,
        norm="post_layernorm",
        tokens=1,
        moves=True,
        colour=_CLIP,
    ),
    "siglip_vision_model": _Kind(
        "SiglipVisionModel",
        "encoder.layers",
        "post_layernorm",
        dropped=(*_TEXT, "head."),
        tokens=0,
        moves=True,
        off="vision_use_head",
        colour=_HALF,
    ),
}
_VISION: Final = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Checkpoints of two towers, and the one that sees."""


class Tower(nn.Module):
    """A vision model of `transformers`, of a kind that is known here.

    The last norm of ConvNeXtV2 and of CLIP, which they apply to their pooled output alone, is applied at each
    place. CLIP's projection and SigLIP's pooling are not used.
    """

    def __init__(self, kind: str, model: nn.Module, prepared: Prepared) -> None:
        super().__init__()
        self.kind, self.model = kind, model
        self._kind = _KINDS[kind]
        self.size, self.filter, self.mean, self.std = prepared.size, prepared.filter, prepared.mean, prepared.std
        config: Any = model.config
        self.width = _width(model)
        self.has_cls = bool(self._kind.tokens)
        self._before = (self._kind.tokens or 0) + int(getattr(config, "num_register_tokens", 0))
        self._patch = 0 if self._kind.tokens is None else self._kind.patch or int(config.patch_size)
        if self._kind.untrained:
            model.get_parameter(self._kind.untrained).requires_grad_(False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Places (N, C, h, w) and class token (N, C), where there is one, of normalised pixels (N, 3, H, W)."""
        output = self.model(pixels, interpolate_pos_encoding=True) if self._kind.moves else self.model(pixels)
        hidden: Tensor = output.last_hidden_state
        if self._kind.tokens is None:
            return self._normed(hidden.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), None
        hidden = self._normed(hidden)
        grid = (pixels.shape[2] // self._patch, pixels.shape[3] // self._patch)
        places = hidden[:, self._before :].transpose(1, 2).reshape(-1, self.width, *grid)
        return places, hidden[:, 0] if self.has_cls else None

    @property
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """What embeds, then each stage or layer, or the mobile net's of one resolution; the last takes the norm."""
        find = self.model.get_submodule
        stages = [tuple(find(name) for name in self._kind.first)] if self._kind.first else []
        layers: list[tuple[nn.Module, ...]] = []
        for layer in find(self._kind.layers).children():
            if self.kind == "mobilenet_v2" and layers and not _halves(layer):
                layers[-1] += (layer,)
            else:
                layers.append((layer,))
        if self._kind.last:
            layers[-1] += (find(self._kind.last),)
        return (*stages, *layers)

    def refusal(self, size: int) -> str:
        """Why photos of a size in pixels cannot be seen, or nothing."""
        if self._patch and size % self._patch:
            return f"its patches are {self._patch} pixels wide; it was trained at {self.size}"
        return ""

    def config(self) -> dict[str, Any]:
        """What `remade` takes, as JSON."""
        config: Any = self.model.config
        return _plain(json.loads(config.to_json_string(use_diff=False)), config)

    def _normed(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.model.get_submodule(self._kind.norm)(hidden) if self._kind.norm else hidden
        return out


def resnet50() -> Tower:
    """A ResNet-50 (He et al., 2016) with random weights.

    Raises:
        MissingExtraError: transformers is not installed.

    """
    kind = _KINDS[_RESNET]
    return remade(_RESNET, {}, Prepared(224, kind.filter, *kind.colour))


def remade(kind: str, values: Mapping[str, Any], prepared: Prepared) -> Tower:
    """A net of a kind from its config's values, with random weights.

    Raises:
        MissingExtraError: transformers is not installed.
        UsageError: the kind is unknown.
        PathError: the values are no config of it.

    """
    return Tower(kind, _random(kind, *_model(kind, values)), prepared)


def folder(path: Path, *, pretrained: bool) -> Tower:
    """A net from a folder with config.json, its weights from safetensors alone, or random.

    Raises:
        MissingExtraError: transformers is not installed.
        UsageError: the net is of a kind that is unknown here.
        PathError: a file is not there, or is not what it should be.
        IntegrityError: the weights are damaged, or of another net.

    """
    values = read_json(path / _CONFIG)
    kind = str(values.get("model_type"))
    if kind in _VISION:
        kind, values = _VISION[kind], values.get("vision_config") or {}
    model, config = _model(kind, values)
    custom = Prepared(int(getattr(config, "image_size", 224)), _KINDS[kind].filter, *_KINDS[kind].colour)
    made = _loaded(path, kind, model, config) if pretrained else _random(kind, model, config)
    return Tower(kind, made, prepared(path, custom))


def fetch(name: str, *, weights: bool) -> Path:
    """The folder of a model from the hub, or from its cache: JSON, its card, and safetensors where asked for.

    Raises:
        MissingExtraError: transformers is not installed.
        PathError: the hub does not have it, or cannot be reached.

    """
    hub, errors = _library("huggingface_hub"), _library("huggingface_hub.errors")
    files = [*_FETCHED, *(_WEIGHTS if weights else ())]
    try:
        return Path(hub.snapshot_download(name, allow_patterns=files))
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise PathError(
            f"{name} is no folder, and no model of the hub that may be read", f"mend the name, {_LOCAL}"
        ) from error
    except Exception as error:  # the client's own errors have no common base
        raise PathError(f"{name} is no folder, and the hub cannot be reached", f"try again, {_LOCAL}") from error


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            "backbones from the hub need transformers, which is not installed", 'pip install "twinset[train]"'
        ) from error


def _model(kind: str, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """The class of a kind, and its config."""
    if kind not in _KINDS:
        raise UsageError(f"a backbone of kind {kind!r} is unknown", f"use one of {', '.join((*_KINDS, *_VISION))}")
    known = _KINDS[kind]
    model = getattr(_library("transformers"), known.model)
    default = model.config_class()
    values = _plain(values, default) | ({known.off: False} if known.off else {})
    errors = _library("huggingface_hub.errors")
    try:
        return model, model.config_class.from_dict(values)
    except (errors.StrictDataclassError, TypeError, ValueError, KeyError) as error:
        raise PathError(f"this is no config of {kind}: {first_line(error)}", f"mend {_CONFIG}") from error


def _random(kind: str, model: Any, config: Any) -> nn.Module:
    try:
        made: nn.Module = model(config)
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, RuntimeError) as error:
        raise PathError(f"this config makes no {kind}: {first_line(error)}", f"mend {_CONFIG}") from error
    return made


def _plain(values: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The values that make the net: no labels, and nothing that names code, kernels or a precision to load."""
    known = config.to_dict().keys() - {"id2label", "label2id", "dtype", "architectures", "transformers_version"}
    return {name: value for name, value in values.items() if name in known and not name.startswith("_")}


def _loaded(path: Path, kind: str, model: Any, config: Any) -> nn.Module:
    if not any((path / name).is_file() for name in _WEIGHTS[:2]):
        raise PathError(f"{path} holds no {_WEIGHTS[0]}", "save the model as safetensors: pickles are never read")
    with _quiet():
        try:
            loaded, report = model.from_pretrained(
                path,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
            raise IntegrityError(
                f"the weights in {path} do not load: {first_line(error)}", "fetch them again"
            ) from error
    dropped = _KINDS[kind].dropped
    left = [name for name in report["unexpected_keys"] if not name.startswith(dropped)]
    for what, names in (("missing", report["missing_keys"]), ("unexpected", left)):
        if names:
            raise IntegrityError(
                f"{path} is no {kind}: {len(names)} keys are {what}: {', '.join(sorted(names)[:3])}",
                "name a folder whose config.json and weights belong together",
            )
    module: nn.Module = loaded
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's table of unused keys, which are judged here, and its progress bar."""
    bars = _library("transformers.utils.logging")
    shown, logger = bars.is_progress_bar_enabled(), logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            bars.enable_progress_bar()


def _width(model: nn.Module) -> int:
    config: Any = model.config
    if hasattr(config, "hidden_size"):
        return int(config.hidden_size)
    if hasattr(config, "hidden_sizes"):
        return int(config.hidden_sizes[-1])
    last: Any = model.get_submodule("conv_1x1")
    return int(last.convolution.out_channels)


def _halves(layer: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) and part.stride != (1, 1) for part in layer.modules())
