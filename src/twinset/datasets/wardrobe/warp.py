"""Poses: a picture turned, sheared, scaled and gently bent, by small quadrilaterals."""

import math
from dataclasses import dataclass

from PIL import Image

from .curve import Point
from .frame import Frame
from .rng import Dice

_COLUMNS, _ROWS = 6, 8


@dataclass(frozen=True)
class Bend:
    """Where each knot of a grid over the photo (width, height) lies in the canvas, in pixels."""

    size: tuple[int, int]
    knots: tuple[tuple[Point, ...], ...]

    @classmethod
    def thrown(cls, canvas: Frame, size: tuple[int, int], turn: float, dice: Dice) -> "Bend":
        """A random pose of at most that many degrees."""
        angle = math.radians(dice.uniform(-turn, turn))
        c, s = math.cos(angle), math.sin(angle)
        shear, squeeze = dice.uniform(-0.06, 0.06), dice.uniform(0.95, 1.05)
        sway, swing = dice.uniform(2, 7), dice.uniform(0, math.tau)
        knots: list[tuple[Point, ...]] = []
        for row in range(_ROWS + 1):
            line: list[Point] = []
            for column in range(_COLUMNS + 1):
                x, y = (column / _COLUMNS - 0.5) * size[0], (row / _ROWS - 0.5) * size[1]
                x, y = x + shear * y, y * squeeze
                dx = sway * math.sin(swing + math.tau * row / _ROWS * 0.8) + dice.uniform(-1.6, 1.6)
                dy = 0.5 * sway * math.sin(swing * 2 + math.tau * column / _COLUMNS) + dice.uniform(-1.6, 1.6)
                at = (canvas.width / 2 + x * c - y * s + dx, canvas.height / 2 + x * s + y * c + dy)
                line.append(at)
            knots.append(tuple(line))
        return cls(size, tuple(knots))

    def of(self, image: Image.Image, grain: Image.Resampling = Image.Resampling.BILINEAR) -> Image.Image:
        """The canvas as it looks in the photo."""
        xs = [round(k * self.size[0] / _COLUMNS) for k in range(_COLUMNS + 1)]
        ys = [round(k * self.size[1] / _ROWS) for k in range(_ROWS + 1)]
        mesh: list[tuple[tuple[int, int, int, int], tuple[float, ...]]] = []
        for r in range(_ROWS):
            for q in range(_COLUMNS):
                a, b = self.knots[r][q], self.knots[r + 1][q]
                c, d = self.knots[r + 1][q + 1], self.knots[r][q + 1]
                mesh.append(((xs[q], ys[r], xs[q + 1], ys[r + 1]), (*a, *b, *c, *d)))
        return image.transform(self.size, Image.Transform.MESH, mesh, grain)
