"""Named colours, and the colourways that one design comes in."""

from dataclasses import dataclass

from .rng import Dice

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Colour:
    """A dye: its name, the family that shoppers would put it in, and its sRGB bytes."""

    name: str
    family: str
    rgb: RGB

    @property
    def luma(self) -> float:
        """Lightness as seen, 0 … 255."""
        r, g, b = self.rgb
        return 0.299 * r + 0.587 * g + 0.114 * b


COLOURS = (
    Colour("black", "black", (34, 33, 38)),
    Colour("charcoal", "grey", (76, 79, 86)),
    Colour("grey", "grey", (152, 154, 158)),
    Colour("white", "white", (240, 239, 236)),
    Colour("cream", "white", (238, 226, 200)),
    Colour("sand", "beige", (208, 186, 152)),
    Colour("camel", "brown", (182, 133, 80)),
    Colour("chocolate", "brown", (88, 58, 44)),
    Colour("rust", "orange", (182, 82, 42)),
    Colour("orange", "orange", (232, 124, 48)),
    Colour("coral", "coral", (238, 118, 102)),
    Colour("red", "red", (196, 36, 44)),
    Colour("burgundy", "burgundy", (112, 28, 48)),
    Colour("blush", "pink", (236, 188, 186)),
    Colour("pink", "pink", (230, 128, 162)),
    Colour("fuchsia", "fuchsia", (196, 42, 120)),
    Colour("lilac", "purple", (184, 160, 212)),
    Colour("plum", "purple", (104, 52, 110)),
    Colour("mustard", "yellow", (212, 162, 44)),
    Colour("lemon", "yellow", (246, 222, 106)),
    Colour("olive", "olive", (112, 110, 58)),
    Colour("sage", "sage", (158, 174, 140)),
    Colour("emerald", "green", (28, 124, 84)),
    Colour("forest", "green", (34, 76, 56)),
    Colour("mint", "mint", (172, 222, 200)),
    Colour("teal", "teal", (22, 112, 122)),
    Colour("sky", "sky", (150, 196, 228)),
    Colour("cobalt", "blue", (38, 78, 178)),
    Colour("denim", "denim", (84, 112, 150)),
    Colour("navy", "navy", (32, 42, 82)),
)


@dataclass(frozen=True)
class Colourway:
    """What one item of a design is dyed with: its ground, its ink and its accent."""

    ground: Colour
    ink: Colour
    accent: Colour


def colourways(dice: Dice, count: int) -> tuple[Colourway, ...]:
    """That many colourways whose grounds are of different families, far apart in colour."""
    grounds: list[Colour] = []
    for colour in dice.shuffled(COLOURS):
        if len(grounds) < count and all(_far(colour, other) for other in grounds):
            grounds.append(colour)
    return tuple(_way(dice, ground) for ground in grounds)


def _far(a: Colour, b: Colour) -> bool:
    apart = sum(abs(p - q) for p, q in zip(a.rgb, b.rgb, strict=True))
    return a.family != b.family and apart > 150


def _way(dice: Dice, ground: Colour) -> Colourway:
    inks = [c for c in dice.shuffled(COLOURS) if abs(c.luma - ground.luma) > 75 and c.family != ground.family]
    ink = dice.choice([c for c in inks if c.family in {"white", "black", "navy", "beige"}] or inks)
    if dice.chance(0.45):
        ink = inks[0]
    rest = [c for c in dice.shuffled(COLOURS) if c.family not in {ground.family, ink.family}]
    accent = next((c for c in rest if abs(c.luma - ground.luma) > 45 and abs(c.luma - ink.luma) > 20), rest[0])
    return Colourway(ground, ink, accent)


def mixed(a: RGB, b: RGB, share: float) -> RGB:
    """The colour that lies that share of the way from a to b."""
    r, g, c = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return r, g, c
