"""What was fetched, line by line: a run that was cut goes on, the next asks only what has changed."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from twinset.errors import disk_errors
from twinset.files import write_whole

NAME: Final = "fetched.jsonl"
_BEGUN: Final = {"run": "begun"}
"""Stands before the lines of a run that has not finished."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo's file, and what its server said of it; `path` is relative to the folder."""

    path: str
    url: str
    sha256: str
    etag: str = ""
    last_modified: str = ""


class Journal:
    """`fetched.jsonl` of a folder: a photo's line is written before its file, so every file has its line.

    A line whose file is not there, or has other bytes, counts for nothing.
    """

    def __init__(self, folder: Path) -> None:
        """Raises PathError, DiskFullError, ResourceError: the file cannot be read or written."""
        self._file = folder / NAME
        self._lock = threading.Lock()
        self.known, self.current = _read(self._file)
        self._write(finished=False)
        with disk_errors(self._file):
            self._lines = self._file.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def add(self, entry: Entry) -> None:
        """Notes a photo of this run.

        Raises:
            DiskFullError, ResourceError: it cannot be written.

        """
        with self._lock, disk_errors(self._file):
            self._lines.write(_line(asdict(entry)))
            self._lines.flush()
            self.known[entry.path] = entry
            self.current.add(entry.path)

    def finish(self) -> None:
        """Ends the run: the next one asks again what has changed.

        Raises:
            DiskFullError, ResourceError: it cannot be written.

        """
        self._write(finished=True)

    def _write(self, *, finished: bool) -> None:
        of_this = set() if finished else self.current
        lines = [_line(asdict(entry)) for path, entry in self.known.items() if path not in of_this]
        if not finished:
            lines += [_line(_BEGUN), *(_line(asdict(self.known[path])) for path in sorted(of_this))]
        with disk_errors(self._file):
            write_whole(self._file, "".join(lines).encode())


def _line(value: dict[str, str]) -> str:
    return json.dumps(value) + "\n"


def _read(file: Path) -> tuple[dict[str, Entry], set[str]]:
    """The last entry of each path, and the paths of a run that has not finished; torn lines are passed over."""
    known: dict[str, Entry] = {}
    current: set[str] = set()
    begun = False
    with disk_errors(file):
        text = file.read_bytes().decode(errors="replace") if file.exists() else ""
    for line in text.splitlines():
        try:
            value = json.loads(line)
            if value == _BEGUN:
                begun = True
                continue
            entry = Entry(**value)
        except (ValueError, TypeError):
            continue
        known[entry.path] = entry
        if begun:
            current.add(entry.path)
    return known, current
