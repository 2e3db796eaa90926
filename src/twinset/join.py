"""Several manifests as one, without customers' photos that are copies: they would make a measurement too easy."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinset import manifest, twins
from twinset.errors import ManifestError, PathError, UsageError
from twinset.manifest.table import Manifest, require_place, write_rows
from twinset.progress import SILENT, Progress
from twinset.records import Fault, Photo, Pixels

WHY: Final = {
    "copy_of_shop": "customers' photos are copies of a photo of the shop, left out",
    "several_items": "customers' photos stand under several items, left out of all of them",
    "repeated_photo": "customers' photos are copies of another of the same item, left out",
    "unreadable": "photos cannot be read, left out",
}
"""The codes of the photos that are left out, besides the faults of each manifest."""
_UNREADABLE: Final = "unreadable", "the photo cannot be read: twinset data check tells why"
_LEVELS: Final = 30
"""A copy may differ so much, of 255, where `twins` compares: people save pictures smaller (docs/reviews.md)."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What was written of `rows` rows, in photos, and what was left out; lines are those of each manifest."""

    manifest: Path
    rows: int
    customers: int
    shop: int
    faults: tuple[Fault, ...]

    def counts(self) -> dict[str, int]:
        """How many photos were left out, by the codes of `WHY`."""
        found = Counter(fault.code for fault in self.faults)
        return {code: found[code] for code in WHY if found[code]}

    def to_json(self) -> dict[str, Any]:
        """`data join --json`."""
        return asdict(self) | {"manifest": str(self.manifest), "left_out": self.counts()}


@dataclass(frozen=True, slots=True)
class _Row:
    """A photo, its path from the joined manifest, and its cells."""

    photo: Photo
    cells: Mapping[str, str]


def join(sources: Sequence[Path], out: Path, progress: Progress = SILENT) -> Joined:
    """Writes the rows of `sources` as the manifest `out`, whose folder must hold all of their photos.

    Customers' photos that are copies of one of the shop's, or of one of another item, are left
    out; of several of one item the first is kept. A shop's row without a split takes that of its customers' photos,
    by item and style, so that no item is trained on and measured with.

    Raises:
        PathError: a manifest cannot be read, or lies outside of `out`'s folder.
        ManifestError: one is none, or not one of its rows can be used.
        UsageError: `out` is one of `sources`.
        DiskFullError, ResourceError: `out` cannot be written.

    """
    tables = [_table(source, out) for source in sources]
    rows, faults = _rows(sources, tables, out)
    seen = twins.look([row.photo for row in rows], out.parent, progress)
    good = [place for place, square in enumerate(seen) if square is not None]
    left = _left_out([rows[place].photo for place in good], _pairs(seen))
    reasons = {good[place]: why for place, why in left.items()}
    reasons |= {place: _UNREADABLE for place, square in enumerate(seen) if square is None}
    kept = [row for place, row in enumerate(rows) if place not in reasons]
    faults += [Fault(rows[i].photo.line, rows[i].photo.path, *why) for i, why in sorted(reasons.items())]
    if not kept:
        raise ManifestError(f"none of {len(rows):,} photos can be read", "see `twinset data check`")
    _write(out, tables, kept)
    customers = sum(row.photo.domain == "customer" for row in kept)
    count = sum(table.rows for table in tables)
    return Joined(out, count, customers, len(kept) - customers, tuple(faults))


def _table(source: Path, out: Path) -> Manifest:
    require_place(out, source, "manifest")
    table = manifest.read(source)
    if not table.columns:
        raise UsageError(f"{source} is a folder", "name the manifest in it")
    table.require_photos()
    if not table.root.is_relative_to(out.parent.resolve()):
        raise PathError(f"{table.root} does not lie in {out.parent.resolve()}", "name an --out above all photos")
    return table


def _rows(sources: Sequence[Path], tables: Sequence[Manifest], out: Path) -> tuple[list[_Row], list[Fault]]:
    """The rows of all manifests with their paths from `out`; a path in several counts where it stands first."""
    rows, faults = dict[str, _Row](), list[Fault]()
    for source, table in zip(sources, tables, strict=True):
        header, lines = manifest.read_rows(source)
        cells = {line: dict(zip(header, row, strict=False)) for line, row in lines}
        below = table.root.relative_to(out.parent.resolve())
        faults += (replace(fault, path=str(below / fault.path)) for fault in table.faults)
        for photo in table.photos:
            path = (below / photo.path).as_posix()
            row = _Row(replace(photo, path=path), {**cells[photo.line], "path": path})
            if rows.setdefault(path, row) is not row:
                faults.append(Fault(photo.line, path, "duplicate_path", "the path stands in a manifest before"))
    return list(rows.values()), faults


def _pairs(seen: Sequence[Pixels | None]) -> list[tuple[int, int]]:
    """Photos that are near-identical, by their places among those that can be read."""
    squares = [square for square in seen if square is not None]
    return twins.pairs(np.stack(squares), np.zeros(len(squares), np.int64), _LEVELS) if squares else []


def _left_out(photos: Sequence[Photo], pairs: Iterable[tuple[int, int]]) -> dict[int, tuple[str, str]]:
    """Why a customer's photo is left out, by its place."""
    reasons: dict[int, tuple[str, str]] = {}
    of_one_item: list[tuple[int, int]] = []
    for pair in pairs:
        for own, other in _customers(photos, pair):
            if photos[other].domain != "customer":
                reasons[own] = "copy_of_shop", f"the photo is {photos[other].path}, of the shop"
            elif photos[other].item_id != photos[own].item_id:
                message = f"the photo is {photos[other].path} too, of {photos[other].item_id}"
                reasons.setdefault(own, ("several_items", message))
            elif other < own:
                of_one_item.append((own, other))
    for own, other in sorted(of_one_item):
        if own not in reasons and other not in reasons:
            reasons[own] = "repeated_photo", f"the photo is {photos[other].path} too"
    return reasons


def _customers(photos: Sequence[Photo], pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """A pair from the side of each customer's photo in it."""
    for own, other in (pair, pair[::-1]):
        if photos[own].domain == "customer":
            yield own, other


def _write(out: Path, tables: Sequence[Manifest], rows: Sequence[_Row]) -> None:
    columns = list(dict.fromkeys(name for table in tables for name in (*table.columns, "split")))
    splits: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.photo.domain == "customer":
            for key in _kin(row.photo):
                splits.setdefault(key, row.photo.value("split"))
    lines = []
    for row in rows:
        split = row.photo.value("split") or next((splits[key] for key in _kin(row.photo) if key in splits), "")
        lines.append([split if name == "split" else row.cells.get(name, "") for name in columns])
    write_rows(out, [columns, *lines])


def _kin(photo: Photo) -> Iterator[tuple[str, str]]:
    """What photos share that must not be divided: the item, and the style."""
    yield "item_id", photo.item_id
    if photo.value("style"):
        yield "style", photo.value("style")
