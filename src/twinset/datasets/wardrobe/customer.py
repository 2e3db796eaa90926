"""A customer's photo of an item: worn, hung or lying, in another light, askew, partly covered."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from .cover import covered, thrown
from .cut import Shape
from .field import cloud, ramps
from .figure import SKINS, body, hanger, waist
from .frame import Frame
from .garment import Layer, drawn, shape
from .rng import Dice
from .scene import room
from .shop import Photo, bounds
from .style import Item
from .warp import Bend

_SIZES = ((384, 512), (384, 512), (384, 504), (378, 512), (366, 512))
_MARGIN = 1.26  # the canvas that is bent is larger than the photo by this much


def photo(seed: int, item: Item, index: int) -> Photo:
    """The item's customer photo of that index, from 0."""
    dice = Dice(seed, "customer", item.number, index)
    width, height = dice.choice(_SIZES)
    pose = dice.choice(("worn", "worn", "worn", "hung", "lying"))
    cut = shape(item.design)
    frame = _framed(cut, width, height, pose, dice)
    layer, cover = _carried(item, cut, frame, pose, dice)
    bend = Bend.thrown(frame, (width, height), 14.0 if pose == "lying" else 6.0, dice)
    layer, seen = Layer(bend.of(layer.rgb), bend.of(layer.cover)), bend.of(cover, Image.Resampling.NEAREST)
    scene = room(width, height, dice, lying=pose == "lying")
    picture = layer.over(_shaded(scene, layer.cover, near=pose != "worn", dice=dice))
    return Photo(_lit(picture, dice), bounds(seen))


def _framed(cut: Shape, width: int, height: int, pose: str, dice: Dice) -> Frame:
    wide, tall = round(width * _MARGIN), round(height * _MARGIN)
    share = dice.uniform(0.8, 0.96) if pose == "worn" else dice.uniform(0.78, 0.9)
    length = cut.bottom - cut.top
    scale = min(height * share / length, width * (share + 0.08) / cut.width)
    x, y = wide / 2 + dice.uniform(-0.05, 0.05) * width, tall / 2 + dice.uniform(-0.04, 0.05) * height
    return Frame(wide, tall, scale, x, y - scale * (cut.top + length / 2))


def _carried(item: Item, cut: Shape, frame: Frame, pose: str, dice: Dice) -> tuple[Layer, Image.Image]:
    design, skin = item.design, dice.choice(SKINS)
    worn = pose == "worn"
    garment = drawn(cut, design, item.way, frame, dice, worn=worn)
    front = thrown(design, cut, skin, dice, worn=worn)
    layer, lift = garment, 0.0
    if worn:
        layer, lift = garment.upon(body(design, cut, frame, skin, bent=front.bent, dice=dice)), waist(design)
    elif pose == "hung":
        layer = garment.upon(hanger(design, frame, dice))
    layer = covered(layer, front.pieces, frame, lift, dice)
    return layer, garment.cover


def _shaded(scene: Image.Image, cover: Image.Image, *, near: bool, dice: Dice) -> Image.Image:
    soft = cover.reduce(4).filter(ImageFilter.GaussianBlur(2.4 if near else 5.0))
    soft = soft.resize(cover.size, Image.Resampling.BILINEAR)
    dx, dy = round(dice.uniform(-14, 14)), round(dice.uniform(4, 14))
    soft = soft.crop((-dx, -dy, cover.width - dx, cover.height - dy))
    dark = soft.point([255 - round(v * (0.42 if near else 0.3)) for v in range(256)])
    return ImageChops.multiply(scene, Image.merge("RGB", [dark] * 3))


def _lit(picture: Image.Image, dice: Dice) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = picture.point(_tones(dice)).filter(ImageFilter.BoxBlur(dice.uniform(0.3, 0.8)))
    height, width = image.height, image.width
    x, y = ramps(height, width)
    turn, depth = dice.uniform(0, math.tau), dice.uniform(0.04, 0.2)
    slant = x * np.float32(math.cos(turn) * depth) + y * np.float32(math.sin(turn) * depth)
    light = np.float32(1) + slant - np.float32(dice.uniform(0.04, 0.14)) * (x * x + y * y)
    light += np.float32(0.05) * cloud(dice, height, width, 3, 3)
    noise = dice.octets(height, width, 3).astype(np.float32) - np.float32(127.5)
    lit = np.asarray(image) * light[:, :, None] + noise * np.float32(dice.uniform(0.02, 0.07))
    return np.clip(lit, 0, 255).astype(np.uint8)


def _tones(dice: Dice) -> list[int]:
    warm, tint = dice.uniform(-0.12, 0.15), dice.uniform(-0.045, 0.045)
    bright, gamma, veil = dice.uniform(0.76, 1.12), dice.uniform(0.84, 1.22), dice.uniform(0, 16)
    found: list[int] = []
    for gain in (1 + warm, 1 + tint, 1 - warm):
        for value in range(256):
            tone = veil + (255 - veil) * math.pow(value / 255, gamma) * bright * gain
            found.append(max(0, min(255, round(tone))))
    return found
