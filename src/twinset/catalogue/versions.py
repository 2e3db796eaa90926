"""The live version as a reader holds it: its embedder, and its vectors at the latest sequence number."""

import logging
import threading
from collections.abc import Sequence
from typing import Final

from twinset.batching import SharedEmbedder
from twinset.bundle import DEFAULT, open_bundle
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
        self._embedders: dict[tuple[Device, str], SharedEmbedder] = {}
        self._shipped: SharedEmbedder | None = None
        self._view: View | None = None
        self._graph: tuple[int, int] | None = None
        self._columns: Columns | None = None
        self._state: CatalogueState | None = None
        self._stamp: Stamp | None = folder.stamp()

    def close(self) -> None:
        """Lets the model and the mapped vectors go."""
        with self._lock:
            self._embedders.clear()
            self._shipped = None
            self._view = None
            self._columns = None

    def embedder(self, version: Version, device: Device | None = None) -> SharedEmbedder:
        """The embedder of a version, by default where searches are embedded."""
        wanted = device or self._device, version.fingerprint
        with self._lock:
            if wanted not in self._embedders:
                latest = list(self._embedders.items())[-1:]  # some search may be of the version before
                made = SharedEmbedder(self._folder.bundle(version), wanted[0])
                self._embedders = dict(latest) | {wanted: made}
            return self._embedders[wanted]

    def suggesting(self, version: Version) -> SharedEmbedder:
        """What tells boxes: the version's embedder, or the shipped one where that has no patches."""
        own = self.embedder(version)
        if own.has_patches:
            return own
        if self._shipped is None:
            made = SharedEmbedder(open_bundle(DEFAULT), self._device)  # others search meanwhile
            with self._lock:
                self._shipped = self._shipped or made
        return self._shipped

    def keep(self, versions: Sequence[Version]) -> None:
        """Loads the models of some versions for searches to come, which do not wait for it; lets the others go."""
        made: dict[tuple[Device, str], SharedEmbedder] = {}
        for version in versions:
            wanted = self._device, version.fingerprint
            if wanted not in self._embedders:
                made[wanted] = SharedEmbedder(self._folder.bundle(version), self._device)
        names = {version.fingerprint for version in versions}
        with self._lock:
            self._embedders = made | {name: one for name, one in self._embedders.items() if name[1] in names}

    def calibration(self, version: Version) -> Calibration | None:
        """A version's calibration: the catalogue's own, as it is stored now, else that of its bundle."""
        with self._lock:
            own = self._there().calibrations.get(version.fingerprint)
        return own or self.embedder(version).calibration

    def view(self, version: Version, state: State) -> View:
        """The vectors at a state, inside a snapshot of the rows."""
        with self._lock:
            folder, view = self._there().derived(version), self._view
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
            place, found = self._there(), self._columns
            if found is None or found.sequence != state.sequence:
                found = derived.open_columns(place, self._rows, state.sequence)
                if not found.agree(*self._rows.total()):
                    raise CatalogueError(f"{self._rows.path} is damaged: rows are missing or extra", MEND)
                self._columns = found
            return found

    def state(self, version: Version, state: State) -> CatalogueState:
        """What an answer says of the catalogue, inside a snapshot of the rows."""
        with self._lock:
            self._there()
            known = self._state
            if known is None or (known.version, known.sequence) != (version.number, state.sequence):
                known = CatalogueState(
                    version.fingerprint, version.number, state.sequence, state.photos, self._rows.items()
                )
                self._state = known
            return known

    def _there(self) -> CatalogueFolder:
        """The folder as it is now; where another catalogue has its place, what is kept of the first is let go."""
        there = self._folder.stamp()
        if there not in (None, self._stamp):
            before, self._folder, self._stamp = self._folder, open_folder(self._folder.path), there
            if self._folder.id != before.id:
                self._view = self._graph = self._columns = self._state = None
        return self._folder
