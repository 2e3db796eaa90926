"""Cloth: a pattern and a finish turned into a picture of any size that repeats without a seam."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import motif
from .motif import Inks
from .palette import Colourway, mixed
from .rng import Dice
from .sheet import Sheet

Print = Callable[[Sheet, Inks, float, Dice], None]


@dataclass(frozen=True)
class Fabric:
    """A pattern by name, its measure in centimetres, its finish, and the seed of its print."""

    pattern: str
    size: float
    finish: str
    seed: int


def _plain(_sheet: Sheet, _inks: Inks, _size: float, _dice: Dice) -> None:
    pass


def _stripes(sheet: Sheet, inks: Inks, size: float, dice: Dice, *, upright: bool = False) -> None:
    count = max(2, 2 * round(sheet.period / (size * 4)))
    step = sheet.period / count
    share, second = dice.choice((0.5, 0.5, 0.3, 0.2)), dice.chance(0.3)
    for n in range(count):
        sheet.band(n * step, step * share, inks[2 if second and n % 2 else 1], upright=upright)


def _pinstripes(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    _stripes(sheet, inks, size * 0.9, dice, upright=True)


def _gingham(sheet: Sheet, inks: Inks, size: float, _dice: Dice) -> None:
    count = max(2, round(sheet.period / (size * 2)))
    step = sheet.period / count
    for n in range(count):
        sheet.band(n * step, step / 2, inks[1], 140, upright=True)
        sheet.band(n * step, step / 2, inks[1], 140, upright=False)


def _tartan(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    count = max(1, round(sheet.period / (size * 5)))
    step = sheet.period / count
    wide, thin = dice.uniform(0.3, 0.45), dice.uniform(0.04, 0.07)
    for upright in (True, False):
        for n in range(count):
            sheet.band(n * step, step * wide, inks[1], 130, upright=upright)
            sheet.band((n + 0.7) * step, step * thin, inks[2], 210, upright=upright)
            sheet.band((n + wide / 2) * step, step * thin, inks[2], 150, upright=upright)


def _windowpane(sheet: Sheet, inks: Inks, size: float, _dice: Dice) -> None:
    count = max(1, round(sheet.period / (size * 3.4)))
    for n in range(count):
        for upright in (True, False):
            sheet.band(n * sheet.period / count, size * 0.36, inks[1], 220, upright=upright)


def _dots(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    count = max(2, round(sheet.period / (size * 2.1)))
    step, second = sheet.period / count, dice.chance(0.25)
    radius = step * dice.uniform(0.2, 0.29)
    for i in range(count):
        for j in range(count):
            sheet.disc(i * step, j * step, radius, inks[1])
            sheet.disc((i + 0.5) * step, (j + 0.5) * step, radius, inks[2 if second else 1])


def _confetti(sheet: Sheet, inks: Inks, size: float, dice: Dice) -> None:
    for n, (x, y) in enumerate(motif.scattered(dice, sheet.period, size * 1.25)):
        sheet.disc(x, y, size * dice.uniform(0.25, 0.58), inks[1 + (n % 3 == 0)])


PRINTS: Mapping[str, Print] = MappingProxyType(
    {
        "plain": _plain,
        "striped": _stripes,
        "pinstriped": _pinstripes,
        "gingham": _gingham,
        "tartan": _tartan,
        "windowpane": _windowpane,
        "polka-dot": _dots,
        "confetti": _confetti,
        "floral": motif.floral,
        "paisley": motif.paisley,
        "leopard": motif.leopard,
        "brushstroke": motif.brush,
        "diamond": motif.diamonds,
        "zigzag": motif.zigzag,
        "leaf": motif.leaves,
    }
)


def repeat(fabric: Fabric, way: Colourway, scale: float) -> NDArray[np.uint8]:
    """One repeat of the cloth as (P, P, 3), at scale pixels per centimetre."""
    period = 9.0 if fabric.pattern == "plain" else max(12.0, fabric.size * 8)
    inks: Inks = (way.ground.rgb, way.ink.rgb, way.accent.rgb)
    sheet = Sheet(period, scale, inks[0])
    PRINTS[fabric.pattern](sheet, inks, fabric.size, Dice("print", fabric.seed))
    return _finished(sheet.pixels(), fabric, scale)


def _finished(pixels: NDArray[np.uint8], fabric: Fabric, scale: float) -> NDArray[np.uint8]:
    side = pixels.shape[0]
    grain = Dice("grain", fabric.seed).octets(side, side).astype(np.float32) / np.float32(127.5) - np.float32(1)
    row, column = np.arange(side)[:, None], np.arange(side)[None, :]
    step = max(2, round(scale * 0.3))
    if fabric.finish == "denim":
        weave = np.float32(0.1) * grain + np.float32(0.05) * (((row + column) // step % 2) * 2 - 1)
    elif fabric.finish == "rib":
        ridge = max(2, round(scale * 0.45))
        weave = np.float32(0.02) * grain - np.float32(0.13) * (column % ridge == 0)
    elif fabric.finish == "linen":
        slub = (grain[:1, :] + grain[:, :1]) * np.float32(0.02)
        weave = np.float32(0.035) * grain + slub
    else:
        weave = np.float32(0.022) * grain
    shine = pixels.astype(np.float32) * (np.float32(1) + weave.astype(np.float32))[:, :, None]
    return np.clip(shine + weave.astype(np.float32)[:, :, None] * 12, 0, 255).astype(np.uint8)


def lay(tile: NDArray[np.uint8], width: int, height: int, turn: float, shift: tuple[int, int]) -> Image.Image:
    """The cloth laid over (height, width), turned by that many degrees, its repeat shifted in pixels."""
    side = tile.shape[0]
    if abs(turn) < 0.5:
        return Image.fromarray(_spread(tile, width, height, shift))
    far = int((width * width + height * height) ** 0.5) + 4
    turned = Image.fromarray(_spread(tile, far, far, (shift[0] % side, shift[1] % side)))
    turned = turned.rotate(turn, Image.Resampling.BILINEAR)
    x, y = (far - width) // 2, (far - height) // 2
    return turned.crop((x, y, x + width, y + height))


def _spread(tile: NDArray[np.uint8], width: int, height: int, shift: tuple[int, int]) -> NDArray[np.uint8]:
    side = tile.shape[0]
    x, y = shift[0] % side, shift[1] % side
    repeats = (-(-(height + y) // side), -(-(width + x) // side), 1)
    return np.ascontiguousarray(np.tile(tile, repeats)[y : y + height, x : x + width])


def lining(way: Colourway) -> tuple[int, int, int]:
    """The colour of the cloth's inner side, in shade."""
    return mixed(way.ground.rgb, (38, 32, 36), 0.42)
