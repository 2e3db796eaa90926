"""Rooms: what stands behind the garment in a customer's photo, slightly out of focus."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .fabric import PRINTS, Fabric, lay, repeat
from .field import cloud, enlarge, ramps, sine
from .palette import COLOURS, RGB, Colourway, colourways, mixed
from .rng import Dice

Room = Callable[[int, int, Dice], Image.Image]

_WALLS: tuple[RGB, ...] = (
    (226, 220, 210), (206, 208, 208), (214, 200, 178), (186, 196, 196), (196, 184, 186), (172, 184, 168),
    (222, 204, 196), (150, 160, 172), (198, 190, 160), (120, 128, 130), (232, 228, 222), (164, 140, 126),
)  # fmt: skip
_WOODS: tuple[RGB, ...] = ((176, 132, 92), (142, 100, 68), (202, 168, 126), (110, 78, 58), (188, 172, 152))


def room(width: int, height: int, dice: Dice, *, lying: bool) -> Image.Image:
    """A background of that size; for a garment that lies, something to lie on."""
    upright: tuple[Room, ...] = (_corner, _corner, _door, _curtain, _tiled, _papered)
    picture = dice.choice((_bed, _bed, _planks, _rug) if lying else upright)(width, height, dice)
    return picture.filter(ImageFilter.BoxBlur(dice.uniform(0.9, 2.2)))


def _rough(image: Image.Image, dice: Dice, depth: float, rows: int = 6) -> Image.Image:
    light = np.float32(1) + np.float32(depth) * cloud(dice, image.height, image.width, rows, 5)
    return Image.fromarray(np.clip(np.asarray(image) * light[:, :, None], 0, 255).astype(np.uint8))


def _corner(width: int, height: int, dice: Dice) -> Image.Image:
    wall, wood = dice.choice(_WALLS), dice.choice(_WOODS)
    image = Image.new("RGB", (width, height), wall)
    pen = ImageDraw.Draw(image)
    base = round(height * dice.uniform(0.72, 0.9))
    _boards(pen, (0, base, width, height), wood, dice)
    pen.rectangle((0, base - 16, width, base), fill=mixed(wall, (255, 255, 255), 0.5))
    pen.line((0, base, width, base), fill=mixed(wood, (0, 0, 0), 0.5), width=3)
    side = dice.choice((0.0, 0.72)) * width
    if dice.chance(0.6):
        _picture(pen, side + dice.uniform(8, 30), height * dice.uniform(0.05, 0.25), dice)
    if dice.chance(0.5):
        _plant(pen, width * dice.choice((0.06, 0.93)), base + 14, dice)
    elif dice.chance(0.6):
        x, rgb = dice.choice((-40, width - 70)), dice.choice(COLOURS).rgb
        pen.rounded_rectangle((x, base - 150, x + 110, base + 20), 14, fill=mixed(rgb, wall, 0.4))
        pen.rounded_rectangle((x - 8, base - 60, x + 118, base + 24), 12, fill=mixed(rgb, (0, 0, 0), 0.15))
    return _rough(image, dice, 0.06, 3)


def _boards(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], wood: RGB, dice: Dice) -> None:
    x0, y0, x1, y1 = box
    y = y0
    while y < y1:
        tall, x = 16 + dice.below(10), x0 - dice.below(120)
        while x < x1:
            wide = 90 + dice.below(90)
            pen.rectangle((x, y, x + wide, y + tall), fill=mixed(wood, (40, 24, 16), dice.uniform(0, 0.22)))
            pen.line((x, y, x, y + tall), fill=mixed(wood, (0, 0, 0), 0.5))
            x += wide
        pen.line((x0, y, x1, y), fill=mixed(wood, (0, 0, 0), 0.45))
        y += tall


def _picture(pen: ImageDraw.ImageDraw, x: float, y: float, dice: Dice) -> None:
    rgb, wide, tall = dice.choice(COLOURS).rgb, dice.uniform(56, 84), dice.uniform(70, 110)
    pen.rectangle((x, y, x + wide, y + tall), fill=dice.choice(_WOODS))
    pen.rectangle((x + 5, y + 5, x + wide - 5, y + tall - 5), fill=(238, 234, 226))
    pen.ellipse((x + 14, y + 18, x + wide - 14, y + tall - 26), fill=mixed(rgb, (220, 214, 204), 0.35))


def _plant(pen: ImageDraw.ImageDraw, x: float, y: float, dice: Dice) -> None:
    for _ in range(16):
        dx, dy = dice.uniform(-46, 46), dice.uniform(-150, -50)
        green = mixed((60, 104, 62), (128, 150, 88), dice.uniform(0, 1))
        pen.line((x, y - 30, x + dx, y + dy), fill=green, width=2)
        pen.ellipse((x + dx - 13, y + dy - 9, x + dx + 13, y + dy + 12), fill=green)
    pen.polygon(((x - 24, y - 40), (x + 24, y - 40), (x + 17, y + 8), (x - 17, y + 8)), fill=dice.choice(_WALLS))


def _door(width: int, height: int, dice: Dice) -> Image.Image:
    wall, rgb = dice.choice(_WALLS), dice.choice((*_WOODS[:3], (236, 233, 226), (214, 214, 210), (140, 156, 162)))
    image = Image.new("RGB", (width, height), wall)
    pen = ImageDraw.Draw(image)
    left = round(width * dice.uniform(-0.1, 0.16))
    right = left + round(width * 0.86)
    pen.rectangle((left - 14, 0, right + 14, height), fill=mixed(rgb, (255, 255, 255), 0.3))
    pen.rectangle((left, 0, right, height), fill=rgb)
    middle = (left + right) // 2
    for x0, x1 in ((left + 30, middle - 14), (middle + 14, right - 30)):
        for y0, y1 in ((-20, height * 0.42), (height * 0.5, height * 0.94)):
            pen.rectangle(
                (x0, y0, x1, y1), fill=mixed(rgb, (0, 0, 0), 0.1), outline=mixed(rgb, (0, 0, 0), 0.3), width=3
            )
            pen.line((x0, y1, x1, y1), fill=mixed(rgb, (255, 255, 255), 0.4), width=3)
    pen.ellipse((right - 24, height * 0.45, right - 6, height * 0.45 + 18), fill=(176, 160, 120))
    return _rough(image, dice, 0.05, 4)


def _curtain(width: int, height: int, dice: Dice) -> Image.Image:
    rgb = mixed(dice.choice(COLOURS).rgb, dice.choice(_WALLS), dice.uniform(0.3, 0.75))
    x, y = ramps(height, width)
    sway = cloud(dice, 1, width, 1, 7) + np.float32(0.05) * y
    light = np.float32(0.86) + np.float32(0.16) * sine(x * np.float32(dice.uniform(3, 6)) + sway)
    return Image.fromarray(np.clip(np.asarray(rgb, dtype=np.float32) * light[:, :, None], 0, 255).astype(np.uint8))


def _tiled(width: int, height: int, dice: Dice) -> Image.Image:
    rgb = dice.choice(((226, 228, 226), (196, 210, 212), (206, 196, 182), (158, 180, 176), (128, 146, 160)))
    image = Image.new("RGB", (width, height), mixed(rgb, (120, 120, 120), 0.35))
    pen = ImageDraw.Draw(image)
    wide, tall = dice.choice(((64, 64), (84, 40), (46, 46)))
    for row in range(height // tall + 1):
        for column in range(-1, width // wide + 1):
            x, y = column * wide + (wide // 2 if row % 2 and wide != tall else 0), row * tall
            pen.rectangle(
                (x + 2, y + 2, x + wide, y + tall), fill=mixed(rgb, (255, 255, 255), dice.uniform(0, 0.2))
            )
    return _rough(image, dice, 0.06, 3)


def _papered(width: int, height: int, dice: Dice) -> Image.Image:
    return _spread(
        width, height, dice, dice.choice(("striped", "pinstriped", "leaf", "polka-dot", "diamond", "floral")), 0.62
    )


def _spread(width: int, height: int, dice: Dice, pattern: str, pale: float) -> Image.Image:
    way = colourways(dice, 1)[0] if pattern in PRINTS else Colourway(*dice.shuffled(COLOURS)[:3])
    tile = repeat(Fabric(pattern, dice.uniform(3.0, 6.0), "cotton", dice.below(2**31)), way, 6.0)
    cloth = lay(tile, width, height, dice.uniform(-20, 20) if pale < 0.6 else 0.0, (0, 0))
    return Image.blend(cloth, Image.new("RGB", (width, height), dice.choice(_WALLS)), pale)


def _bed(width: int, height: int, dice: Dice) -> Image.Image:
    pattern = dice.choice(("plain", "plain", "striped", "gingham", "leaf", "floral", "polka-dot", "windowpane"))
    image = _spread(width, height, dice, pattern, dice.uniform(0.45, 0.75))
    rows, columns = height // 2, width // 2
    rumple = cloud(dice, rows, columns, 7, 5) + np.float32(0.5) * cloud(dice, rows, columns, 16, 9)
    slope = np.zeros_like(rumple)
    slope[:, 1:] = (rumple[:, 1:] - rumple[:, :-1]) * np.float32(3.2)
    slope[1:, :] += (rumple[1:, :] - rumple[:-1, :]) * np.float32(2.4)
    light = np.float32(0.97) + np.clip(enlarge(slope, height, width), -0.28, 0.2)
    return Image.fromarray(np.clip(np.asarray(image) * light[:, :, None], 0, 255).astype(np.uint8))


def _planks(width: int, height: int, dice: Dice) -> Image.Image:
    image = Image.new("RGB", (height, width))
    _boards(ImageDraw.Draw(image), (0, 0, height, width), dice.choice(_WOODS), dice)
    turned = image.rotate(90, expand=True) if dice.chance(0.5) else image.resize((width, height))
    return _rough(turned, dice, 0.07)


def _rug(width: int, height: int, dice: Dice) -> Image.Image:
    image = _spread(
        width, height, dice, dice.choice(("plain", "plain", "zigzag", "diamond", "striped")), dice.uniform(0.3, 0.6)
    )
    noise = dice.octets(height, width).astype(np.float32) / np.float32(640) + np.float32(0.8)
    return _rough(Image.fromarray((np.asarray(image) * noise[:, :, None]).astype(np.uint8)), dice, 0.08)
