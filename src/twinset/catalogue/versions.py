"""The live version as a reader holds it: its embedder, and its vectors at the latest sequence number."""

import logging
import threading
from typing import Final

from twinset.batching import SharedEmbedder
from twinset.calibration import Calibration
from twinset.catalogue import derived
from twinset.catalogue.folder import CatalogueFolder, Stamp, open_folder
from twinset.errors import CatalogueError
from twinset.records import CatalogueState
from twinset.runtime import Device
from twinset.store import graph, vectors
from twinset.store.columns import Columns
from twinset.store.database import MEND
from twinset.store.rows import Rows, State
from twinset.store.versions import Version
from twinset.store.view import View

_LOG: Final = logging.getLogger(__name__)
_UNUSED: Final = "not used, as it is damaged or FAISS is not installed: searches are exact; see `twinset verify`"


class Live:
    """Keeps what is dear to open between searches; each answer is of one version and one sequence number."""

    def __init__(self, folder: CatalogueFolder, rows: Rows, device: Device = "cpu") -> None:
        self._folder = folder
        self._rows = rows
        self._device: Device = device
        self._lock = threading.Lock()
        self._embedders: dict[Device, SharedEmbedder] = {}
        self._view: View | None = None
        self._graph: tuple[int, int] | None = None
        self._columns: Columns | None = None
        self._state: CatalogueState | None = None
        self._stamp: Stamp | None = folder.stamp()

    def close(self) -> None:
        """Lets the model and the mapped vectors go."""
        with self._lock:
            self._embedders.clear()
            self._view = None
            self._columns = None

    def embedder(self, version: Version, device: Device | None = None) -> SharedEmbedder:
        """The embedder of a version, by default where searches are embedded."""
        device = device or self._device
        with self._lock:
            known = self._embedders.get(device)
            if known is None or known.fingerprint != version.fingerprint:
                known = SharedEmbedder(self._folder.bundle(version), device)
                self._embedders[device] = known
            return known

    def calibration(self, version: Version) -> Calibration | None:
        """A version's calibration: the catalogue's own, as it is stored now, else that of its bundle."""
        with self._lock:
            there = self._folder.stamp()
            if there not in (None, self._stamp):
                self._folder, self._stamp = open_folder(self._folder.path), there
            own = self._folder.calibrations.get(version.fingerprint)
        return own or self.embedder(version).calibration

    def view(self, version: Version, state: State) -> View:
        """The vectors at a state, inside a snapshot of the rows."""
        with self._lock:
            view, folder = self._view, self._folder.derived(version)
            there, known = graph.stamp(folder), self._graph
            if view is None or (view.version, view.sequence, known) != (version.number, state.sequence, there):
                view = vectors.open_view(folder, self._rows, version, state.sequence, self._folder.id)
                count, total = view.tally()
                if count != state.photos or (count, total) != self._rows.tally(version):
                    raise CatalogueError(
                        f"{self._rows.path} is damaged: {state.photos:,} photos, {count:,} vectors", MEND
                    )
                self._view, self._graph = view, there
                if there not in (None, known) and view.graph is None:
                    _LOG.warning("%s/%s: %s", folder, graph.NAME, _UNUSED)
            return view

    def columns(self, state: State) -> Columns:
        """The manifest's columns at a state, inside a snapshot of the rows."""
        with self._lock:
            found = self._columns
            if found is None or found.sequence != state.sequence:
                found = derived.open_columns(self._folder, self._rows, state.sequence)
                if not found.agree(*self._rows.total()):
                    raise CatalogueError(f"{self._rows.path} is damaged: rows are missing or extra", MEND)
                self._columns = found
            return found

    def state(self, version: Version, state: State) -> CatalogueState:
        """What an answer says of the catalogue, inside a snapshot of the rows."""
        with self._lock:
            known = self._state
            if known is None or (known.version, known.sequence) != (version.number, state.sequence):
                known = CatalogueState(
                    version.fingerprint, version.number, state.sequence, state.photos, self._rows.items()
                )
                self._state = known
            return known
