"""Boxes and landmarks from 300-pixel coordinates into the pixels of the photo that is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset import photos
from twinset.datasets.deepfashion.places import Trees, locate
from twinset.errors import InputError
from twinset.manifest.table import Confined
from twinset.records import Box

LONG_SIDE: Final = 300
_SAME_SHAPE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Frame:
    """A photo's size in pixels, and what one pixel of the annotations is in it, across and down.

    `oddity` is what to note of the scale, empty for nothing.
    """

    width: int
    height: int
    across: float = 1.0
    down: float = 1.0
    oddity: str = ""

    def box(self, box: Box) -> tuple[Box | None, str]:
        """The box in the photo, None where nothing is left of it, and what to note, empty for nothing.

        >>> Frame(600, 400, 2.0, 2.0).box((-10, 20, 50, 250))
        ((0.0, 40.0, 100.0, 400.0), 'clipped_box')
        """
        x1, y1, x2, y2 = box
        if x2 <= x1 or y2 <= y1:
            return None, "zero_box"
        whole = (x1 * self.across, y1 * self.down, x2 * self.across, y2 * self.down)
        left, top = max(whole[0], 0.0), max(whole[1], 0.0)
        right, bottom = min(whole[2], float(self.width)), min(whole[3], float(self.height))
        kept = round(left, 1), round(top, 1), round(right, 1), round(bottom, 1)
        if kept[0] + 1 > kept[2] or kept[1] + 1 > kept[3]:
            small = (left, top, right, bottom) == whole
            return None, "zero_box" if small else "outside_box"
        return kept, "" if (left, top, right, bottom) == whole else "clipped_box"

    def landmarks(self, points: Sequence[tuple[str, float, float]]) -> str:
        """Landmarks as a manifest's list: `visible 120,45|occluded 131,46`, in pixels of the photo.

        >>> Frame(600, 400, 2.0, 2.0).landmarks([("visible", 60, 22.5), ("cut_off", 0, 0)])
        'visible 120,45|cut_off 0,0'
        """
        return "|".join(f"{seen} {_number(x * self.across)},{_number(y * self.down)}" for seen, x, y in points)


def frame(confined: Confined, trees: Trees, located: str, annotated: str) -> Frame | None:
    """The frame of a photo that lies at `located`; None where it cannot be decoded."""
    try:
        width, height = _size(confined.root / located)
    except InputError:
        return None
    if not trees.highres:
        return Frame(width, height)
    small = _small(confined, trees, annotated)
    if small is None:
        scale = max(1.0, max(width, height) / LONG_SIDE)
        return Frame(width, height, scale, scale, "guessed_scale")
    across, down = width / small[0], height / small[1]
    oddity = "other_shape" if abs(across / down - 1) > _SAME_SHAPE else ""
    return Frame(width, height, across, down, oddity)


def _small(confined: Confined, trees: Trees, annotated: str) -> tuple[int, int] | None:
    """The size of the 300-pixel photo, None where it is not there or cannot be decoded."""
    if trees.lowres is None:
        return None
    path, wrong = locate(confined, trees.lowres, annotated)
    if wrong:
        return None
    try:
        return _size(confined.root / path)
    except InputError:
        return None


def _size(path: Path) -> tuple[int, int]:
    decoded = photos.decode(photos.read_bytes(path))
    return decoded.width, decoded.height


def _number(value: float) -> str:
    return repr(round(value, 1)).removesuffix(".0")
