"""What shoppers did with answers: lines of JSON in a file, and what they say. No photo, no address, no key."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from twinset.errors import InputError, PathError, disk_errors
from twinset.records import Answer

Kind = Literal["view", "click", "cart", "purchase"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_SEARCH: Final = "search"
_POSITIONS: Final = 20
"""Up to which place in the list clicks are told one by one."""


@dataclass(frozen=True, slots=True)
class Event:
    """A shopper saw, clicked, put into the cart or bought an item at a position (from 1) of an answer."""

    query_id: str
    item_id: str
    position: int
    kind: Kind


class Log:
    """A file that events are added to, each in one write; may be used by any number of threads and processes.

    Raises:
        PathError, ResourceError: the file cannot be opened.

    """

    def __init__(self, path: Path) -> None:
        with disk_errors(path):
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._path = path
        self._lock = threading.Lock()

    def answered(self, answer: Answer, catalogue: str) -> None:
        """Notes that an answer was given, and by which bundle, so that clicks have something to be a share of."""
        state = answer.catalogue
        facts = {"query_id": answer.query_id, "version": state.version, "fingerprint": state.fingerprint}
        self._write({"event": _SEARCH} | facts | {"hits": len(answer), "catalogue": catalogue})

    def add(self, event: Event) -> None:
        """Notes what a shopper did."""
        facts = asdict(event)
        self._write({"event": facts.pop("kind")} | facts)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, facts: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now} | facts, ensure_ascii=True) + "\n"
        with self._lock, disk_errors(self._path):
            os.write(self._file, line.encode())


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of the answers of one bundle: counts, and by position how many showed it and were clicked."""

    fingerprint: str
    versions: tuple[int, ...]
    searches: int
    events: dict[str, int]
    shown: dict[int, int]
    clicks: dict[int, int]

    def click_rate(self, position: int) -> float:
        """The share (0-1) of answers with that position whose item there was clicked."""
        return self.clicks.get(position, 0) / self.shown[position] if self.shown.get(position) else 0.0

    def to_json(self) -> dict[str, Any]:
        """`events --json`: the fields, and the click rates."""
        rates = {position: self.click_rate(position) for position in sorted(self.shown)}
        return asdict(self) | {"click_rate": rates}


@dataclass(frozen=True, slots=True)
class Told:
    """What a file of events says: by bundle, and how many lines and events were of no use."""

    by_bundle: tuple[Rates, ...]
    broken: int
    unknown: int

    def to_json(self) -> dict[str, Any]:
        """`events --json`."""
        return {
            "by_bundle": [rates.to_json() for rates in self.by_bundle],
            "broken": self.broken,
            "unknown": self.unknown,
        }


def read(path: Path) -> Told:
    """Click rates by position and bundle. A click counts once a query and position.

    `broken` lines are cut or foreign; `unknown` events belong to queries that are not in the file.

    Raises:
        PathError: there is no such file.
        InputError: no line of it is an event.

    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = list(_parsed(file))
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "name the file of --events") from error
    good = [facts for facts in lines if facts is not None]
    if lines and not good:
        raise InputError(f"no line of {path} is an event", "name the file of --events")
    searches = {facts["query_id"]: facts for facts in good if facts["event"] == _SEARCH}
    acts = [facts for facts in good if facts["event"] != _SEARCH]
    known = [facts for facts in acts if facts["query_id"] in searches]
    names = sorted({facts["fingerprint"] for facts in searches.values()})
    by_bundle = tuple(_rates(name, searches, known) for name in names)
    return Told(by_bundle, len(lines) - len(good), len(acts) - len(known))


def _parsed(lines: Iterable[str]) -> Iterator[dict[str, Any] | None]:
    for line in lines:
        if line.strip():
            yield _fact(line)


def _fact(line: str) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(line)
        kind, texts = facts["event"], [facts["query_id"]]
        if kind == _SEARCH:
            texts.append(facts["fingerprint"])
            numbers = [facts["version"], facts["hits"]]
        else:
            texts.append(facts["item_id"])
            numbers = [facts["position"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    fine = kind in (_SEARCH, *KINDS) and all(isinstance(text, str) for text in texts)
    return facts if fine and all(type(number) is int for number in numbers) else None


def _rates(fingerprint: str, searches: dict[str, dict[str, Any]], acts: list[dict[str, Any]]) -> Rates:
    ours = {name: facts for name, facts in searches.items() if facts["fingerprint"] == fingerprint}
    mine = [facts for facts in acts if facts["query_id"] in ours]
    clicked = {(facts["query_id"], facts["position"]) for facts in mine if facts["event"] == "click"}
    return Rates(
        fingerprint=fingerprint,
        versions=tuple(sorted({facts["version"] for facts in ours.values()})),
        searches=len(ours),
        events=dict(Counter(facts["event"] for facts in mine)),
        shown={
            place: count
            for place in range(1, _POSITIONS + 1)
            if (count := sum(facts["hits"] >= place for facts in ours.values()))
        },
        clicks=dict(Counter(place for _, place in sorted(clicked, key=lambda one: one[1]) if place <= _POSITIONS)),
    )
