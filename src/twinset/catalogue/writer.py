"""A catalogue opened to be written; one writer at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from twinset.catalogue.folder import CatalogueFolder
from twinset.store import vectors
from twinset.store.copies import Copies
from twinset.store.lock import WAIT_SECONDS, writing
from twinset.store.rows import Rows


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
