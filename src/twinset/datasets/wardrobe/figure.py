"""Who or what carries the garment in a customer's photo: a body in other clothes, or a hanger."""

from .curve import Line, across, both, flip, oval, ribbon, shifted, smooth
from .cut import Part, Shape
from .frame import Frame
from .garment import Layer, filled, laid
from .palette import RGB
from .rng import Dice
from .style import Design

SKINS: tuple[RGB, ...] = (
    (244, 208, 184),
    (230, 186, 154),
    (206, 156, 120),
    (160, 112, 80),
    (112, 76, 56),
    (84, 58, 46),
)
HAIRS: tuple[RGB, ...] = ((38, 30, 28), (70, 46, 34), (120, 80, 48), (196, 156, 98), (132, 60, 36))
OTHERS: tuple[RGB, ...] = (
    (236, 234, 230),
    (44, 44, 50),
    (92, 112, 144),
    (196, 178, 150),
    (58, 66, 84),
    (150, 148, 146),
)

_TORSO = (
    (0.0, -13.0),
    (4.8, -13.0),
    (5.0, -5.0),
    (7.6, -1.4),
    (16.4, 3.4),
    (18.0, 9.0),
    (16.6, 24.0),
    (15.2, 38.0),
)
ELBOW = (25.5, 31.0)  # of a bent right arm
_SHOULDER = (15.5, 8.0)
_HIPS = (
    (0.0, 42.0),
    (17.0, 42.0),
    (23.0, 58.0),
    (20.5, 98.0),
    (18.0, 142.0),
    (7.0, 142.0),
    (5.0, 98.0),
    (1.0, 68.0),
)
_TEE = ((0.0, 6.0), (7.5, 0.0), (21.0, 4.0), (27.0, 18.0), (21.0, 22.0), (20.0, 44.0), (0.0, 46.0))


def waist(design: Design) -> float:
    """How far below the shoulder the garment's y = 0 lies, in centimetres."""
    return 40.0 if design.kind in {"skirt", "trousers"} else 0.0


def body(design: Design, cut: Shape, frame: Frame, skin: RGB, *, bent: int, dice: Dice) -> Layer:
    """A body in the frame, to be drawn behind the garment; the arm on the bent side (1, -1; 0: none) is bent."""
    hair, other, shoe = dice.choice(HAIRS), dice.choice(OTHERS), dice.choice(OTHERS)
    torso, face = both((*_TORSO, (19.0, 58.0), (0.0, 60.0))), oval(0, -18.5, 7.4, 10.0)
    leg, arm = _leg(design), _arm(cut)
    pieces = [(Part(oval(0, -21, 10.0, 12.5)), hair), *((Part(_foot(design, turn)), shoe) for turn in (1, -1))]
    pieces += [(Part(turn(leg)), skin) for turn in (tuple, flip)]
    for side, turn in ((1, tuple), (-1, flip)):
        upper = Part(turn(ribbon((_SHOULDER, ELBOW), 8.8, 7.6)))
        pieces.append((upper if side == bent else Part(turn(arm[0]), also=(turn(arm[1]),)), skin))
    pieces.append((Part(torso, also=(face,)), skin))
    if design.kind == "top":
        pieces.append((Part(both(smooth(_HIPS, 4))), other))
    elif design.kind != "dress":
        pieces.append((Part(both(smooth(_TEE, 4))), other))
    layer = Layer.empty(frame)
    for part, rgb in pieces:
        low = -waist(design)
        moved = Part(shifted(part.outline, 0, low), also=tuple(shifted(line, 0, low) for line in part.also))
        layer = laid(layer, moved, filled(rgb), frame, dice)
    return layer


def _arm(cut: Shape) -> tuple[Line, Line]:
    reach = (cut.cuff[0] - 18.0, cut.cuff[1] - 5.0)
    far = max((reach[0] ** 2 + reach[1] ** 2) ** 0.5, 1.0)
    lean = min(reach[0] / far, 0.45) if far > 14 else 0.1
    arm = smooth(((15.0, 8.0), (16.5 + lean * 30, 31.0), (16.4 + lean * 54, 57.0)), 6)
    x, y = arm[-1]
    hand = smooth(
        (
            (x - 2.6, y - 3),
            (x - 3.4, y + 4),
            (x - 1.4, y + 12),
            (x + 1.6, y + 11.5),
            (x + 3.4, y + 4),
            (x + 2.7, y - 3),
        ),
        5,
    )
    return ribbon(arm, 8.6, 5.2), hand


def _leg(design: Design) -> Line:
    if design.kind == "trousers":
        return ribbon(smooth(((11.0, 54.0), (12.0, 98.0), (14.0, 141.0)), 6), 15.0, 7.2)
    return ribbon(smooth(((10.0, 54.0), (10.6, 98.0), (10.0, 141.0)), 6), 17.0, 7.2)


def _foot(design: Design, side: int) -> Line:
    return oval(side * (14.8 if design.kind == "trousers" else 11.0), 144.0, 5.0, 5.4)


def hanger(design: Design, frame: Frame, dice: Dice) -> Layer:
    """A hanger in the frame, to be drawn behind the garment."""
    wood: RGB = dice.choice(((178, 128, 82), (120, 82, 56), (60, 58, 60), (226, 222, 214)))
    steel: RGB = (150, 152, 158)
    if design.kind in {"skirt", "trousers"}:
        bar, hook = ribbon(((-17.0, -3.0), (17.0, -3.0)), 1.6), ((0.0, -3.0), (0.0, -9.0))
        clips = [((x - 1.6, -4.6), (x + 1.6, -4.6), (x + 1.8, 2.0), (x - 1.8, 2.0)) for x in (-13.0, 13.0)]
    else:
        bar = ribbon(across(smooth(((0.0, -2.0), (8.0, 0.4), (18.0, 5.0)), 5)), 2.8)
        hook, clips = ((0.0, -2.0), (0.0, -7.0)), []
    curl = smooth((*hook, (2.2, hook[1][1] - 2.4), (0.6, hook[1][1] - 5.4), (-2.0, hook[1][1] - 3.6)), 5)
    layer = laid(Layer.empty(frame), Part(ribbon(curl, 0.8)), filled(steel), frame, dice)
    for line, rgb in [(bar, wood), *((clip, steel) for clip in clips)]:
        layer = laid(layer, Part(line), filled(rgb), frame, dice)
    return layer
