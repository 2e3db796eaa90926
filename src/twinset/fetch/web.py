"""The answer that a URL leads to: redirects followed by hand, each checked; what may pass by itself tried again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from twinset.errors import FetchError
from twinset.fetch.hosts import Hosts
from twinset.fetch.rules import Limits, Rules
from twinset.fetch.urls import Url, join

if TYPE_CHECKING:
    from twinset.fetch.client import Answer, Client

_MOVED: Final = (301, 302, 303, 307, 308)
_DICE: Final = SystemRandom()


@dataclass(frozen=True, slots=True)
class Web:
    """What may be asked, when, and how long; for any number of threads, each with a client of its own."""

    rules: Rules
    limits: Limits
    hosts: Hosts

    def get(self, url: Url, client: "Client", headers: Mapping[str, str]) -> "Answer":
        """An answer of 200, or of 304 where `headers` ask for it.

        Raises:
            FetchError: it cannot be had: at once, or still after several tries.
            PhotoError: the photo is too large.

        """
        pause = self.limits.pause
        for _ in range(self.limits.tries - 1):
            try:
                return self._follow(url, client, headers)
            except FetchError as error:
                if error.again is None:
                    raise
            self.hosts.rest(pause * _DICE.uniform(0.5, 1.5))
            pause *= 2
        return self._follow(url, client, headers)

    def _follow(self, url: Url, client: "Client", headers: Mapping[str, str]) -> "Answer":
        at, good = url, (200, 304) if headers else (200,)
        for _ in range(self.limits.redirects + 1):
            with self.hosts.turn(at.place):
                answer = client.get(at, headers)
                if answer.status in good:
                    return answer
                if answer.status not in _MOVED or "location" not in answer.headers:
                    raise _refusal(at, answer)
            after = join(at, answer.headers["location"])
            self.rules.check(after, at)
            at = after
        raise FetchError(
            "bad_redirect",
            f"{url.place} redirects more than {self.limits.redirects} times",
            "write the URL to which it leads",
        )


def _refusal(url: Url, answer: "Answer") -> FetchError:
    status = answer.status
    message = f"{url.place} answers with the status {status}"
    if status == 429 or status >= 500:
        return FetchError("bad_status", message, "run it again later", again=_retry_after(answer.headers))
    return FetchError("bad_status", message, "mend the URL, or leave the row out")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from now, given as such or as a date; 0 where it is neither."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # a TypeError where the date has no zone
        return 0.0
