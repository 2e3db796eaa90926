"""A cut and a cloth drawn: part upon part, each shaded as if its folds were lit from the upper left."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from . import bodice, bottoms
from .curve import ribbon
from .cut import Part, Shape
from .fabric import lay, lining, repeat
from .field import Field, cloud
from .frame import Frame
from .palette import RGB, Colourway, mixed
from .rng import Dice
from .style import Design

Pixels = NDArray[np.uint8]
Filler = Callable[[int, int, tuple[int, int]], Image.Image]

_LEVEL = 160  # the shade that leaves a colour as it is
_RELIEF = {"satin": 1.7, "cotton": 1.0, "linen": 1.15, "denim": 0.8, "rib": 0.8}


@dataclass(frozen=True)
class Layer:
    """A drawn thing: RGB already multiplied by its coverage, and the coverage, both (H, W)."""

    rgb: Image.Image
    cover: Image.Image

    @classmethod
    def empty(cls, frame: Frame) -> "Layer":
        """Nothing, of the frame's size."""
        return cls(Image.new("RGB", frame.size), Image.new("L", frame.size))

    def over(self, ground: Image.Image) -> Image.Image:
        """This layer upon an opaque picture of the same size."""
        hidden = Image.merge("RGB", [ImageChops.invert(self.cover)] * 3)
        return ImageChops.add(ImageChops.multiply(ground, hidden), self.rgb)

    def upon(self, below: "Layer") -> "Layer":
        """Both layers as one, this one in front."""
        return Layer(self.over(below.rgb), ImageChops.screen(below.cover, self.cover))


def shape(design: Design, *, back: bool = False) -> Shape:
    """The design's cut, seen from the front or the back."""
    if design.kind == "skirt":
        return bottoms.skirt(design, back=back)
    return bottoms.trousers(design, back=back) if design.kind == "trousers" else bodice.garment(design, back=back)


def drawn(cut: Shape, design: Design, way: Colourway, frame: Frame, dice: Dice, *, worn: bool = False) -> Layer:
    """The garment in its frame; worn by somebody, its inner side is hidden."""
    tile = repeat(design.fabric, way, frame.scale)
    layer = Layer.empty(frame)
    relief = _RELIEF[design.fabric.finish]
    for part in cut.parts:
        if worn and part.filling in {"lining", "tag"}:
            continue
        layer = laid(layer, part, _filling(part, tile, way), frame, dice, relief=relief)
    return layer


def filled(rgb: RGB) -> Filler:
    """A filling of one flat colour."""
    return lambda width, height, _shift: Image.new("RGB", (width, height), rgb)


def _filling(part: Part, tile: Pixels, way: Colourway) -> Filler:
    flat: dict[str, RGB] = {"lining": lining(way), "tag": (236, 234, 228), "trim": way.ink.rgb}
    if part.filling in flat:
        return filled(flat[part.filling])
    return lambda width, height, shift: lay(tile, width, height, part.grain, shift)


def laid(layer: Layer, part: Part, filler: Filler, frame: Frame, dice: Dice, *, relief: float = 1.0) -> Layer:
    """The layer with one more part upon it, shaded by its folds and casting a soft shadow on what is below."""
    outlines = (part.outline, *part.also)
    box = frame.box(outlines)
    if box is None:
        return layer
    inside = frame.inside(box)
    cut = inside.mask(outlines)
    shift = (round(box[0] - frame.x), round(box[1] - frame.y))
    cloth = np.asarray(filler(*cut.size, shift)).astype(np.uint16)
    shade = _shade(cut, part, inside, relief, dice)
    lit = Image.fromarray(np.minimum(cloth * shade[:, :, None] // np.uint16(_LEVEL), 255).astype(np.uint8))
    _sewn(lit, part, inside)
    rgb, cover = layer.rgb.copy(), layer.cover.copy()
    _shadow(rgb, cut, box, frame.scale)
    rgb.paste(lit, box, cut)
    cover.paste(ImageChops.screen(cover.crop(box), cut), box)
    return Layer(rgb, cover)


def _shadow(rgb: Image.Image, cut: Image.Image, box: tuple[int, int, int, int], scale: float) -> None:
    reach = max(2, round(scale * 0.7))
    wider = cut.crop((-2 * reach, -2 * reach, cut.width + 2 * reach, cut.height + 2 * reach))
    soft = wider.filter(ImageFilter.BoxBlur(reach)).point([round(v * 0.42) for v in range(256)])
    rgb.paste((0, 0, 0), (box[0] - 2 * reach + reach // 2, box[1] - 2 * reach + reach // 2), soft)


def _shade(mask: Image.Image, part: Part, frame: Frame, relief: float, dice: Dice) -> NDArray[np.uint16]:
    half = Frame((frame.width + 1) // 2, (frame.height + 1) // 2, frame.scale / 2, frame.x / 2, frame.y / 2)
    small = mask.resize(half.size, Image.Resampling.BILINEAR)
    puff = np.asarray(small.filter(ImageFilter.BoxBlur(max(1.0, half.scale * 1.9))), dtype=np.float32) / np.float32(
        255
    )
    solid = np.asarray(small, dtype=np.float32) / np.float32(255)
    height = puff * np.float32(1.7) + _folds(part, half) * np.float32(1.1)
    cells = (max(3, round(half.height / half.scale / 14)), max(3, round(half.width / half.scale / 9)))
    height += cloud(dice, half.height, half.width, *cells) * np.float32(0.2)
    steep = np.float32(half.scale * 0.30 * relief)
    slope = np.zeros_like(height)
    slope[:, 1:-1] += (height[:, 2:] - height[:, :-2]) * np.float32(0.62)
    slope[1:-1, :] += (height[2:, :] - height[:-2, :]) * np.float32(0.45)
    slope = np.where(solid > 0.5, slope, slope * np.float32(0.4))
    light = np.float32(1.0) + np.clip(slope * steep, -0.36, 0.26) - (np.float32(1) - puff) * np.float32(0.28)
    image = Image.fromarray(np.clip(light * _LEVEL, 40, 255).astype(np.uint8))
    return np.asarray(image.resize(frame.size, Image.Resampling.BILINEAR)).astype(np.uint16)


def _folds(part: Part, frame: Frame) -> Field:
    image = Image.new("L", frame.size, 90)
    pen = ImageDraw.Draw(image)
    for fold in part.folds:
        pen.polygon(frame.put(ribbon(fold.line, fold.start, fold.end)), fill=90 + round(110 * min(fold.depth, 1.4)))
    soft = image.filter(ImageFilter.GaussianBlur(max(0.8, frame.scale * 0.55)))
    return np.asarray(soft, dtype=np.float32) / np.float32(128)


def _sewn(cloth: Image.Image, part: Part, frame: Frame) -> None:
    if not (part.seams or part.stitches or part.buttons):
        return
    fine = Image.new("RGBA", (frame.width * 2, frame.height * 2), (0, 0, 0, 0))
    pen = ImageDraw.Draw(fine)
    luma = cloth.convert("L").resize((1, 1), Image.Resampling.BOX).tobytes()[0]
    thread = (255, 255, 255, 84) if luma < 62 else (16, 12, 22, 120)
    for line in part.seams:
        pen.line(frame.put(line, 2), fill=thread, width=max(2, round(frame.scale * 0.34)))
    for line in part.stitches:
        pen.line(frame.put(line, 2), fill=(*thread[:3], thread[3] // 2), width=max(2, round(frame.scale * 0.24)))
    rgb = (228, 222, 210) if luma < 150 else (104, 84, 70)
    for x, y in frame.put(part.buttons, 2):
        _button(pen, x, y, max(4.0, frame.scale * 1.5), rgb)
    cloth.paste(fine.reduce(2), (0, 0), fine.getchannel("A").reduce(2))


def _button(pen: ImageDraw.ImageDraw, x: float, y: float, r: float, rgb: RGB) -> None:
    pen.ellipse((x - r + 1, y - r + 2, x + r + 1, y + r + 2), fill=(0, 0, 0, 110))
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(*rgb, 255))
    pen.ellipse((x - r * 0.6, y - r * 0.6, x + r * 0.6, y + r * 0.6), fill=(*mixed(rgb, (0, 0, 0), 0.12), 255))
    for side in (-0.22, 0.22):
        at, hole = x + side * r, r * 0.14
        pen.ellipse((at - hole, y - hole, at + hole, y + hole), fill=(*mixed(rgb, (0, 0, 0), 0.6), 255))
