"""A catalogue on disk: build it, search it, keep it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from twinset import photos
from twinset.catalogue import build, folder, measure, search, verify
from twinset.catalogue.build import IndexOptions, index
from twinset.catalogue.search import By
from twinset.catalogue.versions import Live
from twinset.embedder import Embedded
from twinset.manifest import Manifest
from twinset.progress import SILENT, Progress
from twinset.records import Answer, Photo, Problem
from twinset.runtime import Device
from twinset.store.copies import Copies
from twinset.store.rows import Rows, Source

__all__ = ["Catalogue", "IndexOptions", "Info", "index"]

_DEFAULTS: Final = IndexOptions()


@dataclass(frozen=True, slots=True)
class Info:
    """What `info` tells; `bytes` is the folder's size, `built` the UTC time of the last run."""

    photos: int
    items: int
    fingerprint: str
    bundle: str
    version: int
    store: str
    bytes: int
    built: str
    sources: tuple[Source, ...]


class Catalogue:
    """An opened catalogue; any number may be open, in any process, while one of them writes.

    Raises:
        PathError: there is no catalogue at `path`.
        CatalogueError: it is damaged or newer than this program.

    """

    def __init__(self, path: str | Path) -> None:
        self._folder = folder.open_folder(Path(path))
        self.path = self._folder.path
        self._rows = Rows(self.path)
        self._copies = Copies(self.path)
        self._live = Live(self._folder, self._rows)

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
        photo: str | Path | bytes,
        k: int = 20,
        *,
        box: Sequence[float] | None = None,
        by: By = "item",
        cursor: str | None = None,
        boxes: bool = False,
    ) -> Answer:
        """The `k` items nearest to a photo, best first; `box` is its part, in fractions 0-1 of it upright.

        `by="photo"` ranks photos instead. `cursor` is `next` of the answer before. `boxes` asks for boxes to
        search with, where none is given and the bundle has patches: the model then runs four times more. The photo
        is embedded on the CPU, whatever embedded the catalogue's.

        Raises:
            PathError, PhotoError: the photo is not there, or is refused.
            UsageError: `k`, `box` or `by` is out of its range.
            CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

        """
        data = photo if isinstance(photo, bytes) else photos.read_bytes(photo)
        return search.search(self._rows, self._live, data, k=k, box=box, by=by, cursor=cursor, suggest=boxes)

    def embed(
        self, manifest: Manifest, chosen: Sequence[Photo], progress: Progress = SILENT, device: Device = "auto"
    ) -> Embedded:
        """Vectors to evaluate this catalogue by: the stored ones of shop photos, others embedded by its bundle.

        Raises:
            SourceError: the manifest is no source of the catalogue.
            MissingExtraError, UsageError: the device is not there.

        """
        return measure.embed(self._rows, self._live, manifest, chosen, device=device, progress=progress)

    def copy(self, photo_ids: Sequence[str]) -> dict[str, bytes]:
        """JPEG copies, long side at most 640, by photo id."""
        return self._copies.get(photo_ids)

    def remove(self, item_ids: Sequence[str] = (), paths: Sequence[str] = ()) -> int:
        """Removes items and single photos (by their path in their source); returns the count of photos.

        Raises:
            UnknownItemError: one of them is not there; then nothing is removed.

        """
        return build.remove(self._folder, item_ids, paths)

    def info(self) -> Info:
        """Counts, versions and sources."""
        with self._rows.snapshot():
            state, version = self._rows.state(), self._rows.live()
            return Info(
                photos=state.photos,
                items=self._rows.items(),
                fingerprint=version.fingerprint,
                bundle=version.bundle,
                version=version.number,
                store="local",
                bytes=self._folder.bytes(),
                built=state.built,
                sources=tuple(self._rows.sources()),
            )

    def verify(self, *, repair: bool = False) -> list[Problem]:
        """What does not agree; `repair` first makes the derived files anew from the rows."""
        if repair:
            build.repair(self._folder)
        return verify.problems(self._folder, self._rows, self._copies)

    def close(self) -> None:
        """Closes the databases, once the searches that run have ended; after it every call is refused."""
        self._rows.close()
        self._copies.close()
        self._live.close()

    def __enter__(self) -> "Catalogue":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
