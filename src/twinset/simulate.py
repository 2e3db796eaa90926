"""A shop photo as a customer's phone might show it: nearer, askew, in other light, before other things."""

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from twinset import photos
from twinset.records import Pixels

_LONG_SIDE: Final = 512
_FILLED: Final = (0.7, 0.95)
"""How much of each side of the new photo the old one takes."""
_CORNER: Final = 0.06
"""How far a corner may move, as a share of the side: turns, slants and perspective."""
_CUT: Final = 0.08
_GAIN: Final = (0.7, 1.2)
_CAST: Final = 0.1
_GAMMA: Final = (0.8, 1.3)
_BLUR: Final = (0.0, 1.4)
_NOISE: Final = 8.0
_QUALITY: Final = (55, 90)
_SPOTS: Final = 6
"""How many things lie about, at most."""
_COARSE: Final = 160
_PALE: Final = 225
_ALIKE: Final = 24
_LEAST: Final = 0.05
_MARK: Final = (255, 0, 254)

Draw = np.random.Generator
Light = npt.NDArray[np.floating[Any]]


def drawn(name: str, seed: int = 0) -> Draw:
    """What a photo of that name is changed by; equal for equal names and seeds."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def customer(pixels: Pixels, draw: Draw) -> Pixels:
    """The photo `(H, W, 3)` as a phone would show it: another uint8 `(H, W, 3)`, at most 512 pixels long."""
    image = Image.fromarray(photos.shrink(_cut(pixels, draw), _LONG_SIDE))
    placed = _placed(image, draw).filter(ImageFilter.GaussianBlur(draw.uniform(*_BLUR)))
    lit = _lit(np.asarray(placed), draw)
    return photos.decode(photos.encode_jpeg(lit, int(draw.integers(*_QUALITY)))).pixels


def _cut(pixels: Pixels, draw: Draw) -> Pixels:
    height, width = pixels.shape[:2]
    left, top, right, bottom = draw.uniform(0, _CUT, 4)
    rows = slice(int(top * height), max(int(top * height) + 1, round((1 - bottom) * height)))
    columns = slice(int(left * width), max(int(left * width) + 1, round((1 - right) * width)))
    return pixels[rows, columns]


def _placed(image: Image.Image, draw: Draw) -> Image.Image:
    """The photo askew on a ground with other things."""
    width, height = (round(side / draw.uniform(*_FILLED)) for side in image.size)
    ground = _ground(width, height, draw)
    left, top = draw.integers(0, width - image.width + 1), draw.integers(0, height - image.height + 1)
    corners = np.array([(0, 0), (0, image.height), (image.width, image.height), (image.width, 0)], float)
    corners -= draw.uniform(-_CORNER, _CORNER, (4, 2)) * image.size
    quad = tuple(corners.ravel().tolist())
    shape = _shape(image)
    askew, cover = (
        part.transform(image.size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR) for part in (image, shape)
    )
    ground.paste(askew, (int(left), int(top)), cover)
    return ground


def _shape(image: Image.Image) -> Image.Image:
    """What of a shop photo is no empty pale ground, from whose corners it is flooded; else all of it."""
    small = image.copy()
    small.thumbnail((_COARSE, _COARSE))
    right, bottom = small.width - 1, small.height - 1
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom)]
    pale = [at for at in corners if min(np.asarray(small)[at[1], at[0]]) > _PALE]
    for at in pale:
        ImageDraw.floodfill(small, at, _MARK, thresh=_ALIKE)
    shape = (np.asarray(small) != _MARK).any(axis=2)
    full = Image.fromarray((shape * 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return full if shape.mean() > _LEAST else Image.new("L", image.size, 255)


def _ground(width: int, height: int, draw: Draw) -> Image.Image:
    """A wall or a floor, out of focus, on which a few things lie."""
    ground = Image.new("RGB", (width, height), _colour(draw))
    for _ in range(int(draw.integers(0, _SPOTS + 1))):
        wide, tall = (max(1, round(side * draw.uniform(0.1, 0.4))) for side in (width, height))
        at = int(draw.integers(-wide // 2, width)), int(draw.integers(-tall // 2, height))
        ground.paste(_colour(draw), (*at, at[0] + wide, at[1] + tall))
    return ground.filter(ImageFilter.GaussianBlur(draw.uniform(2, 8)))


def _colour(draw: Draw) -> tuple[int, int, int]:
    grey = draw.uniform(40, 230)
    red, green, blue = np.clip(grey + draw.uniform(-40, 40, 3), 0, 255).astype(int).tolist()
    return red, green, blue


def _lit(pixels: Pixels, draw: Draw) -> Pixels:
    """In another light: its strength, colour and slant, and the sensor's noise."""
    height, width = pixels.shape[:2]
    gain = draw.uniform(*_GAIN) * draw.uniform(1 - _CAST, 1 + _CAST, 3)
    slant: Light = np.linspace(-1, 1, width)[None, :] * draw.uniform(-0.15, 0.15)
    slant = slant + np.linspace(-1, 1, height)[:, None] * draw.uniform(-0.15, 0.15)
    bright = 255 * (pixels / 255) ** draw.uniform(*_GAMMA) * gain * (1 + slant[:, :, None])
    noisy = bright + draw.normal(0, draw.uniform(1, _NOISE), pixels.shape)
    lit: Pixels = np.clip(noisy.round(), 0, 255).astype(np.uint8)
    return lit
