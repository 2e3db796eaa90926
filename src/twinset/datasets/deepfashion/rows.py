"""One annotation file: its count, its header, its rows split on runs of spaces."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from twinset.errors import PathError
from twinset.manifest.notes import Notes

Row = TypeVar("Row")

_SPACES: Final = re.compile(r"[ \t]+")
_BLANK: Final = " \t\r"
_COUNT: Final = re.compile(r"[0-9]{1,12}")
_ROW_STARTS: Final = ("img/", "id_")
_SHOWN: Final = 80


def find(root: Path, folder: str, name: str) -> Path | None:
    """An annotation file in its folder or directly in the root, None where it is in neither."""
    return next((path for path in (root / folder / name, root / name) if path.is_file()), None)


def parsed(
    path: Path, parse: Callable[[Sequence[str]], Row], notes: Notes, *, header: bool = True
) -> Iterator[tuple[int, Row]]:
    """Each row that `parse` accepts, with its line; rows for which it raises a ValueError are noted.

    The first line counts the rows; with `header` the second one names the columns.

    Raises:
        PathError: the file cannot be read.

    """
    count, rows = _body(lines(path, notes), header=header)
    if count is None:
        notes.add("wrong_count", f"{path.name}: no count in its first line, {len(rows):,} rows")
    elif count != len(rows):
        notes.add("wrong_count", f"{path.name}: says {count:,}, has {len(rows):,} rows")
    for line, text in rows:
        try:
            row = parse(split_cells(text))
        except ValueError:
            notes.add("malformed_row", f"{path.name}, line {line}: {_short(' '.join(split_cells(text)))}")
        else:
            yield line, row


def lines(path: Path, notes: Notes) -> list[tuple[int, str]]:
    """The lines that are not blank, with their number from 1, without byte order mark and carriage returns.

    Raises:
        PathError: the file cannot be read.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "mend its permissions") from error
    try:
        text = data.decode()
    except UnicodeDecodeError:
        notes.add("not_utf8", path.name)
        text = data.decode(errors="replace")
    stripped = (line.strip(_BLANK) for line in text.removeprefix("\ufeff").split("\n"))
    return [(number, line) for number, line in enumerate(stripped, 1) if line]


def split_cells(line: str) -> list[str]:
    """A line's cells. Other white space than blanks and tabs belongs to a cell: Chinese names may hold it.

    >>> split_cells("  img/a.jpg   1 2\\r")
    ['img/a.jpg', '1', '2']
    """
    bare = line.strip(_BLANK)
    return _SPACES.split(bare) if bare else []


def _body(found: list[tuple[int, str]], *, header: bool) -> tuple[int | None, Sequence[tuple[int, str]]]:
    """The count, None where there is none, and the rows behind the header."""
    begin, count = 0, None
    if found and _COUNT.fullmatch(found[0][1]):
        begin, count = 1, int(found[0][1])
    if header and len(found) > begin and not found[begin][1].startswith(_ROW_STARTS):
        begin += 1
    return count, found[begin:]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
