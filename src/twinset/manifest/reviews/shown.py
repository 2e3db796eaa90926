"""Which picture shows which item: each once, none under two items, none that is the shop's own."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from twinset.manifest.feeds.model import Items
from twinset.manifest.feeds.places import Place, place
from twinset.manifest.folder import SUFFIXES
from twinset.manifest.notes import Notes
from twinset.manifest.reviews.match import Match, Unknown, item_of
from twinset.manifest.reviews.model import Item, Review
from twinset.manifest.reviews.pictures import same_picture
from twinset.manifest.reviews.shop import Shop
from twinset.manifest.table import Confined, is_address
from twinset.records import Fault


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a review, where it lies, and the item it shows; `key` is equal for two links to it."""

    path: str
    key: str
    item: Item
    review: Review
    given: str


@dataclass(slots=True)
class Pictures:
    """The pictures so far, and those that are left out."""

    match: Match
    shop: Shop | None
    items: Items
    confined: Confined
    notes: Notes
    faults: list[Fault] = field(default_factory=list)
    _shown: list[Shown] = field(default_factory=list)

    def add(self, review: Review) -> None:
        """Takes the pictures of a review whose item is known, and notes those of any other."""
        item = self._item(review)
        if not isinstance(item, Item):
            self.notes.add(item[0], f"line {review.line}: {review.products.get(self.match.column, '')[:80]}")
            self.faults += (Fault(review.line, link, *item) for link in review.pictures)
            return
        for link in review.pictures:
            where = self._place(link)
            if isinstance(where, Place):
                self._shown.append(Shown(where.path, same_picture(where), item, review, link))
            else:
                self.notes.add("bad_address", f"line {review.line}: {link[:80]}")
                self.faults.append(Fault(review.line, link, *where))

    def distinct(self) -> list[Shown]:
        """Each picture where it stands first; one under several items is of none; the shop's own are out."""
        items: dict[str, dict[str, None]] = {}
        for one in self._shown:
            items.setdefault(one.key, {})[one.item.item_id] = None
        kept: dict[str, Shown] = {}
        for one in self._shown:
            at = f"line {one.review.line}: {one.path[:80]}"
            if self.shop and one.key in self.shop.pictures:
                self.notes.add("shop_picture", at)
            elif len(items[one.key]) > 1:
                message = f"the picture stands in reviews of {', '.join(list(items[one.key])[:3])}"
                self.notes.add("shared_by_items", at)
                self.faults.append(Fault(one.review.line, one.given, "shared_by_items", message))
            elif kept.setdefault(one.key, one) is not one:
                self.notes.add("repeated_picture", at)
            elif one.path.lower().startswith("http://"):
                self.notes.add("plain_http", one.path)
        return list(kept.values())

    def _item(self, review: Review) -> Item | Unknown:
        key = review.products.get(self.match.column, "")
        if not key:
            return "no_product", f"the review names no product in {self.match.column}"
        return item_of(review, self.match, self.shop, self.items) if self.shop else Item(key)

    def _place(self, link: str) -> Place | Unknown:
        where = place(link, self.confined)
        if isinstance(where, Place) and not (
            is_address(where.path) or PurePosixPath(where.path).suffix.lower() in SUFFIXES
        ):
            return "bad_address", "the picture is neither an address nor a photo's file"
        return where
