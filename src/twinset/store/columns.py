"""Every column of the manifest by photo number, derived from the rows: what photos are filtered and counted by.

`derived/columns.bin` may be thrown away. It counts where its own checksum holds, and its rows' checksums, with
those of newer rows, add up to what the rows say: so columns of another history, as after a restore, never count.
"""

from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from twinset.files import write_whole
from twinset.progress import SILENT, Progress, counted
from twinset.store import columns_file
from twinset.store.columns_file import Column, ColumnsFile, Mask, Sums
from twinset.store.rows import Rows
from twinset.store.schema import Row
from twinset.where import check_field

__all__ = ["NAME", "Column", "Columns", "Mask", "catch_up", "open_columns", "problems"]

NAME: Final = "columns.bin"
_ALWAYS: Final = ("path", "item_id", "domain")
_SOMETIMES: Final = ("category", "view", "box")
"""The fields of a photo that are no attributes: those that every photo has, and others."""
_ANEW: Final = "the next `index` makes them anew, and so does `verify --repair`"


class _Gathered:
    """One field of rows as they are read."""

    def __init__(self) -> None:
        self.numbers, self.codes = array("q"), array("q")
        self.texts: dict[str, int] = {}

    def add(self, number: int, text: str) -> None:
        self.numbers.append(number)
        self.codes.append(self.texts.setdefault(text, len(self.texts)))


class _Newer:
    """What has changed since a file was written, or all rows where there is none."""

    def __init__(self, removed: list[int]) -> None:
        self.sums = dict.fromkeys(removed, -1)
        self.fields: defaultdict[str, _Gathered] = defaultdict(_Gathered)

    def add(self, row: Row) -> None:
        self.sums[row.id] = row.checksum
        for name in (*_ALWAYS, *_SOMETIMES, *row.photo.attributes):
            self.fields[name].add(row.id, row.photo.value(name))

    def over(self, stored: Column, name: str, size: int) -> Column:
        """A field as it was stored, brought up to date."""
        known = {text: place for place, text in enumerate(stored.texts)}
        codes = np.full(size, -1, np.int32)
        codes[: len(stored.codes)] = stored.codes
        numbers, sums = _arrays(self.sums)
        codes[numbers] = np.where(sums < 0, -1, known.setdefault("", len(known)))
        if name in self.fields:
            new = self.fields[name]
            places = np.array([known.setdefault(text, len(known)) for text in new.texts], np.int32)
            codes[np.array(new.numbers)] = places[np.array(new.codes)]
        return Column(tuple(known), codes)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a catalogue at one sequence number; each is read when it is first asked for.

    `alive` says which photo numbers are in use, `fields` what photos may have. Safe to share between threads.
    """

    sequence: int
    alive: Mask
    fields: frozenset[str]
    _file: ColumnsFile | None
    _newer: _Newer
    _sums: Sums
    _read: dict[str, Column] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """A field, `codes` as long as `alive`.

        Raises:
            UnknownFieldError: no photo has it.

        """
        check_field(name, self.fields)
        found = self.optional(name)
        if not _told(name, found):
            check_field(name, self.fields - {name})
        return found

    def optional(self, name: str) -> Column:
        """A field, also one that no photo has."""
        if name not in self._read:
            self._read[name] = self._up_to_date(name)
        return self._read[name]

    def agree(self, photos: int, total: int) -> bool:
        """Whether they are of so many photos, whose rows' checksums have this sum."""
        return (int(self.alive.sum()), int(self._sums[self.alive].sum())) == (photos, total)

    def same(self, name: str, other: "Columns") -> bool:
        """Whether each photo has the same text of a field."""
        one, two = self.optional(name), other.optional(name)
        places = {text: place for place, text in enumerate(two.texts)}
        translated = np.array([places.get(text, -1) for text in one.texts], np.int32)
        return np.array_equal(translated[one.codes[self.alive]], two.codes[other.alive])

    def stored(self) -> bool:
        """Whether the file says all of it."""
        return self._file is not None and self._file.header.sequence == self.sequence

    def to_bytes(self, catalogue: str) -> bytes:
        """The file that holds them."""
        columns = {name: self.optional(name) for name in sorted(self.fields)}
        told = {name: column for name, column in columns.items() if _told(name, column)}
        return columns_file.write(catalogue, self.sequence, self._sums, told)

    def _up_to_date(self, name: str) -> Column:
        stored = Column((), np.empty(0, np.int32)) if self._file is None else self._file.column(name)
        return self._newer.over(stored, name, len(self.alive)).packed()


def open_columns(folder: Path, rows: Rows, sequence: int, catalogue: str, progress: Progress = SILENT) -> Columns:
    """The columns at `sequence`, inside a snapshot of the rows: from the file, and what is newer from the rows."""
    file = columns_file.read(folder / NAME, catalogue)
    if file is not None and file.header.sequence <= sequence:
        columns = _since(file, file.header.sequence, rows, sequence, progress)
        if columns.agree(*rows.total()):
            return columns
    return _since(None, 0, rows, sequence, progress)


def catch_up(
    folder: Path, rows: Rows, catalogue: str, *, rebuild: bool = False, progress: Progress = SILENT
) -> None:
    """Brings the file to the rows' state, by a writer."""
    with rows.snapshot():
        sequence = rows.state().sequence
        if rebuild:
            (folder / NAME).unlink(missing_ok=True)
        columns = open_columns(folder, rows, sequence, catalogue, progress)
        if not columns.stored():
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / NAME, columns.to_bytes(catalogue))


def problems(folder: Path, rows: Rows, catalogue: str, progress: Progress = SILENT) -> list[str]:
    """What does not agree: the file with its checksums, and its texts with the rows that have not changed since."""
    if not (folder / NAME).exists():
        return []
    file = columns_file.read(folder / NAME, catalogue)
    if file is None:
        return [f"the columns do not agree with their checksums; {_ANEW}"]
    with rows.snapshot():
        sequence = rows.state().sequence
        if file.header.sequence > sequence:
            return [f"the columns are ahead of the rows; {_ANEW}"]
        columns = _since(file, file.header.sequence, rows, sequence)
        made = _since(None, 0, rows, sequence, progress)
        if not columns.agree(*rows.total()):
            return [f"the columns are of other rows; {_ANEW}"]
        differ = [name for name in sorted(columns.fields | made.fields) if not columns.same(name, made)]
    return [f"the column {name} differs from the rows; {_ANEW}" for name in differ]


def _since(file: ColumnsFile | None, since: int, rows: Rows, sequence: int, progress: Progress = SILENT) -> Columns:
    newer = _Newer(rows.removed_since(since) if file is not None else [])
    for row in counted(rows.since(since), progress, "reading columns", rows.count_since(since)):
        newer.add(row)
    numbers, changed = _arrays(newer.sums)
    sums = np.full(max(0 if file is None else file.header.size, int(numbers.max(initial=-1)) + 1), -1, np.int64)
    if file is not None:
        sums[: file.header.size] = file.sums()
    sums[numbers] = changed
    fields = {*_ALWAYS, *newer.fields, *(() if file is None else file.header.fields)}
    return Columns(sequence, sums >= 0, frozenset(fields), file, newer, sums)


def _arrays(sums: Mapping[int, int]) -> tuple[Sums, Sums]:
    return np.fromiter(sums.keys(), np.int64, len(sums)), np.fromiter(sums.values(), np.int64, len(sums))


def _told(name: str, column: Column) -> bool:
    """Whether a photo has the field."""
    return name in _ALWAYS or any(column.texts)
