"""The whole conversion: a feed → a manifest, and what was found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from twinset.errors import ManifestError
from twinset.manifest.feeds import magento, merchant, shopify
from twinset.manifest.feeds.items import items
from twinset.manifest.feeds.model import Feed, Options, Product
from twinset.manifest.feeds.places import Places
from twinset.manifest.feeds.report import KINDS, Conversion
from twinset.manifest.feeds.rows import COLUMNS, Rows
from twinset.manifest.notes import Notes
from twinset.manifest.table import Confined, is_address, require_place, write_rows
from twinset.progress import SILENT, Progress, counted
from twinset.records import Fault

READERS: Final[Mapping[str, Callable[[Path, Options, Notes, Progress], Feed]]] = {
    "shopify": shopify.read,
    "merchant": merchant.read,
    "magento": magento.read,
}

_DEFAULT: Final = Options()


def convert(
    name: str, file: Path, out: Path, options: Options = _DEFAULT, progress: Progress = SILENT
) -> Conversion:
    """Converts a feed, `name` of `READERS`, and writes the manifest `out` whole, in place of one that is there.

    Raises:
        PathError: the feed cannot be read, or `out` is a folder.
        ManifestError: it is no such feed, or not one of its pictures can be used.
        UsageError: `out` is the feed itself.
        DiskFullError, ResourceError: the manifest cannot be written.

    """
    require_place(out, file, "feed")
    notes = Notes(KINDS)
    feed = READERS[name](file, options, notes, progress)
    places = Places(Confined(out.parent.resolve()), notes, options.photos_url)
    rows = Rows(name, notes)
    for product in counted(feed.products, progress, "converting products", len(feed.products)):
        _add(rows, places.settle(product), options, notes)
    faults = tuple(sorted((*feed.faults, *places.faults.values(), *rows.faults), key=lambda f: (f.line, f.path)))
    if not rows.rows:
        raise _nothing(file, feed, faults)
    columns = rows.columns(feed.columns)
    _write(out, columns, rows.rows)
    return Conversion(
        manifest=out,
        format=name,
        rows=feed.rows,
        products=len(feed.products),
        items=len({row["item_id"] for row in rows.rows}),
        photos=len(rows.rows),
        listed=len(rows.rows) + len(faults),
        addresses=sum(is_address(row["path"]) for row in rows.rows),
        columns=columns[len(COLUMNS) :],
        findings=notes.findings(),
        faults=faults,
    )


def _add(rows: Rows, product: Product, options: Options, notes: Notes) -> None:
    found = items(product, options.items, notes)
    for item in found:
        rows.add(item)
    without = [item.name for item in found if not rows.has(item)]
    if len(without) == len(found):
        notes.add("no_picture", product.key)
    else:
        for name in without:
            notes.add("colour_without_picture", name)
    if not (product.title or any(variant.title for variant in product.variants)):
        notes.add("no_title", product.key)
    if not (product.url or any(variant.url for variant in product.variants)):
        notes.add("no_url", product.key)
    if not product.shown:
        notes.add("not_on_sale", product.key)


def _nothing(file: Path, feed: Feed, faults: Sequence[Fault]) -> ManifestError:
    if faults:
        first = faults[0]
        what = f"{first.path!r}: {first.message}" if first.path else first.message
        return ManifestError(
            f"{file} names no picture that can be used; line {first.line}, {what}", "mend the feed"
        )
    return ManifestError(
        f"{file} names no picture in {feed.rows:,} rows of {len(feed.products):,} products",
        "export it with its pictures, or name another FORMAT",
    )


def _write(out: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    write_rows(out, [columns, *([row.get(column, "") for column in columns] for row in rows)])
