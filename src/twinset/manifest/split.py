"""Parts of a manifest by the hash of a value: the same for every order of the rows."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset.errors import UsageError
from twinset.manifest.read import read_rows
from twinset.manifest.table import Manifest, fields, write_rows
from twinset.records import Photo
from twinset.where import check_field

_FOLDER_COLUMNS: Final = ("path", "item_id", "category", "domain", "split")
_SHAPE: Final = re.compile(r"([^=]+)=([0-9a-f](?:-[0-9a-f])?(?:,[0-9a-f](?:-[0-9a-f])?)*)")


@dataclass(frozen=True, slots=True)
class HoldOut:
    """The photos whose `column`, as SHA-256 of its UTF-8, begins with one of `digits`."""

    column: str
    digits: frozenset[str]

    def holds(self, photo: Photo) -> bool:
        """Whether a photo is held out; one without a value is not."""
        value = photo.value(self.column)
        return bool(value) and hashlib.sha256(value.encode()).hexdigest()[0] in self.digits


def parse_hold_out(text: str) -> HoldOut:
    """Parses `COLUMN=0-7` (or `COLUMN=0-3,a`): hex digits, in small letters, and ranges that go up.

    >>> sorted(parse_hold_out("style=0-2,f").digits)
    ['0', '1', '2', 'f']

    Raises:
        UsageError: the text has another form.

    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no hold-out", "write COLUMN=DIGITS, for example style=0-7")
    digits: set[str] = set()
    for part in match[2].split(","):
        first, last = int(part[0], 16), int(part[-1], 16)
        if first > last:
            raise UsageError(f"the digits {part} of {text!r} go down", f"write {part[-1]}-{part[0]}")
        digits.update(f"{digit:x}" for digit in range(first, last + 1))
    return HoldOut(match[1].strip(), frozenset(digits))


def assign(
    photos: Sequence[Photo], by: str = "item_id", val: float = 0.1, test: float = 0.2, seed: int = 7
) -> list[str]:
    """`train`, `val` or `test` for each photo, by SHA-256 of the seed and the photo's value of a column.

    Neither an item nor a value is ever divided: items that share a value of `by` fall together, and so do all
    photos of an item, also those without a value. The order of the photos does not matter. Growing `test`
    keeps every test photo; growing `val` moves photos from train only.

    Raises:
        UsageError: `val` or `test` is no share of 0-1, or together they are more than 1.
        UnknownFieldError: no photo has a value of `by`; with a suggestion.

    """
    if not (0 <= val <= 1 and 0 <= test <= 1 and val + test <= 1):
        raise UsageError(
            f"val {val} and test {test} are no shares", "give two numbers of 0-1 that are together at most 1"
        )
    check_field(by, fields(photos))
    keys = _keys(photos, by)
    shares = {key: _fraction(f"{seed}\0{key}") for key in set(keys)}
    return ["test" if shares[key] < test else "val" if shares[key] < test + val else "train" for key in keys]


def write_split(source: Path, out: Path, table: Manifest, splits: Sequence[str]) -> None:
    """Writes the manifest `source`, read as `table`, as a CSV with the split of each of its photos.

    Every other cell stays as it is, and so do faulty rows; a folder becomes a manifest, without its faults.

    Raises:
        PathError, DiskFullError, ResourceError: it cannot be written, by the reason.

    """
    if table.columns:
        rows = _rows_again(source, table, dict(zip((photo.line for photo in table.photos), splits, strict=True)))
    else:
        facts = [[photo.value(column) for column in _FOLDER_COLUMNS[:-1]] for photo in table.photos]
        rows = [[*_FOLDER_COLUMNS], *([*cells, split] for cells, split in zip(facts, splits, strict=True))]
    write_rows(out, rows)


def _keys(photos: Sequence[Photo], by: str) -> list[str]:
    """What is hashed for each photo: the first of all values that its item is tied to, or else the item."""
    if by == "item_id":
        return [photo.item_id for photo in photos]
    parent: dict[tuple[bool, str], tuple[bool, str]] = {}

    def root(node: tuple[bool, str]) -> tuple[bool, str]:
        while (up := parent.setdefault(node, node)) != node:
            parent[node] = parent[up]
            node = parent[node]
        return node

    for photo in photos:  # (False, value) stands before (True, item): the least of a group names it
        item = root((True, photo.item_id))
        value = root((False, photo.value(by))) if photo.value(by) else item
        parent[max(item, value)] = min(item, value)
    return [root((True, photo.item_id))[1] for photo in photos]


def _fraction(text: str) -> float:
    """SHA-256 of a text as a number in [0, 1), exact in a float."""
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 11) / 2**53


def _rows_again(source: Path, table: Manifest, splits: Mapping[int, str]) -> list[list[str]]:
    """The rows of a manifest with the splits by line, in the column that is there or in a new one."""
    header, rows = read_rows(source)
    if "split" not in table.columns:
        # a faulty row gets a cell too: else one with a cell too many would become a good one
        return [[*header, "split"], *([*row, splits.get(line, "")] for line, row in rows)]
    place = table.columns.index("split")
    return [header, *(_with(row, place, splits.get(line)) for line, row in rows)]


def _with(row: list[str], place: int, split: str | None) -> list[str]:
    return row if split is None else [*row[:place], split, *row[place + 1 :]]
