"""A manifest's URLs → what is to be fetched; what was fetched → a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset.errors import FetchError
from twinset.fetch.names import name
from twinset.fetch.rules import Rules
from twinset.fetch.urls import Url, parse
from twinset.manifest import Manifest
from twinset.manifest.table import write_rows
from twinset.records import Fault

SOURCE_URL: Final = "source_url"
"""The column that keeps a photo's URL."""
_LOCAL_MEND: Final = "index such rows from a manifest of their own, as another source"
Row = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A photo to fetch into `path`, for the rows on `lines`; `given` is its URL as the manifest has it."""

    url: Url
    path: str
    given: str
    lines: tuple[int, ...]


def wanted(table: Manifest, rules: Rules, *, query: bool) -> tuple[list[Wanted], list[Fault]]:
    """What a manifest, read without looking for files, wants fetched, in its order; and its faulty rows.

    A path on the disk is a fault here. `query` tells photos apart by what stands behind the `?`; without it two
    URLs that differ in nothing else would be one file, and the second is a fault.
    """
    found: dict[str, Wanted] = {}
    faults = [
        Fault(photo.line, photo.path, "local_path", f"the path is no URL: {_LOCAL_MEND}") for photo in table.photos
    ]
    for row in table.faults:
        if row.code != "url_path":
            faults.append(row)
            continue
        try:
            url = parse(row.path)
            rules.check(url)
            path = name(url, query=query)
            before = found.get(path)
            if before is not None and before.url != url:
                raise _same_but_for_query(before)
        except FetchError as error:
            faults.append(Fault(row.line, row.path, error.code, str(error)))
            continue
        lines = (*before.lines, row.line) if before else (row.line,)
        found[path] = Wanted(url, path, row.path, lines)
    return list(found.values()), sorted(faults, key=lambda fault: fault.line)


def write(out: Path, header: Sequence[str], rows: Sequence[Row], paths: Mapping[int, str]) -> None:
    """Writes the rows that have a path, by line; the URL that was there goes to the column `source_url`.

    Raises:
        PathError, DiskFullError, ResourceError: it cannot be written, by the reason.

    """
    columns = [*header, *([] if SOURCE_URL in header else [SOURCE_URL])]
    table = [columns]
    for line, row in rows:
        if line in paths:
            cells = dict(zip(header, row, strict=True))
            table.append(list((cells | {"path": paths[line], SOURCE_URL: cells["path"]}).values()))
    write_rows(out, table)


def _same_but_for_query(before: Wanted) -> FetchError:
    return FetchError(
        "query_differs",
        f"the URL differs from that in line {before.lines[0]} only behind the `?`",
        "give --keep-query if these are different photos",
    )
