"""Items → the manifest's rows, one for each picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from twinset.manifest.feeds import values
from twinset.manifest.feeds.items import Item
from twinset.manifest.feeds.model import Money, Picture, Variant
from twinset.manifest.notes import Notes
from twinset.records import Fault

COLUMNS: Final = (
    "path", "item_id", "category", "view", "style", "title", "url", "price", "currency", "availability",
    "colour", "size", "alt",
)  # fmt: skip
"""What is filled from what is understood; the feed's other columns follow."""
_RESERVED: Final = frozenset((*COLUMNS, "domain", "split", "box"))
_LONGEST: Final = 100_000


@dataclass(slots=True)
class Rows:
    """The rows so far; a picture that stands in one goes to no other item."""

    format: str
    notes: Notes
    rows: list[dict[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _owners: dict[str, tuple[Item, int]] = field(default_factory=dict)
    _products: dict[str, str] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """A row for each picture that no item has yet; the first of them is the main view."""
        free = [picture for picture in _once(item.pictures) if not self._taken(picture, item)]
        if not free:
            return
        if self._products.setdefault(item.name, item.product.key) != item.product.key:
            self.notes.add("same_name", f"{item.name}: {self._products[item.name]}, {item.product.key}")
        facts = self._facts(item)
        for place, picture in enumerate(free):
            self._owners[picture.address] = (item, picture.line)
            if picture.address.lower().startswith("http://"):
                self.notes.add("plain_http", picture.address)
            own = {"path": picture.address, "view": "other" if place else "main", "alt": picture.alt}
            self.rows.append({name: self._cut(text, item) for name, text in (facts | own).items() if text})

    def columns(self, kept: Iterable[str]) -> tuple[str, ...]:
        """The manifest's columns: those understood, those kept of the feed, and what its cells held besides."""
        names = dict.fromkeys((*COLUMNS, *(self.named(name) for name in kept)))
        for row in self.rows:
            names |= dict.fromkeys(row)
        return tuple(names)

    def named(self, name: str) -> str:
        """A kept column's name, which must not be taken for one of the manifest's own."""
        if name not in _RESERVED:
            return name
        self.notes.add("renamed_column", f"{name}: {self.format}:{name}")
        return f"{self.format}:{name}"

    def has(self, item: Item) -> bool:
        """Whether some picture became the item's."""
        return item.name in self._products

    def _taken(self, picture: Picture, item: Item) -> bool:
        if picture.address not in self._owners:
            return False
        owner, line = self._owners[picture.address]
        if owner.name != item.name:
            same = owner.product.key == item.product.key
            self.notes.add("shared_by_colours" if same else "shared_by_products", f"{picture.address}: {item.name}")
            message = f"the picture is that of {owner.name}, line {line}, already; it was to be {item.name}'s too"
            self.faults.append(Fault(picture.line, picture.address, "shared_picture", message))
        return True

    def _facts(self, item: Item) -> dict[str, str]:
        product, variants = item.product, item.variants
        colours: dict[str, str] = {}
        for variant in variants:
            colours.setdefault(values.slug(variant.colour), values.element(variant.colour))
        cells = [product.facts, *(variant.facts for variant in variants)]
        names = dict.fromkeys(name for facts in cells for name in facts)
        price = _lowest(variants, item.name, self.notes)
        stock = values.best_of(variant.availability for variant in variants)
        return {
            "item_id": item.name,
            "category": product.category,
            "style": product.key,
            "title": next((v.title for v in variants if v.title), product.title),
            "url": next((v.url for v in variants if v.url), product.url),
            "price": price.amount,
            "currency": price.currency,
            "availability": stock if product.shown else values.UNPUBLISHED,
            "colour": values.listed(colours.values()),
            "size": values.listed(values.element(variant.size) for variant in variants),
        } | {self.named(name): values.listed(facts.get(name, "") for facts in cells) for name in names}

    def _cut(self, text: str, item: Item) -> str:
        if len(text) > _LONGEST:
            self.notes.add("long_value", f"{item.name}: {text[:40]}…")
        return text[:_LONGEST]


def _once(pictures: Iterable[Picture]) -> Sequence[Picture]:
    """Each picture once, where it stands first."""
    found: dict[str, Picture] = {}
    for picture in pictures:
        found.setdefault(picture.address, picture)
    return tuple(found.values())


def _lowest(variants: Sequence[Variant], name: str, notes: Notes) -> Money:
    """The lowest price, of those in the first one's currency; one of zero counts only where there is no other."""
    prices = [variant.price for variant in variants if variant.price]
    charged = [price for price in prices if float(price.amount) > 0]
    if charged and len(charged) < len(prices):
        notes.add("zero_price", name)
    prices = charged or prices
    if not prices:
        return Money("")
    currency = prices[0].currency
    if any(price.currency != currency for price in prices):
        notes.add("several_currencies", name)
    if not currency:
        notes.add("no_currency", name)
    own = [price for price in prices if price.currency == currency]
    if len({float(price.amount) for price in own}) > 1:
        notes.add("several_prices", name)
    return min(own, key=lambda price: float(price.amount))
