"""Recipes: every setting of a training run, flat and typed, as a TOML file."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, get_args

from twinset.errors import PathError, UsageError, did_you_mean

DEFAULT: Final = "contrast"
"""The recipe that is used where none is named."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one training run.

    The net: `backbone` is `efficientnet-lite0`…`2`, `resnet-50`, a folder of weights, or a hub's id;
    `trainable_stages` counts from its end, -1 is all of it; `dim` 0 is the backbone's width (with `head` `bn`).
    The photos: `size` pixels square, 0 is what the backbone was trained on. The batches: `sampler` `triplets`
    draws `batch` customer photos, each with its positive and negative; `pairs` draws `batch` items of one category,
    a customer and a shop photo of each. The loss: `margin`, `normalise` and `squared` belong to the triplets,
    `temperature` to InfoNCE, `triplet_weight` to their sum. The schedule: `epochs` over the customer photos, cut at
    `max_photos` seen (0: no cut); `warm_up` is a share of all steps; `backbone_rate` a factor on `rate`; `patience`
    counts evaluations without a better recall, 0 never stops early.

    Raises:
        UsageError: a value is out of its range.

    """

    backbone: str
    pretrained: bool = True
    pooling: Literal["average", "gem", "cls", "attention"] = "average"
    head: Literal["dense", "bn", "blend"] = "dense"
    dim: int = 512
    dropout: float = 0.0
    trainable_stages: int = -1
    size: int = 224
    fit: Literal["crop", "letterbox"] = "letterbox"
    box_margin: float = 0.0
    sampler: Literal["triplets", "pairs", "sources"] = "pairs"
    batch: int = 32
    augment: Literal["none", "light"] = "none"
    looks: int = 0
    loss: Literal["triplet", "contrast"] = "triplet"
    margin: float = 0.5
    normalise: bool = False
    squared: bool = False
    temperature: float = 0.07
    triplet_weight: float = 1.0
    hold: float = 0.0
    rate: float = 1e-4
    backbone_rate: float = 1.0
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warm_up: float = 0.0
    epochs: float = 10.0
    max_photos: int = 0
    accumulate: int = 1
    ema: float = 0.0
    precision: Literal["f32", "bf16", "fp16"] = "f32"
    patience: int = 0
    evaluate_every: float = 1.0
    checkpoint_minutes: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_choice(field.name, field.type, getattr(self, field.name))
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} = {value!r} is out of range", f"use {low:g} to {high:g}")
        if 0 < self.size < 8:
            raise UsageError(f"size = {self.size} is out of range", "use 8 to 2048, or 0 for the backbone's own")
        if self.head == "dense" and self.dim == 0:
            raise UsageError("dim = 0 goes with head = bn only", "set dim, for example 512")
        if (self.head == "blend") != (self.looks > 0):
            raise UsageError(
                f"head = {self.head} does not go with looks = {self.looks}",
                "set head = blend and looks = 2, or neither",
            )
        if self.head == "blend" and not self.pretrained:
            raise UsageError("head = blend begins from what a net has learned", "set pretrained = true")
        if self.sampler == "sources" and (self.head != "blend" or self.loss != "contrast"):
            raise UsageError("sampler = sources goes with head = blend and loss = contrast", "set sampler = pairs")
        if self.loss == "contrast" and self.sampler == "triplets":
            raise UsageError("loss = contrast needs many negatives in a batch", "set sampler = pairs")

    def text(self) -> str:
        """The recipe as TOML, every setting named."""
        return "".join(
            f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in asdict(self).items()
        )

    def changed(self, settings: Sequence[str]) -> "Recipe":
        """The recipe with `key=value` settings in place of its own.

        Raises:
            UsageError: an unknown key, a value of another type or out of its range.

        """
        return replace(self, **dict(_setting(text) for text in settings))


_RANGES: Final = {
    "dim": (0, 65_536),
    "dropout": (0, 0.95),
    "trainable_stages": (-1, 100),
    "size": (0, 2048),
    "box_margin": (0, 1),
    "batch": (2, 65_536),
    "looks": (0, 100),
    "margin": (0, 100),
    "temperature": (1e-3, 10),
    "triplet_weight": (0, 100),
    "hold": (0, 100),
    "rate": (0, 10),
    "backbone_rate": (0, 10),
    "weight_decay": (0, 1),
    "warm_up": (0, 0.9),
    "epochs": (1e-6, 1e6),
    "max_photos": (0, 10**12),
    "accumulate": (1, 10_000),
    "ema": (0, 0.99999),
    "patience": (0, 10**6),
    "evaluate_every": (1e-6, 1e6),
    "checkpoint_minutes": (0, 10_000),
    "seed": (0, 2**31 - 1),
}
_TYPES: Final[Mapping[str, Any]] = {field.name: field.type for field in fields(Recipe)}


def load(name: str | Path = DEFAULT) -> Recipe:
    """A recipe by the path of its TOML file, or by the name of one that ships.

    Raises:
        PathError: there is no such file and no such recipe.
        UsageError: it is no TOML, has an unknown key, or a value of another type or out of its range.

    """
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in names():
            mend = did_you_mean(str(name), names(), f"name a .toml file, or one of {', '.join(names())}")
            raise PathError(f"there is no recipe {name}", mend)
        path = Path(str(_folder() / f"{name}.toml"))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "name a recipe that is there") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}", "write lines of key = value") from error
    if "backbone" not in values:
        raise UsageError(f"{path} names no backbone", 'add backbone = "efficientnet-lite0"')
    return Recipe(**{key: _typed(_known(key), value) for key, value in values.items()})


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(Path(entry.name).stem for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def _folder() -> Any:
    return resources.files("twinset.training") / "recipes"


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is no setting", "write key=value, for example rate=1e-4")
    key, value = _known(key.strip()), value.strip()
    if _TYPES[key] in (int, float, bool):
        try:
            return key, _typed(key, tomllib.loads(f"value = {value}")["value"])
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{key} = {value!r} is no {_TYPES[key].__name__}", "mend the value") from error
    return key, value


def _known(key: str) -> str:
    if key not in _TYPES:
        mend = did_you_mean(key, _TYPES, f"use one of {', '.join(_TYPES)}")
        raise UsageError(f"there is no setting {key!r}", mend)
    return key


def _typed(key: str, value: Any) -> Any:
    wanted = _TYPES[key]
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not (wanted if isinstance(wanted, type) else str):
        raise UsageError(f"{key} = {value!r} is of another type", f"use {getattr(wanted, '__name__', 'text')}")
    return value


def _check_choice(name: str, kind: Any, value: object) -> None:
    choices = get_args(kind)
    if choices and value not in choices:
        mend = did_you_mean(str(value), choices, f"use one of {', '.join(choices)}")
        raise UsageError(f"{name} = {value!r} is unknown", mend)
