"""What a comparison of two versions found: answers, figures, and their JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinset.catalogue.comparison.queries import Kind
from twinset.records import Estimate, Photo

K: Final = 10
DEPTHS: Final = (1, 5, 20)
DEEP: Final = max(K, *DEPTHS) + 1
"""How many items are ranked: one more than is told, so that what ties with the last of them is seen."""


@dataclass(frozen=True, slots=True)
class Place:
    """An item in an answer, its score in [-1, 1], and the number of its photo that is nearest to the query."""

    item_id: str
    score: float
    number: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The first `K` items by the old and by the new version.

    `file` is None where the query is a photo of the catalogue. `ranks` are those of its item, above `DEEP` where it
    is farther away than that, and None where the catalogue holds no other photo of it.
    """

    query: Photo
    file: Path | None
    old: tuple[Place, ...]
    new: tuple[Place, ...]
    ranks: tuple[int, int] | None

    @property
    def overlap(self) -> float:
        """The share of the old items that are among the new ones."""
        old, new = ({place.item_id for place in answer} for answer in (self.old, self.new))
        return len(old & new) / len(old) if old else 1.0

    @property
    def same_first(self) -> bool:
        """Whether both begin with the same item."""
        first = [[place.item_id for place in answer[:1]] for answer in (self.old, self.new)]
        return first[0] == first[1]

    def to_json(self) -> dict[str, Any]:
        """The query's path, the overlap (0-1), and the ids of the items."""
        old, new = ([place.item_id for place in answer] for answer in (self.old, self.new))
        return {"query": self.query.path, "overlap": self.overlap, "old": old, "new": new}


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall (0-1) at each of `DEPTHS`, by the old and the new version, and new less old query by query."""

    old: tuple[Estimate, ...]
    new: tuple[Estimate, ...]
    difference: tuple[Estimate, ...]

    def to_json(self) -> dict[str, dict[str, Any]]:
        """`old`, `new` and `difference`."""
        names = [f"recall@{k}" for k in DEPTHS]
        found: dict[str, dict[str, Any]] = {}
        for which, estimates in (("old", self.old), ("new", self.new)):
            means: dict[str, Any] = {name: mean for name, (mean, _, _) in zip(names, estimates, strict=True)}
            spans = {name: [low, high] for name, (_, low, high) in zip(names, estimates, strict=True)}
            found[which] = means | {"ci95": spans}
        return found | {"difference": {name: list(e) for name, e in zip(names, self.difference, strict=True)}}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two versions answer to the same queries; `bundles` names the old and the new one.

    `overlap` is the mean of the queries' overlaps, `same_first` the share of those with the same first item.
    `recall` is over the `with_known_item` queries whose item can be found, None where there are none. `photos` has
    the photo of each place in `most_changed`, by number.
    """

    bundles: tuple[str, str]
    kind: Kind
    queries: int
    skipped: int
    overlap: Estimate
    same_first: float
    with_known_item: int
    recall: Recall | None
    most_changed: tuple[Answers, ...]
    photos: Mapping[int, Photo]

    def to_json(self) -> dict[str, Any]:
        """All figures; `old`, `new` and `difference` are null where no query's item can be found."""
        head = {
            "bundles": {"old": self.bundles[0], "new": self.bundles[1]},
            "queries": self.queries,
            "kind": self.kind,
            "skipped": self.skipped,
            "k": K,
            f"overlap@{K}": list(self.overlap),
            "same_first": self.same_first,
            "with_known_item": self.with_known_item,
        }
        recall = dict.fromkeys(("old", "new", "difference")) if self.recall is None else self.recall.to_json()
        return head | recall | {"most_changed": [answers.to_json() for answers in self.most_changed]}
