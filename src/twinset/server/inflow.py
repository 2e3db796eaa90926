"""The bodies of all requests as they come in: each within its time and its bytes, all together within memory."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from twinset.errors import RequestError

_SMALL: Final = 64 * 1024
"""What a body may have where its route does not allow more."""
_TOGETHER: Final = 512 * 2**20
"""What bodies may hold at once: slow ones hold little, so they keep nobody out."""
_MOST: Final = "most_bytes"


def allow(request: Request, most: int) -> None:
    """Lets a request have a body of so many bytes."""
    request.scope["state"][_MOST] = most


class Inflow:
    """Counts what all bodies hold; in the event loop's thread."""

    def __init__(self, seconds: float, together: int = _TOGETHER) -> None:
        self._seconds, self._together = seconds, together
        self._held = 0

    @contextmanager
    def bounded(self, scope: Scope, receive: Receive) -> Iterator[Receive]:
        """A `receive` within the limits; what has come counts as held until the `with` ends.

        It raises RequestError where the body is longer than allowed, is not there in time, or finds no room.
        """
        until, count, whole = time.monotonic() + self._seconds, 0, False
        declared = _declared(Headers(scope=scope))

        async def bounded() -> Message:
            nonlocal count, whole
            if whole:
                return await receive()
            most = scope["state"].get(_MOST, _SMALL)
            if declared > most:
                raise _too_large(most)
            message = await self._timely(receive, until)
            size, whole = len(message.get("body", b"")), not message.get("more_body", False)
            count += size
            self._held += size
            if count > most:
                raise _too_large(most)
            if self._held > self._together:
                raise RequestError("overloaded", "too much is being received", "ask again", after=1)
            return message

        try:
            yield bounded
        finally:
            self._held -= count

    async def _timely(self, receive: Receive, until: float) -> Message:
        try:
            return await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError as error:
            seconds = f"{self._seconds:g} s"
            raise RequestError("too_slow", f"the request took more than {seconds}", "send it faster") from error


def _declared(headers: Headers) -> int:
    """How long the body is said to be; 0 where nothing is said."""
    length = headers.get("content-length", "0")
    return int(length[:20]) if length.isascii() and length.isdigit() else 0


def _too_large(most: int) -> RequestError:
    size = f"{most / 2**20:.4g} MiB" if most >= 2**20 else f"{most / 2**10:g} KiB"
    return RequestError("body_too_large", f"the request has more than {size}", "send less at once")
