"""The cut of skirts and trousers; x = 0 is the centre, y = 0 the waistband's top, in centimetres."""

from .bodice import gathers, tiers
from .curve import Line, Point, across, both, flip, ribbon, smooth
from .cut import Fold, Part, Shape
from .rng import Dice
from .style import Design

_HEMS = {"A-line": 34.0, "pencil": 21.0, "flared": 46.0, "tiered": 37.0, "pleated": 38.0}
_LEGS = {  # half-widths at the knee and the hem, and where the hem's centre lies
    "skinny": (8.2, 6.2, 13.5),
    "straight": (10.6, 10.4, 14.5),
    "flared": (9.2, 15.0, 17.0),
    "wide": (14.0, 16.5, 17.5),
    "tapered": (11.4, 8.0, 14.0),
}


def skirt(design: Design, *, back: bool) -> Shape:
    """A skirt's parts, seen from the front or the back."""
    dice = Dice("fold", design.seed, int(back))
    hem, length = _HEMS[design.fit], design.length
    waist, hip = 18.0, 24.5 if design.fit != "flared" else 28.0
    middle = (hip + (hem - hip) * 0.5, 20 + (length - 20) * 0.5)
    edge = smooth(((hem, length), (hem * 0.5, length + 1.8), (0.0, length + 2.4)), 8)
    half = ((0.0, 1.0), *smooth(((waist, 0.6), (hip, 20.0), middle, (hem, length)), 8), *edge)
    lines = across(tuple(reversed(tuple((x * 0.99, y - 2.0) for x, y in edge))))
    seams: tuple[Line, ...] = (((0.0, 3.0), (0.0, 20.0)),) if back else ()
    if design.fit == "tiered":
        seams = (*seams, *(across(((0.0, y + 1.4), (hem + 4, y))) for y, _ in tiers(3.0, length)[1:]))
    body = Part(both(half), folds=_skirt_folds(design, hem, dice), seams=seams, stitches=(lines,))
    parts = (
        body,
        *_front_band(design, back=back),
        *_skirt_pockets(design, back=back),
        _waistband(design, waist, back=back),
    )
    return Shape(parts, 2 * max(hem, hip), -0.5, length + 3)


def _skirt_folds(design: Design, hem: float, dice: Dice) -> tuple[Fold, ...]:
    if design.fit == "tiered":
        found: list[Fold] = []
        for top, bottom in tiers(3.0, design.length):
            found += gathers(18.0, hem, (top, bottom), 11, dice)
        return tuple(found)
    count = {"flared": 9, "A-line": 4, "pleated": 11}.get(design.fit, 2)
    folds: list[Fold] = []
    for k in range(count):
        share = (2 * k + 1) / count - 1 + (0 if design.pleats else dice.uniform(-0.4, 0.4) / count)
        end = (share * hem * 0.98, design.length + 2)
        start = (share * 17.0, 3.5 if design.pleats else dice.uniform(3, 12))
        bend = (share * (24.0 + (hem - 24) * 0.2), 24.0)
        widths = (0.8, 2.6) if design.pleats else (0.5, 4.0)
        folds.append(Fold(smooth((start, bend, end), 5), *widths, 1.3 if design.pleats else dice.uniform(0.5, 0.9)))
    return tuple(folds)


def _waistband(design: Design, half: float, *, back: bool) -> Part:
    line = across(((0.0, 2.6), (half * 0.5, 2.4), (half + 0.3, 1.8)))
    outline = ribbon(line, 3.8)
    edges = (tuple((x, y + 1.6) for x, y in line), tuple((x, y - 1.5) for x, y in line))
    buttons: tuple[Point, ...] = ((0.0, 2.6),) if design.closure in {"fly", "placket"} and not back else ()
    return Part(outline, "trim" if design.contrast else "cloth", grain=90.0, stitches=edges, buttons=buttons)


def _front_band(design: Design, *, back: bool) -> tuple[Part, ...]:
    if design.closure != "placket" or back:
        return ()
    end = design.length + 2.2
    strip = ((-1.8, 3.0), (1.8, 3.0), (1.8, end), (-1.8, end))
    buttons = tuple((0.0, 9.0 + 8.0 * k) for k in range(int((end - 10) / 8)))
    return (Part(strip, stitches=(((-1.4, 3.0), (-1.4, end)), ((1.4, 3.0), (1.4, end))), buttons=buttons),)


def _skirt_pockets(design: Design, *, back: bool) -> tuple[Part, ...]:
    if not design.pocket or back:
        return ()
    patch = ((8.0, 12.0), (19.0, 12.0), (19.4, 24.0), (13.7, 26.0), (8.0, 24.0))
    top = ((8.4, 13.8), (18.8, 13.8))
    found = [(patch, top), (flip(patch), flip(top))]
    return tuple(Part(line, seams=((*line, line[0]),), stitches=(hem,)) for line, hem in found)


def trousers(design: Design, *, back: bool) -> Shape:
    """A pair of trousers' parts, seen from the front or the back."""
    dice = Dice("fold", design.seed, int(back))
    right = _leg(design, dice, back=back)
    left = _mirror(_leg(design, dice, back=back))
    knee, hem, centre = _LEGS[design.fit]
    shorts = design.length < 50
    wide = max(centre + hem, 26.0) if not shorts else 28.0
    parts = [left, right]
    if design.pocket and back:
        for side in (1, -1):
            patch = tuple(
                (side * x, y) for x, y in ((5.5, 10.0), (16.0, 9.0), (16.0, 20.0), (11.0, 22.5), (5.8, 20.5))
            )
            parts.append(
                Part(patch, seams=((*patch, patch[0]),), stitches=(tuple((x, y + 1.6) for x, y in patch[:2]),))
            )
    band = _waistband(design, 18.6, back=back)
    parts.append(band)
    if design.closure == "fly":
        parts += [_loop(x) for x in (-13.0, -7.0, 7.0, 13.0)]
    if design.belt:
        parts += _cord(back=back)
    return Shape(tuple(parts), 2 * max(wide, knee), -0.5, design.length + 2)


def _loop(x: float) -> Part:
    box = ((x - 0.7, 0.0), (x + 0.7, 0.0), (x + 0.7, 5.4), (x - 0.7, 5.4))
    return Part(box, seams=((*box, box[0]),))


def _cord(*, back: bool) -> list[Part]:
    if back:
        return []
    sides = (1, -1)
    return [Part(ribbon(smooth(((s * 0.6, 3.5), (s * 2.2, 9.0), (s * 1.8, 17.0)), 4), 0.9), "trim") for s in sides]


def _leg(design: Design, dice: Dice, *, back: bool) -> Part:
    knee, hem, centre = _LEGS[design.fit]
    length, shorts = design.length, design.length < 50
    if shorts:
        knee, hem, centre = (13.5, 13.5, 14.4) if design.fit == "wide" else (12.0, 11.6, 13.4)
    knee_y = min(58.0, length * 0.62)
    middle = 13.0 + (centre - 13.0) * 0.6
    hip = 24.5 if design.fit != "skinny" else 23.0
    outer = ((18.6, 1.5), (hip, 19.0), (middle + knee, knee_y), (centre + hem, length))
    inner = ((centre - hem, length), (middle - knee, knee_y), (max(middle - knee - 2.4, 0.9), 38.0), (-0.4, 27.0))
    if shorts:
        outer = ((18.6, 1.5), (hip, 19.0), (centre + hem, length), (centre + hem, length))
        inner = ((centre - hem, length), ((centre - hem) * 0.7, 33.0), (-0.4, 27.0), (-0.4, 27.0))
    bottom = smooth(((centre + hem, length), (centre, length + 1.0), (centre - hem, length)), 6)
    outline = ((-0.4, 2.0), *smooth(outer, 8), *bottom, *smooth(inner, 8))
    lines = [tuple((x, y - 2.2) for x, y in bottom)]
    seams: list[Line] = [((0.0, 4.0), (0.0, 27.0))]
    if design.closure == "fly" and not back:
        lines.append(smooth(((3.2, 4.0), (3.4, 15.0), (0.6, 20.5)), 6))
    if design.pocket and not back:
        lines.append(smooth(((12.5, 4.2), (16.2, 9.0), (22.4, 13.5)), 6))
        seams.append(smooth(((12.0, 4.2), (15.8, 9.4), (22.6, 14.4)), 6))
    return Part(outline, grain=2.0, folds=_leg_folds(design, dice), seams=tuple(seams), stitches=tuple(lines))


def _leg_folds(design: Design, dice: Dice) -> tuple[Fold, ...]:
    knee, hem, centre = _LEGS[design.fit]
    folds: list[Fold] = []
    for _ in range(3):
        y = dice.uniform(19, 28)
        line = ((1.0, 26.0), (dice.uniform(7, 11), y), (dice.uniform(14, 20), y - dice.uniform(1, 7)))
        folds.append(Fold(smooth(line, 4), 1.6, 0.3, dice.uniform(0.4, 0.8)))
    if design.length < 50:
        return tuple(folds)
    for _ in range(5 if design.fit in {"skinny", "tapered", "straight"} else 2):
        y = dice.choice((dice.uniform(50, 64), dice.uniform(design.length - 16, design.length - 4)))
        side = dice.choice((-1.0, 1.0))
        x = centre + side * (knee if y < 70 else hem)
        folds.append(Fold(((x, y), (x - side * dice.uniform(7, 13), y + dice.uniform(-3, 3))), 1.8, 0.3, 0.7))
    if design.pleats or design.fit in {"wide", "flared"}:
        crease = smooth(((10.0, 5.0), (12.5, 40.0), (centre, design.length)), 6)
        folds.append(Fold(crease, 0.9, 1.8 if design.fit in {"wide", "flared"} else 0.9, 1.0))
    return tuple(folds)


def _mirror(part: Part) -> Part:
    folds = tuple(Fold(flip(fold.line), fold.start, fold.end, fold.depth) for fold in part.folds)
    seams, stitches = tuple(flip(line) for line in part.seams), tuple(flip(line) for line in part.stitches)
    return Part(flip(part.outline), part.filling, -part.grain, folds, seams, stitches, part.buttons)
