"""What a feed's conversion found: counts, the columns it kept, and the kinds of oddities."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from twinset.manifest.notes import Finding
from twinset.records import Fault

KINDS: Final = {
    "other_encoding": "lines that are not UTF-8, read as Windows-1252",
    "other_separator": "files whose cells are divided otherwise than usual",
    "unquoted": "files with a quote that does not close: quotes read as any other character",
    "repeated_column": "columns that stand twice: both values are kept, with | between",
    "renamed_column": "columns that would hide one of the manifest's, kept under another name",
    "short_row": "rows with fewer cells than the header: the others count as empty",
    "long_value": "values of more than 100,000 characters, cut there: a manifest could not be read with them",
    "no_id": "rows without a handle, taken as the product's above",
    "repeated_id": "ids that stand in several rows: all pictures count, and the first row's facts",
    "store_view": "rows of a store view: what differs is kept as name@view",
    "malformed_attributes": "additional attributes that are no key=value, kept as they are",
    "malformed_variation": "variations that are no key=value, read as far as they are",
    "missing_variant": "variations of a configurable product without a row of their own",
    "variant_of_several": "variations of several configurable products: their pictures go to the first",
    "hidden_alone": "rows not visible individually that are no product's variation, kept",
    "option_kept": "options that are neither colour nor size, kept as attributes",
    "colour_spelled": "colours spelled in several ways: the first spelling counts",
    "no_title": "products without a title",
    "no_url": "products without the page's address: name the shop's with --shop-url",
    "not_on_sale": "products that the shop does not show (draft, archived, offline), kept as unpublished",
    "unknown_availability": "words of stock that are not Google's, kept",
    "bad_price": "prices that are none, kept as price_as_written",
    "zero_price": "items with a price of zero beside others, which counts as none",
    "several_prices": "items whose variants have several prices: the lowest counts",
    "several_currencies": "items with prices in several currencies: the first one's count",
    "no_currency": "items whose price has no currency: name it with --currency",
    "bad_position": "pictures without a position: they come last",
    "no_selection": "rows that say no_selection for a picture",
    "same_name": "items of two products under one name: rename one, or they count as one",
    "no_picture": "products without a picture that can be used, left out",
    "colour_without_picture": "colours without a picture of their own, left out",
    "named_colour": "pictures that no colour claims, given to the one colour that their text or file name names",
    "picture_without_colour": "pictures of a product in several colours that tell none: their item is the product",
    "shared_by_products": "pictures of several products: the first has them, the others are listed",
    "shared_by_colours": "pictures of several colours of a product: the first has them, the others are listed",
    "bad_address": "pictures that are neither an address nor a path that can be used, left out and listed",
    "plain_http": "pictures at http://, without encryption, kept so",
}
"""What may be found, in the order in which it is told."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion of `rows` that name `products`: `photos` were written, `listed` counts them and the `faults`.

    `addresses` of the photos are `https://` or `http://`, the others are paths; `columns` are kept as attributes,
    by their names in the manifest; `faults` are rows and pictures left out, a picture for each item that names it.
    """

    manifest: Path
    format: str
    rows: int
    products: int
    items: int
    photos: int
    listed: int
    addresses: int
    columns: tuple[str, ...]
    findings: tuple[Finding, ...]
    faults: tuple[Fault, ...]

    def count(self, code: str) -> int:
        """How often one of `KINDS` was found."""
        return next((found.count for found in self.findings if found.code == code), 0)

    def to_json(self) -> dict[str, Any]:
        """`data convert --json`."""
        return asdict(self) | {"manifest": str(self.manifest)}
