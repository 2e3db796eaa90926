"""A host's name → the addresses that may be connected to: all of them public, or none at all."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from twinset.errors import FetchError

_SPECIAL_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # public by its number, but Azure's own service on every machine there
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_6: Final = IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
"""Within `_UNICAST_6`; 2001::/23 takes in Teredo, and 2002::/16 is 6to4: both lead to an IPv4 address."""
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an address belongs to the public internet, by a list that is the same for every Python.

    An IPv4 address inside an IPv6 one (mapped, NAT64) is judged by itself.

    >>> [is_public(text) for text in ("93.184.216.34", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::808:808")]
    [True, False, False, True]
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        inside = _inside(address)
        if inside is None:
            return address in _UNICAST_6 and not any(address in network for network in _SPECIAL_6)
        address = inside
    return not any(address in network for network in _SPECIAL_4)


def resolve(host: str, port: int, *, loopback: bool = False) -> list[str]:
    """The addresses of a host, asked for once: who connects uses these, and does not ask again.

    `loopback` is for tests: it admits the machine's own addresses, and no others.

    Raises:
        FetchError: there is no such host, or one of its addresses is not public.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        again = None if error.errno == socket.EAI_NONAME else 0.0
        raise FetchError(
            "no_such_host", f"{host} has no address: {error.strerror}", "mend the URL", again=again
        ) from error
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    for address in addresses:
        if not (is_public(address) or (loopback and ip_address(address).is_loopback)):
            raise FetchError(
                "address_refused",
                f"{host} is {address}, which is no public address",
                "photos are brought in from the public internet only",
            )
    return addresses


def _inside(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
