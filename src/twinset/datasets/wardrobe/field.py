"""Smooth fields of numbers over a picture, from exact arithmetic only: every processor agrees on them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .rng import Dice

Field = NDArray[np.float32]


def sine(turns: Field) -> Field:
    """The sine of that many turns, to 0.1 %; no library's sine, whose last bit is the processor's."""
    x = turns - np.floor(turns + np.float32(0.5))
    y = np.float32(8) * x - np.float32(16) * x * np.abs(x)
    found: Field = y * (np.float32(0.775) + np.float32(0.225) * np.abs(y))
    return found


def ramps(height: int, width: int) -> tuple[Field, Field]:
    """x as (1, W) and y as (H, 1), each from -1 to 1."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return x, y


def enlarge(small: Field, height: int, width: int) -> Field:
    """The small field, smoothly enlarged to (H, W)."""
    image = Image.fromarray(small)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def cloud(dice: Dice, height: int, width: int, rows: int, columns: int) -> Field:
    """Smooth noise of about -1 … 1 as (H, W), with that many bumps down and across."""
    knots = dice.octets(rows, columns).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return enlarge(knots, height, width)
