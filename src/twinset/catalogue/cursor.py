"""Where the next page of a search begins."""

import base64
import json
from dataclasses import dataclass
from typing import Final

from twinset.errors import CursorError, CursorExpiredError
from twinset.group import Ranked

_FARTHEST: Final = 1e6
"""No score, however it is boosted, is farther from 0."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: behind `last`, whose rank was `rank`, in one version at one sequence number."""

    version: int
    sequence: int
    query: str
    rank: int
    last: Ranked

    def encode(self) -> str:
        """The text that an answer gives."""
        fields = [self.version, self.sequence, self.query, self.rank, self.last.score.hex(), self.last.key]
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """The cursor that a text is.

        Raises:
            CursorError: it is none.

        """
        try:
            version, sequence, query, rank, score, key = json.loads(base64.b64decode(text, b"-_", validate=True))
            cursor = cls(int(version), int(sequence), str(query), int(rank), Ranked(str(key), float.fromhex(score)))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _no_cursor(text) from error
        if cursor.encode() != text or not abs(cursor.last.score) <= _FARTHEST:
            raise _no_cursor(text)
        return cursor


def _no_cursor(text: str) -> CursorError:
    return CursorError(f"{text[:40]!r} is no cursor", "pass on `next` of an answer as it is")


def place(text: str | None, version: int, sequence: int, query: str) -> Cursor | None:
    """Where to go on with a query; None at the start.

    Raises:
        CursorError: the text is no cursor, or of another query.
        CursorExpiredError: the catalogue has changed since.

    """
    if text is None:
        return None
    cursor = Cursor.decode(text)
    if (cursor.version, cursor.sequence) != (version, sequence):
        raise CursorExpiredError("the catalogue has changed since this cursor", "search again from the start")
    if cursor.query != query:
        raise CursorError("this cursor belongs to another query", "use the photo, box and options it came from")
    return cursor
