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
class ServedLimits:
    """Every limit that a request can meet; of searches a minute (by address) and a day (in all), 0 is none."""

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
