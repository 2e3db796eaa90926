"""OpenCLIP's checkpoints → models of `transformers`, key by key: CLIP's and SigLIP's vision transformers."""

import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from twinset.errors import IntegrityError, PathError, UsageError, first_line
from twinset.prepared import CLIP, Prepared, read_json
from twinset.preprocess import Filter, Fit
from twinset.published import OPEN_CLIP, OPEN_CLIP_WEIGHTS
from twinset.training.hub import Whole, unfilled

Move = tuple[tuple[str, ...], tuple[str, ...]]
"""Tensors of a checkpoint that are joined, and those of the model that the result is cut into, in equal parts."""

_WRAPPED: Final = "model."
"""Before each key where a class of transformers holds OpenCLIP's model."""
_SEES: Final = "visual."
_TEXT: Final = (
    "text.",
    "transformer.",
    "token_embedding.",
    "positional_embedding",
    "text_projection",
    "ln_final.",
    "logit_scale",
    "logit_bias",
    "attn_mask",
)
"""What belongs to the tower that reads, or to the loss."""
_CLIP_SETTINGS: Final = ("layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size")
_TIMM_SETTINGS: Final = ("image_size", "timm_model_name", "timm_model_pretrained", "timm_pool", "timm_proj")
_UNUSED: Final = ("patch_dropout", "output_tokens", "timm_proj_bias", "timm_drop", "timm_drop_path")
"""Settings of training, or without effect here."""
_DEFAULTS: Final = {"pool_type": "tok", "pos_embed_type": "learnable"}
_PATCHES: Final = "trunk.patch_embed.proj.weight"
_WIDER: Final = "trunk.blocks.0.mlp.fc1.bias"
"""Those of timm's tensors that tell the widths."""
_HEADS: Final = {"base": 12, "large": 16, "so400m": 16, "giantopt": 16}
"""Of timm's SigLIP models, by the size in their name."""
_TANH: Final = ("base_patch32_256", "large_patch16_512", "so400m_patch16_", "giantopt_")
"""Those whose GELU is the approximate one; the others compute it exactly."""
_FITS: Final[Mapping[str, Fit]] = {"shortest": "crop", "squash": "squash", "longest": "letterbox"}


def whole(path: Path) -> Whole:
    """The vision model of a folder with `open_clip_config.json` and safetensors.

    Raises:
        PathError: a file is not there, or is not what it should be.
        UsageError: the model is of another architecture, or has a setting that is unknown here.
        IntegrityError: the weights are damaged, or do not fit the config.
        MissingExtraError: transformers is not installed.

    """
    file = path / OPEN_CLIP
    told = read_json(file)
    weights = next((path / name for name in OPEN_CLIP_WEIGHTS if (path / name).is_file()), None)
    if weights is None:
        raise PathError(f"{path} holds no {OPEN_CLIP_WEIGHTS[0]}", "save it as safetensors: pickles are never read")
    tensors = _visual(weights)
    try:
        config, prepare = told["model_cfg"], told.get("preprocess_cfg") or {}
        vision = config["vision_cfg"]
        size = _square(prepare.get("size") or vision["image_size"])
        if "timm_model_name" in vision:
            kind, values, moves = _siglip(vision, tensors, weights)
        else:
            kind, values, moves = _clip(config, vision)
        seen = _prepared(prepare, size)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise PathError(f"{file} cannot be followed: {error!r}", "use a config that OpenCLIP wrote") from error
    model = unfilled(kind, values)
    _fill(model, tensors, moves, weights)
    return Whole(kind, model, seen)


def _visual(file: Path) -> dict[str, Tensor]:
    """The tensors of the tower that sees, in float32."""
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(f"{file} does not load: {first_line(error)}", "fetch it again") from error
    if tensors and all(key.startswith(_WRAPPED) for key in tensors):
        tensors = {key.removeprefix(_WRAPPED): tensor for key, tensor in tensors.items()}
    strange = sorted(key for key in tensors if not key.startswith((_SEES, *_TEXT)))
    if strange:
        raise IntegrityError(
            f"{file} is no model of OpenCLIP: {len(strange)} keys are unexpected: {', '.join(strange[:3])}",
            "name a folder whose config and weights belong together",
        )
    seeing = {key.removeprefix(_SEES): tensor for key, tensor in tensors.items() if key.startswith(_SEES)}
    return {key: tensor.float() for key, tensor in seeing.items()}


def _clip(config: Mapping[str, Any], vision: Mapping[str, Any]) -> tuple[str, dict[str, Any], list[Move]]:
    """Kind, config and moves of CLIP's vision transformer."""
    _check(vision, _CLIP_SETTINGS)
    if not isinstance(vision["layers"], int):
        raise UsageError("this CLIP sees by a ResNet", "use one with a vision transformer (ViT)")
    width = vision["width"]
    values = {
        "hidden_size": width,
        "intermediate_size": int(width * vision.get("mlp_ratio", 4.0)),
        "projection_dim": config["embed_dim"],
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": width // vision.get("head_width", 64),
        "image_size": _square(vision["image_size"]),
        "patch_size": _square(vision["patch_size"]),
        "hidden_act": "quick_gelu" if config.get("quick_gelu") else "gelu",
        "layer_norm_eps": 1e-5,
    }
    return "clip_vision_model", values, [*_clip_moves(vision["layers"])]


def _clip_moves(layers: int) -> Iterator[Move]:
    ours = "vision_model."
    yield ("class_embedding",), (f"{ours}embeddings.class_embedding",)
    yield ("conv1.weight",), (f"{ours}embeddings.patch_embedding.weight",)
    yield ("positional_embedding",), (f"{ours}embeddings.position_embedding.weight",)
    yield ("proj",), ("visual_projection.weight",)
    yield from _both("ln_pre", f"{ours}pre_layrnorm")
    yield from _both("ln_post", f"{ours}post_layernorm")
    for layer in range(layers):
        theirs, mine = f"transformer.resblocks.{layer}", f"{ours}encoder.layers.{layer}"
        for end in ("weight", "bias"):
            yield (f"{theirs}.attn.in_proj_{end}",), _thirds(mine, end)
        yield from _both(f"{theirs}.attn.out_proj", f"{mine}.self_attn.out_proj")
        yield from _both(f"{theirs}.ln_1", f"{mine}.layer_norm1")
        yield from _both(f"{theirs}.ln_2", f"{mine}.layer_norm2")
        yield from _both(f"{theirs}.mlp.c_fc", f"{mine}.mlp.fc1")
        yield from _both(f"{theirs}.mlp.c_proj", f"{mine}.mlp.fc2")


def _siglip(
    vision: Mapping[str, Any], tensors: Mapping[str, Tensor], file: Path
) -> tuple[str, dict[str, Any], list[Move]]:
    """Kind, config and moves of timm's SigLIP; its geometry is that of the tensors, but for the heads."""
    _check(vision, _TIMM_SETTINGS)
    name = vision["timm_model_name"].partition(".")[0]
    found = re.fullmatch(r"vit_([a-z0-9]+)_patch(\d+)_siglip_(\d+)", name)
    pooled = vision.get("timm_pool") in ("map", "", None) and vision.get("timm_proj") in ("none", "", None)
    if not found or found[1] not in _HEADS or not pooled:
        raise UsageError(
            f"OpenCLIP's model {name} with pool {vision.get('timm_pool')!r} is unknown",
            f"use one of timm's SigLIP models with pool map, of size {', '.join(_HEADS)}",
        )
    if lacking := {_PATCHES, _WIDER} - tensors.keys():
        raise _misfit(file, "missing", lacking)
    blocks = {int(key.split(".")[2]) for key in tensors if key.startswith("trunk.blocks.")}
    width, *_ = tensors[_PATCHES].shape
    short = f"{found[1]}_patch{found[2]}_{found[3]}"
    values = {
        "hidden_size": width,
        "intermediate_size": len(tensors[_WIDER]),
        "num_hidden_layers": len(blocks),
        "num_attention_heads": _HEADS[found[1]],
        "image_size": _square(vision.get("image_size") or int(found[3])),
        "patch_size": int(found[2]),
        "hidden_act": "gelu_pytorch_tanh" if short.startswith(_TANH) else "gelu",
        "layer_norm_eps": 1e-6,
    }
    return "siglip_vision_model", values, [*_siglip_moves(len(blocks))]


def _siglip_moves(layers: int) -> Iterator[Move]:
    yield from _both("trunk.patch_embed.proj", "embeddings.patch_embedding")
    yield ("trunk.pos_embed",), ("embeddings.position_embedding.weight",)
    yield from _both("trunk.norm", "post_layernorm")
    for layer in range(layers):
        theirs, mine = f"trunk.blocks.{layer}", f"encoder.layers.{layer}"
        for end in ("weight", "bias"):
            yield (f"{theirs}.attn.qkv.{end}",), _thirds(mine, end)
        yield from _both(f"{theirs}.attn.proj", f"{mine}.self_attn.out_proj")
        yield from _both(f"{theirs}.norm1", f"{mine}.layer_norm1")
        yield from _both(f"{theirs}.norm2", f"{mine}.layer_norm2")
        yield from _mlp(theirs, mine)
    pool = "trunk.attn_pool"
    yield (f"{pool}.latent",), ("head.probe",)
    for end in ("weight", "bias"):
        yield (f"{pool}.q.{end}", f"{pool}.kv.{end}"), (f"head.attention.in_proj_{end}",)
    yield from _both(f"{pool}.proj", "head.attention.out_proj")
    yield from _both(f"{pool}.norm", "head.layernorm")
    yield from _mlp(pool, "head")


def _mlp(theirs: str, ours: str) -> Iterator[Move]:
    for part in ("fc1", "fc2"):
        yield from _both(f"{theirs}.mlp.{part}", f"{ours}.mlp.{part}")


def _both(theirs: str, ours: str) -> Iterator[Move]:
    for end in ("weight", "bias"):
        yield (f"{theirs}.{end}",), (f"{ours}.{end}",)


def _thirds(layer: str, end: str) -> tuple[str, ...]:
    return tuple(f"{layer}.self_attn.{part}_proj.{end}" for part in "qkv")


def _check(vision: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuses a setting that would make another net."""
    for name, value in vision.items():
        if name not in (*known, *_UNUSED) and value and value != _DEFAULTS.get(name):
            raise UsageError(f"OpenCLIP's {name} = {value!r} is unknown", "use a plain vision transformer (ViT)")


def _fill(model: nn.Module, tensors: Mapping[str, Tensor], moves: list[Move], file: Path) -> None:
    """Moves every tensor of the checkpoint into its place in the model, strictly."""
    named = {key for theirs, _ in moves for key in theirs}
    for what, keys in (("missing", named - tensors.keys()), ("unexpected", tensors.keys() - named)):
        if keys:
            raise _misfit(file, what, keys)
    state: dict[str, Tensor] = {}
    for theirs, ours in moves:
        tensor = torch.cat([tensors[key] for key in theirs]) if len(theirs) > 1 else tensors[theirs[0]]
        if ours == ("visual_projection.weight",):
            tensor = tensor.T.contiguous()
        if ours == ("embeddings.position_embedding.weight",):
            tensor = tensor.flatten(0, -2)
        state.update(zip(ours, tensor.chunk(len(ours)), strict=True))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise IntegrityError(
            f"{file} does not fit its config: {lines[min(1, len(lines) - 1)]}",
            "name a folder whose config and weights belong together",
        ) from error


def _misfit(file: Path, what: str, keys: Set[str]) -> IntegrityError:
    return IntegrityError(
        f"{file} does not fit its config: {len(keys)} keys are {what}: {', '.join(sorted(keys)[:3])}",
        "name a folder whose config and weights belong together",
    )


def _prepared(told: Mapping[str, Any], size: int) -> Prepared:
    """How OpenCLIP prepares photos for inference; its custom where it tells nothing."""
    filters: dict[str, Filter] = {"bicubic": "bicubic", "bilinear": "bilinear", "random": "bicubic"}
    mean, std = (tuple(map(float, told.get(name) or own)) for name, own in zip(("mean", "std"), CLIP, strict=True))
    colour = told.get("fill_color") or 0
    red, green, blue = (colour,) * 3 if isinstance(colour, int) else colour
    return Prepared(
        size,
        filters[told.get("interpolation") or "bicubic"],
        (mean[0], mean[1], mean[2]),
        (std[0], std[1], std[2]),
        _FITS[told.get("resize_mode") or "shortest"],
        fill=(red, green, blue),
    )


def _square(size: Any) -> int:
    sides = {*size[-2:]} if isinstance(size, list) else {size}
    if len(sides) != 1:
        raise ValueError(f"size {size}")
    return int(sides.pop())
