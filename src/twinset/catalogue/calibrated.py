"""A catalogue's own calibration: of which bundle it is, and keeping it."""

from pathlib import Path

from twinset.bundle import Bundle
from twinset.calibration import Calibration
from twinset.catalogue import folder as folders
from twinset.catalogue.writer import writer
from twinset.store.rows import Rows


def live_bundle(path: Path) -> Bundle:
    """The bundle whose vectors answer.

    Raises:
        PathError: there is no catalogue.
        CatalogueError, BundleError, FingerprintError: it, or its bundle, is damaged.

    """
    folder = folders.open_folder(path)
    rows = Rows(path)
    try:
        with rows.snapshot():
            return folder.bundle(rows.live())
    finally:
        rows.close()


def keep(path: Path, calibration: Calibration) -> None:
    """Stores a calibration in `catalogue.json`, where it counts while a version of its bundle answers.

    Raises:
        PathError, CatalogueError: there is no catalogue, or it is damaged.
        BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it.

    """
    with writer(folders.open_folder(path)):
        folders.keep_calibration(path, calibration)
