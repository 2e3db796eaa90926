"""Two ways of embedding on the same queries in the same gallery: paired differences with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twinset import metrics, protocols
from twinset.evaluate import Embeds, Measured, measure
from twinset.progress import SILENT, Progress
from twinset.protocols import Protocol
from twinset.records import Photo, Vectors


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of both, B less A, and its 95 % bootstrap interval over items: both are resampled alike."""

    a: float
    b: float
    difference: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What A and B find of the same queries.

    `figures` are those of `metrics`; `both`, `only_a`, `only_b` and `neither` count queries whose right answer
    stands first. `left_out` photos of the protocol took no part, since one side has no vector of them.
    """

    protocol: str
    level: str
    split: str
    query_filter: str
    gallery_filter: str
    relevant: str
    queries: int
    queries_without_positive: int
    gallery: int
    left_out: int
    both: int
    only_a: int
    only_b: int
    neither: int
    figures: Mapping[str, Difference]

    def to_json(self) -> dict[str, Any]:
        """`compare --json`: the fields."""
        return asdict(self)


def compare(
    photos: Sequence[Photo],
    a: Embeds,
    b: Embeds,
    protocol: Protocol,
    split: str,
    *,
    keep: Callable[[Photo], bool] = lambda _: True,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Comparison:
    """Measures A and B on what both embed.

    Raises:
        NoQueriesError: as `evaluate`, of what is left.

    """
    queries, gallery = protocols.select(photos, protocol, split)
    wanted = list({photo.path: photo for photo in (*filter(keep, queries), *gallery)}.values())
    sides = [_by_path(embeds(wanted)) for embeds in (a, b)]
    common = [photo for photo in wanted if all(photo.path in side for side in sides)]
    one, other = (
        measure(common, _looked_up(side), protocol, split, keep=keep, progress=progress) for side in sides
    )
    return _paired(one, other, len(wanted) - len(common), seed)


def _by_path(embedded: tuple[Sequence[Photo], Vectors]) -> dict[str, Vectors]:
    return {photo.path: vector for photo, vector in zip(*embedded, strict=True)}


def _looked_up(vectors: Mapping[str, Vectors]) -> Embeds:
    return lambda photos: (photos, np.stack([vectors[photo.path] for photo in photos]))


def _paired(a: Measured, b: Measured, left_out: int, seed: int) -> Comparison:
    items = [photo.item_id for photo in a.queries]
    differences = metrics.estimates(b.values - a.values, items, seed=seed)
    means = (side.values.mean(axis=0).tolist() for side in (a, b))
    first_a, first_b = a.values[:, 0] == 1, b.values[:, 0] == 1
    return Comparison(
        protocol=a.protocol.name,
        level=a.protocol.level,
        split=a.split,
        query_filter=" ".join(a.protocol.queries),
        gallery_filter=" ".join(a.protocol.gallery),
        relevant=a.protocol.relevant,
        queries=len(a.queries),
        queries_without_positive=a.without,
        gallery=len(a.gallery),
        left_out=left_out,
        both=int(np.sum(first_a & first_b)),
        only_a=int(np.sum(first_a & ~first_b)),
        only_b=int(np.sum(first_b & ~first_a)),
        neither=int(np.sum(~first_a & ~first_b)),
        figures={
            name: Difference(mean_a, mean_b, mean, (low, high))
            for name, mean_a, mean_b, (mean, low, high) in zip(metrics.FIGURES, *means, differences, strict=True)
        },
    )
