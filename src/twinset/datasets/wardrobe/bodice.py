"""The cut of tops and dresses; x = 0 is the centre, y = 0 the shoulder's top, in centimetres."""

import math
from dataclasses import dataclass

from .collar import band, collar, neckband, opening
from .curve import Line, Point, across, both, flip, ribbon, smooth
from .cut import Fold, Part, Shape
from .neck import NECKS, neckline
from .rng import Dice
from .sleeve import Armhole, sleeves
from .style import Design


@dataclass(frozen=True)
class _Widths:
    """Half-widths at chest, waist and hip, the waist's height, and the hem's half-width."""

    chest: float
    waist: float
    hip: float
    hem: float
    waist_y: float


_TOPS = {
    "regular": _Widths(24.0, 23.0, 24.5, 24.5, 42.0),
    "slim": _Widths(21.5, 18.6, 22.6, 23.0, 40.0),
    "boxy": _Widths(28.0, 28.0, 28.0, 28.0, 40.0),
    "cropped": _Widths(24.5, 23.5, 23.5, 23.5, 34.0),
    "swing": _Widths(22.5, 24.5, 30.0, 33.0, 40.0),
}
_DRESSES = {
    "A-line": _Widths(21.5, 18.0, 24.5, 36.0, 40.0),
    "sheath": _Widths(21.5, 18.8, 23.8, 21.5, 41.0),
    "shift": _Widths(23.5, 23.5, 25.5, 28.0, 40.0),
    "flared": _Widths(21.5, 17.6, 29.0, 47.0, 39.0),
    "tiered": _Widths(22.5, 21.0, 28.0, 38.0, 38.0),
    "empire": _Widths(21.0, 19.6, 26.0, 37.0, 31.0),
}


def garment(design: Design, *, back: bool) -> Shape:
    """The parts of a top or a dress, seen from the front or the back."""
    dice = Dice("fold", design.seed, int(back))
    widths = (_DRESSES if design.kind == "dress" else _TOPS)[design.fit]
    length = design.length - (16.0 if design.fit == "cropped" else 0.0)
    neck = neckline(design.neckline, back=back)
    hole = _armhole(design, widths)
    half = (*neck, *hole.line, *_side(widths, length, design), *_hem(widths.hem, length, design))
    body = Part(
        outline=both(half),
        folds=(*_torso_folds(widths, dice), *_skirt_folds(design, widths, length, dice)),
        seams=_seams(design, widths, length, back=back),
        stitches=_stitches(design, widths, length),
    )
    arms, cuff = sleeves(design, hole, dice)
    parts = (
        *opening(design, back=back),
        *arms,
        body,
        *band(design, back=back),
        *_belt(design, widths),
        *_pocket(design, back=back),
    )
    finish = (*neckband(design, neck, hole), *collar(design, back=back))
    wide = max(widths.hem, widths.hip, widths.chest, abs(cuff[0]) + 7)
    top = -6.0 if design.neckline == "high" else -3.5 if design.neckline == "collar" else -1.0
    return Shape((*parts, *finish), 2 * wide, top, length + 2.5, hole.shoulder, cuff)


def _armhole(design: Design, widths: _Widths) -> Armhole:
    chest, neck = widths.chest, NECKS[design.neckline]
    if design.sleeve == "strap":
        return Armhole((12.5, 13.0), (chest, 22.0), smooth(((12.5, 13.0), (17.0, 18.8), (chest, 22.0))))
    if design.sleeve == "none":
        edge = max(neck.width + 4.6, 15.0)
        line = ((edge, 2.4), (edge - 0.8, 10.0), (edge + 1.6, 18.5), (chest, 23.5))
        return Armhole((edge, 2.4), (chest, 23.5), smooth(line))
    drop = 23.0 if design.fit == "boxy" else 20.0
    line = ((drop, 4.0), (drop - 1.6, 11.0), (max(drop - 0.6, chest - 2.6), 18.0), (chest, 23.0))
    return Armhole((drop, 4.0), (chest, 23.0), smooth(line))


def _side(widths: _Widths, length: float, design: Design) -> Line:
    start, waist, hip = (widths.chest, 22.5), (widths.waist, widths.waist_y), (widths.hip, widths.waist_y + 19)
    if design.kind == "top" and design.fit == "cropped":
        return smooth((start, (widths.waist, length)))
    if design.fit in {"A-line", "flared", "empire"} and design.kind == "dress":
        knee = (
            widths.hip + (widths.hem - widths.hip) * 0.36,
            widths.waist_y + 19 + (length - widths.waist_y - 19) * 0.45,
        )
        return (*smooth((start, waist)), *smooth((waist, hip, knee, (widths.hem, length))))
    if hip[1] > length - 10:
        return smooth((start, waist, (widths.hem, length)))
    return smooth((start, waist, hip, (widths.hem, length)))


def _hem(hem: float, length: float, design: Design) -> Line:
    drop = 2.4 if hem > 30 else 1.4
    waves = 5 if design.fit == "flared" else 4 if design.fit in {"tiered", "empire"} else 0
    found: list[Point] = []
    for k in range(25):
        share = 1 - k / 24
        ripple = 0.9 * math.sin(math.tau * waves * share) if waves else 0.0
        found.append((hem * share, length + drop * (1 - share * share) + ripple * share))
    return tuple(found)


def _torso_folds(widths: _Widths, dice: Dice) -> tuple[Fold, ...]:
    folds: list[Fold] = []
    for side in (1, -1):
        for _ in range(2):
            x, y = side * (widths.chest - 1.5), dice.uniform(22, 26)
            far = (side * dice.uniform(5, 11), y + dice.uniform(7, 13))
            line = smooth(((x, y), ((x + far[0]) / 2, (y + far[1]) / 2 - 1.5), far), 4)
            folds.append(Fold(line, 1.8, 0.3, dice.uniform(0.35, 0.7)))
        y = widths.waist_y + dice.uniform(-3, 2)
        inward = ((side * widths.waist, y), (side * (widths.waist - 8), y + dice.uniform(-2, 3)))
        folds.append(Fold(inward, 1.8, 0.3, dice.uniform(0.3, 0.7)))
    return tuple(folds)


def _skirt_folds(design: Design, widths: _Widths, length: float, dice: Dice) -> tuple[Fold, ...]:
    count = {"flared": 9, "A-line": 5, "empire": 7, "tiered": 0, "swing": 5}.get(design.fit, 2)
    if design.kind == "dress" and design.pleats:
        count = max(count, design.pleats)
    folds: list[Fold] = []
    if design.fit == "tiered":
        for top, bottom in tiers(widths.waist_y, length):
            folds += gathers(widths.waist, widths.hem, (top, bottom), 11, dice)
        return tuple(folds)
    for k in range(count):
        share = (2 * k + 1) / count - 1 + dice.uniform(-0.5, 0.5) / count
        start = (share * widths.waist * 0.9, widths.waist_y + (0 if design.pleats else dice.uniform(0, 14)))
        bend = (share * (widths.hip * 0.9 + dice.uniform(-1, 1)), widths.waist_y + 26)
        end = (share * widths.hem * 0.97, length + 2)
        folds.append(Fold(smooth((start, bend, end), 5), 0.5, 4.2, dice.uniform(0.5, 1.0)))
    return tuple(folds)


def tiers(top: float, length: float) -> tuple[tuple[float, float], ...]:
    """Where three tiers begin and end."""
    step = (length - top) / 3
    return tuple((top + k * step, top + (k + 1) * step) for k in range(3))


def gathers(waist: float, hem: float, span: tuple[float, float], count: int, dice: Dice) -> list[Fold]:
    """Short folds that hang from a gathered seam."""
    found: list[Fold] = []
    for k in range(count):
        share = (2 * k + 1) / count - 1 + dice.uniform(-0.4, 0.4) / count
        x0, x1 = share * (waist + 6), share * (hem * 0.92)
        far = span[0] + (span[1] - span[0]) * dice.uniform(0.55, 1.0)
        found.append(Fold(((x0, span[0]), ((x0 + x1) / 2, far)), 1.4, 0.4, dice.uniform(0.5, 0.9)))
    return found


def _seams(design: Design, widths: _Widths, length: float, *, back: bool) -> tuple[Line, ...]:
    found: list[Line] = []
    if design.kind == "dress" and design.fit not in {"shift", "sheath"}:
        found.append(across(((0.0, widths.waist_y + 1.2), (widths.waist + 0.3, widths.waist_y))))
    if design.fit == "tiered":
        found += [across(((0.0, y + 1.5), (widths.hem + 4, y))) for y, _ in tiers(widths.waist_y, length)[1:]]
    if back and design.kind == "dress":
        found.append(((0.0, 2.0), (0.0, widths.waist_y + 14)))
    if design.kind == "dress" and design.fit in {"sheath", "A-line", "flared"}:
        for side in (1, -1):
            found.append(smooth(((side * 12.5, 24.0), (side * 9.4, 33.0), (side * 9.0, widths.waist_y)), 4))
    return tuple(found)


def _stitches(design: Design, widths: _Widths, length: float) -> tuple[Line, ...]:
    hem = tuple((x * 0.99, y - 2.0) for x, y in _hem(widths.hem, length, design))
    return (across(tuple(reversed(hem))),)


def _belt(design: Design, widths: _Widths) -> tuple[Part, ...]:
    if not design.belt or design.kind != "dress":
        return ()
    y, half = widths.waist_y, widths.waist + 0.7
    strap = ribbon(across(((0.0, y + 1.2), (half * 0.5, y + 0.9), (half, y))), 3.6)
    loop = ((-2.4, y - 1.4), (2.4, y - 1.4), (2.4, y + 3.6), (-2.4, y + 3.6))
    ends = tuple(
        Part(ribbon(smooth(((side * 1.0, y + 2), (side * 2.6, y + 12), (side * 3.4, y + 21)), 4), 2.2, 3.2), "trim")
        for side in (1, -1)
    )
    return (*ends, Part(strap, "trim"), Part(loop, "trim"))


def _pocket(design: Design, *, back: bool) -> tuple[Part, ...]:
    if not design.pocket or back:
        return ()
    patch = ((6.0, 20.0), (15.5, 20.0), (15.5, 29.0), (10.75, 31.0), (6.0, 29.0))
    if design.contrast:
        return (Part(flip(patch), "trim", stitches=(((-15.0, 21.6), (-6.5, 21.6)),)),)
    return (Part(flip(patch), seams=((*flip(patch), (-6.0, 20.0)),), stitches=(((-15.0, 21.6), (-6.5, 21.6)),)),)
