"""What a server answered → a result, or the very error that it told."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from twinset.errors import ServerError, TwinsetError, first_line, of_code
from twinset.served import Removed
from twinset.unpacked import unpacked

T = TypeVar("T")
_MEND: Final = "check the address, and that its version is this program's"


@dataclass(frozen=True, slots=True)
class Received:
    """An answer: its status, its headers by their names in small letters, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, reader: "Callable[[Received], T]") -> T:
        """What the reader makes of it.

        Raises:
            TwinsetError: the error that the server told, of its own class.
            ServerError: the answer, or the refusal, is none of this program's.

        """
        if not 200 <= self.status < 300:
            raise _refusal(self)
        return reader(self)


def record(kind: type[T]) -> Callable[[Received], T]:
    """Reads a record."""

    return partial(_read, kind)


def by_field(answer: Received) -> dict[str, dict[str, int]]:
    """Reads counts by field and value."""
    return _read(dict[str, dict[str, int]], answer)


def removed(answer: Received) -> int:
    """Reads how many photos are gone."""
    return _read(Removed, answer).removed


def whole(answer: Received) -> bytes:
    """The body as it is."""
    return answer.body


def nothing(answer: Received) -> None:
    """Reads nothing: that it was no refusal says all."""


def _read(kind: type[T], answer: Received) -> T:
    try:
        return unpacked(kind, json.loads(answer.body))
    except (ValueError, RecursionError) as error:
        raise ServerError(f"the server's answer cannot be read: {first_line(error)}", _MEND) from error


def _refusal(answer: Received) -> TwinsetError:
    try:
        told = json.loads(answer.body)
        code, message, mend = (str(told[name]) for name in ("code", "detail", "mend"))
    except (ValueError, RecursionError, KeyError, TypeError):
        return ServerError(f"the server answers with the status {answer.status}, and not why", _MEND)
    after = answer.headers.get("retry-after", "")
    error = of_code(code, message, mend, after=int(after) if after.isascii() and after.isdigit() else None)
    return error or ServerError(f"the server refuses with {code[:40]!r}: {message}", mend)
