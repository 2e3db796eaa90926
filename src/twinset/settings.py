"""Frozen settings, as flags, the environment and a file fill them in; nothing is read here."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from twinset.errors import UsageError
from twinset.runtime import Device, check_device

_LEAST_KEY: Final = 16
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_NUMBER: Final = re.compile(r"(?:^|[.\[])(?:\d+|0[xX][0-9a-fA-F]*)\]?$")
"""At the end of a host: the system takes `0` for all addresses, `127.1` for one."""
_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How a catalogue is served, to whom, and how much at once.

    `key` is asked of everybody who searches, `admin_key` of who changes something; empty, nobody is asked, and
    nothing can be changed. `public` lets anybody search at another than a loopback address, each address `rate`
    times a minute. `quota` is how many searches a day all may do together, the admin's left out, 0 for any number;
    a process counts for itself, from nothing. `allow_host` are names by which the server is reached beside `host`,
    `allow_origin` the pages elsewhere that may search, `trusted_proxy` the addresses or networks whose
    `X-Forwarded-For` counts. `queue` requests wait or are served at once; a request has arrived whole after
    `receive_seconds`. `device` is where `twinset serve` opens catalogues to embed searched photos. `events` is the
    file that clicks are written to, empty for none; `theme` a CSS file with the page's colours and fonts.

    Raises:
        UsageError: a value is out of its range, or two do not go together.

    """

    host: str = "127.0.0.1"
    port: int = 8000
    key: str = field(default="", repr=False)
    admin_key: str = field(default="", repr=False)
    public: bool = False
    rate: int = 60
    quota: int = 0
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    trusted_proxy: tuple[str, ...] = ()
    queue: int = 64
    receive_seconds: float = 15.0
    most_hits: int = 200
    most_photos: int = 5
    device: Device = "cpu"
    events: str = ""
    theme: str = ""

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("port", self.port, 0, 65_535),
            ("rate", self.rate, 1, 1_000_000),
            ("quota", self.quota, 0, 10**9),
            ("queue", self.queue, 1, 10_000),
            ("receive_seconds", self.receive_seconds, 0.1, 3600),
            ("most_hits", self.most_hits, 1, 10_000),
            ("most_photos", self.most_photos, 1, 20),
        ):
            if not least <= value <= most:
                raise UsageError(f"{name} is {value}", f"use {least:,} to {most:,}")
        for name, key in (("key", self.key), ("admin_key", self.admin_key)):
            if key and (len(key) < _LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key):
                raise UsageError(
                    f"{name} is not safe", f"use {_LEAST_KEY} or more printable ASCII characters without blanks"
                )
        check_device(self.device)
        if self.key and self.key == self.admin_key:
            raise UsageError("key and admin_key are the same", "who searches must not be able to change anything")
        self._check_names()
        if not self.loopback and not (self.key or self.public):
            raise UsageError(
                f"{self.host} can be reached from other machines",
                "set a search key (--key, TWINSET_KEY), or let anybody search (--public)",
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        address = _address(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)

    def _check_names(self) -> None:
        if _address(self.host) is None and (not _NAME.fullmatch(self.host.lower()) or _NUMBER.search(self.host)):
            raise UsageError(f"host is {self.host!r}", "name an address (0.0.0.0 is all of them), or a host")
        for host in self.allow_host:
            if not _NAME.fullmatch(host):
                raise UsageError(f"allow_host is {host!r}", "name a host in small letters, without a port")
        for origin in self.allow_origin:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(f"allow_origin is {origin!r}", "write it as https://shop.example, without a path")
        for network in self.trusted_proxy:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise UsageError(
                    f"trusted_proxy is {network!r}", "name an address, or a network as 10.0.0.0/8"
                ) from error


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
