"""One request over HTTP/1.1: the only user of httpcore2, which knows no redirects, cookies, proxies or encodings.

Its one seam for opening connections is where addresses are checked: a name is resolved once, and the connection
goes to an address that was checked, while certificate and `Host` keep the name.
"""

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import httpcore2

from twinset import __version__, photos
from twinset.errors import FetchError, first_line
from twinset.fetch.addresses import resolve
from twinset.fetch.rules import Limits
from twinset.fetch.urls import Url

_IDLE_SECONDS: Final = 5.0
_OF_OTHERS: Final = 64 * 1024
"""So many bytes of an answer that brings no photo are read, to keep its connection."""
_HEADERS: Final = {
    "User-Agent": f"twinset/{__version__}",
    "Accept": "image/*,*/*;q=0.1",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers by their names in small letters, and the body, whole where the status is 200."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """The connections of one worker: to be used by one thread, one request after another."""

    def __init__(self, limits: Limits, *, loopback: bool = False) -> None:
        self._limits = limits
        self._lines = _Lines(loopback)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpcore2.default_ssl_context(),
            max_connections=4,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=self._lines,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def get(self, url: Url, headers: Mapping[str, str]) -> Answer:
        """Asks once, following nothing.

        Raises:
            FetchError: there is no answer, a broken one, a slow one, or one that is encoded.
            PhotoError: the photo is too large.

        """
        self._lines.deadline = time.monotonic() + self._limits.answer
        address = httpcore2.URL(
            scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()
        )
        sent = [(name, value) for name, value in ({"Host": url.place} | _HEADERS | dict(headers)).items()]
        waits = dict.fromkeys(("read", "write", "pool"), self._limits.read) | {"connect": self._limits.connect}
        with (
            _translated(url.place),
            self._pool.stream("GET", address, headers=sent, extensions={"timeout": waits}) as response,
        ):
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            chunks = response.iter_stream()
            body = _photo(url, found, chunks) if response.status == 200 else _other(chunks)
            return Answer(response.status, found, body)


class _Lines(httpcore2.NetworkBackend):
    """Opens connections to checked addresses; every wait on them ends at `deadline`."""

    def __init__(self, loopback: bool) -> None:
        self._loopback = loopback
        self._plain = httpcore2.SyncBackend()
        self.deadline = 0.0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in resolve(host, port, loopback=self._loopback):
            try:
                line = self._plain.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
                return _Line(line, self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def left(self, timeout: float | None) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the answer took too long")
        return left if timeout is None else min(left, timeout)


class _Line(httpcore2.NetworkStream):
    """A connection that waits no longer than its `_Lines` have left."""

    def __init__(self, line: httpcore2.NetworkStream, lines: _Lines) -> None:
        self._line = line
        self._lines = lines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._line.read(max_bytes, self._lines.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._line.write(buffer, self._lines.left(timeout))

    def close(self) -> None:
        self._line.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Line(self._line.start_tls(ssl_context, server_hostname, self._lines.left(timeout)), self._lines)

    def get_extra_info(self, info: str) -> Any:
        return self._line.get_extra_info(info)


def _photo(url: Url, headers: Mapping[str, str], chunks: Iterable[bytes]) -> bytes:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise FetchError(
            "encoded_answer",
            f"{url.place} sends the photo encoded ({encoding[:40]!r}), which was not asked for",
            "have the shop send photos as they are",
        )
    photos.check_size(int(headers.get("content-length", "0")))
    body = bytearray()
    for chunk in chunks:
        body += chunk
        photos.check_size(len(body))
    return bytes(body)


def _other(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > _OF_OTHERS:
            break
    return bytes(body)


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise FetchError(
            "timed_out", f"{place} took too long: {first_line(error)}", "run it again later", again=0.0
        ) from error
    except httpcore2.NetworkError as error:
        reason = error.args[0] if error.args else error  # the cause itself is dropped on the way
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise FetchError(
                "bad_certificate",
                f"the certificate of {place} is not good: {reason.verify_message}",
                "mend the host's name, or have the shop mend its certificate",
            ) from error
        raise FetchError(
            "no_connection", f"the connection to {place} failed: {first_line(error)}", "run it again", again=0.0
        ) from error
    except httpcore2.ProtocolError as error:
        raise FetchError(
            "broken_answer", f"{place} broke off or spoke no HTTP: {first_line(error)}", "run it again", again=0.0
        ) from error
