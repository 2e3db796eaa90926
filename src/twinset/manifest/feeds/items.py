"""Products → items: which variants are one item, and which pictures are whose."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from twinset.manifest.feeds import values
from twinset.manifest.feeds.model import Items, Picture, Product, Variant
from twinset.manifest.notes import Notes


@dataclass(frozen=True, slots=True)
class Item:
    """A product, or one colour of it: its variants, and the pictures that show it, the best first.

    `name` is its `item_id`; a picture may stand under several items still.
    """

    name: str
    product: Product
    variants: tuple[Variant, ...]
    pictures: tuple[Picture, ...]


def items(product: Product, by: Items, notes: Notes) -> list[Item]:
    """The items of a product.

    In several colours, a picture that a colour's variants claim is that colour's; one that none claims belongs to
    the colour that its alternative text or its file's name names, or else to an item of the product alone: which
    colour it shows is not known, and a guess would make two products of one.
    """
    colours = _colours(product, notes)
    if by == "product" or len(colours) <= 1:
        colour = next(iter(colours), "") if by == "colour" else ""
        gallery = (*product.pictures, *(picture for variant in product.variants for picture in variant.pictures))
        return [Item(_name(product, colour), product, product.variants, gallery)]
    unclaimed = _unclaimed(product, colours, notes)
    found = [
        Item(_name(product, colour), product, variants, (*_own(product, variants), *unclaimed.get(colour, ())))
        for colour, variants in colours.items()
    ]
    if "" in unclaimed and "" not in colours:
        found.append(Item(product.key, product, product.variants, tuple(unclaimed[""])))
    return found


def _name(product: Product, colour: str) -> str:
    return f"{product.key}/{colour}" if colour else product.key


def _colours(product: Product, notes: Notes) -> dict[str, tuple[Variant, ...]]:
    """Variants by their colour's slug, in the feed's order; one without a colour is of the product alone."""
    colours: dict[str, list[Variant]] = {}
    for variant in product.variants:
        colours.setdefault(values.slug(variant.colour), []).append(variant)
    for own in colours.values():
        if len({variant.colour for variant in own}) > 1:
            spelled = dict.fromkeys(variant.colour for variant in own)
            notes.add("colour_spelled", f"{product.key}: {', '.join(spelled)}")
    return {colour: tuple(own) for colour, own in colours.items()}


def _own(product: Product, variants: Iterable[Variant]) -> list[Picture]:
    """What variants claim, in the order of the product's gallery, whose row tells more of it."""
    gallery = reversed(list(enumerate(product.pictures)))
    order = {picture.address: (place, picture) for place, picture in gallery}
    claimed = {picture.address: picture for variant in variants for picture in variant.pictures}
    found = [order.get(address, (len(product.pictures), picture)) for address, picture in claimed.items()]
    return [picture for _, picture in sorted(found, key=lambda one: one[0])]


def _unclaimed(
    product: Product, colours: Mapping[str, Sequence[Variant]], notes: Notes
) -> dict[str, list[Picture]]:
    """The pictures of the gallery that no variant claims, by the colour that they name."""
    claimed = {picture.address for variant in product.variants for picture in variant.pictures}
    found: dict[str, list[Picture]] = {}
    for picture in product.pictures:
        if picture.address not in claimed:
            colour = _named(picture, product, [colour for colour in colours if colour])
            notes.add("named_colour" if colour else "picture_without_colour", f"{product.key}: {picture.address}")
            found.setdefault(colour, []).append(picture)
    return found


def _named(picture: Picture, product: Product, colours: Sequence[str]) -> str:
    """The one colour that a picture's text or file name speaks of, beside what its product is called anyway."""
    file = PurePosixPath(urlsplit(picture.address).path).stem
    called = _words(f"{product.title} {product.key}")
    telling = [colour for colour in colours if _words(colour) not in called]
    return next(filter(None, (named_colour(text, telling) for text in (picture.alt, file))), "")


def named_colour(text: str, colours: Iterable[str]) -> str:
    """The one of some colours, as slugs, that a text names in whole words; empty where it names several, or none.

    >>> named_colour("Navy Blue / M", ["blue", "navy-blue"]), named_colour("blue or red", ["blue", "red"])
    ('navy-blue', '')
    """
    named = [colour for colour in colours if _words(colour) in _words(text)]
    parts = {part for part in named for whole in named if part != whole and _words(part) in _words(whole)}
    return next((colour for colour in named if colour not in parts), "") if len(named) - len(parts) == 1 else ""


def _words(text: str) -> str:
    """The words of a text between `-`, without accents, which file names leave out."""
    marks = unicodedata.normalize("NFKD", text)
    return f"-{values.slug(''.join(mark for mark in marks if not unicodedata.combining(mark)))}-"
