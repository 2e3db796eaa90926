"""A shop's photos of an item: front, back, and a close look, on a pale ground with a soft shadow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from .cut import Shape
from .field import ramps
from .frame import Frame
from .garment import Layer, drawn, shape
from .rng import Dice
from .style import Item

Box = tuple[int, int, int, int]
WIDTH, HEIGHT = 384, 512


@dataclass(frozen=True)
class Photo:
    """A picture as (H, W, 3), and the garment's box in pixels where it has one."""

    pixels: NDArray[np.uint8]
    box: Box | None
    view: str = ""


def photo(seed: int, item: Item, index: int) -> Photo:
    """The item's shop photo of that index, from 0."""
    second = "back" if Dice(seed, "view", item.style).chance(0.5) else "detail"
    order = ("main", second, "detail" if second == "back" else "back")
    view = order[index] if index < 3 else "detail"
    dice = Dice(seed, "shop", item.number, index)
    cut = shape(item.design, back=view == "back")
    frame = _close(cut, dice) if view == "detail" else fitted(cut, WIDTH, HEIGHT, dice.uniform(0.83, 0.89))
    layer = drawn(cut, item.design, item.way, frame, dice)
    picture = layer.over(_ground(layer, dice))
    return Photo(np.asarray(picture), None if view == "detail" else bounds(layer.cover), view)


def fitted(cut: Shape, width: int, height: int, share: float) -> Frame:
    """The frame in which the garment fills that share of the picture."""
    tall = cut.bottom - cut.top
    scale = min(height * share / tall, width * (share + 0.04) / cut.width)
    return Frame(width, height, scale, width / 2, height / 2 - scale * (cut.top + tall / 2))


def _close(cut: Shape, dice: Dice) -> Frame:
    scale = dice.uniform(9.0, 11.5)
    x, y = dice.choice((-1.0, 1.0)) * dice.uniform(3.0, 8.0), cut.top + dice.uniform(17.0, 21.0)
    return Frame(WIDTH, HEIGHT, scale, WIDTH / 2 - x * scale, HEIGHT / 2 - y * scale)


def bounds(cover: Image.Image) -> Box | None:
    """The box about what is covered by more than half."""
    return cover.point([0] * 128 + [255] * 128).getbbox()


def _ground(layer: Layer, dice: Dice) -> Image.Image:
    x, y = ramps(HEIGHT, WIDTH)
    pale, warm = dice.uniform(232, 249), dice.uniform(-2.5, 2.5)
    glow = np.float32(pale) - np.float32(5) * (x * x + y * y)
    ground = np.stack([glow + np.float32(warm), glow, glow - np.float32(warm)], axis=2)
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    soft = (
        layer.cover.reduce(4)
        .filter(ImageFilter.GaussianBlur(3.2))
        .resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    )
    soft = soft.crop((-5, -8, WIDTH - 5, HEIGHT - 8)).point([255 - round(v * 0.26) for v in range(256)])
    return ImageChops.multiply(image, Image.merge("RGB", [soft] * 3))
