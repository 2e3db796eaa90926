"""One evaluation for everything that embeds: the figures of a protocol, from one exact ranking."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twinset import metrics, protocols
from twinset.errors import NoQueriesError
from twinset.manifest.check import levels
from twinset.progress import SILENT, Progress
from twinset.protocols import Protocol
from twinset.ranking import Ints, Ranking, rank
from twinset.records import Duplicates, Evaluation, Photo, Vectors

Embeds = Callable[[Sequence[Photo]], tuple[Sequence[Photo], Vectors]]
"""Embeds photos: those that could be, and their vectors `(N, D)`."""
Twins = Callable[[Sequence[Photo]], Sequence[tuple[int, int]] | None]
"""Pairs of near-identical photos, by their places; None where they cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The queries with a right answer, what was found for each, and the gallery; `without` more have none.

    `values` `(Q, 9)` are the `metrics.FIGURES` of each query. `pairs` are photos of the gallery that are
    near-identical and not right for each other, by their places; None where it was not looked at.
    """

    protocol: Protocol
    split: str
    queries: tuple[Photo, ...]
    without: int
    gallery: tuple[Photo, ...]
    ranking: Ranking
    values: npt.NDArray[np.float64]
    pairs: tuple[tuple[int, int], ...] | None


def evaluate(
    photos: Sequence[Photo],
    embeds: Embeds,
    protocol: Protocol,
    split: str,
    *,
    keep: Callable[[Photo], bool] = lambda _: True,
    twins: Twins | None = None,
    boxes_ignored: bool = False,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Measures `protocol` on `photos`; of its queries, those that `keep` keeps.

    A query is never its own result; queries with no right answer in the gallery are counted apart.

    Photos that `embeds` leaves out take no part: they are neither queries nor in the gallery.

    Raises:
        NoQueriesError: no query, none that `keep` keeps, no gallery, or no query with a right answer.

    """
    found = measure(photos, embeds, protocol, split, keep=keep, twins=twins, progress=progress)
    return summary(found, boxes_ignored=boxes_ignored, seed=seed)


def measure(
    photos: Sequence[Photo],
    embeds: Embeds,
    protocol: Protocol,
    split: str,
    *,
    keep: Callable[[Photo], bool] = lambda _: True,
    twins: Twins | None = None,
    progress: Progress = SILENT,
) -> Measured:
    """What is found for every query, from which `evaluate` takes its figures.

    Raises:
        NoQueriesError: as `evaluate`.

    """
    queries, gallery = protocols.select(photos, protocol, split)
    queries = _kept(queries, keep, protocol, split)
    both = {photo.key: photo for photo in (*queries, *gallery)}
    embedded, vectors = embeds(list(both.values()))
    row = {photo.key: i for i, photo in enumerate(embedded)}
    queries = [photo for photo in queries if photo.key in row]
    gallery = [photo for photo in gallery if photo.key in row]
    pairs = _pairs(gallery, twins, protocol.relevant)
    rows = np.array([row[photo.key] for photo in queries], np.int64)
    codes = _codes(embedded, protocol.relevant)
    ranking = _ranking(rows, gallery, row, vectors, codes=codes, protocol=protocol, pairs=pairs, progress=progress)
    if not len(ranking.query):
        raise NoQueriesError(
            f"none of {len(queries):,} queries of protocol {protocol.name} on split {split} has a right answer "
            f"among {len(gallery):,} gallery photos",
            "choose another with --protocol, --split, --queries, --gallery or --relevant",
        )
    scored = tuple(queries[i] for i in ranking.query)
    without = len(queries) - len(scored)
    values = metrics.table(ranking.ranks)
    return Measured(protocol, split, scored, without, tuple(gallery), ranking, values, pairs)


def summary(found: Measured, *, boxes_ignored: bool = False, seed: int = 0) -> Evaluation:
    """The figures, overall and by category, domain and view, with intervals."""
    protocol, queries = found.protocol, found.queries
    intervals = metrics.bootstrap(found.values, [photo.item_id for photo in queries], seed=seed)
    figures = dict(zip(metrics.FIGURES, found.values.mean(axis=0).tolist(), strict=True))
    return Evaluation(
        protocol=protocol.name,
        level=protocol.level,
        split=found.split,
        query_filter=" ".join(protocol.queries),
        gallery_filter=" ".join(protocol.gallery),
        relevant=protocol.relevant,
        boxes_ignored=boxes_ignored,
        queries=len(queries),
        queries_without_positive=found.without,
        gallery=len(found.gallery),
        items=len({photo.item_id for photo in found.gallery}),
        recall={k: figures[f"recall@{k}"] for k in metrics.DEPTHS},
        map=figures["map"],
        map_at_r=figures["map@r"],
        mrr=figures["mrr"],
        ndcg=figures["ndcg@50"],
        ci95=dict(zip(metrics.FIGURES, intervals, strict=True)),
        duplicates=_duplicates(found),
        by_category=_by(found, lambda photo: levels(photo.category)),
        by_domain=_by(found, lambda photo: [photo.domain]),
        by_view=_by(found, lambda photo: [photo.view] if photo.view else []),
    )


def _kept(queries: Sequence[Photo], keep: Callable[[Photo], bool], protocol: Protocol, split: str) -> list[Photo]:
    kept = [photo for photo in queries if keep(photo)]
    if not kept:
        raise NoQueriesError(
            f"none of {len(queries):,} queries of protocol {protocol.name} on split {split} is held out",
            "choose other digits or another column with --hold-out",
        )
    return kept


def _codes(photos: Sequence[Photo], relevant: str) -> npt.NDArray[np.int64]:
    """A number for each value of the relevant column; -1 where it is empty, which is relevant to nothing."""
    values = np.array([photo.value(relevant) for photo in photos], dtype=np.str_)
    _, codes = np.unique(values, return_inverse=True)
    return np.where(values == "", -1, codes).astype(np.int64)


def _ranking(
    queries: Ints,
    gallery: Sequence[Photo],
    row: dict[str, int],
    vectors: Vectors,
    *,
    codes: Ints,
    protocol: Protocol,
    pairs: Sequence[tuple[int, int]] | None,
    progress: Progress,
) -> Ranking:
    names = [photo.item_id if protocol.level == "item" else photo.key for photo in gallery]
    units = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1]
    rows = np.array([row[photo.key] for photo in gallery], np.int64)
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for one, other in pairs or ():
        alike[one].append(other)
        alike[other].append(one)
    return rank(vectors, queries, rows, codes=codes, units=units, alike=alike, progress=progress)


def _pairs(gallery: Sequence[Photo], twins: Twins | None, relevant: str) -> tuple[tuple[int, int], ...] | None:
    """Near-identical photos that are not right for each other."""
    found = twins(gallery) if twins else None
    if found is None:
        return None
    values = [photo.value(relevant) for photo in gallery]
    return tuple((i, j) for i, j in found if values[i] != values[j] or not values[i])


def _duplicates(found: Measured) -> Duplicates | None:
    if found.pairs is None:
        return None
    photos = {place for pair in found.pairs for place in pair}
    twinned = {found.gallery[place].value(found.protocol.relevant) for place in photos}
    return Duplicates(
        pairs=len(found.pairs),
        photos=len(photos),
        items=len({found.gallery[place].item_id for place in photos}),
        queries=sum(photo.value(found.protocol.relevant) in twinned for photo in found.queries),
        recall={k: metrics.recall_at_k(found.ranking.first_alike, k) for k in metrics.DEPTHS},
    )


def _by(found: Measured, names: Callable[[Photo], Iterable[str]]) -> dict[str, dict[str, float]]:
    """The figures of the queries of each name."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for i, photo in enumerate(found.queries):
        for name in names(photo):
            rows[name].append(i)
    return {
        name: {"queries": len(chosen)}
        | dict(zip(metrics.FIGURES, found.values[chosen].mean(axis=0).tolist(), strict=True))
        for name, chosen in sorted(rows.items())
    }
