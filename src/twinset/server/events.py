"""What shoppers did with answers: lines of JSON in a file, and what they say. No photo, no address, no key."""

import json
import logging
import os
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from twinset.errors import DiskFullError, InputError, PathError, ResourceError, disk_errors
from twinset.records import Answer

Kind = Literal["view", "click", "cart", "purchase"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_LOG: Final = logging.getLogger(__name__)
_SEARCH: Final = "search"
_CLICK: Final = "click"
_POSITIONS: Final = 20
"""Up to which place in the list clicks are told one by one."""


@dataclass(frozen=True, slots=True)
class Event:
    """A shopper saw, clicked, put into the cart or bought the hit whose rank in an answer is `position`, from 1."""

    query_id: str
    item_id: str
    position: int
    kind: Kind


class Log:
    """A file that events are added to, a line each; may be used by any number of threads and processes.

    Raises:
        PathError, ResourceError: the file cannot be opened.

    """

    def __init__(self, path: Path) -> None:
        with disk_errors(path):
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            size = os.fstat(self._file).st_size
            self._cut = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._path = path
        self._lock = threading.Lock()

    def answered(self, answer: Answer, catalogue: str) -> None:
        """Notes that an answer was given, and by which bundle, so that clicks have something to be a share of.

        Where the disk refuses the line it is lost, and the log says so: the answer is worth more.
        """
        state = answer.catalogue
        facts = {"query_id": answer.query_id, "version": state.version, "fingerprint": state.fingerprint}
        places = {"hits": len(answer), "first": answer.hits[0].rank if answer.hits else 1}
        try:
            self._write({"event": _SEARCH} | facts | places | {"catalogue": catalogue})
        except ResourceError as error:
            _LOG.error("an answer is missing among the events: %s", error)

    def add(self, event: Event) -> None:
        """Notes what a shopper did.

        Raises:
            DiskFullError, ResourceError: the disk refuses it.

        """
        facts = asdict(event)
        self._write({"event": facts.pop("kind")} | facts)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, facts: dict[str, Any]) -> None:
        """One line in one write; on a line of its own also where the one before was cut."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = (json.dumps({"time": now} | facts, ensure_ascii=True) + "\n").encode()
        with self._lock, disk_errors(self._path):
            told = b"\n" + line if self._cut else line
            written = os.write(self._file, told)
            self._cut = written < len(told)
        if self._cut:
            raise DiskFullError(f"no space is left to write {self._path}", "free some space")


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

    `broken` lines are cut or foreign; `unknown` events belong to queries that are not in the file before them, or
    to positions that their answers did not show.

    Raises:
        PathError: there is no such file.
        InputError: no line of it is an event.

    """
    read = _Reading()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.strip():
                    read.take(_fact(line))
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}", "name the file of --events") from error
    if read.broken and not read.good:
        raise InputError(f"no line of {path} is an event", "name the file of --events")
    by_bundle = tuple(read.bundles[fingerprint].rates(fingerprint) for fingerprint in sorted(read.bundles))
    return Told(by_bundle, read.broken, read.unknown)


class _Reading:
    """What the lines said so far: of each query only its bundle and places are kept, for files are large."""

    def __init__(self) -> None:
        self.bundles: dict[str, _Bundle] = {}
        self.good = self.broken = self.unknown = 0
        self._asked: dict[str, tuple[_Bundle, range]] = {}

    def take(self, facts: dict[str, Any] | None) -> None:
        """One line's facts; None where it is broken."""
        if facts is None:
            self.broken += 1
            return
        self.good += 1
        query = facts["query_id"]
        if facts["event"] == _SEARCH:
            bundle = self.bundles.setdefault(facts["fingerprint"], _Bundle())
            self._asked[query] = bundle, range(facts["first"], facts["first"] + facts["hits"])
            bundle.answered(facts)
            return
        bundle, places = self._asked.get(query, (_Bundle(), range(0)))
        if facts["position"] in places:
            bundle.acted(facts)
        else:
            self.unknown += 1


class _Bundle:
    """What became of one bundle's answers so far."""

    def __init__(self) -> None:
        self._versions: set[int] = set()
        self._searches = 0
        self._events: Counter[str] = Counter()
        self._shown: Counter[int] = Counter()
        self._clicked: set[tuple[str, int]] = set()

    def answered(self, facts: dict[str, Any]) -> None:
        """Counts an answer: the places that it showed."""
        self._searches += 1
        self._versions.add(facts["version"])
        last = min(facts["first"] + facts["hits"] - 1, _POSITIONS)
        self._shown.update(range(max(facts["first"], 1), last + 1))

    def acted(self, facts: dict[str, Any]) -> None:
        """Counts what a shopper did."""
        self._events[facts["event"]] += 1
        if facts["event"] == _CLICK and 1 <= facts["position"] <= _POSITIONS:
            self._clicked.add((facts["query_id"], facts["position"]))

    def rates(self, fingerprint: str) -> Rates:
        """The counts."""
        clicks = Counter(place for _, place in self._clicked)
        return Rates(
            fingerprint=fingerprint,
            versions=tuple(sorted(self._versions)),
            searches=self._searches,
            events=dict(sorted(self._events.items())),
            shown=dict(sorted(self._shown.items())),
            clicks=dict(sorted(clicks.items())),
        )


def _fact(line: str) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(line)
        kind, texts = facts["event"], [facts["query_id"]]
        if kind == _SEARCH:
            texts.append(facts["fingerprint"])
            numbers = [facts["version"], facts["hits"], facts["first"]]
        else:
            texts.append(facts["item_id"])
            numbers = [facts["position"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    fine = kind in (_SEARCH, *KINDS) and all(isinstance(text, str) for text in texts)
    return facts if fine and all(type(number) is int for number in numbers) else None
