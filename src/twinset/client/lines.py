"""Requests over httpx2, its only user; its errors become ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx2

from twinset import __version__
from twinset.client.answers import Received
from twinset.client.calls import Call
from twinset.errors import ServerError, UsageError, first_line

_URL: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


class Line:
    """A server's address, and what every request to it carries.

    Raises:
        UsageError: the address or the key cannot be one.

    """

    def __init__(self, url: str, key: str, catalogue: str | None, timeout: float) -> None:
        if not _URL.fullmatch(url):
            raise UsageError(f"{url!r} is no server's address", "write it as https://search.shop.example")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise UsageError("the key holds other than printable ASCII characters", "give the key as it was set")
        if not timeout > 0:
            raise UsageError(f"timeout is {timeout}", "give seconds, more than 0")
        self._url = url.rstrip("/")
        self._catalogue = () if catalogue is None else (("catalogue", catalogue),)
        self._headers = {"User-Agent": f"twinset/{__version__}"} | (
            {"Authorization": f"Bearer {key}"} if key else {}
        )
        self._timeout = timeout

    def request(self, call: Call[object]) -> httpx2.Request:
        """A call as a request."""
        parameters = httpx2.QueryParams([*call.parameters, *self._catalogue])
        files = [("photo", (f"{n}", photo.data, photo.media_type)) for n, photo in enumerate(call.photos)]
        try:
            return httpx2.Request(
                call.method,
                f"{self._url}{call.path}",
                params=parameters,
                headers=self._headers | ({} if call.body is None else {"Content-Type": call.media_type}),
                content=call.body,
                files=files or None,
                data=dict(call.told) or None,
            )
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise UsageError(f"{self._url} cannot be asked: {first_line(error)}", "mend the address") from error

    def client(self) -> httpx2.Client:
        """Connections that are waited for."""
        return httpx2.Client(timeout=self._timeout)

    def async_client(self) -> httpx2.AsyncClient:
        """Connections for asyncio."""
        return httpx2.AsyncClient(timeout=self._timeout)

    def received(self, response: httpx2.Response) -> Received:
        """A response as it is read."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Received(response.status_code, headers, response.content)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """httpx2's errors as ours.

        Raises:
            ServerError: there is no answer.

        """
        try:
            yield
        except httpx2.TimeoutException as error:
            raise ServerError(
                f"{self._url} does not answer within {self._timeout:g} s", "ask again, or with a longer timeout"
            ) from error
        except httpx2.HTTPError as error:
            raise ServerError(f"{self._url} gives no answer: {first_line(error)}", "check the address") from error
