"""A CSV or Parquet manifest, or a plain folder, → `Manifest`."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from twinset.errors import ManifestError, PathError
from twinset.manifest import parquet
from twinset.manifest.folder import folder_photos
from twinset.manifest.table import Confined, Manifest, inert, shortest, write_rows
from twinset.records import Box, Fault, Photo, photo_id

MAIN: Final = "main"
"""The name of a catalogue's first source."""
NAMELESS: Final = "photo:"
"""How the item of a photo without an `item_id` is called, its photo id behind."""
_FIELDS: Final = ("path", "item_id", "category", "domain", "box", "view")
_DOMAINS: Final = ("customer", "shop")
_SPLITS: Final = ("", "train", "val", "test")


def read(path: str | Path, *, source: str = MAIN, photos_root: Path | None = None, files: bool = True) -> Manifest:
    """Reads a manifest; every row that cannot be used becomes a `Fault`, with the line on which it begins.

    Paths are kept in their shortest form: `./a.jpg` is `a.jpg`, and both together are one path twice.

    `photos_root` is where relative paths start, by default the manifest's folder. With `files=False` nothing
    is looked up on the disk: enough where vectors stand for the photos.

    Raises:
        PathError: there is no such manifest or folder.
        ManifestError: it is no CSV in UTF-8 and no Parquet, or lacks the columns `path` and `item_id`.
        MissingExtraError: it is Parquet, and pyarrow is not installed.

    """
    path = Path(path)
    folder = _is(path, Path.is_dir)
    if not folder and not _is(path, Path.is_file):
        raise PathError(
            f"there is no manifest or folder {path}", "name a CSV, a Parquet file or a folder of photos"
        )
    root = photos_root or (path if folder else path.parent)
    if not _is(root, Path.is_dir):
        raise PathError(f"there is no folder {root}", "name the folder in which the paths start")
    root = root.resolve()
    if folder:
        photos, faults = folder_photos(path, root, source)
        return Manifest(root, tuple(photos), tuple(faults), ())
    header, rows = read_rows(path)
    return _checked(header, rows, Confined(root), source, files=files)


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a manifest, and each row that is not blank with the line on which it begins.

    In a Parquet file, `.parquet` by its name, the rows are counted from 1 and stand for lines.

    Raises:
        PathError: it cannot be read.
        ManifestError: it is no CSV in UTF-8 and no Parquet, or lacks the columns `path` and `item_id`.
        MissingExtraError: it is Parquet, and pyarrow is not installed.

    """
    if parquet.is_parquet(path):
        header = [name.strip() for name in parquet.columns(path)]
        _check_header(header, path)
        return header, list(enumerate(parquet.rows(path), 1))
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path)
        begins = reader.line_num + 1
        for row in reader:
            rows.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(
            f"{path}, line {reader.line_num}: {error}", "save it as CSV, separated by commas"
        ) from error
    return header, [(line, row) for line, row in rows if row]


def write_faults(path: Path, faults: Iterable[Fault]) -> None:
    """Writes faulty rows as a CSV of `line, path, code, message`, whole in place of one that is there.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.

    Raises:
        PathError, DiskFullError, ResourceError: it cannot be written, by the reason.

    """
    rows = ([fault.line, inert(fault.path), fault.code, inert(fault.message)] for fault in faults)
    write_rows(path, [["line", "path", "code", "message"], *rows])


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    try:
        return kind(path)
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "mend the name or its permissions") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{path}, line {line:,}, is not UTF-8", "save it as CSV in UTF-8") from error
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "mend its permissions") from error


def _check_header(header: Sequence[str], path: Path) -> None:
    for column in ("path", "item_id"):
        if column not in header:
            raise ManifestError(
                f"{path} has no column {column} (it has {', '.join(header[:8]) or 'none'})",
                "a manifest is a CSV, separated by commas, or Parquet, with the columns path and item_id",
            )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ManifestError(f"{path} has the column {twice[0]!r} twice", "name each column once")


def _checked(
    header: list[str],
    rows: list[tuple[int, list[str]]],
    confined: Confined,
    source: str,
    *,
    files: bool,
) -> Manifest:
    photos: list[Photo] = []
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        given = cells.get("path", "")
        wrong = _wrong_row(header, row) or wrong_values(cells) or confined.fault(given, on_disk=files)
        path = given if wrong else shortest(given)
        if wrong is None and path in lines:
            wrong = "duplicate_path", f"the path stands in line {lines[path]} already"
        if wrong is None:
            lines[path] = line
            photos.append(photo_of(cells, path, source, line))
        else:
            faults.append(Fault(line, given, *wrong))
    return Manifest(confined.root, tuple(photos), tuple(faults), tuple(header))


def _wrong_row(header: list[str], row: list[str]) -> tuple[str, str] | None:
    return (
        None if len(row) == len(header) else ("bad_row", f"the row has {len(row)} cells, the header {len(header)}")
    )


def wrong_values(cells: Mapping[str, str]) -> tuple[str, str] | None:
    """The code and message of what is wrong with a row's values by their column, None where they can be used."""
    if cells.get("domain", "") not in ("", *_DOMAINS):
        return "bad_domain", f"domain {cells['domain']!r} is neither customer nor shop"
    if cells.get("split", "") not in _SPLITS:
        return "bad_split", f"split {cells['split']!r} is none of train, val, test"
    try:
        _box(cells.get("box", ""))
    except ValueError:
        return "bad_box", f"box {cells['box']!r} is not x1,y1,x2,y2 in pixels, x1 < x2 and y1 < y2"
    return None


def _box(text: str) -> Box | None:
    if not text.strip():
        return None
    x1, y1, x2, y2 = (float(side) for side in text.split(","))
    if not (x1 >= 0 and x1 + 1 <= x2 < 1e6 and y1 >= 0 and y1 + 1 <= y2 < 1e6):
        raise ValueError(text)
    return x1, y1, x2, y2


def photo_of(cells: Mapping[str, str], path: str, source: str, line: int = 0) -> Photo:
    """The photo at `path` that a row's values, by their column, tell of."""
    name = photo_id(source, path)
    return Photo(
        path=path,
        item_id=cells["item_id"] or f"{NAMELESS}{name}",
        category=cells.get("category", ""),
        domain=cells.get("domain", "") or "shop",
        view=cells.get("view", ""),
        box=_box(cells.get("box", "")),
        attributes={name: text for name, text in cells.items() if text and name not in _FIELDS},
        photo_id=name,
        line=line,
    )
