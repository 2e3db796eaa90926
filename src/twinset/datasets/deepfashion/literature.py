"""Published figures of DeepFashion Consumer-to-Shop, and whether each compares with a run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from twinset.datasets.deepfashion.report import PUBLISHED as TOTALS
from twinset.protocols import PROTOCOLS
from twinset.records import Evaluation, Photo

_BIG: Final = ("CLOTHING", "DRESSES", "TOPS", "TROUSERS")
_ITEM: Final = re.compile(r"id_[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Figure:
    """Recall (0-1) as a paper gives it, under the protocol that it is taken to follow."""

    source: str
    recall: Mapping[str, float]
    protocol: str = "official"
    unsure: str = "which photos its gallery holds and whether boxes were used was not confirmed"


FIGURES: Final = (
    Figure("FashionNet, Liu et al. 2016", {"recall@20": 0.188}),
    Figure("GRNet, Kuang et al. 2019", {"recall@1": 0.26, "recall@20": 0.64, "recall@50": 0.75}),
)
"""Only figures whose source has a name; others that go around are of another gallery, or from memory."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A published figure, whether it compares with a run (`no` or `with care`), and why."""

    source: str
    recall: Mapping[str, float]
    compares: str
    because: str

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def beside(run: Evaluation, photos: Sequence[Photo], *, whole: bool = True) -> tuple[Beside, ...]:
    """The published figures of a run's protocol; none where the manifest's `photos` are no DeepFashion.

    `whole` says that no query was held out.
    """
    if not _is_deepfashion(photos):
        return ()
    reasons = _differences(run, photos, whole=whole)
    return tuple(
        Beside(figure.source, figure.recall, "no" if reasons else "with care", "; ".join(reasons) or figure.unsure)
        for figure in FIGURES
        if figure.protocol == run.protocol
    )


def _is_deepfashion(photos: Sequence[Photo]) -> bool:
    """Whether every photo has an item and a category of the set's form, and both domains are there."""
    return {photo.domain for photo in photos} == {"customer", "shop"} and all(
        _ITEM.fullmatch(photo.item_id) and photo.category.split("/")[0] in _BIG for photo in photos
    )


def _differences(run: Evaluation, photos: Sequence[Photo], *, whole: bool) -> list[str]:
    """Why a run is of something else than the papers' set and protocol."""
    protocol = PROTOCOLS[run.protocol]
    items = len({photo.item_id for photo in photos})
    found = []
    if (len(photos), items) != (TOTALS["photos"], TOTALS["items"]):
        found.append(
            f"the manifest has {len(photos):,} photos of {items:,} items, the set {TOTALS['photos']:,} of "
            f"{TOTALS['items']:,}"
        )
    if run.level != protocol.level:
        found.append(f"{run.level}s are ranked here, photos there")
    if (run.query_filter, run.gallery_filter) != (" ".join(protocol.queries), " ".join(protocol.gallery)):
        found.append("the queries or the gallery are others")
    if run.relevant != protocol.relevant:
        found.append(f"right is what has the same {run.relevant}")
    if not whole:
        found.append("some queries are held out")
    return found
