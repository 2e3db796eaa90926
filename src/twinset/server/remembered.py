"""The embeddings of the last queries, in memory alone, for a while: what feedback refers to."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinset.errors import RequestError
from twinset.records import Vectors

SECONDS: Final = 15 * 60.0
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A query's embedding `(D,)`, the bundle that made it, and the catalogue that was asked."""

    vector: Vectors
    fingerprint: str
    catalogue: str


class Memory:
    """Queries by their id; never their photos. May be used by any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Remembered]] = OrderedDict()

    def put(self, query_id: str, query: Remembered) -> None:
        """Keeps a query; the oldest ones go."""
        with self._lock:
            now = self._clock()
            self._known[query_id] = now, query
            while len(self._known) > self._most or next(iter(self._known.values()))[0] <= now - SECONDS:
                self._known.popitem(last=False)

    def get(self, query_id: str) -> Remembered:
        """The query of an id.

        Raises:
            RequestError: it is not known any more.

        """
        with self._lock:
            since, query = self._known.get(query_id, (0.0, None))
            if query is None or since <= self._clock() - SECONDS:
                raise RequestError(
                    "query_expired",
                    f"the query is not known, or older than {SECONDS / 60:g} minutes",
                    "search with the photo again",
                )
            return query

    def __len__(self) -> int:
        return len(self._known)
