"""How a published model's photos are prepared: `preprocessor_config.json`, and the JSON beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any, Final

from twinset.errors import PathError, first_line
from twinset.preprocess import Filter, Fit, Preprocess

Colour = tuple[float, float, float]
IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's photos, RGB in 0-1."""
CLIP: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Mean and deviation of the photos that CLIP was trained on."""
HALF: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""What takes RGB in 0-1 to -1 to 1."""
PREPARED: Final = "preprocessor_config.json"
_FILTERS: Final[Mapping[int, Filter]] = {1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
"""Pillow's numbers of the resize filters."""
_UNKNOWN: Final = ("do_flip_channel_order", "do_grayscale", "rescale_offset")
"""Settings that would make other pixels than ours."""
_UNCROPPED: Final = 384
"""From this side on, `crop_pct` crops nothing: the photo is squashed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a checkpoint's photos were prepared: side in pixels, resize filter, mean and deviation of RGB in 0-1.

    `fit`, `share` and `fill` are those of `Preprocess`.
    """

    size: int
    filter: Filter
    mean: Colour
    std: Colour
    fit: Fit = "crop"
    share: float = 1.0
    fill: tuple[int, int, int] = (255, 255, 255)

    @property
    def scale(self) -> Colour:
        """What multiplies RGB of 0-255; `shift` is then subtracted."""
        red, green, blue = (1 / (255 * std) for std in self.std)
        return red, green, blue

    @property
    def shift(self) -> Colour:
        """What is subtracted from RGB of 0-255 times `scale`."""
        red, green, blue = (mean / std for mean, std in zip(self.mean, self.std, strict=True))
        return red, green, blue

    def preprocess(self) -> Preprocess:
        """The same as a bundle tells it."""
        return Preprocess(self.size, self.filter, self.fit, self.fill, share=self.share)


def prepared(path: Path, custom: Prepared) -> Prepared:
    """What `preprocessor_config.json` of a folder says; what is the custom where it is silent.

    Raises:
        PathError: it cannot be read or followed.

    """
    file = path / PREPARED
    given = read_json(file) if file.is_file() else {}
    if strange := [f"{name} = {given[name]!r}" for name in _UNKNOWN if given.get(name)]:
        raise PathError(f"{file} asks for {', '.join(strange)}, which is unknown here", "use another model")
    try:
        factor = 1.0 if given.get("do_rescale") is False else float(given.get("rescale_factor", 1 / 255))
        mean, std = given.get("image_mean") or custom.mean, given.get("image_std") or custom.std
        if given.get("do_normalize") is False:
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        scale = 1.0 if isclose(factor * 255, 1.0, rel_tol=1e-6) else factor * 255
        number = given.get("resample")
        size, fit, share = _seen(given, custom)
        return Prepared(
            size,
            custom.filter if number is None else _FILTERS[number],
            _colour(mean, scale),
            _deviation(std, scale),
            fit,
            share,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise PathError(
            f"{file} cannot be followed: {first_line(error)}",
            f"use a square size, three means and deviations, and as resample one of {sorted(_FILTERS)}",
        ) from error


def _seen(given: Mapping[str, Any], custom: Prepared) -> tuple[int, Fit, float]:
    """The side of the square that the net saw, how a photo became it, and which share of it was left.

    A size is two sides to squash a photo to, or its shortest side; a plain number is the first, but where it is
    cropped afterwards: the libraries' processors that crop resize the shortest side.
    """
    cropped = given.get("crop_size") if given.get("do_center_crop") is not False else None
    percent = float(given.get("crop_pct") or 0)
    size = given.get("size")
    resized, crop = _side(size), _side(cropped)
    if not (resized or crop):
        return custom.size, custom.fit, custom.share
    named = isinstance(size, dict)
    plain_squash = not named and resized and not crop and not percent
    fit: Fit = "squash" if plain_squash or (isinstance(size, dict) and size.get("height")) else "crop"
    if percent and fit == "crop" and not crop:
        return (
            (resized, "squash", 1.0) if resized >= _UNCROPPED else (resized, fit, resized / int(resized / percent))
        )
    if crop > (resized or crop):
        raise ValueError(f"crop_size {crop} is more than size {resized}")
    return crop or resized, fit, crop / resized if crop and resized else 1.0


def _side(size: Any) -> int:
    """The one side that a size tells, or 0."""
    if isinstance(size, dict):
        sides = {size[name] for name in ("height", "width", "shortest_edge") if size.get(name)}
        if len(sides) != 1:
            raise ValueError(f"size {size}")
        (size,) = sides
    return int(size or 0)


def _colour(values: Any, scale: float) -> Colour:
    red, green, blue = (float(value) / scale for value in values)
    return red, green, blue


def _deviation(values: Any, scale: float) -> Colour:
    if not all(value > 0 for value in values):
        raise ValueError(f"image_std {values}")
    return _colour(values, scale)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a file of JSON.

    Raises:
        PathError: it cannot be read, or holds something else.

    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PathError(f"{file} cannot be read: {first_line(error)}", "fetch the model again") from error
    if not isinstance(values, dict):
        raise PathError(f"{file} holds no JSON object", "fetch the model again")
    return values
