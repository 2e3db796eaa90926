"""The pretrained network that a net starts from: by name, folder or hub id, or remade from its facts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from twinset.errors import IntegrityError, MissingExtraError, PathError, UsageError
from twinset.prepared import Prepared
from twinset.published import TOLD, WEIGHTS, fetch, licence
from twinset.training import hub, weights
from twinset.training.hub import Tower
from twinset.training.mobile import MOBILENET, PLANS, Mobile

_RESNET: Final = "resnet-50"
_RESNET_ID: Final = "microsoft/resnet-50"
_LITE_LICENCE: Final = "Apache-2.0"


class Features(NamedTuple):
    """What a backbone sees: places `(N, C, h, w)`, and a class token `(N, C)` or None."""

    places: Tensor
    cls: Tensor | None


class Backbone(nn.Module):
    """A network without its classifier, and what its photos have to be like.

    `name` is as asked for, `licence` that of the weights where it is known, `width` its channels, `size` the side
    in pixels that it was trained on, `filter` the resize filter, `mean` and `std` those of RGB in 0-1.
    """

    def __init__(self, name: str, body: Mobile | Tower, licence: str = "") -> None:
        super().__init__()
        self.name, self.licence, self.body = name, licence, body
        self.width, self.size, self.filter = body.width, body.size, body.filter
        self.mean, self.std = body.mean, body.std
        self.has_cls: bool = body.has_cls
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        std, mean = torch.tensor(self.std).view(1, 3, 1, 1), torch.tensor(self.mean).view(1, 3, 1, 1)
        self.register_buffer("_scale", 1 / (255 * std), persistent=False)
        self.register_buffer("_shift", mean / std, persistent=False)

    @property
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Its parts from the input to the output; together they hold every parameter."""
        return self.body.stages

    def normalised(self, photos: Tensor) -> Tensor:
        """What it takes, float `(N, 3, H, W)`, of photos, uint8 `(N, H, W, 3)` RGB."""
        pixels = photos.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
        return pixels * self.get_buffer("_scale") - self.get_buffer("_shift")

    def forward(self, pixels: Tensor) -> Features:
        """The features of normalised pixels, float `(N, 3, H, W)`."""
        return Features(*self.body(pixels))

    def check(self, size: int) -> None:
        """Accepts the size of photos in pixels.

        Raises:
            UsageError: it cannot see photos of that size.

        """
        reason = self.body.refusal(size) if isinstance(self.body, Tower) else ""
        if reason:
            raise UsageError(
                f"{self.name} cannot see photos at size {size}: {reason}", "use a multiple of its patches"
            )

    def facts(self) -> dict[str, Any]:
        """JSON from which `rebuild` makes an equal one, but for its weights."""
        body = self.body
        if isinstance(body, Mobile):
            made: dict[str, Any] = {"plan": body.architecture, "folded": body.folded}
        else:
            made = {"kind": body.kind, "config": body.config()}
        seen = {"size": self.size, "filter": self.filter, "mean": list(self.mean), "std": list(self.std)}
        return {"name": self.name, "licence": self.licence, **made, **seen}


def load(name: str, *, pretrained: bool = True) -> Backbone:
    """A backbone by the name of an EfficientNet-Lite, `mobilenetv2`, `resnet-50`, a folder, or a hub's id.

    A folder holds a model of transformers with config.json, or MobileNetV2 as one safetensors file in torchvision's
    names. Where not `pretrained`, its weights are random, and a hub is asked for the config alone.

    Raises:
        PathError: there is no such folder and no such model, or the hub cannot be reached.
        UsageError: the net is of a kind that is unknown here.
        MissingExtraError: transformers, or the package with the weights, is not installed.
        IntegrityError: the weights are damaged, or of another net.

    """
    path = Path(name)
    if name in PLANS and not pretrained:
        return Backbone(name, Mobile(name))
    if name in PLANS and name != MOBILENET:
        return Backbone(name, weights.lite(name), _LITE_LICENCE)
    if name == _RESNET and not pretrained:
        return Backbone(name, hub.resnet50())
    if path.is_dir():
        return _folder(name, path, pretrained=pretrained)
    if name == MOBILENET:
        raise PathError(
            f"the weights of {name} come with no package", "name their folder, or use efficientnet-lite0"
        )
    if "/" not in name and name != _RESNET:
        raise PathError(
            f"there is no backbone {name}",
            f"use one of {', '.join((*PLANS, _RESNET))}, a folder, or a model of the hub as owner/name",
        )
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise PathError(f"there is no folder {name}", "name one that is there, or a model of the hub as owner/name")
    files = (*TOLD, *WEIGHTS) if pretrained else TOLD
    fetched = fetch(_RESNET_ID if name == _RESNET else name, files)
    return _folder(name, fetched, pretrained=pretrained)


def rebuild(facts: Mapping[str, Any]) -> Backbone:
    """A backbone with random weights from what `Backbone.facts` told; no file is read.

    Raises:
        IntegrityError: the facts are damaged.
        MissingExtraError: transformers is needed and not installed.

    """
    try:
        if "plan" in facts:
            body: Mobile | Tower = Mobile(facts["plan"], folded=bool(facts["folded"]))
        else:
            red, green, blue = facts["mean"]
            prepared = Prepared(facts["size"], facts["filter"], (red, green, blue), tuple(facts["std"]))
            body = hub.remade(facts["kind"], facts["config"], prepared)
        return Backbone(facts["name"], body, facts["licence"])
    except MissingExtraError:
        raise
    except (KeyError, TypeError, ValueError, UsageError, PathError) as error:
        raise IntegrityError(
            f"the facts of a backbone are damaged: {error!r}", "start from a sound file"
        ) from error


def _folder(name: str, path: Path, *, pretrained: bool) -> Backbone:
    if (path / "config.json").is_file():
        tower = hub.folder(path, pretrained=pretrained)
        return Backbone(name, tower, licence(path) if pretrained else "")
    body = weights.folder(path)
    return Backbone(name, body, licence(path)) if pretrained else Backbone(name, Mobile(MOBILENET))
