"""A published model as its authors use it: photos → normalised → its own embedding."""

from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from twinset.errors import BundleError, PathError, UsageError
from twinset.prepared import PREPARED
from twinset.published import CONFIG, OPEN_CLIP, layouts
from twinset.training import hub, openclip
from twinset.training.hub import Whole
from twinset.training.kinds import KINDS

_MAX_BYTES: Final = 2**31 - 1


class Encoder(nn.Module):
    """Photos to the embedding that the authors of a model publish, not yet of length 1.

    That is CLIP's projection, SigLIP's attention-pooled output, the class token of the DINOs, and the pooled output
    of ConvNeXtV2, ResNet and MobileNetV2.
    """

    def __init__(self, whole: Whole) -> None:
        super().__init__()
        self.kind, self.model, self.prepared = whole
        self._pooled = KINDS[self.kind].pooled
        self.output = "image_embeds" if hasattr(self.model, "visual_projection") else "pooler_output"
        self.register_buffer("_scale", _channels(self.prepared.scale), persistent=False)
        self.register_buffer("_shift", _channels(self.prepared.shift), persistent=False)

    @property
    def has_patches(self) -> bool:
        """Whether `with_patches` can tell what each place contributes: for pooled maps, not for tokens."""
        return self._pooled != "other"

    @property
    def told(self) -> str:
        """What the embedding is, in the library's words."""
        return f"{self.output} of {type(self.model).__name__}"

    def forward(self, photos: Tensor) -> Tensor:
        """Embeddings, float32 `(N, D)` of any length, of photos, uint8 `(N, H, W, 3)` RGB."""
        out: Tensor = getattr(self._seen(photos), self.output)
        return out.flatten(1).float()

    def with_patches(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings `(N, D)`, and contributions `(N, h, w, D)` whose mean over h, w they are.

        Raises:
            UsageError: the model pools tokens.

        """
        if not self.has_patches:
            raise UsageError(f"places contribute nothing to the {self.told}", "ask for the embedding alone")
        seen = self._seen(photos)
        places: Tensor = seen.last_hidden_state.permute(0, 2, 3, 1)
        out: Tensor = getattr(seen, self.output).flatten(1)
        if self._pooled == "norm":
            places = _normed(places, cast(nn.LayerNorm, self.model.get_submodule(KINDS[self.kind].norm)))
        return out.float(), places.float()

    def _seen(self, photos: Tensor) -> Any:
        pixels = photos.permute(0, 3, 1, 2).float()
        return self.model(pixels * self.get_buffer("_scale") - self.get_buffer("_shift"))


def load(path: Path) -> Encoder:
    """The encoder of a folder, of OpenCLIP or of transformers, from safetensors alone.

    Raises:
        PathError: the folder holds none of the two, or a file is not what it should be, or of another model.
        UsageError: the model is of a kind that is unknown here, or was saved without what its embedding needs.
        IntegrityError: the weights are damaged, or of another model.
        BundleError: it is larger than one ONNX file may be.
        MissingExtraError: transformers is not installed.

    """
    has_config = (path / CONFIG).is_file()
    if "open_clip" in layouts(path) or ((path / OPEN_CLIP).is_file() and not has_config):
        encoder = Encoder(openclip.whole(path))
    elif has_config:
        encoder = Encoder(hub.whole(path))
    else:
        raise PathError(f"{path} holds neither {CONFIG} nor {OPEN_CLIP}", "name the folder of a published model")
    _check(path, encoder)
    if sum(parameter.numel() for parameter in encoder.parameters()) * 4 > _MAX_BYTES:
        raise BundleError(
            f"{path} is larger than 2 GiB in float32, the limit of one ONNX file",
            "use its ONNX file in fp16, such as onnx/vision_model_fp16.onnx: name that file, or its folder",
        )
    return encoder


def _check(path: Path, encoder: Encoder) -> None:
    """Refuses a model without its pooling, and photos of another size than its positions are for."""
    known, config, seen = KINDS[encoder.kind], cast(Any, encoder.model.config), encoder.prepared.size
    if known.kept and known.off and not getattr(config, known.off):
        raise UsageError(
            f"{path} was saved without its pooling ({known.off} is false)", "use a checkpoint that has it"
        )
    if known.moves and seen != config.image_size:
        raise PathError(
            f"the photos of {path} are prepared at {seen} pixels, and its model takes {config.image_size}",
            f"mend the size in its {PREPARED}, or in {OPEN_CLIP}",
        )


def _channels(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1)


def _normed(places: Tensor, norm: nn.LayerNorm) -> Tensor:
    """What each place adds to the layer norm of their mean: the norm is affine once its deviation is known."""
    variance = places.mean((1, 2)).var(1, correction=0).view(-1, 1, 1, 1)
    centred = places - places.mean(3, keepdim=True)
    out: Tensor = centred / (variance + norm.eps).sqrt() * norm.weight + norm.bias
    return out
