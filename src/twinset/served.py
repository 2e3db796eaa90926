"""What a server tells beside answers and items: frozen, with their JSON."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServedCatalogue:
    """What a catalogue holds, and by which model it answers; `names` are all that the server has.

    `built` is the UTC time of the last run that wrote it.
    """

    name: str
    names: tuple[str, ...]
    photos: int
    items: int
    bundle: str
    fingerprint: str
    version: int
    built: str


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version of a catalogue; `live` is the one that answers."""

    number: int
    bundle: str
    fingerprint: str
    live: bool
    photos: int


@dataclass(frozen=True, slots=True)
class ServedVersions:
    """The versions that a catalogue keeps; `built` is the UTC time of the last run that wrote it."""

    versions: tuple[ServedVersion, ...]
    built: str


@dataclass(frozen=True, slots=True)
class ServedLimits:
    """Every limit that a request can meet; of searches a minute (by address) and a day (in all), 0 is none.

    `events` is whether `/v1/events` notes what shoppers did.
    """

    body_bytes: int
    json_bytes: int
    photo_bytes: int
    photo_pixels: int
    jpeg_pixels: int
    photos: int
    hits: int
    queue: int
    receive_seconds: float
    searches_a_minute: int
    searches_a_day: int
    feedback_seconds: float
    feedback_queries: int
    events: bool


@dataclass(frozen=True, slots=True)
class PutReport:
    """What a put did, in photos of the item; `photos` are all that it has now."""

    item_id: str
    photos: int
    added: int
    removed: int
    embedded: int

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PatchReport:
    """What a patch did: items asked for, their photos, and how many of those say something else now."""

    items: int
    photos: int
    updated: int

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Removed:
    """How many photos are gone."""

    removed: int
