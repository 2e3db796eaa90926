"""A catalogue's files opened to be read, and closed together."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from twinset.catalogue import folder
from twinset.catalogue.versions import Live
from twinset.embedder import Embedder
from twinset.runtime import Device, check_device
from twinset.store.copies import Copies
from twinset.store.rows import Rows
from twinset.store.versions import Version


class Opened(AbstractContextManager["Opened"]):
    """What searching and keeping a catalogue read from.

    Raises:
        UsageError: there is no such device.
        PathError: there is no catalogue at `path`.
        CatalogueError: it is damaged or newer than this program.

    """

    def __init__(self, path: str | Path, device: Device = "cpu") -> None:
        self.path = Path(path)
        self._device = check_device(device)
        self._open()

    def _open(self) -> None:
        self._folder = folder.open_folder(self.path)
        self._rows = Rows(self.path)
        self._copies = Copies(self.path)
        self._live = Live(self._folder, self._rows, self._device)

    def together(self) -> int:
        """How many photos of searches that wait are embedded at once: 1 where each runs by itself, on the CPU.

        Raises:
            MissingExtraError, UsageError: the device is not there.
            OutOfMemoryError: it has no room for the model.

        """
        if self._device == "cpu":
            return 1
        with self._rows.snapshot():
            return self._live.embedder(self._rows.live()).batch or 1

    def embedder_of(self, version: Version) -> Embedder:
        """The embedder of a version on the CPU, kept between calls."""
        return self._live.embedder(version, "cpu")

    def close(self) -> None:
        """Closes the databases, once the searches that run have ended; after it every call is refused."""
        self._rows.close()
        self._copies.close()
        self._live.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
