"""A Shopify product CSV, with the columns of old or of new exports → products."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset.manifest.feeds import values
from twinset.manifest.feeds.model import Feed, Options, Picture, Product, Variant
from twinset.manifest.feeds.table import Row, read_table
from twinset.manifest.notes import Notes
from twinset.progress import Progress, counted
from twinset.records import Fault

_NEW_NAMES: Final = {
    "url_handle": "handle",
    "published_on_online_store": "published",
    "sku": "variant_sku",
    "price": "variant_price",
    "inventory_quantity": "variant_inventory_qty",
    "inventory_tracker": "variant_inventory_tracker",
    "continue_selling_when_out_of_stock": "variant_inventory_policy",
    "product_image_url": "image_src",
    "image_alt_text": "image_alt",
    "variant_image_url": "variant_image",
}
_OPTIONS: Final = (1, 2, 3)
_UNDERSTOOD: Final = (
    "handle", "title", "variant_price", "image_src", "image_position", "image_alt", "variant_image",
    *(f"option{place}_{part}" for place in _OPTIONS for part in ("name", "value")),
)  # fmt: skip
_NO: Final = ("false", "no", "0")
_YES: Final = ("continue", "true", "yes", "1")


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one handle; those that are variants, and those that only carry a picture."""

    handle: str
    rows: Sequence[Row]
    variants: Sequence[Row]
    others: Sequence[Row]

    def first(self, name: str) -> str:
        """What the first row that fills a column says: later rows leave out what is the product's."""
        return next((row.get(name) for row in self.rows if row.get(name)), "")


def read(file: Path, options: Options, notes: Notes, progress: Progress) -> Feed:
    """Reads a Shopify export: rows repeat per handle, and carry a variant, a picture, or by chance one of each.

    Raises:
        PathError, ManifestError: it cannot be read, or has no column `Handle` or `URL handle`.

    """
    table = read_table(file, "handle", _NEW_NAMES, notes)
    faults, groups, handle = list(table.faults), dict[str, list[Row]](), ""
    for row in table.rows:
        if not row.get("handle"):
            notes.add("no_id", f"line {row.line}")
        handle = row.get("handle") or handle
        if handle:
            groups.setdefault(handle, []).append(row)
        else:
            faults.append(Fault(row.line, row.get("image_src"), "bad_row", "the row has no handle, nor one above"))
    each = counted(groups.items(), progress, "reading products", len(groups))
    products = tuple(_product(_group(handle, rows), options, notes) for handle, rows in each)
    return Feed(products, table.rest(_UNDERSTOOD), len(table.rows) + len(table.faults), tuple(faults))


def _group(handle: str, rows: Sequence[Row]) -> _Group:
    """A row without option, price and SKU only carries a picture; the first one is always a variant."""
    variants, others = [rows[0]], list[Row]()
    for row in rows[1:]:
        told = any(row.get(name) for name in ("option1_value", "variant_price", "variant_sku"))
        (variants if told else others).append(row)
    return _Group(handle, rows, variants, others)


def _product(group: _Group, options: Options, notes: Notes) -> Product:
    """A column that a later variant fills too speaks of variants; every other one of the product."""
    own = {name for row in group.variants[1:] for name in row.rest(_UNDERSTOOD)}
    common: dict[str, list[str]] = {}
    for row in (group.rows[0], *group.others):
        for name, text in row.rest(_UNDERSTOOD).items():
            if name not in own or row is not group.rows[0]:
                common.setdefault(name, []).append(text)
    names = {place: group.first(f"option{place}_name") or f"Option{place}" for place in _OPTIONS}
    return Product(
        key=group.handle,
        line=group.rows[0].line,
        title=group.first("title"),
        url=options.page("products", group.handle),
        category=values.category(group.first("product_category") or group.first("type")),
        pictures=_pictures(group.rows, notes),
        variants=tuple(_variant(row, names, own, options=options, notes=notes) for row in group.variants),
        facts={name: values.listed(texts) for name, texts in common.items()},
        shown=group.first("status").casefold() in ("", "active") and group.first("published").casefold() not in _NO,
    )


def _pictures(rows: Sequence[Row], notes: Notes) -> tuple[Picture, ...]:
    """By position; the row in which a picture stands says nothing of its colour."""
    placed: list[tuple[float, Picture]] = []
    for row in rows:
        if address := row.get("image_src"):
            position = row.get("image_position")
            if not position.isdecimal():
                notes.add("bad_position", f"line {row.line}: {position or 'none'}")
            place = float(position) if position.isdecimal() else float("inf")
            placed.append((place, Picture(address, row.line, row.get("image_alt"))))
    return tuple(picture for _, picture in sorted(placed, key=lambda one: one[0]))


def _variant(
    row: Row, names: Mapping[int, str], own: Collection[str], *, options: Options, notes: Notes
) -> Variant:
    facts = {name: text for name, text in row.rest(_UNDERSTOOD).items() if name in own}
    axes: dict[str, str] = {}
    for place, name in names.items():
        value = row.get(f"option{place}_value")
        if not value or value.casefold() == "default title":
            continue
        axis = values.axis(name)
        if axis and axis not in axes:
            axes[axis] = value
        else:
            notes.add("option_kept", name)
            facts[name] = value
    price, unread = values.price(row.get("variant_price"), options.currency, row.line, notes)
    claimed = row.get("variant_image")
    return Variant(
        line=row.line,
        colour=axes.get("colour", ""),
        size=axes.get("size", ""),
        price=price,
        availability=_stock(row),
        pictures=(Picture(claimed, row.line),) if claimed else (),
        facts=facts | unread,
    )


def _stock(row: Row) -> str:
    """In stock where nobody counts, where some are left, or where it is sold all the same; empty where untold."""
    tracked, left = row.get("variant_inventory_tracker"), row.get("variant_inventory_qty")
    if "variant_inventory_tracker" in row.names and not tracked:
        return "in_stock"
    if not left.lstrip("-").isdecimal():
        return ""
    sold_anyway = row.get("variant_inventory_policy").casefold() in _YES
    return "in_stock" if float(left) > 0 or sold_anyway else "out_of_stock"
