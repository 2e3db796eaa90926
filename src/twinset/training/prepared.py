"""How a checkpoint's photos were prepared: `preprocessor_config.json`, and the JSON beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any, Final

from twinset.errors import PathError
from twinset.preprocess import Filter

Colour = tuple[float, float, float]
IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's photos, RGB in 0-1."""
PREPARED: Final = "preprocessor_config.json"
_FILTERS: Final[Mapping[int, Filter]] = {1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
"""Pillow's numbers of the resize filters."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a checkpoint's photos were prepared: side in pixels, resize filter, mean and deviation of RGB in 0-1."""

    size: int
    filter: Filter
    mean: Colour
    std: Colour


def prepared(path: Path, custom: Prepared) -> Prepared:
    """What `preprocessor_config.json` of a folder says; what is the custom where it is silent.

    Raises:
        PathError: it cannot be read or followed.

    """
    file = path / PREPARED
    given = read_json(file) if file.is_file() else {}
    try:
        factor = 1.0 if given.get("do_rescale") is False else float(given.get("rescale_factor", 1 / 255))
        mean, std = given.get("image_mean") or custom.mean, given.get("image_std") or custom.std
        if given.get("do_normalize") is False:
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        scale = 1.0 if isclose(factor * 255, 1.0, rel_tol=1e-6) else factor * 255
        number = given.get("resample")
        return Prepared(
            _side(given) or custom.size,
            custom.filter if number is None else _FILTERS[number],
            _colour(mean, scale),
            _colour(std, scale),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PathError(
            f"{file} cannot be followed: {first_line(error)}",
            f"use a square size, three means and deviations, and as resample one of {sorted(_FILTERS)}",
        ) from error


def _side(given: Mapping[str, Any]) -> int:
    """The side of the square that the net saw, or 0 where nothing tells it."""
    crop = given.get("crop_size") if given.get("do_center_crop") is not False else None
    size = crop or given.get("size") or 0
    if isinstance(size, dict):
        sides = {size[name] for name in ("height", "width", "shortest_edge") if size.get(name)}
        if len(sides) != 1:
            raise ValueError(f"size {size}")
        (size,) = sides
    return int(size)


def _colour(values: Any, scale: float) -> Colour:
    red, green, blue = (float(value) / scale for value in values)
    return red, green, blue


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


def first_line(error: Exception) -> str:
    """What an error says in its first line, for the libraries' go on for many."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
