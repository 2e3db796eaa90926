"""`Client`: a server's calls, one after another."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from twinset.client import calls
from twinset.client.calls import Call, Facts, Given, Kind, Size
from twinset.client.extra import TIMEOUT, line
from twinset.records import Answer, Item
from twinset.served import PatchReport, PutReport, ServedCatalogue, ServedLimits, ServedVersions

if TYPE_CHECKING:
    from twinset.catalogue.options import Asked

T = TypeVar("T")
_Texts = Sequence[str]


class Client:
    """A server, asked as a `Catalogue` is; may be used by any number of threads.

    `key` is the search key, or the admin key; `catalogue` one of the server's by name, else its first; `timeout`
    are the seconds that the server may be silent. Every call raises the very error that the server tells, of
    `twinset.errors`, and ServerError where there is no answer, or another than this program's.

    Raises:
        MissingExtraError: the extra `client` is not installed.
        UsageError: the address, the key or the timeout cannot be one.

    """

    def __init__(self, url: str, *, key: str = "", catalogue: str | None = None, timeout: float = TIMEOUT) -> None:
        self._line = line(url, key, catalogue, timeout)
        self._http = self._line.client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def search(
        self,
        photo: Given | Sequence[Given],
        k: int = 20,
        *,
        box: Sequence[float] | None = None,
        boxes: bool = False,
        explain: int = 0,
        **options: Unpack["Asked"],
    ) -> Answer:
        """The `k` items nearest to a photo, or to several of one garment, as `Catalogue.search`.

        Raises:
            PathError, PhotoError: a photo is not there, or is refused.
            UsageError, RequestError: an option is out of its range.
            WhereError, UnknownFieldError: a filter or a boost cannot be used.
            CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

        """
        return self._ask(calls.search(photo, k, options, box=box, boxes=boxes, explain=explain))

    def similar(self, item_id: str, k: int = 20, **options: Unpack["Asked"]) -> Answer:
        """The `k` items nearest to one of the catalogue, which is left out.

        Raises:
            UnknownItemError: the catalogue does not hold it.

        """
        return self._ask(calls.similar(item_id, k, options))

    def feedback(
        self,
        query_id: str,
        positive: _Texts = (),
        negative: _Texts = (),
        k: int = 20,
        **options: Unpack["Asked"],
    ) -> Answer:
        """An earlier query's hits, moved towards items that are right and away from wrong ones.

        Raises:
            RequestError: `query_expired`: the query is not known any more.
            UnknownItemError: the catalogue does not hold one of the items.

        """
        return self._ask(calls.feedback(query_id, positive, negative, k, options))

    def item(self, item_id: str) -> Item:
        """An item: its photos and attributes.

        Raises:
            UnknownItemError: the catalogue does not hold it.

        """
        return self._ask(calls.item(item_id))

    def photo(self, photo_id: str, size: Size = 640) -> bytes:
        """A photo of the catalogue as a JPEG, `size` pixels long at most: 160, 320 or 640.

        Raises:
            UnknownItemError: the catalogue does not hold it.

        """
        return self._ask(calls.photo(photo_id, size))

    def facets(self, where: _Texts = ()) -> dict[str, dict[str, int]]:
        """How many items pass every filter, by field and value.

        Raises:
            WhereError, UnknownFieldError: a filter cannot be used.

        """
        return self._ask(calls.facets(where))

    def catalogue(self) -> ServedCatalogue:
        """What the catalogue holds, and by which model it answers."""
        return self._ask(calls.catalogue())

    def limits(self) -> ServedLimits:
        """Every limit that a request can meet."""
        return self._ask(calls.limits())

    def event(self, query_id: str, item_id: str, position: int, kind: Kind) -> None:
        """Tells what a shopper did with the hit at `position` (from 1): `view`, `click`, `cart` or `purchase`.

        Raises:
            RequestError: `events_off`: the server notes no events.

        """
        self._ask(calls.event(query_id, item_id, position, kind))

    def put_item(
        self, item_id: str, photos: Given | Sequence[Given], attributes: Mapping[str, str] | None = None
    ) -> PutReport:
        """Makes an item what is given: one photo or more, and its fields as a manifest's columns (admin key).

        Raises:
            PathError, PhotoError: a photo is not there, or is refused.
            UsageError: the id, a field or a value cannot be used.
            SourceError: a manifest's source holds the item.

        """
        return self._ask(calls.put_item(item_id, photos, attributes or {}))

    def delete_item(self, item_id: str) -> int:
        """Takes an item away that was put; returns how many photos are gone (admin key).

        Raises:
            UnknownItemError: the catalogue does not hold it.
            SourceError: a manifest's source holds the item.

        """
        return self._ask(calls.delete_item(item_id))

    def patch_items(self, changes: Mapping[str, Facts]) -> PatchReport:
        """Changes fields of many items at once, all or nothing; None takes a field away (admin key).

        Raises:
            UnknownItemError: the catalogue does not hold one of them.
            UsageError: a field or a value cannot be used.

        """
        return self._ask(calls.patch_items(changes))

    def versions(self) -> ServedVersions:
        """The versions that the catalogue keeps, and when it was last written (admin key)."""
        return self._ask(calls.versions())

    def roll_back(self) -> ServedVersions:
        """Makes the version that answered before answer again, and returns what there is then (admin key).

        Raises:
            UsageError: no version answered before, or too many photos came since.
            BusyError: another process writes to the catalogue.

        """
        return self._ask(calls.roll_back())

    def _ask(self, call: Call[T]) -> T:
        with self._line.translated():
            response = self._line.received(self._http.send(self._line.request(call)))
        return response.read(call.read)
