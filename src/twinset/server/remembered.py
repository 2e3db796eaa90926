"""The embeddings of the last queries, in memory alone, for a while: what feedback refers to."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinset import recent
from twinset.errors import RequestError
from twinset.recent import Recent
from twinset.records import Vectors

SECONDS: Final = recent.SECONDS
MOST: Final = recent.MOST
_EVERY: Final = 30
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A query's embedding `(D,)`, the bundle that made it, and the catalogue that was asked."""

    vector: Vectors
    fingerprint: str
    catalogue: str


class Memory:
    """Queries by their id; never their photos. May be used by any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._known = Recent[str, Remembered](clock, most)

    def put(self, query_id: str, query: Remembered) -> None:
        """Keeps a query; the oldest ones go."""
        self._known.put(query_id, query)

    async def forget(self) -> None:
        """Lets go what is too old, also where nothing is asked any more, until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            self._known.purge()

    def get(self, query_id: str) -> Remembered:
        """The query of an id.

        Raises:
            RequestError: it is not known any more.

        """
        query = self._known.get(query_id)
        if query is None:
            raise RequestError(
                "query_expired",
                f"the query is not known, or older than {SECONDS / 60:g} minutes",
                "search with the photo again",
            )
        return query

    def __len__(self) -> int:
        return len(self._known)
