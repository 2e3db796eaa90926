"""A catalogue opened to be written; one writer at a time."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from twinset.catalogue.folder import CatalogueFolder
from twinset.store import vectors
from twinset.store.copies import Copies
from twinset.store.lock import WAIT_SECONDS, writing
from twinset.store.rows import Rows

BATCH: Final = 256
_BATCH_SECONDS: Final = 2.0

T = TypeVar("T")


def batches(results: Iterable[T]) -> Iterator[list[T]]:
    """What is committed together: at most `BATCH` results, and no more than come in two seconds."""
    batch: list[T] = []
    since = time.monotonic()
    for result in results:
        batch.append(result)
        if len(batch) == BATCH or time.monotonic() - since > _BATCH_SECONDS:
            yield batch
            batch, since = [], time.monotonic()
    if batch:
        yield batch


@contextmanager
def writer(folder: CatalogueFolder, wait: float = WAIT_SECONDS) -> Iterator[tuple[Rows, Copies]]:
    """The databases, while this process holds the writer's lock.

    Raises:
        BusyError: another process holds it longer than `wait` seconds.
        ReadOnlyError, DiskFullError, ResourceError: as the machine has it.

    """
    with writing(folder.path, wait):
        Copies.create_missing(folder.path)
        rows, copies = Rows(folder.path, write=True), Copies(folder.path, write=True)
        try:
            for version in rows.versions.all():
                vectors.discard_ahead(folder.derived(version), rows)
            yield rows, copies
        finally:
            rows.close()
            copies.close()
