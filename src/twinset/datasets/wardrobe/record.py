"""The facts of one drawn photo, and the manifest's line that tells them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLUMNS = (
    "path", "item_id", "category", "domain", "split", "box", "view",
    "style", "title", "colour", "pattern", "price", "currency", "availability",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """One photo: the manifest's facts, and its pixels as (H, W, 3) uint8 RGB."""

    path: str
    item_id: str
    category: str
    domain: str
    split: str
    box: tuple[int, int, int, int] | None
    view: str
    style: str
    title: str
    colour: str
    pattern: str
    price: str
    currency: str
    availability: str
    pixels: NDArray[np.uint8]

    def row(self) -> tuple[str, ...]:
        """The manifest's line, in the order of COLUMNS."""
        box = "" if self.box is None else ",".join(str(side) for side in self.box)
        facts = (self.path, self.item_id, self.category, self.domain, self.split, box, self.view, self.style)
        shown = (self.title, self.colour, self.pattern, self.price, self.currency, self.availability)
        return (*facts, *shown)
