"""A catalogue on disk: build it, search it, keep it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Unpack

from twinset import photos
from twinset.catalogue import build, explanation, info, measure, search, snapshot, transfer, verify
from twinset.catalogue.build import IndexOptions, index
from twinset.catalogue.info import Info
from twinset.catalogue.opened import Opened
from twinset.catalogue.options import Asked, SearchOptions
from twinset.catalogue.repair import repair as mend
from twinset.catalogue.transfer import load
from twinset.embedder import Embedded
from twinset.explain import Explanation
from twinset.manifest import Manifest
from twinset.progress import SILENT, Progress
from twinset.records import Answer, Hit, Photo, PhotoHit, Problem
from twinset.runtime import Device

__all__ = ["Catalogue", "IndexOptions", "Info", "SearchOptions", "index", "load"]

Texts = Sequence[str]
_DEFAULTS: Final = IndexOptions()


class Catalogue(Opened):
    """An opened catalogue; any number may be open, in any process, while one of them writes.

    Raises:
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

    def search(
        self,
        photo: str | Path | bytes | Sequence[str | Path | bytes],
        k: int = 20,
        *,
        box: Sequence[float] | None = None,
        boxes: bool = False,
        **options: Unpack[Asked],
    ) -> Answer:
        """The `k` items nearest to a photo, or to several of one garment, best first; embedded on the CPU.

        `box` is a photo's part, in fractions 0-1 of it upright. `boxes` asks for boxes to search with, where none
        is given and the bundle has patches: the model then runs four times more. `options` are `SearchOptions`.

        Raises:
            PathError, PhotoError: a photo is not there, or is refused.
            UsageError: `k`, `box` or an option is out of its range.
            WhereError, UnknownFieldError: a filter or a boost cannot be used.
            CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

        """
        several = [photo] if isinstance(photo, str | Path | bytes) else photo
        given = [one if isinstance(one, bytes) else photos.read_bytes(one) for one in several]
        asked = SearchOptions(k, **options)
        return search.search(self._rows, self._live, self._copies, given, asked, box=box, suggest=boxes)

    def similar(self, item_id: str, k: int = 20, **options: Unpack[Asked]) -> Answer:
        """The `k` items nearest to one of the catalogue, which is left out; `options` are `SearchOptions`.

        Raises:
            UnknownItemError: the catalogue does not hold it.
            UsageError, WhereError, UnknownFieldError, CursorError, CursorExpiredError: as `search`.

        """
        return search.similar(self._rows, self._live, item_id, SearchOptions(k, **options))

    def explain(
        self, photo: str | Path | bytes, hit: Hit | PhotoHit | str, *, box: Sequence[float] | None = None
    ) -> Explanation:
        """The places of a photo, and of a hit or the photo of that id, that make their score.

        The hit is looked at in its source's photo, or in the copy where that is gone or has changed.

        Raises:
            UsageError: the bundle has no patches, or `box` is out of its range.
            UnknownItemError: the catalogue does not hold the hit's photo.
            PathError, PhotoError: the photo is not there, or is refused.
            CatalogueError: neither the source nor the copy of the hit is left.

        """
        photo_id = hit if isinstance(hit, str) else hit.photo_id
        return explanation.explain(self._rows, self._live, self._copies, photo, photo_id, box=box)

    def embed(
        self, manifest: Manifest, chosen: Sequence[Photo], progress: Progress = SILENT, device: Device = "auto"
    ) -> Embedded:
        """Vectors to evaluate this catalogue by: the stored ones of shop photos, others embedded by its bundle.

        Raises:
            SourceError: the manifest is no source of the catalogue.
            MissingExtraError, UsageError: the device is not there.

        """
        return measure.embed(self._rows, self._live, manifest, chosen, device=device, progress=progress)

    def portrait(self, item_id: str) -> bytes:
        """The JPEG copy of the photo that shows an item best: its `main` view, else its first by path.

        Raises:
            UnknownItemError: the catalogue does not hold it.
            CatalogueError: its copies are lost.

        """
        return search.portrait(self._rows, self._live, self._copies, item_id)

    def copy(self, photo_ids: Sequence[str]) -> dict[str, bytes]:
        """JPEG copies, long side at most 640, by photo id."""
        return {name: copy.jpeg for name, copy in self._copies.get(photo_ids).items()}

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
