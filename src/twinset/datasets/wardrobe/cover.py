"""What hides a part of the garment in a customer's photo: an arm, hair, a strap, a phone, other clothes."""

from collections.abc import Callable
from dataclasses import dataclass

from .curve import Line, Point, flip, oval, ribbon, shifted, smooth
from .cut import Fold, Part, Shape
from .figure import ELBOW, HAIRS, OTHERS
from .frame import Frame
from .garment import Layer, filled, laid
from .palette import COLOURS, RGB
from .rng import Dice
from .style import Design

Pieces = list[tuple[Part, RGB]]
Thrown = Callable[[Shape, RGB, Dice], Pieces]

_HAND = (
    (0.0, 0.0),
    (3.0, -2.4),
    (8.0, -2.8),
    (12.5, -1.6),
    (13.0, 0.2),
    (9.0, 1.4),
    (12.6, 2.0),
    (8.0, 4.6),
    (2.0, 3.4),
)


@dataclass(frozen=True)
class Cover:
    """What lies in front, back to front, and the side (1 or -1) of the body's arm that it uses; 0: neither."""

    pieces: Pieces
    bent: int = 0


def _forearm(wrist: Point) -> Line:
    return ribbon(smooth((ELBOW, ((ELBOW[0] + wrist[0]) / 2, (ELBOW[1] + wrist[1]) / 2 + 0.8), wrist), 6), 8.0, 5.2)


def _arm(_cut: Shape, skin: RGB, dice: Dice) -> Pieces:
    x, y = dice.uniform(6, 14), dice.uniform(27, 38)
    hand = tuple((x + 1.5 - u * 0.86, y - 0.6 + v * 0.86) for u, v in smooth(_HAND, 3))
    return [(Part(_forearm((x, y)), also=(hand, oval(*ELBOW, 4.0, 4.0))), skin)]


def _hip(_cut: Shape, skin: RGB, dice: Dice) -> Pieces:
    x, y = dice.uniform(15, 19), dice.uniform(46, 51)
    hand = smooth(
        (
            (x + 2.6, y - 2),
            (x + 1.6, y + 6),
            (x - 2.6, y + 10.5),
            (x - 6.4, y + 9),
            (x - 5.0, y + 3),
            (x - 2, y - 2),
        ),
        5,
    )
    return [(Part(_forearm((x, y)), also=(hand, oval(*ELBOW, 4.0, 4.0))), skin)]


def _hair(_cut: Shape, _skin: RGB, dice: Dice) -> Pieces:
    rgb, far = dice.choice(HAIRS), dice.uniform(14, 30)
    found: Pieces = []
    for side in (1.0, -1.0):
        for k in range(4):
            x = 8.4 + 1.7 * k
            lock = smooth(((side * (x - 2), -26.0), (side * (x + 1.4), -8.0), (side * x, far - 3 * (k % 2))), 6)
            found.append((Part(ribbon(lock, 4.6, 0.8)), rgb))
    return found


def _strap(cut: Shape, _skin: RGB, dice: Dice) -> Pieces:
    rgb = dice.choice(((70, 44, 32), (30, 30, 34), (166, 108, 62), (150, 40, 44), (206, 196, 178)))
    hip = min(dice.uniform(44, 56), cut.bottom - 8)
    line = smooth(((-13.0, -1.0), (4.0, hip * 0.5), (22.0, hip)), 6)
    bag = smooth(((15.0, hip), (33.0, hip - 1), (35.0, hip + 16), (14.0, hip + 17), (15.0, hip)), 2)
    flap = ((15.0, hip), (33.0, hip - 1), (33.5, hip + 6), (24.0, hip + 9), (14.6, hip + 7))
    return [(Part(ribbon(line, 2.6)), rgb), (Part(bag), rgb), (Part(flap), rgb)]


def _phone(cut: Shape, skin: RGB, dice: Dice) -> Pieces:
    x, y = dice.uniform(1, 7), cut.top + dice.uniform(4, 14)
    case, lens = _rounded(x - 4.2, y - 8, x + 4.2, y + 9), oval(x - 2.2, y - 5.6, 1.1, 1.1)
    fingers = [ribbon(((x + 6.0, y + 1 + 3 * k), (x - 3.4, y + 0.4 + 3 * k)), 2.8, 2.2) for k in range(3)]
    rgb = dice.choice(((34, 34, 38), (214, 214, 216), (150, 60, 80), (60, 90, 120)))
    palm = (oval(x + 4.0, y + 6, 4.4, 7.0), oval(*ELBOW, 4.0, 4.0))
    arm = Part(_forearm((x + 5.0, y + 10)), also=palm)
    return [(arm, skin), (Part(case), rgb), (Part(lens), (16, 16, 20)), *((Part(line), skin) for line in fingers)]


def _rounded(x0: float, y0: float, x1: float, y1: float) -> Line:
    r = 1.4
    return (
        (x0 + r, y0),
        (x1 - r, y0),
        (x1, y0 + r),
        (x1, y1 - r),
        (x1 - r, y1),
        (x0 + r, y1),
        (x0, y1 - r),
        (x0, y0 + r),
    )


def _jacket(cut: Shape, _skin: RGB, dice: Dice) -> Pieces:
    rgb = dice.choice((*OTHERS, dice.choice(COLOURS).rgb))
    inner, low = dice.uniform(11, 14), min(cut.bottom * 0.6, dice.uniform(50, 66))
    front = ((7.0, -2.6), (inner, 12.0), (inner + 2, 34.0), (inner + 3.5, low))
    outline = (
        *smooth(front, 6),
        (30.0, low + 1),
        *smooth(((29.0, 40.0), (31.0, 20.0), (23.0, 2.6), (7.0, -2.6)), 6),
    )
    sleeve = smooth(((20.0, 5.0), (29.0, 32.0), (32.0, 60.0)), 6)
    folds = (Fold(((19.0, 10.0), (20.0, low)), 0.6, 2.4, 0.8), Fold(((25.0, 24.0), (25.0, low)), 0.5, 2.0, 0.7))
    found: Pieces = []
    for turn in (tuple, flip):
        found += [(Part(turn(ribbon(sleeve, 13.0, 10.0))), rgb), (Part(turn(outline), folds=folds), rgb)]
    return found


def _hand(cut: Shape, skin: RGB, dice: Dice) -> Pieces:
    y = cut.bottom * dice.uniform(0.35, 0.9)
    x = cut.width * dice.uniform(0.16, 0.3)
    arm = smooth(((x + 60, y + 22), (x + 34, y + 6), (x + 10, y)), 6)
    hand = tuple((x + 11 - u, y + v) for u, v in smooth(_HAND, 3))
    return [(Part(ribbon(arm, 10.0, 6.2), also=(hand,)), skin)]


def _cloth(cut: Shape, _skin: RGB, dice: Dice) -> Pieces:
    rgb = dice.choice(COLOURS).rgb
    x, y = cut.width * dice.uniform(0.22, 0.36), cut.bottom * dice.uniform(0.0, 0.7)
    edge = smooth(
        ((x + 60, y - 20), (x + 6, y - 6), (x, y + 14), (x + 9, y + 34), (x + 2, y + 60), (x + 60, y + 90)), 6
    )
    folds = tuple(
        Fold(((x + 6 + 9 * k, y - 4), (x + 3 + 13 * k, y + 60)), 1.4, 3.0, dice.uniform(0.6, 1.0)) for k in range(4)
    )
    return [(Part(edge, folds=folds), rgb)]


def _flipped(pieces: Pieces) -> Pieces:
    found: Pieces = []
    for part, rgb in pieces:
        folds = tuple(Fold(flip(fold.line), fold.start, fold.end, fold.depth) for fold in part.folds)
        found.append((Part(flip(part.outline), folds=folds, also=tuple(flip(line) for line in part.also)), rgb))
    return found


def thrown(design: Design, cut: Shape, skin: RGB, dice: Dice, *, worn: bool) -> Cover:
    """A random cover that suits the garment and how it is shown; in one photo of four there is none."""
    if dice.chance(0.25):
        return Cover([])
    if not worn:
        choices: tuple[Thrown, ...] = (_hand, _cloth, _cloth)
    elif design.kind in {"skirt", "trousers"}:
        choices = (_hip, _hip, _strap)
    elif design.sleeve in {"long", "bell", "three-quarter"}:
        choices = (_hair, _strap, _jacket)
    else:
        choices = (_arm, _hair, _strap, _phone, _jacket)
    choice, flipped = dice.choice(choices), dice.chance(0.5)
    pieces = choice(cut, skin, dice)
    bent = (-1 if flipped else 1) if choice in {_arm, _phone, _hip} else 0
    return Cover(_flipped(pieces) if flipped else pieces, bent)


def covered(layer: Layer, pieces: Pieces, frame: Frame, lift: float, dice: Dice) -> Layer:
    """The layer with the pieces in front of it, raised by lift centimetres."""
    for part, rgb in pieces:
        folds = tuple(Fold(shifted(f.line, 0, -lift), f.start, f.end, f.depth) for f in part.folds)
        also = tuple(shifted(line, 0, -lift) for line in part.also)
        layer = laid(layer, Part(shifted(part.outline, 0, -lift), folds=folds, also=also), filled(rgb), frame, dice)
    return layer
