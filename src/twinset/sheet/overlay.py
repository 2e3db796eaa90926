"""A map laid over a photo: warm where a place adds to a score, faintly cool where it takes away."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from twinset.records import Box

Field = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_GREY: Final = np.array((0.299, 0.587, 0.114))
_FADED: Final = 0.5
"""How much of its colour a photo loses, so that a warm garment does not pass for a warm place."""
_DARKEST, _LIGHTEST = 34.0, 238.0
"""Between these tones a photo is laid, as no layer is seen on black or white."""
_BESIDE: Final = 0.6
"""How dark it is beside the part that was seen."""
_AMBER: Final = np.array((255.0, 190.0, 70.0))
_RED: Final = np.array((208.0, 34.0, 8.0))
_COOL: Final = np.array((64.0, 130.0, 230.0))
_WARM_MOST: Final = 0.7
_COOL_MOST: Final = 0.4
_RISE: Final = 1.2
"""Above 1, so that what adds little stays pale."""
_LINE: Final = np.array((30.0, 10.0, 6.0))
_HALO: Final = np.array((255.0, 255.0, 255.0))


@dataclass(frozen=True, slots=True)
class Heat:
    """What each place of a square `(h, w)` adds; `part` of the photo (fractions 0-1) is at `seen` of the square."""

    places: Field
    part: Box
    seen: Box


def lay(photo: Image.Image, heat: Heat) -> Image.Image:
    """The photo, paler, below a layer that says what its places add, warmest where they add most.

    A line runs around the fewest pixels that hold half of what is added; what was not seen is dark.
    """
    pixels = np.asarray(photo, np.float64)
    pale = pixels + ((pixels @ _GREY)[:, :, np.newaxis] - pixels) * _FADED
    pale = _DARKEST + pale * ((_LIGHTEST - _DARKEST) / 255)
    left, top, right, bottom = _corners(heat.part, photo.size)
    part = pale[top:bottom, left:right].copy()
    canvas = pale * _BESIDE
    field = smooth(heat, (right - left, bottom - top))
    share = field / (float(np.abs(field).max()) or 1.0)
    warm, cool = (np.maximum(sign * share, 0)[:, :, np.newaxis] for sign in (1, -1))
    part += (_AMBER + (_RED - _AMBER) * warm - part) * (_WARM_MOST * warm**_RISE)
    part += (_COOL - part) * (_COOL_MOST * cool)
    most = field >= half_level(field)
    part[_beside(most) & ~most] = _HALO
    part[_beside(~most) & most] = _LINE
    canvas[top:bottom, left:right] = part
    return Image.fromarray(np.rint(canvas).astype(np.uint8))


def smooth(heat: Heat, size: tuple[int, int]) -> Field:
    """The map over the part that was seen, `(height, width)` pixels: straight lines between the places' middles."""
    down, across = heat.places.shape
    left, top, right, bottom = (round(side * n, 6) for side, n in zip(heat.seen, (across, down) * 2, strict=True))
    x, y = floor(left), floor(top)
    shown = heat.places[
        y : ceil(bottom), x : ceil(right)
    ]  # without the ground, that it does not run into the photo
    grid = Image.fromarray(shown.astype(np.float32))
    where = (left - x, top - y, right - x, bottom - y)
    return np.asarray(grid.resize(size, Image.Resampling.BILINEAR, where), np.float64)


def half_level(field: Field) -> float:
    """The value from which on the highest pixels hold half of what is added; infinite where more is taken away.

    >>> half_level(np.array([[1.0, 2.0], [5.0, -3.0]]))
    5.0
    >>> half_level(np.array([[1.0, -2.0]]))
    inf
    """
    if field.sum() <= 0:
        return float("inf")
    ordered = np.sort(np.maximum(field, 0), axis=None)[::-1]
    return float(ordered[np.searchsorted(ordered.cumsum(), ordered.sum() / 2)])


def _beside(mask: Mask) -> Mask:
    """The mask, and what shares a side with it."""
    wide = np.pad(mask, 1)
    found: Mask = mask | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return found


def _corners(part: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A part in pixels, at least one wide and high."""
    left, top = (min(round(part[side] * size[side]), size[side] - 1) for side in (0, 1))
    right, bottom = round(part[2] * size[0]), round(part[3] * size[1])
    return left, top, max(right, left + 1), max(bottom, top + 1)
