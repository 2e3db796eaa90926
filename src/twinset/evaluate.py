"""One evaluation for everything that embeds: recall and mean average precision of a protocol, in chunks."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset import metrics, protocols
from twinset.errors import NoQueriesError
from twinset.manifest.check import levels
from twinset.progress import SILENT, Progress, counted
from twinset.protocols import Protocol
from twinset.records import Evaluation, Photo, Vectors

Embeds = Callable[[Sequence[Photo]], tuple[Sequence[Photo], Vectors]]
"""Embeds photos: those that could be, and their vectors `(N, D)`."""

DEPTHS: Final = (1, 5, 10, 20, 50)
_SCORES_AT_ONCE: Final = 2**24


@dataclass(frozen=True, slots=True)
class Ranked:
    """Queries with the ranks of their right answers, ascending; how many more have none; and the gallery."""

    queries: tuple[Photo, ...]
    ranks: tuple[npt.NDArray[np.integer[Any]], ...]
    without: int
    gallery: tuple[Photo, ...]


@dataclass(frozen=True, slots=True)
class _Gallery:
    """Photos sorted by the unit that is ranked; `starts` is where each unit begins."""

    vectors: Vectors
    relevant: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    position: dict[str, int]


def evaluate(
    photos: Sequence[Photo],
    embeds: Embeds,
    protocol: Protocol,
    split: str,
    *,
    keep: Callable[[Photo], bool] = lambda _: True,
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
    found = ranked(photos, embeds, protocol, split, keep=keep, progress=progress)
    names = [f"recall@{k}" for k in DEPTHS] + ["map"]
    first = np.array([r[0] for r in found.ranks])
    table = _table(found.ranks)
    intervals = metrics.bootstrap(table, [photo.item_id for photo in found.queries], seed=seed)
    return Evaluation(
        protocol=protocol.name,
        level=protocol.level,
        split=split,
        query_filter=" ".join(protocol.queries),
        gallery_filter=" ".join(protocol.gallery),
        relevant=protocol.relevant,
        boxes_ignored=boxes_ignored,
        queries=len(found.queries),
        queries_without_positive=found.without,
        gallery=len(found.gallery),
        items=len({photo.item_id for photo in found.gallery}),
        recall={k: metrics.recall_at_k(first, k) for k in DEPTHS},
        map=metrics.mean_average_precision(found.ranks),
        ci95=dict(zip(names, intervals, strict=True)),
        by_category=_by_category(found.queries, table, names),
    )


def ranked(
    photos: Sequence[Photo],
    embeds: Embeds,
    protocol: Protocol,
    split: str,
    *,
    keep: Callable[[Photo], bool] = lambda _: True,
    progress: Progress = SILENT,
) -> Ranked:
    """The ranks of the right answers of every query, from which `evaluate` takes its figures.

    Raises:
        NoQueriesError: as `evaluate`.

    """
    queries, gallery = protocols.select(photos, protocol, split)
    queries = _kept(queries, keep, protocol, split)
    both = {photo.path: photo for photo in (*queries, *gallery)}
    embedded, vectors = embeds(list(both.values()))
    row = {photo.path: i for i, photo in enumerate(embedded)}
    queries = [photo for photo in queries if photo.path in row]
    gallery = [photo for photo in gallery if photo.path in row]
    codes = _codes(embedded, protocol.relevant)
    units = _gallery(gallery, row, vectors, codes, protocol)
    rows = np.array([row[photo.path] for photo in queries], np.int64)
    each = _ranks(queries, vectors[rows], codes[rows], units)
    ranks = list(counted(each, progress, "ranking", len(queries)))
    scored = [(photo, r) for photo, r in zip(queries, ranks, strict=True) if len(r)]
    if not scored:
        raise NoQueriesError(
            f"none of {len(queries):,} queries of protocol {protocol.name} on split {split} has a right answer "
            f"among {len(gallery):,} gallery photos",
            "choose another with --protocol, --split, --queries, --gallery or --relevant",
        )
    scored_queries, scored_ranks = zip(*scored, strict=True)
    return Ranked(scored_queries, scored_ranks, len(queries) - len(scored), tuple(gallery))


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


def _gallery(
    gallery: Sequence[Photo],
    row: dict[str, int],
    vectors: Vectors,
    codes: npt.NDArray[np.int64],
    protocol: Protocol,
) -> _Gallery:
    if protocol.level == "item":
        gallery = sorted(gallery, key=lambda photo: photo.item_id)
        keys = [photo.item_id for photo in gallery]
    else:
        keys = [photo.path for photo in gallery]
    rows = np.array([row[photo.path] for photo in gallery], np.int64)
    starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    position = {photo.path: i for i, photo in enumerate(gallery)}
    return _Gallery(vectors[rows], codes[rows], np.array(starts, np.int64), position)


def _ranks(
    queries: Sequence[Photo], vectors: Vectors, codes: npt.NDArray[np.int64], gallery: _Gallery
) -> Iterator[npt.NDArray[np.integer[Any]]]:
    chunk = max(1, _SCORES_AT_ONCE // max(1, len(gallery.vectors)))
    for start in range(0, len(queries), chunk):
        part = slice(start, start + chunk)
        scores = vectors[part] @ gallery.vectors.T
        for photo, code, row in zip(queries[part], codes[part], scores, strict=True):
            own = gallery.position.get(photo.path)
            if own is not None:
                row[own] = -np.inf
            right = (gallery.relevant == code) & (code >= 0) & (row > -np.inf)
            yield metrics.ranks_of_relevant(
                np.maximum.reduceat(row, gallery.starts), np.logical_or.reduceat(right, gallery.starts)
            )


def _table(ranks: Sequence[npt.NDArray[np.integer[Any]]]) -> npt.NDArray[np.float64]:
    """One row a query: whether it was found in the first k, for each k, and its average precision."""
    first = np.array([r[0] for r in ranks])
    found = [(first <= k).astype(np.float64) for k in DEPTHS]
    return np.stack([*found, np.array([metrics.average_precision(r) for r in ranks])], axis=1)


def _by_category(
    queries: Sequence[Photo], table: npt.NDArray[np.float64], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for i, photo in enumerate(queries):
        for level in levels(photo.category):
            rows[level].append(i)
    return {
        level: {"queries": len(chosen)} | dict(zip(names, table[chosen].mean(axis=0).tolist(), strict=True))
        for level, chosen in sorted(rows.items())
    }
