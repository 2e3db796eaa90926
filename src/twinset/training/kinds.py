"""The architectures of `transformers` that are known here, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from twinset.prepared import CLIP, HALF, IMAGENET, Colour
from twinset.preprocess import Filter, Fit

RESNET: Final = "resnet"


@dataclass(frozen=True, slots=True)
class Kind:
    """An architecture: what its parts are called, and which keys of a checkpoint belong to none of them.

    `first` is the first stage, `layers` the list of the others, `last` belongs to the last of those. `norm` is one
    that the model applies to its pooled output only: here it is applied at every place. `tokens` come before the
    places, and registers where it has them; None where the output is a map. `patch` is the side of a place in
    pixels, where the config does not tell it. `moves`: positions are interpolated on demand. `untrained` is a
    parameter that no output depends on; `off` a setting that would make further ones.

    What a model's authors publish as the embedding may need more than that: `whole` is the class that computes it,
    where it is another, `kept` those of the dropped keys that it has, and `pooled` how it comes from the places:
    by their mean, by the norm of their mean, or otherwise.
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
    fit: Fit = "crop"
    whole: str = ""
    kept: tuple[str, ...] = ()
    pooled: Literal["mean", "norm", "other"] = "other"


_MASK: Final = "embeddings.mask_token"
_TEXT: Final = ("classifier.", "text_model.", "text_projection.", "visual_projection.", "logit_scale", "logit_bias")
KINDS: Final[Mapping[str, Kind]] = {
    RESNET: Kind("ResNetModel", "encoder.stages", "", ("embedder",), filter="bilinear", pooled="mean"),
    "mobilenet_v2": Kind(
        "MobileNetV2Model",
        "layer",
        "conv_1x1",
        ("conv_stem",),
        colour=HALF,
        filter="bilinear",
        pooled="mean",
    ),
    "convnextv2": Kind("ConvNextV2Model", "encoder.stages", "layernorm", norm="layernorm", pooled="norm"),
    "dinov2": Kind(
        "Dinov2Model",
        "encoder.layer",
        "layernorm",
        dropped=("classifier.", _MASK, f"dinov2.{_MASK}"),
        tokens=1,
        off="use_mask_token",
    ),
    "dinov2_with_registers": Kind(
        "Dinov2WithRegistersModel", "encoder.layer", "layernorm", tokens=1, untrained=_MASK
    ),
    "dinov3_vit": Kind(
        "DINOv3ViTModel",
        "model.layer",
        "norm",
        tokens=1,
        untrained=_MASK,
        filter="bilinear",
        fit="squash",
    ),
    "dinov3_convnext": Kind(
        "DINOv3ConvNextModel",
        "model.stages",
        "layer_norm",
        (),
        tokens=1,
        patch=32,
        filter="bilinear",
        fit="squash",
    ),
    "clip_vision_model": Kind(
        "CLIPVisionModel",
        "encoder.layers",
        "post_layernorm",
        ("embeddings", "pre_layrnorm"),
        dropped=_TEXT,
        norm="post_layernorm",
        tokens=1,
        moves=True,
        colour=CLIP,
        whole="CLIPVisionModelWithProjection",
        kept=("visual_projection.",),
    ),
    "siglip_vision_model": Kind(
        "SiglipVisionModel",
        "encoder.layers",
        "post_layernorm",
        dropped=(*_TEXT, "head."),
        tokens=0,
        moves=True,
        off="vision_use_head",
        colour=HALF,
        fit="squash",
        kept=("head.",),
    ),
}
VISION: Final = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Checkpoints of two towers, and the one that sees."""
