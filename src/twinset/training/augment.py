"""What changes from one look at a training photo to the next, and never what the colour means."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset.preprocess import Preprocess
from twinset.records import Box, Pixels

_SMALLEST: Final = 0.75
"""The shortest side of a cut, as a share of the photo's."""
_CAST: Final = 0.06
"""How far a channel may go from the others: another lamp, not another garment."""
_LIGHT: Final = 0.2
_CONTRAST: Final = 0.15


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a photo: its part `cut` (fractions 0-1), mirrored or not, in a light of `gain`, `contrast`."""

    cut: Box
    mirrored: bool
    gain: npt.NDArray[np.float32]
    contrast: float


def light(draw: np.random.Generator) -> Look:
    """A look at three quarters or more of each side, in slightly other light."""
    width, height = draw.uniform(_SMALLEST, 1, 2)
    left, top = draw.uniform(0, 1 - width), draw.uniform(0, 1 - height)
    gain = draw.uniform(1 - _LIGHT, 1 + _LIGHT) * draw.uniform(1 - _CAST, 1 + _CAST, 3)
    contrast = float(draw.uniform(1 - _CONTRAST, 1 + _CONTRAST))
    return Look(
        (left, top, left + width, top + height), bool(draw.random() < 0.5), gain.astype(np.float32), contrast
    )


def seen(look: Look, prepare: Preprocess, pixels: Pixels, box: Box | None) -> Pixels:
    """What the net sees of a photo, or of its part in `box`, in this look: uint8 `(size, size, 3)`."""
    levels = np.arange(256, dtype=np.float32)[:, None] * look.gain
    table = np.clip((levels - 128) * look.contrast + 128, 0, 255).round().astype(np.uint8)
    channel = np.arange(3)
    lit = prepare.apply(pixels, within(look.cut, box), lambda part: table[part, channel])
    return lit[:, ::-1] if look.mirrored else lit


def within(cut: Box, box: Box | None) -> Box:
    """A cut of a box, both in fractions, in fractions of the photo.

    >>> within((0.0, 0.5, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5))
    (0.0, 0.25, 0.5, 0.5)
    """
    x1, y1, x2, y2 = box or (0.0, 0.0, 1.0, 1.0)
    width, height = x2 - x1, y2 - y1
    return x1 + cut[0] * width, y1 + cut[1] * height, x1 + cut[2] * width, y1 + cut[3] * height
