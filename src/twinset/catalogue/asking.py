"""What an opened catalogue is asked: photos, items, counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from twinset import photos
from twinset.catalogue import explanation, items, search
from twinset.catalogue.info import Summary, summarise
from twinset.catalogue.opened import Opened
from twinset.catalogue.options import Asked, SearchOptions
from twinset.catalogue.search import Verdict
from twinset.explain import Explanation
from twinset.photos import Decoded
from twinset.records import Answer, Hit, Item, PhotoHit
from twinset.served import ServedVersion, ServedVersions

Given = str | Path | bytes | Decoded
"""A photo: its path, its bytes, or decoded already."""
Texts = Sequence[str]


class Asking(Opened):
    """A catalogue as it is asked; each answer is of one version at one moment."""

    def search(
        self,
        photo: Given | Sequence[Given],
        k: int = 20,
        *,
        box: Sequence[float] | None = None,
        boxes: bool = False,
        explain: int = 0,
        **options: Unpack[Asked],
    ) -> Answer:
        """The `k` items nearest to a photo, or to several of one garment, best first.

        `box` is a photo's part, in fractions 0-1 of it upright. `boxes` asks for boxes to search with, where none
        is given; the model, or `default` where it has no patches, then runs five times more. `explain` is of how
        many first hits, 0 to 5, the places that make the score are told; each runs the model once more. `options`
        are `SearchOptions`.

        Raises:
            PathError, PhotoError: a photo is not there, or is refused.
            UsageError: `k`, `box`, `explain` or an option is out of its range, the bundle has no patches, or the
                device is not there.
            MissingExtraError, OutOfMemoryError: the device needs an extra, or has no room.
            WhereError, UnknownFieldError: a filter or a boost cannot be used.
            CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

        """
        several = [photo] if isinstance(photo, Given) else photo
        given = [one if isinstance(one, bytes | Decoded) else photos.read_bytes(one) for one in several]
        asked = SearchOptions(k, **options)
        return search.search(
            self._rows, self._live, self._copies, given, asked, box=box, suggest=boxes, explain=explain
        )

    def similar(self, item_id: str, k: int = 20, **options: Unpack[Asked]) -> Answer:
        """The `k` items nearest to one of the catalogue, which is left out; `options` are `SearchOptions`.

        Raises:
            UnknownItemError: the catalogue does not hold it.
            UsageError, WhereError, UnknownFieldError, CursorError, CursorExpiredError: as `search`.

        """
        return search.similar(self._rows, self._live, item_id, SearchOptions(k, **options))

    def refine(self, verdict: Verdict, k: int = 20, **options: Unpack[Asked]) -> Answer:
        """The `k` items nearest to an earlier query, moved towards its right items and away from the wrong ones.

        The wrong ones are left out; `options` are `SearchOptions`.

        Raises:
            UnknownItemError: the catalogue does not hold one of the items.
            FingerprintError: another bundle answers since.
            InputError: nothing is left of the query.
            UsageError, WhereError, UnknownFieldError, CursorError, CursorExpiredError: as `search`.

        """
        return search.refine(self._rows, self._live, verdict, SearchOptions(k, **options))

    def item(self, item_id: str) -> Item:
        """An item: its photos and attributes.

        Raises:
            UnknownItemError: the catalogue does not hold it.

        """
        with self._rows.snapshot():
            found = items.item(self._rows, self._copies, item_id)
            if found is None:
                raise search.unknown(self._rows, self._live, item_id)
            return found

    def facets(self, where: Texts = ()) -> dict[str, dict[str, int]]:
        """How many items pass every filter, by field and value.

        Raises:
            WhereError, UnknownFieldError: a filter cannot be read, or names a field that no photo has.

        """
        return items.facets(self._rows, self._live, where)

    def summary(self) -> Summary:
        """Counts and the version that answers; `info` tells more, and looks at every file."""
        with self._rows.snapshot():
            return summarise(self._rows)

    def versions(self) -> ServedVersions:
        """The versions that are kept, the oldest first, and when the catalogue was last written."""
        with self._rows.snapshot():
            live = self._rows.live()
            found = tuple(
                ServedVersion(one.number, one.bundle, one.fingerprint, one == live, self._rows.tally(one)[0])
                for one in self._rows.versions.all()
            )
            return ServedVersions(found, self._rows.state().built)

    def moment(self) -> tuple[int, int]:
        """The live version's number, and the sequence number: another one after every change."""
        with self._rows.snapshot():
            return self._rows.live().number, self._rows.state().sequence

    def warm(self) -> None:
        """Loads the model that answers, and that of the newest version, which may be about to: `upgrade` makes one.

        Raises:
            BundleError, FingerprintError, CatalogueError: one of them is damaged.

        """
        with self._rows.snapshot():
            live, newest = self._rows.live(), self._rows.versions.all()[-1]
        self._live.keep([live] if live == newest else [live, newest])

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
