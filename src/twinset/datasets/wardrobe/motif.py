"""Printed motifs: flowers, paisleys, spots, brush strokes, geometry; each fills a sheet with its print."""

import math

from .curve import Line, Point, oval, ribbon, smooth
from .palette import RGB, mixed
from .rng import Dice
from .sheet import Sheet

Inks = tuple[RGB, RGB, RGB]  # ground, ink, accent


def scattered(dice: Dice, period: float, gap: float) -> list[Point]:
    """Points at least gap apart on the repeat, in the order they were thrown."""
    found: list[Point] = []
    for _ in range(90):
        x, y = dice.uniform(0, period), dice.uniform(0, period)
        if all(_apart(x - a, y - b, period) > gap for a, b in found):
            found.append((x, y))
    return found


def _apart(dx: float, dy: float, period: float) -> float:
    dx, dy = abs(dx), abs(dy)
    return math.hypot(min(dx, period - dx), min(dy, period - dy))


def floral(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Flowers of that radius with leaves."""
    ground, ink, accent = inks
    petals = dice.choice((5, 5, 6, 8))
    green = mixed(ground, (64, 104, 66), 0.7)
    for n, (x, y) in enumerate(scattered(dice, sheet.period, size * 2.0)):
        r, turn = size * dice.uniform(0.8, 1.12), dice.uniform(0, 360)
        for side in (-35.0, 35.0, 170.0):
            a = math.radians(turn + side)
            leaf = oval(
                x + 1.35 * r * math.cos(a), y + 1.35 * r * math.sin(a), r * 0.62, r * 0.24, turn + side, steps=12
            )
            sheet.polygon(leaf, green)
        _flower(sheet, (x, y), r, turn, petals=petals, inks=(ink, accent) if n % 3 else (accent, ink))


def _flower(sheet: Sheet, at: Point, r: float, turn: float, *, petals: int, inks: tuple[RGB, RGB]) -> None:
    x, y = at
    deep = mixed(inks[0], (40, 20, 30), 0.22)
    for p in range(petals):
        angle = turn + 360 * p / petals
        a = math.radians(angle)
        broad = r * (1.9 / petals + 0.06)
        sheet.polygon(
            oval(x + r * 0.58 * math.cos(a), y + r * 0.58 * math.sin(a), r * 0.5, broad, angle, steps=14), inks[0]
        )
        sheet.polygon(
            oval(x + r * 0.4 * math.cos(a), y + r * 0.4 * math.sin(a), r * 0.26, broad * 0.35, angle, steps=8), deep
        )
    sheet.disc(x, y, r * 0.27, inks[1])


def paisley(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Curled drops, one within the other."""
    ground, ink, accent = inks
    for x, y in scattered(dice, sheet.period, size * 2.1):
        turn = dice.choice((20.0, 60.0, 200.0, 240.0))
        for share, rgb in ((1.25, ink), (1.05, ground), (0.82, accent), (0.45, ink)):
            sheet.polygon(_drop(x, y, size * share, turn), rgb)


def _drop(x: float, y: float, r: float, turn: float) -> Line:
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    shape = ((0.0, 0.9), (0.55, 0.6), (0.62, 0.05), (0.3, -0.5), (0.42, -1.15), (-0.12, -0.85), (-0.5, -0.2))
    line = smooth((*shape, (-0.5, 0.5), (0.0, 0.9)), 4)
    return tuple((x + r * (u * c - v * s), y + r * (u * s + v * c)) for u, v in line)


def leopard(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Broken rings round paler hearts."""
    _, ink, accent = inks
    for x, y in scattered(dice, sheet.period, size * 1.55):
        start, wide = dice.below(360), dice.uniform(0.62, 0.85)
        sheet.polygon(oval(x, y, size * 0.5, size * 0.4, start, steps=12), accent)
        for part in (0, 150):
            angles = [math.radians(start + part + k * 22) for k in range(6)]
            arc = tuple((x + size * wide * math.cos(a), y + size * 0.62 * math.sin(a)) for a in angles)
            sheet.polygon(ribbon(arc, size * 0.46, size * 0.28), ink)


def brush(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Loose strokes of a broad brush."""
    slope = dice.choice((0.0, 0.6, 1.2))
    for n, (x, y) in enumerate(scattered(dice, sheet.period, size * 1.5)):
        a = slope + dice.uniform(-0.5, 0.5)
        far = size * dice.uniform(0.8, 1.5)
        bend = dice.uniform(-0.4, 0.4) * size
        middle = (x - bend * math.sin(a), y + bend * math.cos(a))
        ends = ((x - far * math.cos(a), y - far * math.sin(a)), (x + far * math.cos(a), y + far * math.sin(a)))
        stroke = smooth((ends[0], middle, ends[1]), 5)
        sheet.polygon(ribbon(stroke, size * 0.75, size * 0.4), inks[1 + n % 2])


def diamonds(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Lozenges, one within the other, on a grid."""
    rows = max(2, round(sheet.period / (size * 2.4)))
    step = sheet.period / rows
    shares = dice.choice(((0.5, 0.3), (0.46, 0.2), (0.36, 0.14)))
    for i in range(rows):
        for j in range(rows):
            for offset, order in ((0.0, (1, 0)), (0.5, (2, 0))):
                x, y = (i + offset) * step, (j + offset) * step
                for share, which in zip(shares, order, strict=True):
                    r = step * share
                    sheet.polygon(((x, y - r), (x + r * 0.72, y), (x, y + r), (x - r * 0.72, y)), inks[which])


def zigzag(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Level zigzag lines in two inks."""
    rows = max(2, 2 * round(sheet.period / (size * 3.6)))
    step, teeth = sheet.period / rows, max(2, round(sheet.period / (size * 2.4)))
    tall = step * dice.uniform(0.45, 0.8)
    for row in range(rows):
        y, tooth = row * step, sheet.period / teeth
        top = tuple((k * tooth / 2, y + (tall if k % 2 else 0.0)) for k in range(2 * teeth + 1))
        under = tuple((x, v + step * 0.42) for x, v in reversed(top))
        sheet.polygon((*top, *under), inks[1 + row % 2])


def leaves(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    """Sprigs: a bent stem with pairs of leaves."""
    for n, (x, y) in enumerate(scattered(dice, sheet.period, size * 2.0)):
        rgb, a = inks[1 + (n % 3 == 0)], dice.uniform(0, math.tau)
        ux, uy = math.cos(a), math.sin(a)
        stem = ((x - ux * size * 1.3, y - uy * size * 1.3), (x + ux * size * 1.2, y + uy * size * 1.2))
        sheet.polygon(ribbon(stem, size * 0.16, size * 0.06), rgb)
        for k in range(4):
            along = (k - 1.6) * size * 0.6
            for side in (-1, 1):
                turn = math.degrees(a) + side * 48
                b = math.radians(turn)
                at = (x + ux * along + math.cos(b) * size * 0.48, y + uy * along + math.sin(b) * size * 0.48)
                sheet.polygon(oval(*at, size * 0.5, size * 0.2, turn, steps=10), rgb)
