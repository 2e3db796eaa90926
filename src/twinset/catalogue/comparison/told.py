"""A comparison of two versions told: in sentences, as a table, and as a sheet of the most changed answers."""

from collections.abc import Mapping, Sequence
from typing import Final

from twinset import photos, sheet
from twinset.catalogue.comparison.figures import DEEP, DEPTHS, Answers, Comparison, K
from twinset.catalogue.comparison.queries import Kind
from twinset.photos import Decoded
from twinset.records import Pixels
from twinset.sheet import Frame, Tile, Versus
from twinset.store.copies import Copies, Copy

HEADER: Final = ("", "old", "new", "new less old", "95 % interval")
_LEGEND: Final = "green: the query's own item · blue: not among the old ones"
_PATH: Final = 22
"""So many characters stand above a query."""
_ASKED: Final[Mapping[Kind, str]] = {
    "given": "query photos",
    "saved": "saved query photos",
    "sampled": "photos of the catalogue, each left out of its own answer",
}


def told(comparison: Comparison) -> list[str]:
    """What there is to say of a comparison, a sentence a line; `table` has the rest."""
    queries, (mean, low, high) = f"{comparison.queries:,}", comparison.overlap
    others = comparison.queries - round(comparison.same_first * comparison.queries)
    unread = f"; {comparison.skipped:,} more could not be used" if comparison.skipped else ""
    return [
        f"asked with {queries} {_ASKED[comparison.kind]}{unread}",
        f"{others:,} of {queries} queries have another first hit",
        f"of the first {K} items {mean:.0%} stay (95 % interval {low:.0%} – {high:.0%})",
        f"{comparison.with_known_item:,} of {queries} queries have a right item to find",
    ]


def table(comparison: Comparison) -> list[list[str]]:
    """Under `HEADER`: the recall of both versions, and how it differs; no row where no right item is known."""
    recall = comparison.recall
    if recall is None:
        return []
    return [
        [f"recall@{k}", f"{old[0]:.3f}", f"{new[0]:.3f}", f"{mean:+.3f}", f"{low:+.3f} – {high:+.3f}"]
        for k, old, new, (mean, low, high) in zip(DEPTHS, recall.old, recall.new, recall.difference, strict=True)
    ]


def changed_sheet(comparison: Comparison, copies: Copies) -> Pixels:
    """The most changed answers, old above new, beside their queries; uint8 `(H, W, 3)`.

    Photos whose copy is lost are left out.

    Raises:
        PathError, PhotoError: a query photo is not there any more.
        CatalogueError: a copy is damaged.

    """
    names = [photo.photo_id for photo in comparison.photos.values()]
    found = copies.get([*names, *(one.query.photo_id for one in comparison.most_changed if one.file is None)])
    rows = [
        Versus(_end(one.query.path), query, _answers(one, comparison, found))
        for one in comparison.most_changed
        if (query := _query(one, found)) is not None
    ]
    old, new = comparison.bundles
    heading = f"{old} → {new} · the {len(rows)} most changed answers of {comparison.queries:,}"
    return sheet.versus_sheet(f"{heading} · {_LEGEND}", rows)


def _query(one: Answers, found: Mapping[str, Copy]) -> Tile | None:
    if one.file is not None:
        decoded = photos.decode(photos.read_bytes(one.file))
    elif one.query.photo_id in found:
        copy = found[one.query.photo_id]
        decoded = Decoded(photos.read(copy.jpeg), copy.width, copy.height)
    else:
        return None
    box = photos.in_fractions(one.query.box, decoded)
    stay = f"{round(one.overlap * len(one.old))} of {len(one.old)} items stay"
    return Tile(decoded.pixels, (stay, _ranks(one)), "query", box)


def _ranks(one: Answers) -> str:
    if one.ranks is None:
        return "no right item to find"
    old, new = (str(rank) if rank < DEEP else f"over {DEEP - 1}" for rank in one.ranks)
    return f"its item: {old} → {new}"


def _answers(one: Answers, comparison: Comparison, found: Mapping[str, Copy]) -> list[tuple[str, Sequence[Tile]]]:
    before = {place.item_id for place in one.old}
    right = None if one.ranks is None else one.query.item_id
    answers: list[tuple[str, Sequence[Tile]]] = []
    for name, answer in ((f"old: {comparison.bundles[0]}", one.old), (f"new: {comparison.bundles[1]}", one.new)):
        tiles = []
        for rank, place in enumerate(answer, 1):
            photo = comparison.photos[place.number]
            if photo.photo_id in found:
                frame: Frame | None = None if place.item_id in before else "new"
                lines = f"{rank}   {place.score:.3f}", photo.value("title") or place.item_id
                pixels = photos.read(found[photo.photo_id].jpeg)
                tiles.append(Tile(pixels, lines, "right" if place.item_id == right else frame))
        answers.append((name, tiles))
    return answers


def _end(path: str) -> str:
    """A path as far as it fits above a photo, from its end."""
    return path if len(path) <= _PATH else f"…{path[1 - _PATH :]}"
