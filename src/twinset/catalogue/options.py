"""What a search is asked for beside its photo."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypedDict, get_args

from twinset.errors import UsageError, did_you_mean

MAX_K: Final = 10_000
MAX_EXPLAIN: Final = 5

By = Literal["item", "photo", "style"]
OutOfStock = Literal["show", "sink", "hide"]
Rerank = Literal["expansion", "reciprocal", "centroid", "views", "patches"]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How many are wanted of what, which photos may be found, and what moves them up or down.

    `k` is 1 to `MAX_K`. `where` restricts photos, `FIELD OP VALUE` each; photos whose score is below `min_score`
    (-1 to 1) are left out. `boost`, `FIELD OP VALUE:±x` each, adds x to what an item is ordered by where one of its
    photos fits. `out_of_stock` items can be shown as others are, sink below all others, or be hidden. `cursor` is
    `next` of the answer before; `facets` asks for counts, `categories` for those of what is nearest. `rerank`
    names another order of the first hits (docs/search.md).

    Raises:
        UsageError: a value is out of its range.

    """

    k: int = 20
    by: By = "item"
    cursor: str | None = None
    where: Sequence[str] = ()
    boost: Sequence[str] = ()
    min_score: float | None = None
    out_of_stock: OutOfStock = "show"
    facets: bool = False
    rerank: Rerank | None = None
    categories: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise UsageError(f"k is {self.k}", f"use 1 to {MAX_K:,}")
        for name, value, known in (("by", self.by, By), ("out_of_stock", self.out_of_stock, OutOfStock)):
            if value not in get_args(known):
                raise UsageError(f"{name} is {value!r}", f"use {', '.join(get_args(known))}")
        if self.rerank not in (None, *get_args(Rerank)):
            names = get_args(Rerank)
            mend = did_you_mean(str(self.rerank), names, f"use {', '.join(names)}")
            raise UsageError(f"there is no re-ranking {self.rerank!r}", mend)
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise UsageError(f"min_score is {self.min_score}", "use -1 to 1")
        for name, given in (("where", self.where), ("boost", self.boost)):
            if isinstance(given, str):
                raise UsageError(f"{name} is the text {given!r}", "give a list of such texts")

    @property
    def least(self) -> float:
        """The lowest score that counts."""
        return -1.0 if self.min_score is None else self.min_score

    @property
    def need_columns(self) -> bool:
        """Whether more of the photos must be known than their vectors."""
        chosen = self.where or self.boost or self.facets
        return bool(chosen) or self.by == "style" or self.out_of_stock != "show"

    def order(self) -> bytes:
        """What decides which hits there are, and their order; equal for the pages of one search."""
        facts = [self.by, list(self.where), list(self.boost), self.least, self.out_of_stock, self.rerank]
        return json.dumps(facts).encode()


class Asked(TypedDict, total=False):
    """The same by their names, less `k`: the keywords of a search."""

    by: By
    cursor: str | None
    where: Sequence[str]
    boost: Sequence[str]
    min_score: float | None
    out_of_stock: OutOfStock
    facets: bool
    rerank: Rerank | None
    categories: bool
