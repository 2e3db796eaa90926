"""What a conversion finds odd: how often, and the first places."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of oddity: how often, and the first three places."""

    code: str
    what: str
    count: int
    first: tuple[str, ...]


@dataclass(slots=True)
class Notes:
    """Collects oddities while a conversion goes on; the same place twice counts once.

    `kinds` says in words what each code means, in the order in which they are told.
    """

    kinds: Mapping[str, str]
    _places: dict[str, dict[str, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {code: {} for code in self.kinds}

    def add(self, code: str, place: str) -> None:
        """Notes that `code`, one of `kinds`, was found at a place."""
        self._places[code][place] = None

    def finding(self, code: str) -> Finding:
        """What was found of one of `kinds`, possibly nothing."""
        places = self._places[code]
        return Finding(code, self.kinds[code], len(places), tuple(places)[:_EXAMPLES])

    def findings(self) -> tuple[Finding, ...]:
        """Every kind that was found, in the order of `kinds`."""
        return tuple(self.finding(code) for code, places in self._places.items() if places)
