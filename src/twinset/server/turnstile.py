"""How often somebody may ask: so many times a minute by address, so many a day in all.

A day begins with its first search; a process counts for itself, and from nothing.
"""

import hmac
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from twinset.errors import RequestError
from twinset.settings import ServeSettings

_ADDRESSES: Final = 100_000
_MINUTE: Final = 60.0
_DAY: Final = 86_400.0
_EVENTS: Final = 10
"""Events that an address may tell for each search that it may do."""


class Turnstile:
    """Counts searches and events; may be used by any threads. `clock` gives seconds that never go back."""

    def __init__(self, settings: ServeSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._key, self._admin = settings.key.encode(), settings.admin_key.encode()
        rate = settings.rate if settings.public else 0
        self._searches, self._events = _Buckets(rate, "search"), _Buckets(_EVENTS * rate, "tell events")
        self._quota = settings.quota
        self._clock = clock
        self._lock = threading.Lock()
        self._day, self._used = -math.inf, 0

    def is_admin(self, key: str | None) -> bool:
        """Whether a key is the admin's; the time it takes does not tell how near it was."""
        return bool(self._admin) and hmac.compare_digest((key or "").encode(), self._admin)

    def check_admin(self, key: str | None) -> None:
        """Lets the admin through.

        Raises:
            RequestError: there is no admin key, or another was given.

        """
        if not self._admin:
            raise RequestError("admin_only", "this server lets nobody change it", "start it with TWINSET_ADMIN_KEY")
        if not self.is_admin(key):
            raise _wrong("the admin key")

    def check_key(self, key: str | None) -> None:
        """Lets a shopper, or the admin, through.

        Raises:
            RequestError: a key is needed, and another or none was given.

        """
        ours = hmac.compare_digest((key or "").encode(), self._key)
        if self._key and not (ours or self.is_admin(key)):
            raise _wrong("a key")

    def count(self, address: str, key: str | None) -> None:
        """Counts a search.

        Raises:
            RequestError: the address has asked too often in the last minute, or the day's searches are used up.

        """
        if self.is_admin(key):
            return
        with self._lock:
            self._searches.take(address, self._clock())
            if self._quota:
                self._use()

    def count_event(self, address: str, key: str | None) -> None:
        """Counts an event.

        Raises:
            RequestError: the address has told too many in the last minute.

        """
        if not self.is_admin(key):
            with self._lock:
                self._events.take(address, self._clock())

    def _use(self) -> None:
        now = self._clock()
        if now - self._day >= _DAY:
            self._day, self._used = now, 0
        if self._used >= self._quota:
            wait = int(self._day + _DAY - now) + 1
            raise RequestError("quota_used", f"the day's {self._quota:,} searches are used up", "wait", after=wait)
        self._used += 1


class _Buckets:
    """A bucket of tokens by address, which fills and holds a minute's; without a rate nobody is counted."""

    def __init__(self, rate: int, act: str) -> None:
        self._rate, self._act = rate, act
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float) -> None:
        """Takes a token.

        Raises:
            RequestError: there is none.

        """
        if not self._rate:
            return
        left, since = self._left.pop(address, (float(self._rate), now))
        left = min(float(self._rate), left + (now - since) * self._rate / _MINUTE)
        enough = left >= 1
        self._left[address] = (left - 1 if enough else left, now)
        if len(self._left) > _ADDRESSES:
            self._left.popitem(last=False)
        if not enough:
            wait = int((1 - left) * _MINUTE / self._rate) + 1
            what = f"this address may {self._act} {self._rate} times a minute"
            raise RequestError("too_many_requests", what, "wait a little", after=wait)


def _wrong(what: str) -> RequestError:
    return RequestError("wrong_key", f"{what} is needed, as `Authorization: Bearer KEY`", "ask the shop for it")
