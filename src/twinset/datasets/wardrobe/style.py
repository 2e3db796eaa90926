"""What a style is: a cut and a cloth, chosen at random; and the items, its colourways."""

from collections.abc import Iterator
from dataclasses import dataclass

from .fabric import Fabric
from .palette import Colourway, colourways
from .rng import Dice, digest

_PRINTS = ("floral", "floral", "paisley", "leopard", "brushstroke", "diamond", "zigzag", "leaf", "confetti")
_PATTERNS = ("stripes", "stripes", "checks", "checks", "dots", "print", "print", "print", "plain", "plain", "plain")
_STRIPES, _CHECKS = ("striped", "striped", "pinstriped"), ("gingham", "tartan", "windowpane")
_TRIES = 40  # throws for a style unlike the ones before it


@dataclass(frozen=True)
class Design:
    """One style's cut and cloth; lengths in centimetres from the shoulder or the waistband."""

    category: str
    kind: str
    fit: str
    neckline: str
    sleeve: str
    length: float
    closure: str
    pocket: bool
    belt: bool
    contrast: bool
    pleats: int
    fabric: Fabric
    seed: int

    @property
    def noun(self) -> str:
        """What a shop calls the cut, like "A-line dress"."""
        name = self.category.split("/")[1].replace("_", " ").lower()
        words = {"sleeveless dress": "dress", "suspenders dress": "slip dress", "t shirt": "T-shirt"}
        short = "shorts" if self.length < 50 else "trousers"
        noun = short if name in {"pants", "summer wear"} else words.get(name, name)
        return noun if self.fit == "regular" or noun == "leggings" else f"{self.fit} {noun}"


@dataclass(frozen=True)
class Item:
    """One style in one colour; number counts from 1."""

    number: int
    style: str
    split: str
    design: Design
    way: Colourway
    price: int

    @property
    def item_id(self) -> str:
        """The item's name in the manifest."""
        return f"item_{self.number:05d}"

    @property
    def title(self) -> str:
        """A shop's line like "Striped A-line dress, navy"."""
        words = f"{self.design.fabric.pattern} {self.design.noun}"
        return f"{words[:1].upper()}{words[1:]}, {self.way.ground.name}"


def items(seed: int) -> Iterator[Item]:
    """The wardrobe's items without end; the first n are the same however many are taken."""
    taken: set[tuple[str, str, str]] = set()
    number, index = 0, 0
    while True:
        index += 1
        design, ways = _unlike(seed, index, taken)
        split = _split(seed, index)
        price = 990 + 500 * Dice(seed, "price", index).below(18)
        for way in ways:
            taken.add((design.category, design.fabric.pattern, way.ground.family))
            number += 1
            yield Item(number, f"style_{index:05d}", split, design, way, price)


def _split(seed: int, index: int) -> str:
    share = (digest(seed, "split", f"style_{index:05d}") >> 64) / 2**64
    return "train" if share < 0.6 else "val" if share < 0.7 else "test"


def _unlike(seed: int, index: int, taken: set[tuple[str, str, str]]) -> tuple[Design, tuple[Colourway, ...]]:
    for attempt in range(_TRIES):
        dice = Dice(seed, "style", index, attempt)
        design = designed(dice)
        ways = colourways(dice, 2 + dice.below(2))
        if all((design.category, design.fabric.pattern, way.ground.family) not in taken for way in ways):
            break
    return design, ways


def designed(dice: Dice) -> Design:
    """One random style."""
    kind = dice.choice(("dress", "dress", "dress", "top", "top", "top", "skirt", "trousers", "trousers"))
    if kind == "dress":
        return _dress(dice)
    if kind == "top":
        return _top(dice)
    return _skirt(dice) if kind == "skirt" else _trousers(dice)


def _cloth(dice: Dice, patterns: tuple[str, ...], finishes: tuple[str, ...]) -> Fabric:
    family = dice.choice(patterns)
    large = dice.chance(0.4)
    if family == "plain":
        return Fabric("plain", 1.0, dice.choice(finishes), dice.below(2**31))
    named = {"stripes": _STRIPES, "checks": _CHECKS, "dots": ("polka-dot",), "print": _PRINTS}
    pattern = dice.choice(named[family])
    size = dice.uniform(2.4, 3.6) if large else dice.uniform(1.2, 2.0)
    if pattern == "floral" and large:
        size *= 1.3
    return Fabric(pattern, size, dice.choice(("cotton", "satin", "linen")), dice.below(2**31))


def _dress(dice: Dice) -> Design:
    sleeve = dice.choice(("none", "strap", "cap", "short", "puff", "elbow", "three-quarter", "long", "bell"))
    low = ("boat", "V", "scoop", "square", "crew")
    neckline = "strap" if sleeve == "strap" else dice.choice((*low, "collar") if sleeve != "none" else low)
    named = {"strap": "Suspenders_Dress", "none": "Sleeveless_Dress"}
    return Design(
        category=f"DRESSES/{named.get(sleeve, 'Dress')}",
        kind="dress",
        fit=dice.choice(("A-line", "A-line", "sheath", "shift", "flared", "tiered", "empire")),
        neckline=neckline,
        sleeve=sleeve,
        length=dice.choice((88.0, 96.0, 104.0, 118.0, 128.0)),
        closure="placket" if neckline == "collar" else "none",
        pocket=False,
        belt=dice.chance(0.4),
        contrast=dice.chance(0.3),
        pleats=dice.choice((0, 0, 6, 9)),
        fabric=_cloth(dice, _PATTERNS, ("cotton", "satin", "linen")),
        seed=dice.below(2**31),
    )


def _top(dice: Dice) -> Design:
    name = dice.choice(("T_Shirt", "T_Shirt", "Blouse", "Blouse", "Tank_Top", "Polo_Shirt"))
    necklines = {"T_Shirt": ("crew", "V", "scoop", "boat"), "Blouse": ("V", "collar", "square", "high", "boat")}
    sleeves = {
        "T_Shirt": ("cap", "short", "short", "elbow", "long"),
        "Blouse": ("puff", "three-quarter", "long", "bell"),
        "Polo_Shirt": ("short", "short", "long"),
    }
    neckline = dice.choice(necklines.get(name, ("collar",) if name == "Polo_Shirt" else ("scoop", "V", "square")))
    finishes = ("cotton", "rib", "linen") if name != "Blouse" else ("satin", "linen", "cotton")
    return Design(
        category=f"TOPS/{name}",
        kind="top",
        fit=dice.choice(("regular", "slim", "cropped", "swing", *(("boxy",) if name != "Tank_Top" else ()))),
        neckline=neckline,
        sleeve=dice.choice(sleeves.get(name, ("none",))),
        length=dice.uniform(60.0, 66.0),
        closure="polo" if name == "Polo_Shirt" else "placket" if neckline == "collar" else "none",
        pocket=name == "T_Shirt" and dice.chance(0.35),
        belt=False,
        contrast=dice.chance(0.35),
        pleats=0,
        fabric=_cloth(dice, _PATTERNS, finishes),
        seed=dice.below(2**31),
    )


def _skirt(dice: Dice) -> Design:
    fit = dice.choice(("A-line", "pencil", "flared", "tiered", "pleated"))
    return Design(
        category="DRESSES/Skirt",
        kind="skirt",
        fit=fit,
        neckline="",
        sleeve="",
        length=dice.choice((54.0, 62.0, 72.0, 82.0)),
        closure="placket" if fit == "A-line" and dice.chance(0.5) else "none",
        pocket=fit in {"A-line", "pencil"} and dice.chance(0.4),
        belt=False,
        contrast=dice.chance(0.25),
        pleats=9 if fit == "pleated" else 0,
        fabric=_cloth(dice, _PATTERNS, ("cotton", "satin", "denim")),
        seed=dice.below(2**31),
    )


def _trousers(dice: Dice) -> Design:
    name = dice.choice(("Pants", "Pants", "Pants", "Leggings", "Summer_Wear"))
    fits = {"Leggings": ("skinny",), "Summer_Wear": ("straight", "wide")}
    finish = ("cotton",) if name == "Leggings" else ("denim", "denim", "cotton", "linen")
    plainer = ("plain", "plain", "plain", "stripes", "checks", "print", "print", "dots")
    return Design(
        category=f"TROUSERS/{name}",
        kind="trousers",
        fit=dice.choice(fits.get(name, ("skinny", "straight", "flared", "wide", "tapered"))),
        neckline="",
        sleeve="",
        length=dice.choice((38.0, 46.0)) if name == "Summer_Wear" else dice.choice((90.0, 102.0, 104.0)),
        closure="none" if name == "Leggings" else "fly",
        pocket=name != "Leggings",
        belt=name != "Leggings" and dice.chance(0.3),
        contrast=dice.chance(0.15),
        pleats=dice.choice((0, 2)) if name == "Pants" else 0,
        fabric=_cloth(dice, plainer, finish),
        seed=dice.below(2**31),
    )
