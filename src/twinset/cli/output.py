"""What commands share: their options, talk and progress on stderr, results on stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from twinset.bundle import shipped_names
from twinset.errors import MissingExtraError
from twinset.progress import SILENT
from twinset.progress import Progress as Reported
from twinset.records import Fault
from twinset.runtime import Device, check_device


def begins(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell completes: the names that begin as typed; where none does, it offers files."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")]
CatalogueDir = Annotated[Path, typer.Option("--catalogue", "-c", help="The catalogue's folder.")]
Bundle = Annotated[
    str | None,
    typer.Option("--bundle", autocompletion=begins(shipped_names), help="A bundle's folder, or a shipped name."),
]
PhotosRoot = Annotated[
    Path | None, typer.Option("--photos-root", help="Where relative paths start; by default the manifest's folder.")
]
OnDevice = Annotated[
    Device,
    typer.Option(
        "--device",
        parser=check_device,
        metavar="auto|cpu|cuda",
        help="Where photos are embedded; auto: a GPU where one can be used.",
    ),
]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="A TOML file of settings of `serve`.")]
IgnoreBoxes = Annotated[bool, typer.Option("--ignore-boxes", help="Use whole photos, also where there are boxes.")]

_LINE_SECONDS: Final = 10.0
_FIRST_LINE_SECONDS: Final = 2.0
_PIPE_WIDTH: Final = 1000
"""Into a pipe or a file a row is a line, however long."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Speaks on stderr unless told to be quiet; prints results on stdout."""

    quiet: bool = False

    def say(self, text: str) -> None:
        """One line of talk."""
        if not self.quiet:
            Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text))

    def skipped(self, faults: Sequence[Fault], rows: int, listed: Path | None) -> None:
        """Tells of rows that were left out: where they are listed, or the first of them."""
        if not faults:
            return
        if listed is not None:
            self.say(f"skipped {len(faults):,} of {rows:,} rows, see {listed}")
            return
        self.say(f"skipped {len(faults):,} of {rows:,} rows:")
        for fault in faults[:5]:
            self.say(f"  line {fault.line}, {fault.path}: {fault.message}")

    def progress(self) -> Reported:
        """A bar on a terminal, elsewhere a line after two seconds and then every ten, whatever the step."""
        if self.quiet:
            return SILENT
        console = Console(stderr=True)
        return Bar(console) if console.is_terminal else Lines(self.say)


class _Rate(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        """What the column shows."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class Bar:
    """A `Progress` as a bar that goes away when it is done."""

    def __init__(self, console: Console) -> None:
        what, done = TextColumn("{task.description}"), MofNCompleteColumn()
        self._bar = Progress(
            what, BarColumn(), done, _Rate(), TimeRemainingColumn(), console=console, transient=True
        )
        self._task: TaskID | None = None

    def start(self, what: str, total: int) -> None:
        """Begins a step of `total` units."""
        self._task = self._bar.add_task(what, total=total)
        self._bar.start()

    def advance(self, count: int = 1) -> None:
        """Adds `count` finished units."""
        if self._task is not None:
            self._bar.advance(self._task, count)

    def finish(self) -> None:
        """Ends the step."""
        self._bar.stop()
        if self._task is not None:
            self._bar.remove_task(self._task)


class Lines:
    """A `Progress` as lines, for a log."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._what, self._total, self._done = "", 0, 0
        self._began = time.monotonic()
        self._next = self._began + _FIRST_LINE_SECONDS

    def start(self, what: str, total: int) -> None:
        """Begins a step of `total` units."""
        self._what, self._total, self._done = what, total, 0
        self._began = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Adds `count` finished units."""
        self._done += count
        now = time.monotonic()
        if now < self._next or not self._done:
            return
        self._next = now + _LINE_SECONDS
        rate = self._done / max(now - self._began, 1e-9)
        left = (self._total - self._done) / rate
        self._say(f"{self._what} {self._done:,} of {self._total:,} · {rate:,.0f}/s · {left:,.0f} s left")

    def finish(self) -> None:
        """Ends the step."""


def require_extra(extra: str, needed: Sequence[str], what: str) -> None:
    """Says which extra is missing before anything else is done; `what` is a clause such as "training needs".

    Raises:
        MissingExtraError: one of the needed libraries is not installed.

    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{what} the extra `{extra}` ({missing[0]} is missing)", f'pip install "twinset[{extra}]"'
        )


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_line(text: str) -> None:
    """One line of result on stdout."""
    Console(highlight=False, soft_wrap=True).print(Text(text))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on stdout; columns named in `right` are aligned to the right. Control characters are taken out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    console.print(table)


def printable(text: str) -> str:
    """Text without what a terminal would obey.

    >>> printable("a\\x1b]0;b")
    'a ]0;b'
    """
    return "".join(character if character.isprintable() else " " for character in text)
