"""`AsyncClient`: a server's calls, many at once."""

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


class AsyncClient:
    """As `Client`, for asyncio: every call is awaited; to be used in one event loop.

    Raises:
        MissingExtraError: the extra `client` is not installed.
        UsageError: the address, the key or the timeout cannot be one.

    """

    def __init__(self, url: str, *, key: str = "", catalogue: str | None = None, timeout: float = TIMEOUT) -> None:
        self._line = line(url, key, catalogue, timeout)
        self._http = self._line.async_client()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def search(
        self,
        photo: Given | Sequence[Given],
        k: int = 20,
        *,
        box: Sequence[float] | None = None,
        boxes: bool = False,
        explain: int = 0,
        **options: Unpack["Asked"],
    ) -> Answer:
        """As `Client.search`."""
        return await self._ask(calls.search(photo, k, options, box=box, boxes=boxes, explain=explain))

    async def similar(self, item_id: str, k: int = 20, **options: Unpack["Asked"]) -> Answer:
        """As `Client.similar`."""
        return await self._ask(calls.similar(item_id, k, options))

    async def feedback(
        self,
        query_id: str,
        positive: _Texts = (),
        negative: _Texts = (),
        k: int = 20,
        **options: Unpack["Asked"],
    ) -> Answer:
        """As `Client.feedback`."""
        return await self._ask(calls.feedback(query_id, positive, negative, k, options))

    async def item(self, item_id: str) -> Item:
        """As `Client.item`."""
        return await self._ask(calls.item(item_id))

    async def photo(self, photo_id: str, size: Size = 640) -> bytes:
        """As `Client.photo`."""
        return await self._ask(calls.photo(photo_id, size))

    async def facets(self, where: _Texts = ()) -> dict[str, dict[str, int]]:
        """As `Client.facets`."""
        return await self._ask(calls.facets(where))

    async def catalogue(self) -> ServedCatalogue:
        """As `Client.catalogue`."""
        return await self._ask(calls.catalogue())

    async def limits(self) -> ServedLimits:
        """As `Client.limits`."""
        return await self._ask(calls.limits())

    async def event(self, query_id: str, item_id: str, position: int, kind: Kind) -> None:
        """As `Client.event`."""
        await self._ask(calls.event(query_id, item_id, position, kind))

    async def put_item(
        self, item_id: str, photos: Given | Sequence[Given], attributes: Mapping[str, str] | None = None
    ) -> PutReport:
        """As `Client.put_item`."""
        return await self._ask(calls.put_item(item_id, photos, attributes or {}))

    async def delete_item(self, item_id: str) -> int:
        """As `Client.delete_item`."""
        return await self._ask(calls.delete_item(item_id))

    async def patch_items(self, changes: Mapping[str, Facts]) -> PatchReport:
        """As `Client.patch_items`."""
        return await self._ask(calls.patch_items(changes))

    async def versions(self) -> ServedVersions:
        """As `Client.versions`."""
        return await self._ask(calls.versions())

    async def roll_back(self) -> ServedVersions:
        """As `Client.roll_back`."""
        return await self._ask(calls.roll_back())

    async def _ask(self, call: Call[T]) -> T:
        with self._line.translated():
            response = self._line.received(await self._http.send(self._line.request(call)))
        return response.read(call.read)
