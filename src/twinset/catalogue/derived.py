"""All that is derived from the rows of a catalogue: vectors of a version, and columns."""

from twinset.catalogue.folder import CatalogueFolder
from twinset.store import columns, vectors
from twinset.store.columns import Columns
from twinset.store.rows import Rows
from twinset.store.versions import Version


def catch_up(folder: CatalogueFolder, rows: Rows, version: Version, *, rebuild: bool = False) -> None:
    """Brings the derived files to the rows' state, by a writer; `rebuild` makes them anew."""
    vectors.catch_up(folder.derived(version), rows, version, folder.id, rebuild=rebuild)
    columns.catch_up(folder.path / "derived", rows, folder.id, rebuild=rebuild)


def open_columns(folder: CatalogueFolder, rows: Rows, sequence: int) -> Columns:
    """The columns at `sequence`, inside a snapshot of the rows."""
    return columns.open_columns(folder.path / "derived", rows, sequence, folder.id)
