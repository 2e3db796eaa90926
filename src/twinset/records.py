"""The frozen records that pass between the parts, and their JSON."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""A decoded photo: uint8 `(H, W, 3)` RGB, or a batch `(N, H, W, 3)`."""
Vectors = npt.NDArray[np.float32]
"""Embeddings: float32 `(N, D)`, or one `(D,)`, each of length 1."""

Estimate = tuple[float, float, float]
"""A mean, and the ends of its 95 % interval."""
Box = tuple[float, float, float, float]
"""`x1, y1, x2, y2` of the upright photo: pixels in a manifest, fractions 0-1 in a query."""

MadeFrom = Literal["source", "copy"]
"""Which pixels of a stored photo were looked at: its file's, or its copy's."""


def photo_id(source: str, path: str) -> str:
    """The first 32 hex digits of SHA-256(source name, NUL, relative path)."""
    return hashlib.sha256(f"{source}\0{path}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of an item, as a manifest names it.

    `path` is relative to the manifest's folder; `domain` is `customer` or `shop`; `box` is in pixels of the
    upright photo; `attributes` holds every other column that is not empty, as text;
    `line` is the manifest's, 0 in a plain folder.
    """

    path: str
    item_id: str
    category: str = ""
    domain: str = "shop"
    view: str = ""
    box: Box | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    photo_id: str = ""
    line: int = 0

    @property
    def key(self) -> str:
        """What tells it from every other photo, of several sources too."""
        return f"{self.path}\0{self.photo_id}"

    def value(self, name: str) -> str:
        """The text of a manifest column, empty where the photo has none."""
        match name:
            case "path" | "item_id" | "category" | "domain" | "view" | "photo_id":
                return str(getattr(self, name))
            case "box":
                return box_text(self.box)
            case _:
                return self.attributes.get(name, "")


def box_text(box: Box | None) -> str:
    """A box as a manifest writes it: `x1,y1,x2,y2`, empty for none."""
    return "" if box is None else ",".join(repr(float(side)).removesuffix(".0") for side in box)


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be used; `line` counts from 1, and is 0 for a file of a plain folder."""

    line: int
    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PhotoHit:
    """One photo of a hit, with its own score in [-1, 1]."""

    photo_id: str
    photo: str
    view: str
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result; `score` is the cosine similarity in [-1, 1] of its best photo, higher is better.

    `photo` is the best photo's path in its source, `photos` all of the item's that pass the filters, best first.
    By style they are the style's, and `item_id` is the best photo's. Boosts and re-ranking change the order, not
    `score`.
    `probability` (0-1) that it is the same item is None where nothing is calibrated.
    """

    rank: int
    item_id: str
    score: float
    probability: float | None
    category: str
    style: str
    title: str
    url: str
    photo_id: str
    photo: str
    photos: tuple[PhotoHit, ...]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CatalogueState:
    """Which state of a catalogue gave an answer."""

    fingerprint: str
    version: int
    sequence: int
    photos: int
    items: int


@dataclass(frozen=True, slots=True)
class Calibrated:
    """By what an answer's probabilities were told: something fitted on a gallery of `items` items.

    Where `simulated`, shop photos stood in for customers', changed as a phone would. Where the item is not there,
    at most `false_alarms` (0-1) of the answers are promised to claim something close. The scores of first hits had
    the mean `first_score` and the standard deviation `first_spread`: where they drift away, so do probabilities.
    """

    simulated: bool
    false_alarms: float
    items: int
    first_score: float
    first_spread: float


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """A category, and its share (0-1) of the photos that voted."""

    category: str
    share: float


@dataclass(frozen=True, slots=True)
class ExplainedSide:
    """One of two compared photos: what each place of the square that the model saw adds to their score.

    `places` are rows from the top, each from the left; negative where a place takes away. `part` is what of the
    upright photo is in the square, `seen` where in the square that lies, both in fractions 0-1.
    """

    places: tuple[tuple[float, ...], ...]
    part: Box
    seen: Box


@dataclass(frozen=True, slots=True)
class ExplainedHit:
    """The score of a photo and of a hit's best photo, taken apart twice: the places of each side sum to it.

    Of the hit its copy is looked at, so `score` differs a little from the hit's, which is of its stored vector.
    """

    photo_id: str
    score: float
    query: ExplainedSide
    hit: ExplainedSide


@dataclass(frozen=True, slots=True)
class Answer:
    """All of one search; iterates over its hits. `ms` holds milliseconds of decode, embed, search, total.

    `boxes` are parts of the photo to search with, the best first, in fractions 0-1 of it upright; None where they
    were not asked for, or a box was given. They count as `embed` in `ms`.
    `facets` counts, by field and value, the items that pass the filters, most frequent values first.
    `categories` are those of the fifty nearest photos of the whole catalogue with their shares (0-1), the most
    frequent first; None where they were not asked for. `vector` `(D,)` is the query's embedding.
    `explained` are the first hits whose scores were to be explained, None where none were; they count as `search`.
    `nothing_close` says that no hit is near enough to claim that the item is there; it and `calibration` are None
    where nothing is calibrated.
    """

    hits: tuple[Hit, ...]
    query_id: str
    next: str | None
    catalogue: CatalogueState
    ms: Mapping[str, float]
    nothing_close: bool | None = None
    categories: tuple[CategoryShare, ...] | None = None
    boxes: tuple[Box, ...] | None = None
    facets: Mapping[str, Mapping[str, int]] | None = None
    calibration: Calibrated | None = None
    explained: tuple[ExplainedHit, ...] | None = None
    vector: Vectors | None = field(default=None, repr=False, compare=False)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def to_json(self) -> dict[str, Any]:
        """The answer as Python, the command line and HTTP give it, without `vector`."""
        facts = asdict(replace(self, vector=None))
        del facts["vector"]
        return facts


@dataclass(frozen=True, slots=True)
class ItemPhoto:
    """A photo of an item; `width` and `height` are of its upright source, 0 where its copy is lost."""

    photo_id: str
    photo: str
    view: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Item:
    """An item as the catalogue holds it: its photos, `main` views first, and what its first one says."""

    item_id: str
    category: str
    style: str
    title: str
    url: str
    photos: tuple[ItemPhoto, ...]
    attributes: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run of `index` did, in photos; `seconds` of wall time.

    `photos` and `items` are the whole catalogue's; `faults` are the `skipped` rows; `gone` counts photos that
    the source has no more and that stay in the catalogue.
    """

    photos: int
    items: int
    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: int
    embedded: int
    seconds: float
    rows: int
    gone: int
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """`index --json`: the counts of photos, and the seconds."""
        return {name: value for name, value in asdict(self).items() if name not in ("rows", "gone", "faults")}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that `verify` found: the file, what is wrong with it, and what helps."""

    file: str
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Photos of the gallery that are near-identical and show different items by their ids.

    `pairs` counts them two by two, `photos` and `items` those in some pair, `queries` those with a right answer
    that has such a twin; `recall` is recall@k (0-1) where the twins of right answers are right too.
    """

    pairs: int
    photos: int
    items: int
    queries: int
    recall: Mapping[int, float]

    def to_json(self) -> dict[str, Any]:
        """The fields, recall spread out."""
        fields = asdict(self)
        return fields | {f"recall@{k}": value for k, value in fields.pop("recall").items()}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures (0-1) of one protocol on one manifest, as `metrics` defines them.

    `ci95` holds bootstrap intervals over items; `by_category` the same figures for every category level of the
    queries, `by_domain` and `by_view` for each of theirs. `duplicates` is None where the gallery was not looked at.
    """

    protocol: str
    level: str
    split: str
    query_filter: str
    gallery_filter: str
    relevant: str
    boxes_ignored: bool
    queries: int
    queries_without_positive: int
    gallery: int
    items: int
    recall: Mapping[int, float]
    map: float
    map_at_r: float
    mrr: float
    ndcg: float
    ci95: Mapping[str, tuple[float, float]]
    duplicates: Duplicates | None
    by_category: Mapping[str, Mapping[str, float]]
    by_domain: Mapping[str, Mapping[str, float]]
    by_view: Mapping[str, Mapping[str, float]]

    def figures(self) -> dict[str, float]:
        """The figures by their names: `recall@1` … `recall@50`, `map`, `map@r`, `mrr`, `ndcg@50`."""
        recall = {f"recall@{k}": value for k, value in self.recall.items()}
        return recall | {"map": self.map, "map@r": self.map_at_r, "mrr": self.mrr, "ndcg@50": self.ndcg}

    def to_json(self) -> dict[str, Any]:
        """`evaluate --json`: the fields, the figures by their names."""
        fields = asdict(self)
        for name in ("recall", "map", "map_at_r", "mrr", "ndcg"):
            fields.pop(name)
        tail = {name: fields.pop(name) for name in ("ci95", "duplicates", "by_category", "by_domain", "by_view")}
        return fields | self.figures() | tail | {"duplicates": self.duplicates and self.duplicates.to_json()}
