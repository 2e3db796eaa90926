"""A Google Merchant feed, TSV, CSV, RSS or Atom → products."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinset.manifest.feeds import rss, values
from twinset.manifest.feeds.model import Feed, Options, Picture, Product, Variant
from twinset.manifest.feeds.table import Row, read_bytes, read_table
from twinset.manifest.notes import Notes
from twinset.progress import Progress, counted
from twinset.records import Fault

_UNDERSTOOD: Final = (
    "item_group_id", "title", "link", "image_link", "additional_image_link", "price", "availability",
    "color", "colour", "size",
)  # fmt: skip


def read(file: Path, options: Options, notes: Notes, progress: Progress) -> Feed:
    """Reads a feed: one row or entry per variant; `item_group_id` binds a product's.

    Raises:
        PathError, ManifestError: it cannot be read, has a document type, or has no `id`.

    """
    if rss.is_xml(read_bytes(file)):
        rows, faults = rss.read_entries(file), list[Fault]()
        columns = tuple(dict.fromkeys(name for row in rows for name in row.rest(_UNDERSTOOD)))
    else:
        table = read_table(file, "id", {}, notes)
        rows, faults, columns = table.rows, list(table.faults), table.rest(_UNDERSTOOD)
    count = len(rows) + len(faults)
    groups: dict[str, list[Row]] = {}
    seen: set[str] = set()
    for row in rows:
        if not row.get("id"):
            faults.append(Fault(row.line, row.get("image_link"), "bad_row", "the entry has no id"))
            continue
        if row.get("id") in seen:
            notes.add("repeated_id", f"line {row.line}: {row.get('id')}")
        seen.add(row.get("id"))
        groups.setdefault(row.get("item_group_id") or row.get("id"), []).append(row)
    each = counted(groups.items(), progress, "reading products", len(groups))
    products = tuple(_product(key, own, options, notes) for key, own in each)
    return Feed(products, columns, count, tuple(faults))


def _product(key: str, rows: Sequence[Row], options: Options, notes: Notes) -> Product:
    kinds = [row.get("product_type").split("|")[0] for row in rows]
    kinds += [kind for row in rows if not (kind := row.get("google_product_category")).isdecimal()]
    return Product(
        key=key,
        line=rows[0].line,
        title=rows[0].get("title"),
        url=rows[0].get("link"),
        category=values.category(next(filter(None, kinds), "")),
        pictures=(),
        variants=tuple(_variant(row, options, notes) for row in rows),
        facts={},
    )


def _variant(row: Row, options: Options, notes: Notes) -> Variant:
    price, unread = values.price(row.get("price"), options.currency, row.line, notes)
    stock = values.availability(row.get("availability"))
    if stock and not values.is_known(stock):
        notes.add("unknown_availability", f"line {row.line}: {stock}")
    facts = row.rest(_UNDERSTOOD) | unread
    sale = values.money(row.get("sale_price"), options.currency)
    if sale and price and sale.currency == price.currency:
        facts[row.names["sale_price"]] = sale.amount
    pictures = [*values.addresses(row.get("image_link")), *values.addresses(row.get("additional_image_link"))]
    return Variant(
        line=row.line,
        colour=row.get("color") or row.get("colour"),
        size=row.get("size"),
        price=price,
        availability=stock,
        pictures=tuple(Picture(address, row.line) for address in pictures),
        facts=facts,
        title=row.get("title"),
        url=row.get("link"),
    )
