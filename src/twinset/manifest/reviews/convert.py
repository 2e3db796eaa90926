"""The whole conversion: an export of reviews → a manifest of customers' photos, and what was found."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from twinset.manifest.notes import Notes
from twinset.manifest.reviews.match import best_match, by_key
from twinset.manifest.reviews.model import Item, Options
from twinset.manifest.reviews.read import no_review, read
from twinset.manifest.reviews.report import KINDS, Conversion
from twinset.manifest.reviews.shop import Shop, read_shop
from twinset.manifest.reviews.shown import Pictures, Shown
from twinset.manifest.split import assign
from twinset.manifest.table import Confined, is_address, require_place, write_rows
from twinset.progress import SILENT, Progress
from twinset.records import Photo

COLUMNS: Final = ("path", "item_id", "domain", "split", "category", "style", "title", "review_id")
_DEFAULT: Final = Options()


def convert(file: Path, out: Path, options: Options = _DEFAULT, progress: Progress = SILENT) -> Conversion:
    """Converts an export of reviews, and writes the manifest `out` whole, in place of one that is there.

    Raises:
        PathError: the export or the shop's manifest cannot be read, or `out` is a folder.
        ManifestError: it is no such export, names no product of the shop, or not one of its pictures can be used.
        UsageError: `out` is the export or the shop's manifest itself, or `val` and `test` are no shares.
        DiskFullError, ResourceError: the manifest cannot be written.

    """
    require_place(out, file, "export")
    notes = Notes(KINDS)
    shop = None
    if options.shop:
        require_place(out, options.shop, "shop's manifest")
        shop = read_shop(options.shop, options.match)
    export = read(file, options, notes, progress)
    if not export.reviews:
        raise no_review(file, export, notes)
    match = best_match(export.reviews, export.products, shop) if shop else by_key(export.reviews, export.products)
    pictures = Pictures(match, shop, options.items, Confined(out.parent.resolve()), notes, list(export.faults))
    for review in export.reviews:
        pictures.add(review)
    kept = pictures.distinct()
    if not kept:
        raise no_review(file, export, notes)
    addresses = [one.path for one in kept if is_address(one.path)]
    splits = _splits((one.item for one in kept), shop, options)
    write_rows(out, [COLUMNS, *(_cells(one, splits[one.item.item_id]) for one in kept)])
    return Conversion(
        manifest=out,
        rows=export.rows,
        reviews=len(export.reviews),
        match=match,
        items=len({one.item.item_id for one in kept}),
        photos=len(kept),
        listed=len(kept) + len(pictures.faults),
        addresses=len(addresses),
        hosts=tuple(sorted({urlsplit(address).netloc.lower() for address in addresses})),
        splits=dict(sorted(Counter(splits[one.item.item_id] for one in kept).items())),
        findings=notes.findings(),
        faults=tuple(sorted(pictures.faults, key=lambda fault: (fault.line, fault.path))),
    )


def _splits(items: Iterable[Item], shop: Shop | None, options: Options) -> Mapping[str, str]:
    """The split of each item: the shop's own where it has one, else by the hash of the style.

    Drawn over the whole shop, as `data split --by style` draws it, so that both agree.
    """
    both = {item.item_id: item for item in (*(shop.items.values() if shop else ()), *items)}
    photos = [Photo(name, name, attributes={"style": one.style} if one.style else {}) for name, one in both.items()]
    by = "style" if any(one.style for one in both.values()) else "item_id"
    drawn = assign(photos, by, options.val, options.test, options.seed)
    given = {one.family: one.split for one in both.values() if one.split}
    return {
        name: one.split or given.get(one.family) or split
        for (name, one), split in zip(both.items(), drawn, strict=True)
    }


def _cells(one: Shown, split: str) -> list[str]:
    item = one.item
    return [one.path, item.item_id, "customer", split, item.category, item.style, item.title, one.review.name]
