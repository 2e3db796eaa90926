"""Parts of a manifest by the hash of a value: the same for every order of the rows."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from twinset.errors import UsageError
from twinset.records import Photo

_SHAPE: Final = re.compile(r"([^=]+)=([0-9a-f](?:-[0-9a-f])?(?:,[0-9a-f](?:-[0-9a-f])?)*)")


@dataclass(frozen=True, slots=True)
class HoldOut:
    """The photos whose `column`, as SHA-256 of its UTF-8, begins with one of `digits`."""

    column: str
    digits: frozenset[str]

    def holds(self, photo: Photo) -> bool:
        """Whether a photo is held out; one without a value is not."""
        value = photo.value(self.column)
        return bool(value) and hashlib.sha256(value.encode()).hexdigest()[0] in self.digits


def parse_hold_out(text: str) -> HoldOut:
    """Parses `COLUMN=0-7` (or `COLUMN=0-3,a`): hex digits, in small letters, and ranges that go up.

    >>> sorted(parse_hold_out("style=0-2,f").digits)
    ['0', '1', '2', 'f']

    Raises:
        UsageError: the text has another form.

    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no hold-out", "write COLUMN=DIGITS, for example style=0-7")
    digits: set[str] = set()
    for part in match[2].split(","):
        first, last = int(part[0], 16), int(part[-1], 16)
        if first > last:
            raise UsageError(f"the digits {part} of {text!r} go down", f"write {part[-1]}-{part[0]}")
        digits.update(f"{digit:x}" for digit in range(first, last + 1))
    return HoldOut(match[1].strip(), frozenset(digits))
