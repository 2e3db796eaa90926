"""Things by name, in memory alone, for a while: what is asked again shortly after."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

SECONDS: Final = 15 * 60.0
MOST: Final = 10_000

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Recent(Generic[K, T]):
    """What was put in the last `SECONDS`, at most so many. May be used by any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._lock = threading.Lock()
        self._known: OrderedDict[K, tuple[float, T]] = OrderedDict()

    def put(self, name: K, value: T) -> None:
        """Keeps a value from now on; the oldest ones go."""
        with self._lock:
            self._known[name] = self._clock(), value
            self._known.move_to_end(name)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        self.purge()

    def purge(self) -> None:
        """Lets go what is too old."""
        with self._lock:
            now = self._clock()
            while self._known and next(iter(self._known.values()))[0] <= now - SECONDS:
                self._known.popitem(last=False)

    def get(self, name: K) -> T | None:
        """The value of a name; None where it is not known, or not any more."""
        with self._lock:
            found = self._known.get(name)
            return None if found is None or found[0] <= self._clock() - SECONDS else found[1]

    def __len__(self) -> int:
        return len(self._known)
