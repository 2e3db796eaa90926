"""All that is derived from the rows of a catalogue: vectors of a version, a graph over them, and columns."""

import logging
from typing import Final

from twinset.catalogue.folder import CatalogueFolder
from twinset.embedder import cores
from twinset.errors import MissingExtraError
from twinset.progress import SILENT, Progress
from twinset.store import columns, graph, vectors
from twinset.store.columns import Columns
from twinset.store.rows import Rows
from twinset.store.versions import Version

_LOG: Final = logging.getLogger(__name__)


def catch_up(
    folder: CatalogueFolder, rows: Rows, version: Version, *, rebuild: bool = False, progress: Progress = SILENT
) -> None:
    """Brings the derived files to the rows' state, by a writer; `rebuild` makes them anew."""
    vectors.catch_up(folder.derived(version), rows, version, folder.id, rebuild=rebuild, progress=progress)
    columns.catch_up(folder.path / "derived", rows, folder.id, rebuild=rebuild, progress=progress)


def catch_up_graph(folder: CatalogueFolder, version: Version, progress: Progress) -> None:
    """Builds the graph that the catalogue asks for, or takes it away; it is searched without it meanwhile."""
    if folder.index == "exact":
        graph.discard(folder.derived(version))
        return
    try:
        vectors.catch_up_graph(folder.derived(version), version, folder.id, cores(), progress)
    except MissingExtraError as error:
        _LOG.warning("%s: the graph is not brought up to date: %s", folder.path, error)


def open_columns(folder: CatalogueFolder, rows: Rows, sequence: int) -> Columns:
    """The columns at `sequence`, inside a snapshot of the rows."""
    return columns.open_columns(folder.path / "derived", rows, sequence, folder.id)
