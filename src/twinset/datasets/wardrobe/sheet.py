"""A square of cloth that repeats without a seam: what is drawn over one edge comes in at the other."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .curve import Line, oval
from .palette import RGB

_FINER = 2


class Sheet:
    """A repeat of period × period centimetres at that many pixels per centimetre."""

    def __init__(self, period: float, scale: float, ground: RGB) -> None:
        self.period = period
        self._pixels = max(round(period * scale), 4)
        self._unit = self._pixels * _FINER / period
        self._image = Image.new("RGB", (self._pixels * _FINER, self._pixels * _FINER), ground)
        self._pen = ImageDraw.Draw(self._image, "RGBA")

    def polygon(self, outline: Line, rgb: RGB, opacity: int = 255) -> None:
        """Fills the outline, and its repeats that reach into the sheet."""
        xs, ys = [x for x, _ in outline], [y for _, y in outline]
        for dx in self._shifts(min(xs), max(xs)):
            for dy in self._shifts(min(ys), max(ys)):
                points = [((x + dx) * self._unit, (y + dy) * self._unit) for x, y in outline]
                self._pen.polygon(points, fill=(*rgb, opacity))

    def _shifts(self, low: float, high: float) -> list[float]:
        turns = range(-3, 4)
        return [
            n * self.period for n in turns if high + n * self.period > 0 and low + n * self.period < self.period
        ]

    def disc(self, x: float, y: float, radius: float, rgb: RGB) -> None:
        """Fills a disc."""
        self.polygon(oval(x, y, radius, radius), rgb)

    def band(self, start: float, width: float, rgb: RGB, opacity: int = 255, *, upright: bool) -> None:
        """Fills a band across the whole sheet, upright or level."""
        a, b, far = start, start + width, self.period
        box = ((a, 0.0), (b, 0.0), (b, far), (a, far)) if upright else ((0.0, a), (far, a), (far, b), (0.0, b))
        self.polygon(box, rgb, opacity)

    def pixels(self) -> NDArray[np.uint8]:
        """The repeat as (P, P, 3)."""
        return np.asarray(self._image.reduce(_FINER))
