"""What finishes a neck: the back's inner side, bands, shirt collars, roll necks and straps."""

from .curve import Line, across, flip, ribbon, smooth
from .cut import Part
from .neck import NECKS, neckline
from .sleeve import Armhole
from .style import Design


def opening(design: Design, *, back: bool) -> tuple[Part, ...]:
    """The back's inner side as it shows through the neck in front."""
    if back:
        return ()
    if design.neckline == "strap":
        return (Part(((-19.0, 21.5), (19.0, 21.5), (19.0, 24.0), (-19.0, 24.0)), "lining"),)
    front, behind = across(neckline(design.neckline, back=False)), across(neckline(design.neckline, back=True))
    tag = Part(
        (
            (-1.6, NECKS[design.neckline].back + 0.8),
            (1.6, NECKS[design.neckline].back + 0.8),
            (1.6, NECKS[design.neckline].back + 3.0),
            (-1.6, NECKS[design.neckline].back + 3.0),
        ),
        "tag",
    )
    inside = Part((*behind, *reversed(front)), "lining")
    return (inside,) if design.neckline in {"boat", "high", "collar"} else (inside, tag)


def neckband(design: Design, neck: Line, hole: Armhole) -> tuple[Part, ...]:
    """The band that binds the neckline, or the straps that carry it."""
    if design.neckline == "strap":
        strap = smooth(((12.4, 14.0), (12.0, 6.0), (10.6, 0.0)), 5)
        edge = Part(ribbon(across(neck), 1.0), _trim(design))
        return (edge, Part(ribbon(strap, 1.3), _trim(design)), Part(ribbon(flip(strap), 1.3), _trim(design)))
    if design.neckline in {"collar", "high"}:
        return ()
    wide = 2.2 if design.category.endswith("T_Shirt") else 1.4
    half = (*neck[:-1], (neck[-1][0], 0.5))  # ends a little below the shoulder, or it would stand out as a peak
    right = ribbon(half, wide)
    bands = [Part(right, _trim(design), also=(flip(right),))]
    if design.sleeve == "none":
        bands += [Part(ribbon(line, 1.3), _trim(design)) for line in (hole.line, flip(hole.line))]
    return tuple(bands)


def _trim(design: Design) -> str:
    return "trim" if design.contrast else "cloth"


def collar(design: Design, *, back: bool) -> tuple[Part, ...]:
    """A roll neck, or a shirt collar with its button band."""
    if design.neckline == "high":
        roll = (
            *smooth(((-7.6, 2.4), (0.0, 4.6), (7.6, 2.4)), 6),
            *smooth(((6.9, -5.0), (0.0, -4.0), (-6.9, -5.0)), 6),
        )
        return (Part(roll, _trim(design), seams=(smooth(((-7.2, -1.0), (0.0, 0.6), (7.2, -1.0)), 6),)),)
    if design.neckline != "collar":
        return ()
    if back:
        leaf = (
            *smooth(((-8.6, 2.6), (0.0, 4.0), (8.6, 2.6)), 6),
            *smooth(((6.6, -3.4), (0.0, -2.6), (-6.6, -3.4)), 6),
        )
        return (Part(leaf, _trim(design)),)
    stand = Part(
        (*smooth(((-7.6, 0.0), (-6.4, -3.4), (0.0, -2.6), (6.4, -3.4), (7.6, 0.0)), 5), (0.0, 5.0)), "lining"
    )
    right = (
        *smooth(((6.2, -3.6), (8.4, -1.0), (9.4, 2.8)), 5),
        (6.2, 9.4),
        *smooth(((0.2, 5.6), (4.4, 1.6), (6.2, -3.6)), 5),
    )
    leaves = (Part(right, _trim(design), grain=18.0), Part(flip(right), _trim(design), grain=-18.0))
    return (stand, *leaves)


def band(design: Design, *, back: bool) -> tuple[Part, ...]:
    """The button band of a polo or a shirt."""
    if back or design.closure not in {"polo", "placket"}:
        return ()
    end = 20.0 if design.closure == "polo" else design.length - (16.0 if design.fit == "cropped" else 0.0) + 1.0
    strip = ((-1.7, 5.0), (1.7, 5.0), (1.7, end), (-1.7, end))
    step, count = (4.5, 3) if design.closure == "polo" else (8.5, int((end - 12) / 8.5))
    buttons = tuple((0.0, 8.4 + step * k) for k in range(count))
    edges = (((-1.3, 5.0), (-1.3, end)), ((1.3, 5.0), (1.3, end)))
    return (Part(strip, _trim(design), stitches=edges, buttons=buttons),)
