"""A feed as a table, CSV or TSV, whatever saved it → rows of named cells."""

import codecs
import csv
import io
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from twinset.errors import ManifestError, PathError
from twinset.manifest.notes import Notes
from twinset.records import Fault

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TOLD: Final = 24
"""Columns that an error names."""
_PACKED: Final = (b"PK\x03\x04", b"\x1f\x8b")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: cells by the header's names, and those names by what they are understood as."""

    line: int
    cells: Mapping[str, str]
    names: Mapping[str, str]

    def get(self, name: str) -> str:
        """The cell of an understood name, empty where there is none."""
        return self.cells.get(self.names.get(name, name), "")

    def rest(self, understood: Collection[str]) -> dict[str, str]:
        """The cells that say something, but for those of understood names."""
        told = {self.names.get(name, name) for name in understood}
        return {name: text for name, text in self.cells.items() if text and name not in told}


@dataclass(frozen=True, slots=True)
class Table:
    """A feed's columns, what they are understood as, its rows, and those that cannot be used."""

    columns: tuple[str, ...]
    names: Mapping[str, str]
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]

    def rest(self, understood: Collection[str]) -> tuple[str, ...]:
        """The columns but for those of understood names."""
        told = {self.names.get(name, name) for name in understood}
        return tuple(name for name in self.columns if name not in told)


def read_bytes(file: Path) -> bytes:
    """A feed's bytes.

    Raises:
        PathError: there is no such file, or it cannot be read.
        ManifestError: it is packed.

    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise PathError(f"there is no feed {file}", "name the file that the shop exported") from error
    except OSError as error:
        raise PathError(f"{file} cannot be read: {error.strerror}", "name a file that may be read") from error
    if data.startswith(_PACKED):
        raise ManifestError(f"{file} is packed, or a spreadsheet", "unpack it, or save it as CSV in UTF-8")
    return data


def snake(column: str) -> str:
    """A column's name as it is looked up: `image_link` for `Image Link`."""
    return column.casefold().replace(" ", "_")


def understood_as(
    header: Sequence[str], aliases: Mapping[str, str], plain: Callable[[str], str] = snake
) -> dict[str, str]:
    """The header's name for each thing that is understood: `image_link` for `Image Link` and `g:image_link`."""
    names: dict[str, str] = {}
    for column in header:
        names.setdefault(aliases.get(plain(column), plain(column)), column)
    return names


def read_table(
    file: Path,
    key: str,
    aliases: Mapping[str, str],
    notes: Notes,
    *,
    plain: Callable[[str], str] = snake,
    mend: str = "name the file as the shop exported it, with its header",
) -> Table:
    """Reads a table whose header names `key`; what is read around, or left out, is noted.

    Raises:
        PathError: it cannot be read.
        ManifestError: it has no column `key`, or its quotes do not fit.

    """
    text = _text(file, notes)
    named = (s for s in _SEPARATORS if key in understood_as(_header(text, s), aliases, plain))
    separator = next(named, None)
    if separator is None:
        raise no_column(file, key, max((_header(text, s) for s in _SEPARATORS), key=len), mend)
    usual = "\t" if file.suffix.lower() in (".tsv", ".txt") else ","
    if separator != usual:
        notes.add("other_separator", f"{file.name}: {_SEPARATORS[separator]}")
    header, records = _records(file, text, separator, notes)
    names = understood_as(header, aliases, plain)
    rows, faults = list[Row](), list[Fault]()
    for line, cells in records:
        if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            message = f"the row has {len(cells)} cells, the header {len(header)}"
            faults.append(Fault(line, "", "bad_row", message))
            continue
        if len(cells) < len(header):
            notes.add("short_row", f"line {line}")
        rows.append(Row(line, _cells(header, cells), names))
    return Table(tuple(dict.fromkeys(header)), names, tuple(rows), tuple(faults))


def no_column(file: Path, key: str, header: Sequence[str], mend: str) -> ManifestError:
    """What is wrong with a table that lacks a column, with the columns that it has."""
    return ManifestError(f"{file} has no column {key} (it has {', '.join(header[:_TOLD]) or 'none'})", mend)


def _text(file: Path, notes: Notes) -> str:
    """UTF-8; a line that is none as Windows-1252, so that one careless edit does not spoil the others."""
    data = read_bytes(file)
    if data.startswith(_UTF16):
        return data.decode("utf-16", errors="replace")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\n".join(_line(line, number, notes) for number, line in enumerate(data.split(b"\n"), 1))


def _line(line: bytes, number: int, notes: Notes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        notes.add("other_encoding", f"line {number}")
        return line.decode("cp1252", errors="replace")


def _names(cells: Sequence[str]) -> list[str]:
    return [cell.strip().removeprefix("g:") or f"column {place}" for place, cell in enumerate(cells, 1)]


def _header(text: str, separator: str) -> list[str]:
    with _long_cells():
        try:
            return _names(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), []))
        except csv.Error:
            return []


def _records(file: Path, text: str, separator: str, notes: Notes) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each row that is not blank with the line on which it begins."""
    records = _split(file, text, separator)
    if separator == "\t" and any("\t" in cell for _, row in records for cell in row):
        notes.add("unquoted", file.name)  # a quote that opens a title, and never closes, swallows whole rows
        records = _split(file, text, separator, csv.QUOTE_NONE)
    (_, first), *rows = records
    header = _names(first)
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            notes.add("repeated_column", name)
    return header, [(line, row) for line, row in rows if any(cell.strip() for cell in row)]


def _split(
    file: Path, text: str, separator: str, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
) -> list[tuple[int, list[str]]]:
    strict = separator != "\t"  # text feeds join quoted addresses by commas, which the strict reader refuses
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=strict)
    rows, begins = list[tuple[int, list[str]]](), 1
    with _long_cells():
        try:
            for row in reader:
                rows.append((begins, row))
                begins = reader.line_num + 1
        except csv.Error as error:
            mend = "mend its quotes, or export it again"
            raise ManifestError(f"{file}, line {reader.line_num}: {error}", mend) from error
    return rows


@contextmanager
def _long_cells() -> Iterator[None]:
    """Descriptions with pictures inside are longer than the reader takes by itself."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _cells(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Cells by name; a column that stands twice holds both values, with `|` between."""
    found: dict[str, str] = {}
    for name, cell in zip(header, cells, strict=False):
        text, before = cell.strip(), found.get(name, "")
        found[name] = f"{before}|{text}" if before and text and text != before else before or text
    return found
