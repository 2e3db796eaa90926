"""What a conversion of reviews found: counts, the columns that matched, and the kinds of oddities."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from twinset.manifest.feeds import report as feeds
from twinset.manifest.notes import Finding
from twinset.manifest.reviews.match import Match
from twinset.records import Fault

_OF_TABLES: Final = ("other_encoding", "other_separator", "unquoted", "repeated_column", "short_row")
KINDS: Final = {
    **{code: feeds.KINDS[code] for code in _OF_TABLES},
    "no_picture": "rows without a picture",
    "unpublished": "reviews with pictures that are not published, left out: --all takes them too",
    "video": "films, left out",
    "bad_address": "pictures that are neither an address nor the path of one, left out and listed",
    "plain_http": "pictures at http://, without encryption, kept so",
    "no_product": "reviews with pictures that name no product, left out and listed",
    "unknown_product": "reviews of products that the shop's manifest does not have, left out and listed",
    "unknown_colour": "reviews of a product in several colours that do not say which, left out and listed",
    "other_colour": "reviews of a colour that the shop's manifest does not have, left out and listed",
    "shared_by_items": "pictures in reviews of several items, left out of all of them and listed",
    "repeated_picture": "pictures that stand in several rows of one item: the first counts",
    "shop_picture": "pictures that are the shop's own, by their link, left out",
}
"""What may be found, in the order in which it is told."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion of `rows` rows, `reviews` of them with pictures: `photos` were written.

    `listed` counts these and the `faults`; `addresses` of the photos are yet to be fetched, from `hosts`; `splits`
    counts photos; `match` says by which columns reviews were matched to items, and how many were.
    """

    manifest: Path
    rows: int
    reviews: int
    match: Match
    items: int
    photos: int
    listed: int
    addresses: int
    hosts: tuple[str, ...]
    splits: Mapping[str, int]
    findings: tuple[Finding, ...]
    faults: tuple[Fault, ...]

    def count(self, code: str) -> int:
        """How often one of `KINDS` was found."""
        return next((found.count for found in self.findings if found.code == code), 0)

    def to_json(self) -> dict[str, Any]:
        """`data convert reviews --json`."""
        return asdict(self) | {"manifest": str(self.manifest)}
