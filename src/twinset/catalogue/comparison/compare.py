"""Two versions of a catalogue asked the same queries: where they agree, and which of them finds the right items."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from twinset import group, metrics
from twinset.catalogue.comparison.figures import DEEP, DEPTHS, Answers, Comparison, K, Place, Recall
from twinset.catalogue.comparison.queries import Asked, Queries, embedded, sampled
from twinset.catalogue.folder import CatalogueFolder
from twinset.catalogue.versions import Live
from twinset.progress import SILENT, Progress
from twinset.ranking import SAME_SCORE
from twinset.records import Vectors
from twinset.runtime import Device
from twinset.store.columns import Column, Columns, Mask
from twinset.store.rows import Ids, Rows
from twinset.store.versions import Version
from twinset.store.view import View

_MOST: Final = 8


def compare(
    folder: CatalogueFolder,
    rows: Rows,
    old: Version,
    new: Version,
    queries: Queries,
    *,
    device: Device = "auto",
    progress: Progress = SILENT,
) -> Comparison:
    """Asks two versions, which have a vector of every photo, the same queries; inside a snapshot of the rows.

    Raises:
        ManifestError: none of the query photos can be read.
        NoQueriesError: the catalogue is empty.
        CatalogueError: a version lacks vectors, or the catalogue is damaged.
        BundleError, FingerprintError: a version's bundle is damaged.
        MissingExtraError, UsageError: the device is not there.

    """
    versions = old, new
    state = rows.state()
    columns = Live(folder, rows).columns(state)
    items = columns.column("item_id")
    if queries.manifest is None:
        asked = sampled(rows, columns, versions, queries.sample, queries.seed)
    else:
        asked = embedded(folder, rows, queries.manifest, versions, device=device, progress=progress)
    progress.start("comparing", 2 * len(asked.photos))
    try:  # the vectors of one version are let go before those of the other are opened
        places = [
            _ranked(Live(folder, rows).view(version, state), vectors, asked.own, items, progress)
            for version, vectors in zip(versions, asked.vectors, strict=True)
        ]
    finally:
        progress.finish()
    answers = _answers(asked, places, columns)
    most = _most_changed(answers)
    shown = sorted({place.number for one in most for place in (*one.old, *one.new)})
    photos = {row.id: row.photo for row in rows.in_order(shown)}
    known = [one for one in answers if one.ranks is not None]
    return Comparison(
        bundles=(old.bundle, new.bundle),
        kind=queries.kind,
        queries=len(answers),
        skipped=len(asked.faults),
        overlap=metrics.estimates(np.array([[one.overlap] for one in answers]), _items(answers))[0],
        same_first=float(np.mean([one.same_first for one in answers])),
        with_known_item=len(known),
        recall=_recall(known) if known else None,
        most_changed=tuple(most),
        photos=photos,
    )


def _ranked(view: View, queries: Vectors, own: Ids, items: Column, progress: Progress) -> list[tuple[Place, ...]]:
    """The first `DEEP` items for each query; a photo is not found by itself."""
    found = []
    kept: Mask = np.ones(len(items.codes), np.bool_)
    for query, number in zip(queries, own.tolist(), strict=True):
        if number < 0:
            found.append(_places(view, query, items))
        else:
            kept[number] = False
            found.append(_places(view.only(kept), query, items))
            kept[number] = True
        progress.advance()
    return found


def _places(view: View, query: Vectors, items: Column) -> tuple[Place, ...]:
    nearest: dict[str, int] = {}

    def items_of(numbers: Sequence[int]) -> list[str]:
        names = [items.texts[code] for code in items.codes[numbers].tolist()]
        for name, number in zip(names, numbers, strict=True):
            nearest.setdefault(name, number)
        return names

    ranked, _ = group.rank(lambda depth: view.search(query, depth), items_of, len(view), DEEP)
    return tuple(Place(one.key, one.score, nearest[one.key]) for one in ranked)


def _answers(asked: Asked, places: Sequence[Sequence[tuple[Place, ...]]], columns: Columns) -> list[Answers]:
    items = columns.column("item_id")
    sizes = dict(zip(items.texts, np.bincount(items.codes[columns.alive]).tolist(), strict=True))
    answers = []
    for photo, file, own, old, new in zip(asked.photos, asked.files, asked.own.tolist(), *places, strict=True):
        left_out = own >= 0 and items.texts[items.codes[own]] == photo.item_id
        findable = sizes.get(photo.item_id, 0) > left_out
        ranks = (_rank(old, photo.item_id), _rank(new, photo.item_id)) if findable else None
        answers.append(Answers(photo, file, old[:K], new[:K], ranks))
    return answers


def _rank(answer: Sequence[Place], item_id: str) -> int:
    """The rank of an item among the first `DEEP`; above `DEEP` where it is not one of them.

    Up to the depths that are told it is the rank among all: where fewer others than those score as high, all of
    them are here.
    """
    own = next((place.score for place in answer if place.item_id == item_id), None)
    return DEEP + 1 if own is None else sum(place.score >= own - SAME_SCORE for place in answer)


def _recall(known: Sequence[Answers]) -> Recall:
    ranks = np.array([one.ranks for one in known])
    old, new = (np.stack([ranks[:, version] <= k for k in DEPTHS], axis=1).astype(np.float64) for version in (0, 1))
    estimates = metrics.estimates(np.concatenate([old, new, new - old], axis=1), _items(known))
    n = len(DEPTHS)
    return Recall(estimates[:n], estimates[n : 2 * n], estimates[2 * n :])


def _items(answers: Sequence[Answers]) -> list[str]:
    return [one.query.item_id for one in answers]


def _most_changed(answers: Sequence[Answers]) -> list[Answers]:
    """Those that differ, least overlap first; among equal ones those that begin with another item."""
    differ = [one for one in answers if one.overlap < 1 or not one.same_first]
    return sorted(differ, key=lambda one: (one.overlap, one.same_first))[:_MOST]
