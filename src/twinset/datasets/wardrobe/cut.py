"""What a cut garment is made of: parts in the order they are laid, with their folds, seams and buttons."""

from dataclasses import dataclass

from .curve import Line, Point


@dataclass(frozen=True)
class Fold:
    """A ridge along a line, start and end centimetres wide; a negative depth is a furrow."""

    line: Line
    start: float
    end: float
    depth: float = 1.0


@dataclass(frozen=True)
class Part:
    """One piece of a garment: outline, filling (cloth, trim, lining), and what is worked on it."""

    outline: Line
    filling: str = "cloth"
    grain: float = 0.0
    folds: tuple[Fold, ...] = ()
    seams: tuple[Line, ...] = ()
    stitches: tuple[Line, ...] = ()
    buttons: tuple[Point, ...] = ()
    also: tuple[Line, ...] = ()  # outlines that belong to the same piece


@dataclass(frozen=True)
class Shape:
    """A garment's parts, back to front; cuff is where the right sleeve ends, elbow-wards its direction."""

    parts: tuple[Part, ...]
    width: float
    top: float
    bottom: float
    shoulder: Point = (0.0, 0.0)
    cuff: Point = (0.0, 0.0)
