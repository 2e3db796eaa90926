"""A consistent copy of a catalogue, made while others read and write."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinset import bundle as bundles
from twinset.catalogue import derived
from twinset.catalogue import folder as folders
from twinset.catalogue.folder import CatalogueFolder
from twinset.catalogue.verify import MOMENT_SECONDS, without_copy
from twinset.errors import BusyError, PathError
from twinset.files import appearing, check_space
from twinset.progress import SILENT, Progress
from twinset.store import received
from twinset.store.copies import Copies
from twinset.store.rows import Rows

_PATIENCE_SECONDS: Final = 30.0

Lacking = set[tuple[str, str, str]]
"""Photos whose copy is missing or of other bytes: photo id, the content of the row, that of the copy."""


def snapshot(folder: CatalogueFolder, rows: Rows, copies: Copies, out: Path, progress: Progress = SILENT) -> None:
    """Copies rows, copies, received photos and bundles to `out`; derived files are made anew there.

    The copy has an id of its own: the two change separately from now on, and what is derived from one must never
    pass for the other's.

    Raises:
        PathError: something is at `out`, or it lies inside the catalogue.
        BusyError: a writer left no moment in which rows and copies agreed.
        DiskFullError, ResourceError: as the machine has it.

    """
    if out.resolve().is_relative_to(folder.path.resolve()):
        raise PathError(f"{out} lies inside the catalogue", "name a place outside of it")
    with appearing(out) as place:
        check_space(out, rows.size() + copies.size() + received.size(rows))
        place.mkdir()
        with with_received(rows, copies, place / received.NAME):
            versions = rows.versions.all()
            rows.copy_to(place, progress)
            copies.copy_to(place, progress)
        for version in versions:
            bundle = folder.bundle(version)
            bundles.save(place / "bundles" / bundle.fingerprint, bundle.facts, bundle.model)
        made = folders.complete(place, folder.name, folder.index, folders.open_folder(folder.path).calibrations)
        table = Rows(place)
        try:
            received.drop_others(table)
            derived.catch_up(made, table, table.live(), progress=progress)
        finally:
            table.close()


@contextmanager
def with_received(rows: Rows, copies: Copies, place: Path) -> Iterator[Lacking]:
    """As `agreeing`, and the received photos of that state are copied to `place`, but those that are lost.

    A writer takes their files away after its rows, so one may go while others are copied: then the next state has
    no such row, and most files are there by then. What is missing at two looks is lost in the catalogue itself.
    """
    before: set[str] = set()
    while True:
        with agreeing(rows, copies) as lacking:
            lost = received.copy(rows, rows.path.parent / received.NAME, place)
            if lost <= before:
                yield lacking
                return
        before = lost


@contextmanager
def agreeing(rows: Rows, copies: Copies) -> Iterator[Lacking]:
    """One state of the rows and one of the copies in which every row has its copy; what lacks it for good.

    A writer commits copies before the rows that need them, and takes copies away after their rows. So neither
    order of reading the two is enough: between the commits a photo that is embedded again has a row of its old
    bytes and a copy of the new. Such a moment passes, and this looks again. What lacks its copy at two looks has
    lost it in the catalogue itself, as after a kill: the next `index` makes it anew, and until then it is told.

    Raises:
        BusyError: a writer left no such moment.

    """
    before: Lacking = set()
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with rows.snapshot(), copies.snapshot():
            lacking = without_copy(rows, copies)
            if lacking <= before:
                yield lacking
                return
        if time.monotonic() > until:
            raise BusyError(
                f"{rows.path.parent} is written without a pause", "wait for the writer, then run it again"
            )
        before = lacking
        time.sleep(MOMENT_SECONDS)
