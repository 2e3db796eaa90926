"""A catalogue on disk: build it, search it, keep it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinset.catalogue import build, info, measure, snapshot, transfer, verify
from twinset.catalogue.asking import Asking
from twinset.catalogue.build import IndexOptions, index
from twinset.catalogue.info import Info
from twinset.catalogue.options import SearchOptions
from twinset.catalogue.repair import repair as mend
from twinset.catalogue.transfer import load
from twinset.embedder import Embedded
from twinset.manifest import Manifest
from twinset.progress import SILENT, Progress
from twinset.records import Photo, Problem
from twinset.runtime import Device

__all__ = ["Catalogue", "IndexOptions", "Info", "SearchOptions", "index", "load"]

Texts = Sequence[str]
_DEFAULTS: Final = IndexOptions()


class Catalogue(Asking):
    """An opened catalogue; any number may be open, in any process, while one of them writes.

    Searched photos are embedded on `device`: singly on the CPU, on a GPU together with those of other threads.

    Raises:
        UsageError: there is no such device.
        PathError: there is no catalogue at `path`.
        CatalogueError: it is damaged or newer than this program.

    """

    @classmethod
    def build(
        cls,
        path: str | Path,
        photos: str | Path,
        *,
        bundle: str | Path | None = None,
        device: Device = "auto",
        options: IndexOptions = _DEFAULTS,
        progress: Progress = SILENT,
    ) -> "Catalogue":
        """Makes a catalogue of a manifest or a folder, or brings one up to date; then opens it.

        Raises:
            as `index`.

        """
        index(path, photos, bundle=bundle, device=device, options=options, progress=progress)
        return cls(path)

    def embed(
        self, manifest: Manifest, chosen: Sequence[Photo], progress: Progress = SILENT, device: Device = "auto"
    ) -> Embedded:
        """Vectors to evaluate this catalogue by: the stored ones of shop photos, others embedded by its bundle.

        Raises:
            SourceError: the manifest is no source of the catalogue.
            MissingExtraError, UsageError: the device is not there.

        """
        return measure.embed(self._rows, self._live, manifest, chosen, device=device, progress=progress)

    def remove(
        self, item_ids: Texts = (), paths: Texts = (), where: Texts = (), progress: Progress = SILENT
    ) -> int:
        """Removes items, photos (by path in their source), and what fits every filter; returns how many photos.

        Raises:
            UnknownItemError: one of them is not there, or nothing fits; then nothing is removed.
            WhereError, UnknownFieldError: a filter cannot be read, or names a field that no photo has.

        """
        return build.remove(self._folder, item_ids, paths, where, progress)

    def snapshot(self, out: str | Path, progress: Progress = SILENT) -> None:
        """Copies the catalogue as it stands to a new folder, while others read and write.

        Raises:
            PathError: something is at `out` already.
            DiskFullError, ResourceError: as the machine has it; then nothing is at `out`.

        """
        snapshot.snapshot(self._folder, self._rows, self._copies, Path(out), progress)

    def dump(self, out: str | Path, progress: Progress = SILENT) -> int:
        """Writes all photos to a Parquet file, and the bundle beside it; returns the count of photos.

        Raises:
            as `snapshot`, and MissingExtraError without the extra `parquet`.

        """
        return transfer.dump(self._folder, self._rows, self._copies, Path(out), progress)

    def info(self) -> Info:
        """Counts, versions and sources."""
        return info.look(self._folder, self._rows)

    def verify(self, *, repair: bool = False, progress: Progress = SILENT) -> list[Problem]:
        """What does not agree; `repair` first mends what it can, as `catalogue.repair.repair` does.

        Raises:
            BusyError, DiskFullError, ReadOnlyError, ResourceError: as the machine has it, where it repairs.

        """
        if repair:
            self._rows.check_open()
            mend(self.path, progress)
            self.close()
            self._open()
        return verify.problems(self._folder, self._rows, self._copies, progress)
