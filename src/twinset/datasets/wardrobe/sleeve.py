"""Sleeves: from the armhole along the arm, with cuffs, puffs and bells."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .curve import Line, Point, flip, ribbon, smooth
from .cut import Fold, Part
from .rng import Dice
from .style import Design


@dataclass(frozen=True)
class Armhole:
    """Where a sleeve is set in: the shoulder's and the underarm's point, and the right armhole's line."""

    shoulder: Point
    underarm: Point
    line: Line


@dataclass(frozen=True)
class _Cut:
    """A sleeve's length, its cuff's width, its angle from the vertical in degrees, and how far it bulges."""

    length: float
    cuff: float
    angle: float
    bulge: float


_CUTS: Mapping[str, _Cut] = MappingProxyType(
    {
        "cap": _Cut(9.0, 15.5, 44.0, 1.0),
        "short": _Cut(21.0, 17.5, 34.0, 1.0),
        "puff": _Cut(23.0, 14.5, 32.0, 5.4),
        "elbow": _Cut(31.0, 16.5, 27.0, 0.8),
        "three-quarter": _Cut(44.0, 13.0, 21.0, 0.8),
        "long": _Cut(57.0, 10.5, 16.0, 0.8),
        "bell": _Cut(50.0, 23.0, 20.0, -1.2),
    }
)


def sleeves(design: Design, hole: Armhole, dice: Dice) -> tuple[tuple[Part, ...], Point]:
    """Both sleeves' parts, and where the right one ends."""
    if design.sleeve not in _CUTS:
        return (), (hole.shoulder[0] + 1.5, hole.shoulder[1] + 4)
    cut = _CUTS[design.sleeve]
    a = math.radians(cut.angle)
    down, out = (math.sin(a), math.cos(a)), (math.cos(a), -math.sin(a))
    shoulder, under = hole.shoulder, hole.underarm
    outer = (shoulder[0] + down[0] * cut.length, shoulder[1] + down[1] * cut.length)
    inner = (outer[0] - out[0] * cut.cuff, outer[1] - out[1] * cut.cuff)
    start = (shoulder[0] - 3.5, shoulder[1] - 0.6)
    third = _along(shoulder, outer, 0.35, out, cut.bulge)
    late = _along(shoulder, outer, 0.75, out, cut.bulge * 0.9)
    top = smooth((start, shoulder, third, late, outer), 6)
    inward = _along(inner, under, 0.3, out, -cut.bulge * 0.8)
    bottom = smooth((inner, inward, (under[0] - 0.5, under[1] + 0.5), (under[0] - 7, under[1] - 1)), 6)
    middle = ((outer[0] + inner[0]) / 2, (outer[1] + inner[1]) / 2)
    sagging = ((middle[0] + down[0] * 1.2), (middle[1] + down[1] * 1.2))
    edge = smooth((outer, sagging, inner), 5)
    folds = _folds(design, hole, (outer, inner), dice)
    back = Part((*top, *edge, *bottom), grain=cut.angle, folds=folds, stitches=_hem(design, outer, inner, down))
    cuff = _cuff(design, outer, inner, down)
    right = (back, *cuff)
    return (*right, *(_mirrored(part) for part in right)), middle


def _along(a: Point, b: Point, share: float, out: Point, bulge: float) -> Point:
    return a[0] + (b[0] - a[0]) * share + out[0] * bulge, a[1] + (b[1] - a[1]) * share + out[1] * bulge


def _folds(design: Design, hole: Armhole, cuff: tuple[Point, Point], dice: Dice) -> tuple[Fold, ...]:
    (ox, oy), (ix, iy) = cuff
    found: list[Fold] = []
    if design.sleeve in {"puff", "bell"}:
        for k in range(5):
            share = (k + 0.5) / 5
            end = (ox + (ix - ox) * share, oy + (iy - oy) * share)
            at = (hole.shoulder[0] + (hole.underarm[0] - hole.shoulder[0]) * share, hole.shoulder[1] + 18 * share)
            start, stop = (end, at) if design.sleeve == "puff" else (at, end)
            found.append(Fold((start, stop), *((2.0, 0.6) if design.sleeve == "puff" else (0.6, 3.4)), 0.8))
        return tuple(found)
    count = {"long": 6, "three-quarter": 4, "elbow": 3}.get(design.sleeve, 2)
    for _ in range(count):
        t, u = dice.uniform(0.25, 0.9), dice.uniform(-0.08, 0.14)
        x0, y0 = hole.underarm[0] + (ix - hole.underarm[0]) * t, hole.underarm[1] + (iy - hole.underarm[1]) * t
        x1, y1 = (
            hole.shoulder[0] + (ox - hole.shoulder[0]) * (t + u),
            hole.shoulder[1] + (oy - hole.shoulder[1]) * (t + u),
        )
        far = dice.uniform(0.5, 0.9)
        found.append(
            Fold(((x0, y0), (x0 + (x1 - x0) * far, y0 + (y1 - y0) * far)), 1.8, 0.3, dice.uniform(0.4, 0.8))
        )
    return tuple(found)


def _hem(design: Design, outer: Point, inner: Point, down: Point) -> tuple[Line, ...]:
    if design.sleeve in {"long", "puff"}:
        return ()
    return (((outer[0] - down[0] * 2, outer[1] - down[1] * 2), (inner[0] - down[0] * 2, inner[1] - down[1] * 2)),)


def _cuff(design: Design, outer: Point, inner: Point, down: Point) -> tuple[Part, ...]:
    if design.sleeve not in {"long", "puff"} and not design.contrast:
        return ()
    deep = 2.4 if design.sleeve == "puff" else 5.0 if design.closure == "placket" else 3.0
    a = (outer[0] + 0.2, outer[1]) if design.sleeve != "puff" else outer
    line = ((a[0] - down[0] * 0.5, a[1] - down[1] * 0.5), (inner[0] - down[0] * 0.5, inner[1] - down[1] * 0.5))
    outline = ribbon(line, deep)
    return (Part(outline, "trim" if design.contrast else "cloth", grain=90.0, seams=((*outline, outline[0]),)),)


def _mirrored(part: Part) -> Part:
    folds = tuple(Fold(flip(fold.line), fold.start, fold.end, fold.depth) for fold in part.folds)
    seams, stitches = tuple(flip(line) for line in part.seams), tuple(flip(line) for line in part.stitches)
    return Part(flip(part.outline), part.filling, -part.grain, folds, seams, stitches, part.buttons)
