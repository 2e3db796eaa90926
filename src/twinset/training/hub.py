"""Backbones from `transformers`, by local folder or hub id: safetensors alone, never code that came with them."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from twinset.errors import IntegrityError, MissingExtraError, PathError, UsageError, first_line
from twinset.prepared import Prepared, prepared, read_json
from twinset.published import CONFIG, WEIGHTS
from twinset.training.kinds import KINDS, RESNET, VISION, Kind

_MEND: Final = f"mend its {CONFIG}, or OpenCLIP's"


class Whole(NamedTuple):
    """A model with all that its authors' embedding needs, its kind, and how its photos were prepared."""

    kind: str
    model: nn.Module
    prepared: Prepared


class Tower(nn.Module):
    """A vision model of `transformers`, of a kind that is known here.

    The last norm of ConvNeXtV2 and of CLIP, which they apply to their pooled output alone, is applied at each
    place. CLIP's projection and SigLIP's pooling are not used.
    """

    def __init__(self, kind: str, model: nn.Module, prepared: Prepared) -> None:
        super().__init__()
        self.kind, self.model = kind, model
        self._kind = KINDS[kind]
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
    kind = KINDS[RESNET]
    return remade(RESNET, {}, Prepared(224, kind.filter, *kind.colour))


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
    kind, values = _tower(read_json(path / CONFIG))
    model, config = _model(kind, values)
    made = _loaded(path, kind, model, config, KINDS[kind].dropped) if pretrained else _random(kind, model, config)
    return Tower(kind, made, _prepared(path, kind, config))


def whole(path: Path) -> Whole:
    """The model of a folder with all that its authors' embedding needs, its weights from safetensors.

    A tower of CLIP that was saved without its projection has none.

    Raises:
        MissingExtraError, UsageError, PathError, IntegrityError: as `folder`.

    """
    told = read_json(path / CONFIG)
    kind, values = _tower(told)
    known = _known(kind)
    named = known.model if told.get("architectures") == [known.model] else known.whole
    if "projection_dim" in told:
        values = {**values, "projection_dim": told["projection_dim"]}
    model, config = _model(kind, values, named, complete=True)
    dropped = tuple(key for key in known.dropped if key not in known.kept)
    return Whole(kind, _loaded(path, kind, model, config, dropped), _prepared(path, kind, config))


def unfilled(kind: str, values: Mapping[str, Any]) -> nn.Module:
    """The model that computes what the authors of a kind publish, with random weights.

    Raises:
        MissingExtraError, UsageError, PathError: as `remade`.

    """
    return _random(kind, *_model(kind, values, _known(kind).whole, complete=True))


def _tower(told: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The kind of the net that a config tells, and its values; of two towers the one that sees."""
    kind = str(told.get("model_type") or "")
    if kind not in VISION:
        return kind, dict(told)
    seeing = told.get("vision_config") or {}
    if not isinstance(seeing, dict):
        raise PathError(f"the vision_config of a {kind} is {seeing!r}, no object", _MEND)
    return VISION[kind], seeing


def _known(kind: str) -> Kind:
    if kind not in KINDS:
        raise UsageError(
            f"a model of kind {kind!r} is unknown",
            f"use one of {', '.join((*KINDS, *VISION))}; `export` takes others as ONNX files",
        )
    return KINDS[kind]


def _prepared(path: Path, kind: str, config: Any) -> Prepared:
    known = KINDS[kind]
    return prepared(path, Prepared(int(getattr(config, "image_size", 224)), known.filter, *known.colour, known.fit))


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            "backbones from the hub need transformers, which is not installed", 'pip install "twinset[train]"'
        ) from error


def _model(kind: str, values: Mapping[str, Any], named: str = "", *, complete: bool = False) -> tuple[Any, Any]:
    """The class of a kind, or the one that is named, and its config; `complete` with what `kept` names."""
    known = _known(kind)
    model = getattr(_library("transformers"), named or known.model)
    default = model.config_class()
    off = known.off and not (complete and known.kept)
    values = _plain(values, default) | ({known.off: False} if off else {})
    errors = _library("huggingface_hub.errors")
    try:
        return model, model.config_class.from_dict(values)
    except (errors.StrictDataclassError, TypeError, ValueError, KeyError, ArithmeticError) as error:
        reason = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise PathError(f"this is no config of {kind}: {first_line(reason)}", _MEND) from error


def _random(kind: str, model: Any, config: Any) -> nn.Module:
    try:
        made: nn.Module = model(config)
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, RuntimeError) as error:
        raise PathError(f"this config makes no {kind}: {first_line(error)}", _MEND) from error
    return made


def _plain(values: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The values that make the net: no labels, and nothing that names code, kernels or a precision to load."""
    known = config.to_dict().keys() - {"id2label", "label2id", "dtype", "architectures", "transformers_version"}
    return {name: value for name, value in values.items() if name in known and not name.startswith("_")}


def _loaded(path: Path, kind: str, model: Any, config: Any, dropped: tuple[str, ...]) -> nn.Module:
    if not any((path / name).is_file() for name in WEIGHTS[:2]):
        raise PathError(f"{path} holds no {WEIGHTS[0]}", "save the model as safetensors: pickles are never read")
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
                ignore_mismatched_sizes=True,  # they are refused below, by name
            )
        except (KeyError, TypeError, ArithmeticError) as error:
            raise PathError(f"this config makes no {kind}: {first_line(error)}", _MEND) from error
        except (SafetensorError, OSError, RuntimeError, ValueError) as error:
            raise IntegrityError(
                f"the weights in {path} do not load: {first_line(error)}", "fetch them again"
            ) from error
    left = [name for name in report["unexpected_keys"] if not name.startswith(dropped)]
    other = [name for name, *_ in report["mismatched_keys"]]
    for what, names in (("of another size", other), ("missing", report["missing_keys"]), ("unexpected", left)):
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
