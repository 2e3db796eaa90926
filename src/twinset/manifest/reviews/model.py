"""What an export of reviews says, whichever app wrote it, and how it is converted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from twinset.manifest.feeds.model import Items


@dataclass(frozen=True, slots=True)
class Options:
    """How reviews are converted; `shop` is the manifest whose items they are of.

    `match` is the column of `shop` that names what reviews are of; `product_column` and `pictures_column` are
    the export's own. `everything` takes unpublished reviews too. `val`, `test` and `seed` are `split.assign`'s.
    """

    shop: Path | None = None
    items: Items = "colour"
    match: str = ""
    product_column: str = ""
    pictures_column: str = ""
    everything: bool = False
    val: float = 0.1
    test: float = 0.2
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Review:
    """A review with pictures: what names its product, by column; its variant's texts; those that are a colour.

    `name` is the app's id of the review. Nothing else of it is read: no texts, no names, no addresses of people.
    """

    line: int
    products: Mapping[str, str]
    variants: tuple[str, ...]
    colours: tuple[str, ...]
    pictures: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """What a review may be of; `colours` are slugs, several where its photos show more than one, or none knows."""

    item_id: str
    style: str = ""
    category: str = ""
    title: str = ""
    split: str = ""
    colours: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """What stays whole when items are split: the style, or the item where it has none."""
        return self.style or self.item_id
