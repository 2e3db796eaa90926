"""What a feed says, whichever shop system wrote it: products, their variants, their pictures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from twinset.errors import UsageError
from twinset.records import Fault

Items = Literal["colour", "product"]
"""What makes an item: a product in one colour, or a product."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a feed is converted; `currency`, `shop_url` and `photos_url` fill in what the feed does not say."""

    items: Items = "colour"
    currency: str = ""
    shop_url: str = ""
    photos_url: str = ""

    def __post_init__(self) -> None:
        if self.currency and not re.fullmatch("[A-Z]{3}", self.currency):
            raise UsageError(f"{self.currency!r} is no currency", "give its three letters, for example EUR")
        for address in (self.shop_url, self.photos_url):
            if address and not re.match(r"https?://[^/?#\s]+", address):
                mend = "give it whole, for example https://shop.example"
                raise UsageError(f"{address!r} is no shop's address", mend)

    def page(self, *parts: str) -> str:
        """A page below the shop's address, empty where there is none."""
        return "/".join((self.shop_url.rstrip("/"), *parts)) if self.shop_url else ""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as a plain number, `1299.00`, and its currency in three letters, empty where it is not told."""

    amount: str
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a picture lies, an address or a relative path; the line that names it; its alternative text."""

    address: str
    line: int
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """A product in one colour and size; `pictures` are those it claims for itself, `facts` the other cells.

    `title` and `url` are empty where they are the product's.
    """

    line: int
    colour: str = ""
    size: str = ""
    price: Money | None = None
    availability: str = ""
    pictures: tuple[Picture, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A product over all its colours; `pictures` come in its gallery's order, `key` names it in the feed.

    `shown` is whether the shop shows it; without a single variant there is nothing to sell, and no item.
    """

    key: str
    line: int
    title: str
    url: str
    category: str
    pictures: tuple[Picture, ...]
    variants: tuple[Variant, ...]
    facts: Mapping[str, str]
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's products in its order; `columns` are those kept as attributes, `faults` the rows left out."""

    products: tuple[Product, ...]
    columns: tuple[str, ...]
    rows: int
    faults: tuple[Fault, ...]
