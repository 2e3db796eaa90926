"""Which URLs may be asked, and the limits of asking."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from twinset.errors import FetchError, UsageError
from twinset.fetch.urls import Url, parse

MOST_AT_ONCE: Final = 64
"""Requests to all hosts together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, but for the counts: `concurrency` (requests at once to a host, 1-64), `redirects`, `tries`.

    `connect` and `read` are the longest waits for one thing, `answer` for a whole answer; `pause` is doubled
    from try to try; a host may ask for a `longest_pause`, and is given up after `patience` without a good answer.

    Raises:
        UsageError: `concurrency` is out of its range.

    """

    concurrency: int = 8
    connect: float = 5.0
    read: float = 10.0
    answer: float = 60.0
    redirects: int = 5
    tries: int = 4
    pause: float = 1.0
    longest_pause: float = 60.0
    patience: float = 120.0

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= MOST_AT_ONCE:
            raise UsageError(f"{self.concurrency} requests at once are out of range", f"give 1-{MOST_AT_ONCE}")


@dataclass(frozen=True, slots=True)
class Rules:
    """The hosts that may be asked, over HTTPS; `loopback` is for tests: it admits this machine, and plain HTTP."""

    hosts: frozenset[str]
    loopback: bool = False

    @classmethod
    def allow(cls, hosts: Iterable[str], *, loopback: bool = False) -> Self:
        """Rules that allow each `HOST` or `HOST:PORT`.

        Raises:
            UsageError: one is neither, or there is none.

        """
        places = frozenset(_place(host) for host in hosts)
        if not places:
            raise UsageError("no host is allowed", "name the photos' host with --allow-host")
        return cls(places, loopback)

    def check(self, url: Url, before: Url | None = None) -> None:
        """Refuses a URL of the manifest, or one to which `before` redirects.

        Raises:
            FetchError: it is not HTTPS, or its host is not allowed.

        """
        falls = before is not None and before.scheme == "https"
        if url.scheme != "https" and (falls or not self.loopback):
            raise FetchError("not_https", f"{url.place} would be asked without encryption", "write https://")
        if url.place not in self.hosts:
            raise FetchError(
                "host_not_allowed",
                f"the host {url.place} is not allowed",
                f"add --allow-host {url.place} if you trust it",
            )


def _place(host: str) -> str:
    mend = "write --allow-host HOST or HOST:PORT, for example cdn.shop.example"
    if any(mark in host for mark in "/?#@*\\") or not host:
        raise UsageError(f"{host!r} is no host", mend)
    try:
        return parse(f"https://{host}/").place
    except FetchError as error:
        raise UsageError(f"{host!r} is no host", mend) from error
