"""A Magento 2 product CSV: configurable rows, and the simple rows that are their variants → products."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twinset.manifest.feeds import values
from twinset.manifest.feeds.model import Feed, Options, Picture, Product, Variant
from twinset.manifest.feeds.pairs import pairs
from twinset.manifest.feeds.table import Row, read_table
from twinset.manifest.notes import Notes
from twinset.progress import Progress, counted
from twinset.records import Fault

_UNDERSTOOD: Final = (
    "name", "base_image", "base_image_label", "additional_images", "additional_image_labels", "price",
    "configurable_variations", "additional_attributes",
)  # fmt: skip
_NONE: Final = ("no_selection",)
_NEXT_VARIATION: Final = re.compile(r"\|(?=sku=)")
_HIDDEN: Final = "not visible individually"
_OFFLINE: Final = ("0", "2")
_OF_VARIATION: Final = ("sku", "price", "display", "image")
"""What a variation says beside the options that tell it from the others."""


@dataclass(slots=True)
class _Entry:
    """What the rows of one SKU say; `attributes` are its other cells and its additional attributes."""

    sku: str
    row: Row
    pictures: list[Picture]
    attributes: dict[str, str]
    variations: list[dict[str, str]] = field(default_factory=list)

    @property
    def hidden(self) -> bool:
        """Whether the shop has no page for it: then it should be some product's variant."""
        return self.row.get("visibility").casefold() == _HIDDEN


def read(file: Path, options: Options, notes: Notes, progress: Progress) -> Feed:
    """Reads an export: a configurable product with the simple rows that its variations name, or a row alone.

    Raises:
        PathError, ManifestError: it cannot be read, or has no column `sku`.

    """
    table = read_table(file, "sku", {}, notes)
    entries, faults = dict[str, _Entry](), list(table.faults)
    for row in table.rows:
        if row.get("sku"):
            _take(entries, row, notes)
        else:
            faults.append(Fault(row.line, row.get("base_image"), "bad_row", "the row has no sku"))
    taken: dict[str, str] = {}
    products = [
        _configurable(entry, entries, taken, options=options, notes=notes)
        for entry in counted(entries.values(), progress, "reading products", len(entries))
        if entry.variations
    ]
    alone = {sku: entry for sku, entry in entries.items() if not entry.variations and sku not in taken}
    products += [_alone(entry, options, notes) for entry in alone.values()]
    products.sort(key=lambda product: product.line)
    return Feed(tuple(products), table.rest(_UNDERSTOOD), len(table.rows) + len(table.faults), tuple(faults))


def _take(entries: dict[str, _Entry], row: Row, notes: Notes) -> None:
    """A row of its own, a translation of one, or more of one that stands above."""
    sku, view = row.get("sku"), row.get("store_view_code")
    attributes = _attributes(row, notes)
    variations = _variations(row, notes)
    known = entries.get(sku)
    if known is None:
        entries[sku] = _Entry(sku, row, list(_pictures(row, notes)), attributes, variations)
        return
    if view and view != known.row.get("store_view_code"):
        notes.add("store_view", f"{sku}: {view}")
        before = {**known.row.cells, **known.attributes, "store_view_code": view}
        told = row.rest(("additional_attributes",)) | attributes
        attributes = {f"{name}@{view}": text for name, text in told.items() if text != before.get(name)}
    else:
        notes.add("repeated_id", f"line {row.line}: {sku}")
    known.attributes |= {name: text for name, text in attributes.items() if name not in known.attributes}
    known.pictures += _pictures(row, notes)
    known.variations += [one for one in variations if one not in known.variations]


def _attributes(row: Row, notes: Notes) -> dict[str, str]:
    """The cells that are not understood, and the additional attributes, each under its own name."""
    cells = row.rest(_UNDERSTOOD)
    found, rest = pairs(row.get("additional_attributes"))
    if rest:
        notes.add("malformed_attributes", f"line {row.line}: {rest[:80]}")
        found["additional_attributes"] = rest
    return cells | {name: values.listed((cells.get(name, ""), text)) for name, text in found.items()}


def _variations(row: Row, notes: Notes) -> list[dict[str, str]]:
    variations: list[dict[str, str]] = []
    for text in filter(None, _NEXT_VARIATION.split(row.get("configurable_variations"))):
        found, rest = pairs(text)
        if rest:
            notes.add("malformed_variation", f"line {row.line}: {rest[:80]}")
        variations.append(found)
    return variations


def _pictures(row: Row, notes: Notes) -> Iterator[Picture]:
    """The base image, then the others; labels belong to them only where there is one for each."""
    more = values.addresses(row.get("additional_images"))
    labels = [label.strip() for label in row.get("additional_image_labels").split(",")]
    if len(labels) != len(more):
        labels = [""] * len(more)
    for address, label in ((row.get("base_image"), row.get("base_image_label")), *zip(more, labels, strict=True)):
        if address in _NONE:
            notes.add("no_selection", f"line {row.line}")
        elif address:
            yield Picture(address, row.line, label)


def _configurable(
    entry: _Entry, entries: Mapping[str, _Entry], taken: dict[str, str], *, options: Options, notes: Notes
) -> Product:
    variants: list[Variant] = []
    for variation in entry.variations:
        sku = variation.get("sku", "")
        child = entries.get(sku)
        if child is None:
            notes.add("missing_variant", f"{entry.sku}: {sku}")
        elif taken.setdefault(sku, entry.sku) != entry.sku:
            notes.add("variant_of_several", f"{sku}: {taken[sku]}, {entry.sku}")
            child = None
        variants.append(_variant(child, variation, entry, options=options, notes=notes))
    return _product(entry, tuple(variants), options)


def _alone(entry: _Entry, options: Options, notes: Notes) -> Product:
    if entry.hidden:
        notes.add("hidden_alone", entry.sku)
    return _product(entry, (_variant(entry, {}, entry, options=options, notes=notes),), options)


def _product(entry: _Entry, variants: tuple[Variant, ...], options: Options) -> Product:
    alone = not entry.variations
    key = entry.row.get("url_key")
    return Product(
        key=entry.sku,
        line=entry.row.line,
        title=entry.row.get("name"),
        url=options.page(f"{key}.html") if key and not entry.hidden else "",
        category=_category(entry.row.get("categories")),
        pictures=() if alone else tuple(entry.pictures),
        variants=variants,
        facts={} if alone else entry.attributes,
        shown=entry.row.get("product_online") not in _OFFLINE and not entry.hidden,
    )


def _variant(
    child: _Entry | None, variation: Mapping[str, str], parent: _Entry, *, options: Options, notes: Notes
) -> Variant:
    """A variation's colour and size, and what its own row adds; without that row only the former."""
    facts = dict(child.attributes) if child else {}
    axes: dict[str, str] = {}
    for name, value in variation.items():
        axis = values.axis(name)
        if axis and axis not in axes:
            axes[axis] = value
            facts.pop(name, None)
        elif name not in _OF_VARIATION:
            notes.add("option_kept", name)
            facts[name] = value
    for name in tuple(facts):
        axis = values.axis(name) if name.isalpha() else ""
        if axis and axis not in axes:
            axes[axis] = facts.pop(name)
    row = child.row if child else parent.row
    amount = (child.row.get("price") if child else variation.get("price")) or parent.row.get("price")
    price, unread = values.price(amount, options.currency, row.line, notes)
    named = variation.get("image")
    pictures = child.pictures if child else [Picture(named, row.line)] if named else []
    return Variant(
        line=row.line,
        colour=axes.get("colour", ""),
        size=axes.get("size", ""),
        price=price,
        availability=_stock(row) if child else "",
        pictures=tuple(pictures),
        facts=facts | unread,
    )


def _stock(row: Row) -> str:
    if row.get("product_online") in _OFFLINE:
        return values.UNPUBLISHED
    return {"1": "in_stock", "0": "out_of_stock"}.get(row.get("is_in_stock"), "")


def _category(text: str) -> str:
    """The deepest of several paths that begin with one root, without that root, which every product shares."""
    text = text.replace("\\/", "-")
    root = text.split("/", maxsplit=1)[0]
    paths = re.split(rf"[,|](?={re.escape(root)}(?:[/,|]|$))", text)
    return "/".join(level.strip() for level in max(paths, key=lambda path: path.count("/")).split("/")[1:])
