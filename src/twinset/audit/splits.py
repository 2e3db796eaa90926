"""Leakage: what stands in several splits that are meant to be apart."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from twinset.audit.findings import Finding, Pair
from twinset.audit.pictures import groups
from twinset.audit.table import Table
from twinset.ranking import Ints
from twinset.records import Photo

_MEANT: Final = 0.5
"""Splits are meant to keep items whole where more than this share of the items are whole."""


def by_picture(table: Table) -> Iterator[Finding]:
    """Photos that are near-identical to one of another split; a photo without a split belongs to all."""
    for rows in groups(table):
        places: dict[str, int] = {}
        for row in rows.tolist():
            if split := _split(table.photos[row]):
                places.setdefault(split, row)
        if len(places) < 2:
            continue
        first = min(places)
        for row in rows.tolist():
            split = _split(table.photos[row])
            if split and split != first:
                why = f"the same picture stands in {split} and in {first}"
                pair = table.pair(row, places[first])
                yield Finding("leakage", "picture", (pair,), 1.0, why, f"take it out of {_training(split, first)}")


def by_group(table: Table, column: str, told: Iterable[Finding]) -> tuple[list[Finding], str | None]:
    """Items, or styles, in several splits where most are in one; or a note where that is how the splits are.

    Those whose pictures are told already are not told again.
    """
    known = {(pair.item_id, pair.other_item_id) for finding in told for pair in finding.pairs}
    values: defaultdict[str, dict[str, Photo]] = defaultdict(dict)
    counts: defaultdict[str, int] = defaultdict(int)
    for photo in table.photos:
        if (value := photo.value(column)) and (split := _split(photo)):
            values[value].setdefault(split, photo)
            counts[value] += 1
    several = [value for value, count in counts.items() if count > 1]
    torn = [value for value in several if len(values[value]) > 1]
    if not torn:
        return [], None
    what = "items" if column == "item_id" else f"{column}s"
    if len(torn) > _MEANT * len(several):
        return [], f"{len(torn):,} of {len(several):,} {what} have photos in several splits: taken as meant so"
    found = []
    for value in torn:
        (_, one), *others = sorted(values[value].items())
        pairs = tuple(Pair(photo.path, photo.item_id, one.path, one.item_id) for _, photo in others)
        if all((pair.item_id, pair.other_item_id) in known for pair in pairs):
            continue
        names = ", ".join(sorted(values[value]))
        why = f"{what.removesuffix('s')} {value} has photos in {names}"
        mend = "put all its photos into one split (`data split` keeps them together)"
        found.append(Finding("leakage", "split", pairs, 1.0, why, mend))
    return found, None


def by_product(
    table: Table, rows: Sequence[Ints], products: Iterable[tuple[Finding, tuple[int, int]]]
) -> Iterator[Finding]:
    """Pairs of items that look like one product, and whose photos stand in different splits."""
    for finding, (one, other) in products:
        here, there = ({_split(table.photos[i]) for i in rows[item]} - {""} for item in (one, other))
        if here and there and len(here | there) > 1:
            names = ", ".join(sorted(here | there))
            why = f"{' and '.join(finding.items[:2])} look like one product, and stand in {names}"
            mend = "if they are one product, put all photos into one split"
            yield Finding("leakage", finding.evidence, finding.pairs, finding.score, why, mend)


def _split(photo: Photo) -> str:
    return photo.value("split")


def _training(one: str, other: str) -> str:
    """The split that a copy should leave: that of training, which has more."""
    return "train" if "train" in (one, other) else one
