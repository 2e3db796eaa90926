"""The shop's manifest → the items that reviews are of, and what names each of them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from twinset.errors import ManifestError, did_you_mean
from twinset.manifest.feeds import values
from twinset.manifest.feeds.places import Place, place
from twinset.manifest.feeds.table import snake
from twinset.manifest.read import read_rows
from twinset.manifest.reviews.model import Item
from twinset.manifest.reviews.pictures import same_picture
from twinset.manifest.table import Confined

_NAMES: Final = re.compile(
    r"(?:^|[\W_])(?:style|item_id|url|sku|id|ids|handle|slug|barcode|gtin|ean|upc|mpn|code|key|number|no)(?:[\W_]|$)"
)
"""Columns that may name a product; others, such as a quantity, would agree by chance."""
_PICTURES: Final = ("path", "source_url")


@dataclass(slots=True)
class Shop:
    """The items of a manifest, in its order, by their `families` too; `pictures` are the links of its own photos.

    `found[column][key]` are the ids of the items of which a column holds that key, `held[column][id]` the reverse.
    """

    file: Path
    items: dict[str, Item] = field(default_factory=dict)
    found: dict[str, dict[str, dict[str, None]]] = field(default_factory=dict)
    held: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)
    families: dict[str, list[Item]] = field(default_factory=dict)
    colours: set[str] = field(default_factory=set)

    def candidates(self, column: str, given: Iterable[str]) -> list[Item]:
        """The items that one of the `keys` of a review's cell names, by a column of the manifest."""
        index = self.found[column]
        return [self.items[name] for name in next((index[key] for key in given if key in index), ())]

    def exact(self, column: str, text: str) -> Item | None:
        """The one item in its own colour that a cell names, by a column that tells it from its style's others."""
        found = self.candidates(column, keys(text))
        clear = [item for item in found if not self.unclear(item)]
        if len(clear) != 1:
            return None
        held = self.held[column]
        apart = all(held[item.item_id] - held[clear[0].item_id] for item in found if item is not clear[0])
        return clear[0] if apart else None

    def unclear(self, item: Item) -> bool:
        """Whether an item holds the photos of a product in several colours of which no colour is known."""
        return item.item_id == item.style and len(self.families[item.family]) > 1


def read_shop(file: Path, match: str = "") -> Shop:
    """Reads the shop's rows of a manifest, whether or not its photos have been fetched.

    Raises:
        PathError, ManifestError: it cannot be read, holds no item, or has no column `match`.

    """
    header, rows = read_rows(file)
    if match and match not in header:
        mend = did_you_mean(match, header, f"it has {', '.join(header[:24])}")
        raise ManifestError(f"{file} has no column {match}", mend)
    columns = [match] if match else [name for name in header if _NAMES.search(snake(name))]
    shop, confined = Shop(file, found={name: {} for name in columns}), Confined(file.parent.resolve())
    shop.held = {name: {} for name in columns}
    for _, row in rows:
        cells = dict(zip(header, row, strict=False))
        if len(row) == len(header) and cells["item_id"] and cells.get("domain", "") != "customer":
            _add(shop, cells, confined)
    if not shop.items:
        raise ManifestError(
            f"{file} holds no item of the shop", "name the shop's manifest, as `data convert` writes it"
        )
    for item in shop.items.values():
        shop.families.setdefault(item.family, []).append(item)
        shop.colours.update(item.colours)
    return shop


def keys(text: str) -> tuple[str, ...]:
    """What a cell is compared by; an address by its page, and by the last part of that, which is often a handle.

    >>> keys("https://www.Shop.example/products/Fern?variant=2"), keys(" FERN ")
    (('shop.example/products/fern', 'fern'), ('fern',))
    """
    plain = values.normal(unquote(text)).strip()
    _, mark, address = plain.partition("//")
    if not mark:
        return (plain,) if plain else ()
    page = re.split(r"[?#]", address)[0].removeprefix("www.").rstrip("/")
    return tuple(filter(None, dict.fromkeys((page, page.rpartition("/")[2]))))


def _add(shop: Shop, cells: Mapping[str, str], confined: Confined) -> None:
    name, style = cells["item_id"], cells.get("style", "")
    if name not in shop.items:
        in_name = name.removeprefix(f"{style}/") if style and name.startswith(f"{style}/") else ""
        shop.items[name] = Item(
            item_id=name,
            style=style,
            category=cells.get("category", ""),
            title=cells.get("title", ""),
            split=cells.get("split", ""),
            colours=tuple(
                dict.fromkeys(values.slug(c) for c in (cells.get("colour", "") or in_name).split("|") if c)
            ),
        )
    for column, index in shop.found.items():
        for text in (cells[column], *cells[column].split("|")):
            for key in keys(text)[:1]:
                index.setdefault(key, {})[name] = None
                shop.held[column].setdefault(name, set()).add(key)
    for column in _PICTURES:
        where = place(cells.get(column, ""), confined)
        if isinstance(where, Place):
            shop.pictures.add(same_picture(where))
