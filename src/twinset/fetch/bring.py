"""One photo brought in: taken as it lies there, found unchanged, or fetched, looked at and stored."""

import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from twinset import photos
from twinset.errors import FetchError, PathError, PhotoError, disk_errors
from twinset.fetch.journal import Entry, Journal
from twinset.fetch.listing import Wanted
from twinset.fetch.web import Web
from twinset.files import write_whole

if TYPE_CHECKING:
    from twinset.fetch.client import Client

How = Literal["fetched", "unchanged", "kept", "stale", "gone"]
HOWS: Final[tuple[How, ...]] = get_args(How)
_LONGEST_VALIDATOR: Final = 1024


@dataclass(frozen=True, slots=True)
class Brought:
    """How a photo came: `kept` from the same run before it was cut, `unchanged` since an earlier one, `fetched`.

    Where it did not come `how` is `stale` if the file of an earlier run lies there, else `gone`, and `problem` is
    the code and message of why.
    """

    wanted: Wanted
    how: How
    bytes: int = 0
    problem: tuple[str, str] | None = None


class Bringer:
    """Brings photos into a folder, for any number of threads."""

    def __init__(self, folder: Path, journal: Journal, web: Web) -> None:
        self._folder = folder
        self._journal = journal
        self._web = web
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)

    def bring(self, wanted: Wanted, client: "Client") -> Brought:
        """Brings one photo; what is wrong with it is in the result.

        Raises:
            DiskFullError, ResourceError: the machine ran out of something.

        """
        there = self._there(wanted)
        same = there is not None and there.url == str(wanted.url)
        if same and wanted.path in self._journal.current:
            return Brought(wanted, "kept")
        try:
            return self._ask(wanted, client, there if same else None)
        except (FetchError, PhotoError) as error:
            return Brought(wanted, "stale" if there else "gone", problem=(error.code, str(error)))

    def _ask(self, wanted: Wanted, client: "Client", there: Entry | None) -> Brought:
        headers = _conditions(there) if there else {}
        answer = self._web.get(wanted.url, client, headers)
        if there and answer.status == 304:
            self._journal.add(there)
            return Brought(wanted, "unchanged")
        with self._decoding:
            photos.decode(answer.body)
        entry = Entry(wanted.path, str(wanted.url), photos.content_hash(answer.body))
        marks = {name: answer.headers.get(name.replace("_", "-"), "") for name in ("etag", "last_modified")}
        short = {name: mark for name, mark in marks.items() if len(mark) <= _LONGEST_VALIDATOR}
        file = self._folder / wanted.path
        with disk_errors(file):
            file.parent.mkdir(exist_ok=True)
            self._journal.add(replace(entry, **short))
            write_whole(file, answer.body)
        return Brought(wanted, "fetched", len(answer.body))

    def _there(self, wanted: Wanted) -> Entry | None:
        """The entry of a photo whose file is what was fetched."""
        entry = self._journal.known.get(wanted.path)
        if entry is None:
            return None
        try:
            data = photos.read_bytes(self._folder / wanted.path)
        except (PathError, PhotoError):
            return None
        return entry if photos.content_hash(data) == entry.sha256 else None


def _conditions(entry: Entry) -> dict[str, str]:
    given = {"If-None-Match": entry.etag, "If-Modified-Since": entry.last_modified}
    return {name: value for name, value in given.items() if value}
