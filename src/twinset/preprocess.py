"""Frozen settings → the uint8 square that a model sees: the same everywhere, with nothing random."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import ceil, floor
from typing import Any, Final, Literal, get_args

import numpy as np
from PIL import Image

from twinset.errors import BundleError
from twinset.records import Box, Pixels

Filter = Literal["box", "bilinear", "bicubic", "lanczos"]
"""How a photo is resized."""
Fit = Literal["crop", "letterbox", "squash"]
"""How a photo that is no square becomes one."""
Tone = Callable[[Pixels], Pixels]
"""Changes the light of pixels, uint8 `(H, W, 3)`, and nothing else."""

MAX_SIZE: Final = 2048
_FILTERS: Final = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a photo becomes the model's input: `size` pixels square.

    `fit` is `crop` (the middle square), `letterbox` (the whole photo on `fill`, an RGB colour) or `squash` (the
    whole photo, its sides made equal). `decode` is how `photos` decodes: JPEG reduced while it is, with a long side
    of at least 640 pixels. `share` is how much of each side of the crop or of the squashed photo is seen, around
    its middle.
    """

    size: int
    filter: Filter = "bilinear"
    fit: Fit = "letterbox"
    fill: tuple[int, int, int] = (255, 255, 255)
    decode: Literal["draft-640"] = "draft-640"
    share: float = 1.0

    def __post_init__(self) -> None:
        if not (type(self.size) is int and 8 <= self.size <= MAX_SIZE):
            raise BundleError(f"preprocess size {self.size!r} is out of range", f"use 8 to {MAX_SIZE}")
        if self.filter not in _FILTERS:
            raise BundleError(f"unknown resize filter {self.filter!r}", f"use one of {', '.join(_FILTERS)}")
        if self.fit not in get_args(Fit):
            raise BundleError(f"unknown fit {self.fit!r}", "use crop, letterbox or squash")
        if self.decode != "draft-640":
            raise BundleError(f"unknown decode policy {self.decode!r}", "use draft-640")
        if len(self.fill) != 3 or not all(type(c) is int and 0 <= c <= 255 for c in self.fill):
            raise BundleError(f"bad fill colour {self.fill!r}", "use three integers from 0 to 255")
        if not (type(self.share) in (int, float) and 0.1 <= self.share <= 1):
            raise BundleError(f"preprocess share {self.share!r} is out of range", "use 0.1 to 1")
        if self.fit == "letterbox" and self.share != 1:
            raise BundleError(f"a letterbox shows the whole photo, not a share of {self.share:g}", "use fit crop")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Preprocess":
        """The settings from their JSON.

        Raises:
            BundleError, TypeError: a value is out of its range, or a name is unknown.

        """
        return cls(**{**values, "fill": tuple(values.get("fill", (255, 255, 255)))})

    def to_json(self) -> dict[str, Any]:
        """What `of` takes. A share of 1 is left out: bundles older than it keep their fingerprint."""
        values = asdict(self)
        return values if self.share != 1 else {name: values[name] for name in values if name != "share"}

    def apply(self, pixels: Pixels, box: Box | None = None, tone: Tone | None = None) -> Pixels:
        """The photo, or its part in `box` (fractions 0-1), as uint8 `(size, size, 3)`.

        `tone` changes the resized photo's pixels, and not the ground that fills up the square.
        """
        image = Image.fromarray(pixels)
        left, top, right, bottom = _in_pixels(box, image.size)
        if box is not None:  # cut first: a filter would take in what lies around the box
            x, y = floor(left), floor(top)
            image = image.crop((x, y, ceil(right), ceil(bottom)))
            left, top, right, bottom = left - x, top - y, right - x, bottom - y
        width, height = right - left, bottom - top
        resample = _FILTERS[self.filter]
        if self.fit != "letterbox":
            across, down = self._shown(width, height)
            left, top = left + (width - across) / 2, top + (height - down) / 2
            middle = (left, top, left + across, top + down)
            part = image.resize((self.size, self.size), resample, middle)
            return np.asarray(part) if tone is None else tone(np.asarray(part))
        fitted = self._fitted(width, height)
        part = image.resize(fitted, resample, (left, top, right, bottom))
        if tone is not None:
            part = Image.fromarray(tone(np.asarray(part)))
        ground = Image.new("RGB", (self.size, self.size), self.fill)
        ground.paste(part, ((self.size - fitted[0]) // 2, (self.size - fitted[1]) // 2))
        return np.asarray(ground)

    def frame(self, width: float, height: float) -> Box:
        """Where a photo of that size lies, in fractions of the square: beyond 0-1 where a part is not seen."""
        if self.fit == "letterbox":
            fitted = self._fitted(width, height)
            left, top = ((self.size - side) // 2 / self.size for side in fitted)
            return left, top, left + fitted[0] / self.size, top + fitted[1] / self.size
        across, down = self._shown(width, height)
        x, y = (width / across - 1) / 2, (height / down - 1) / 2
        return -x, -y, 1 + x, 1 + y

    def in_photo(self, box: Box, width: float, height: float) -> Box | None:
        """A box in fractions of the square, as fractions 0-1 of a photo of that size; None if it lies beside it."""
        left, top, right, bottom = self.frame(width, height)
        across, down = right - left, bottom - top
        x1, y1 = max(0.0, (box[0] - left) / across), max(0.0, (box[1] - top) / down)
        x2, y2 = min(1.0, (box[2] - left) / across), min(1.0, (box[3] - top) / down)
        return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None

    def shown(self, width: int, height: int, box: Box | None = None) -> tuple[Box, Box]:
        """What of a photo that is so large, or of its part in `box`, is in the square, and where it lies there.

        In fractions 0-1 of the photo, and of the square.
        """
        left, top, right, bottom = _in_pixels(box, (width, height))
        across, down = right - left, bottom - top
        x1, y1, x2, y2 = self.frame(across, down)
        seen = (max(0.0, x1), max(0.0, y1), min(1.0, x2), min(1.0, y2))
        wide, high = across / (x2 - x1), down / (y2 - y1)  # of the square, in the photo's pixels
        part = (
            round((left + (seen[0] - x1) * wide) / width, 9),
            round((top + (seen[1] - y1) * high) / height, 9),
            min(1.0, round((left + (seen[2] - x1) * wide) / width, 9)),
            min(1.0, round((top + (seen[3] - y1) * high) / height, 9)),
        )
        return part, seen

    def _fitted(self, width: float, height: float) -> tuple[int, int]:
        """Width and height in pixels of a photo in its letterbox."""
        scale = self.size / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _shown(self, width: float, height: float) -> tuple[float, float]:
        """Width and height of the middle part that the crop or the squashed photo shows."""
        short = min(width, height)
        across, down = (short, short) if self.fit == "crop" else (width, height)
        return across * self.share, down * self.share


def grown(box: Box, margin: float) -> Box:
    """A box in fractions grown by `margin` of its width and height on every side, inside the photo.

    >>> grown((0.4, 0.4, 0.6, 0.6), 0.5)
    (0.3, 0.3, 0.7, 0.7)
    """
    x1, y1, x2, y2 = box
    across, down = (x2 - x1) * margin, (y2 - y1) * margin
    sides = (max(0.0, x1 - across), max(0.0, y1 - down), min(1.0, x2 + across), min(1.0, y2 + down))
    x1, y1, x2, y2 = (round(side, 9) for side in sides)
    return x1, y1, x2, y2


def _in_pixels(box: Box | None, size: tuple[int, int]) -> Box:
    """To a thousandth of a pixel; at least one wide and high, so that a slip of the finger still has a colour."""
    width, height = size
    if box is None:
        return (0.0, 0.0, float(width), float(height))
    left, top = min(round(box[0] * width, 3), width - 1.0), min(round(box[1] * height, 3), height - 1.0)
    return left, top, max(round(box[2] * width, 3), left + 1.0), max(round(box[3] * height, 3), top + 1.0)
