"""The URL of a photo: parsed once, and refused where two parsers might read it differently."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from twinset.errors import FetchError

_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
_CONTROL: Final = re.compile(r"[\0-\x1f\x7f]")
_PATH: Final = "/%:@!$&'()*+,;=~"
_QUERY: Final = _PATH + "?"


@dataclass(frozen=True, slots=True)
class Url:
    """`host` is in small letters and ASCII, an IPv6 address without brackets; path and query are quoted."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def place(self) -> str:
        """The host, with its port where that is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query, as a request names them."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}{self.target}"


def parse(text: str) -> Url:
    """Parses an absolute URL; what is not ASCII in it is encoded, and a fragment left out.

    >>> str(parse("HTTPS://Shop.example:443/Größe 1.jpg?v=2#top"))
    'https://shop.example/Gr%C3%B6%C3%9Fe%201.jpg?v=2'

    Raises:
        FetchError: it is no URL, or holds a user's name or password.

    """
    try:
        return _parsed(text)
    except ValueError as error:
        raise FetchError("bad_url", f"the URL cannot be used: {error}", "mend it, or leave the row out") from error


def join(base: Url, location: str) -> Url:
    """Where a redirect leads, from the URL that was asked.

    Raises:
        FetchError: it leads to no URL.

    """
    try:
        return parse(urljoin(str(base), location))
    except ValueError as error:
        raise FetchError("bad_redirect", f"{base.place} redirects to no URL: {error}", "mend the URL") from error


def _parsed(text: str) -> Url:
    if _CONTROL.search(text):
        raise ValueError("it holds control characters")
    parts = urlsplit(text.strip())
    if parts.scheme not in _PORTS:
        raise ValueError("it does not begin with https://")
    if "@" in parts.netloc:
        raise ValueError("it holds a user's name or password")
    if parts.port == 0:
        raise ValueError("its port is 0")
    host, port = _host(parts.hostname or ""), parts.port or _PORTS[parts.scheme]
    return Url(parts.scheme, host, port, quote(parts.path or "/", safe=_PATH), quote(parts.query, safe=_QUERY))


def _host(name: str) -> str:
    if ":" in name and "%" not in name:
        return str(IPv6Address(name))
    host = name.encode("idna").decode("ascii")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{name!r} is no host")
    return host
