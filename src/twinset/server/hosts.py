"""By which name a server is asked, from which page, and from which address."""

import ipaddress
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from twinset.errors import RequestError
from twinset.settings import ServeSettings

_LOG: Final = logging.getLogger(__name__)
_HOST: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?\.?)(?::\d{1,5})?")
_PORTED: Final = re.compile(r"\[(?P<six>[^\]]*)\](:\d{1,5})?|(?P<four>[\d.]+):\d{1,5}")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_NEAR: Final = ("same-origin", "none")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Doors:
    """Who may ask: names of this server, pages elsewhere, and proxies that speak for others."""

    names: frozenset[str]
    origins: frozenset[str]
    proxies: tuple[Network, ...]
    _warned: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    @classmethod
    def of(cls, settings: ServeSettings) -> "Doors":
        """Those that the settings name; loopback names only where nobody else reaches the server."""
        address = _address(settings.host)
        everywhere = address is not None and address.is_unspecified
        own = () if everywhere else (_bracketed(settings.host),)
        names = {*settings.allow_host, *own, *(_LOOPBACK if settings.loopback else ())}
        proxies = tuple(ipaddress.ip_network(name) for name in settings.trusted_proxy)
        return cls(frozenset(name.lower() for name in names), frozenset(settings.allow_origin), proxies)

    def check_host(self, given: Iterable[str]) -> None:
        """Refuses a request that names another host: a page's name may have been bound to this address.

        Raises:
            RequestError: there is not exactly one `Host`, or it is none of ours.

        """
        hosts = [host.lower() for host in given]
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None or match[1].rstrip(".") not in self.names:
            raise RequestError(
                "wrong_host",
                "this server is not reached by that name",
                "allow it with --allow-host, if it is yours",
            )

    def check_site(self, method: str, headers: Mapping[str, str]) -> str | None:
        """Refuses a change that a page elsewhere asks for; returns its origin where that is allowed.

        Raises:
            RequestError: the page is none of those that may.

        """
        origin = headers.get("origin")
        if origin is not None and origin.lower() in self.origins:
            return origin
        if method in _SAFE:
            return None
        foreign = origin is not None and not _same(origin, headers.get("host", ""))
        if foreign or headers.get("sec-fetch-site", "none") not in _NEAR:
            raise RequestError(
                "cross_site", "a page of another site asks", "allow it with --allow-origin, if it is yours"
            )
        return None

    def client(self, peer: str, forwarded: str | None) -> str:
        """The address that asks: the peer's, or what the nearest proxy that is not trusted has told."""
        told = [part.strip() for part in (forwarded or "").split(",") if part.strip()]
        address = _address(peer)
        while told and address is not None and any(address in network for network in self.proxies):
            address = _address(told.pop())
            if address is None:
                self._warn()
        return _counted(address) if address else peer

    def _warn(self) -> None:
        """Says once what else shows only when customers are refused for what others ask."""
        if not self._warned.is_set():
            self._warned.set()
            _LOG.warning("a trusted proxy's X-Forwarded-For names no address: all who come by it count as one")


def _same(origin: str, host: str) -> bool:
    return origin.lower().partition("://")[2] == host.lower()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    ported = _PORTED.fullmatch(text)
    try:
        found = ipaddress.ip_address((ported["six"] or ported["four"]) if ported else text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _counted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """What one customer has: an IPv4 address, or 64 bits of an IPv6 one."""
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
