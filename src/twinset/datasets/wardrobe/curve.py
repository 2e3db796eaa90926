"""Lines and outlines in centimetres: smooth curves, mirror images, ribbons, ellipses."""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Line = tuple[Point, ...]


def smooth(points: Sequence[Point], steps: int = 8) -> Line:
    """A Catmull-Rom curve through the points."""
    padded = [points[0], *points, points[-1]]
    found: list[Point] = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            found.append((_spline(a[0], b[0], c[0], d[0], t), _spline(a[1], b[1], c[1], d[1], t)))
    return (*found, points[-1])


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    bend = (2 * a - 5 * b + 4 * c - d) * t + (3 * b - a - 3 * c + d) * t * t
    return b + 0.5 * t * (c - a + bend)


def flip(line: Sequence[Point]) -> Line:
    """The line's mirror image about x = 0."""
    return tuple((-x, y) for x, y in line)


def both(half: Sequence[Point]) -> Line:
    """The closed outline of which the line, from centre top to centre bottom, is the right half."""
    return (*half, *reversed(flip(half)))


def across(half: Sequence[Point]) -> Line:
    """The open line from left to right of which the line, from the centre outwards, is the right half."""
    return (*reversed(flip(half)), *half)


def ribbon(line: Sequence[Point], start: float, end: float | None = None) -> Line:
    """The outline of a stroke along the line, start wide at its beginning and end wide at its end."""
    last = start if end is None else end
    left: list[Point] = []
    right: list[Point] = []
    for i, (x, y) in enumerate(line):
        (x0, y0), (x1, y1) = line[max(i - 1, 0)], line[min(i + 1, len(line) - 1)]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        half = 0.5 * (start + (last - start) * i / max(len(line) - 1, 1)) / length
        left.append((x - (y1 - y0) * half, y + (x1 - x0) * half))
        right.append((x + (y1 - y0) * half, y - (x1 - x0) * half))
    return (*left, *reversed(right))


def oval(x: float, y: float, across_: float, down: float, turn: float = 0.0, *, steps: int = 20) -> Line:
    """An ellipse about (x, y) with those half-axes, turned by that many degrees."""
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    found: list[Point] = []
    for i in range(steps):
        u, v = across_ * math.cos(math.tau * i / steps), down * math.sin(math.tau * i / steps)
        found.append((x + u * c - v * s, y + u * s + v * c))
    return tuple(found)


def shifted(line: Sequence[Point], dx: float, dy: float) -> Line:
    """The line, moved."""
    return tuple((x + dx, y + dy) for x, y in line)
