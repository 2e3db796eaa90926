"""Where centimetres lie in a picture, and outlines turned into smooth-edged masks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .curve import Line

_FINER = 2  # masks are drawn this many times finer, then reduced


@dataclass(frozen=True)
class Frame:
    """A picture of width × height pixels; a point lies at scale × centimetres + (x, y)."""

    width: int
    height: int
    scale: float
    x: float
    y: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def put(self, line: Line, finer: int = 1) -> list[tuple[float, float]]:
        """The line's points in pixels."""
        k, x, y = self.scale * finer, self.x * finer, self.y * finer
        return [(px * k + x, py * k + y) for px, py in line]

    def box(self, outlines: Iterable[Line]) -> tuple[int, int, int, int] | None:
        """The pixels that the outlines reach, left, top, right and bottom, where they reach any."""
        points = [point for outline in outlines for point in self.put(outline)]
        x0, y0 = max(0, math.floor(min(x for x, _ in points))), max(0, math.floor(min(y for _, y in points)))
        x1, y1 = math.ceil(max(x for x, _ in points)) + 1, math.ceil(max(y for _, y in points)) + 1
        x1, y1 = min(self.width, x1), min(self.height, y1)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def inside(self, box: tuple[int, int, int, int]) -> "Frame":
        """The part of this frame within the box."""
        return Frame(box[2] - box[0], box[3] - box[1], self.scale, self.x - box[0], self.y - box[1])

    def mask(self, outlines: Iterable[Line]) -> Image.Image:
        """The outlines' insides as an (H, W) greyscale picture with smooth edges."""
        image = Image.new("L", (self.width * _FINER, self.height * _FINER))
        pen = ImageDraw.Draw(image)
        for outline in outlines:
            pen.polygon(self.put(outline, _FINER), fill=255)
        return image.reduce(_FINER)
