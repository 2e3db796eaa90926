"""A manifest of URLs → a folder of photos with a manifest."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinset import manifest
from twinset.errors import ManifestError, MissingExtraError, PathError, UsageError, disk_errors
from twinset.fetch import journal, listing
from twinset.fetch.bring import HOWS, Bringer, Brought, How
from twinset.fetch.hosts import Hosts
from twinset.fetch.journal import Journal
from twinset.fetch.rules import Limits, Rules
from twinset.fetch.web import Web
from twinset.fetch.workers import Work
from twinset.progress import SILENT, Progress
from twinset.records import Fault
from twinset.store.lock import writing

if TYPE_CHECKING:
    from twinset.fetch.client import Client

MANIFEST: Final = "photos.csv"
FAILED: Final = "failed.csv"
DEFAULTS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a run did: `rows` of the manifest read, and of these the `faults`, which `failed.csv` lists."""

    manifest: Path
    rows: int
    brought: tuple[Brought, ...]
    faults: tuple[Fault, ...]
    seconds: float

    @property
    def failed(self) -> Path:
        """Where the faults are listed."""
        return self.manifest.with_name(FAILED)

    @property
    def written(self) -> int:
        """The rows of the manifest that was made."""
        return sum(len(one.wanted.lines) for one in self.brought if one.how != "gone")

    def count(self, how: How) -> int:
        """The photos that came so."""
        return sum(one.how == how for one in self.brought)

    def to_json(self) -> dict[str, Any]:
        """`data fetch --json`."""
        facts = {"manifest": str(self.manifest), "rows": self.rows, "written": self.written}
        photos = {how: self.count(how) for how in HOWS if how != "gone"}
        costs = {"bytes": sum(one.bytes for one in self.brought), "seconds": round(self.seconds, 3)}
        return facts | photos | {"failed": len(self.faults)} | costs


def fetch(
    source: Path,
    out: Path,
    hosts: Iterable[str],
    *,
    keep_query: bool = False,
    limits: Limits = DEFAULTS,
    loopback: bool = False,
    progress: Progress = SILENT,
) -> Fetched:
    """Brings the photos of a manifest by their URLs into `out`, and writes `photos.csv` there with their paths.

    Only `hosts` are asked, at public addresses and over HTTPS. A run that was cut goes on; another run asks
    whether a photo has changed. Rows that fail are listed in `failed.csv`. `keep_query` names files by the whole
    URL. `loopback` is for tests.

    Raises:
        UsageError: a host is none, or `out` holds the manifest itself.
        MissingExtraError: the extra `fetch` is not installed.
        PathError, ManifestError: the manifest cannot be used, or not one of its photos could be had.
        BusyError: another run brings photos into the same folder.
        DiskFullError, ResourceError: the machine ran out of something.

    """
    began = time.monotonic()
    rules, client = Rules.allow(hosts, loopback=loopback), _client()
    table = manifest.read(source, files=False)
    if not table.columns:
        raise ManifestError(f"{source} is a folder", "name a manifest whose paths are URLs")
    header, rows = manifest.read_rows(source)
    wanted, faults = listing.wanted(table, rules, query=keep_query)
    _require(wanted, faults, table.rows, "mend the rows")
    _prepare(source, out)
    with writing(out), Journal(out) as notes:
        stop = threading.Event()
        bringer = Bringer(out, notes, Web(rules, limits, Hosts(limits, stop)))
        work = Work(bringer, lambda: client(limits, loopback=loopback), limits.concurrency, stop)
        brought = list(_told(work.all(wanted), len(wanted), progress))
        faults = sorted([*faults, *_failures(brought)], key=lambda fault: fault.line)
        _list(out / FAILED, faults)
        paths = {line: one.wanted.path for one in brought if one.how != "gone" for line in one.wanted.lines}
        if paths:
            listing.write(out / MANIFEST, header, rows, paths)
        notes.finish()
    _require(paths, faults, table.rows, f"see {out / FAILED}")
    return Fetched(out / MANIFEST, table.rows, tuple(brought), tuple(faults), time.monotonic() - began)


def _require(good: Sized, faults: Sequence[Fault], rows: int, mend: str) -> None:
    if good:
        return
    if not faults:
        raise ManifestError("the manifest has no row", "name a manifest whose paths are URLs")
    first = faults[0]
    raise ManifestError(
        f"none of {rows:,} rows can be fetched; line {first.line}, {first.path!r}: {first.message}", mend
    )


def _client() -> type["Client"]:
    try:
        from twinset.fetch.client import Client
    except ImportError as error:
        raise MissingExtraError(
            "photos by URL need httpcore2, which is not installed", 'pip install "twinset[fetch]"'
        ) from error
    return Client


def _prepare(source: Path, out: Path) -> None:
    """Makes the folder; refuses one with a `photos.csv` that is not ours."""
    made = out / MANIFEST
    if made.exists() and made.resolve() == source.resolve():
        raise UsageError(f"{out} holds the manifest itself, which would be replaced", "name another --out")
    if made.exists() and not (out / journal.NAME).exists():
        raise PathError(f"{made} was not made by `data fetch`", "name another --out")
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)


def _told(brought: Iterator[Brought], total: int, progress: Progress) -> Iterator[Brought]:
    progress.start("fetching", total)
    try:
        for one in brought:
            progress.advance()
            yield one
    finally:
        progress.finish()


def _failures(brought: Iterable[Brought]) -> Iterator[Fault]:
    for one in brought:
        if one.problem is not None:
            code, message = one.problem
            stays = "; the photo of an earlier run stays" if one.how == "stale" else ""
            for line in one.wanted.lines:
                yield Fault(line, one.wanted.given, code, f"{message}{stays}")


def _list(file: Path, faults: Sequence[Fault]) -> None:
    with disk_errors(file):
        file.unlink(missing_ok=True)
    if faults:
        manifest.write_faults(file, faults)
