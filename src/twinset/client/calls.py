"""What a server is asked: each call's method, address, parameters and body, and what its answer becomes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar
from urllib.parse import quote

from twinset import photos
from twinset.client.answers import Received, by_field, nothing, record, removed, whole
from twinset.errors import UsageError
from twinset.records import Answer, Item
from twinset.served import PatchReport, PutReport, ServedCatalogue, ServedLimits, ServedVersions

T_co = TypeVar("T_co", covariant=True)

Given = str | Path | bytes
"""A photo: its path, or its bytes."""
Size = Literal[160, 320, 640]
Kind = Literal["view", "click", "cart", "purchase"]
Facts = Mapping[str, str | None]
"""Values by field; None takes a field away."""
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is sent."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request, whichever client sends it; `read` makes the result of an answer that is no refusal.

    The body is `body`, of `media_type`; or a form, of `photos` and the texts `told`; or there is none.
    """

    method: str
    path: str
    read: Callable[[Received], T_co]
    parameters: Pairs = ()
    body: bytes | None = None
    media_type: str = "application/json"
    photos: tuple[Photo, ...] = ()
    told: Pairs = ()


def search(
    photo: Given | Sequence[Given],
    k: int,
    options: Mapping[str, object],
    *,
    box: Sequence[float] | None,
    boxes: bool,
    explain: int,
) -> Call[Answer]:
    """The items nearest to a photo, or to several of one garment.

    Raises:
        PathError, PhotoError: a photo is not there, is too large, or is none.
        UsageError: there is no photo.

    """
    given = _photos(photo)
    part = None if box is None else ",".join(repr(float(side)) for side in box)
    parameters = _pairs(_asked(k, options) | {"box": part, "boxes": boxes, "explain": explain})
    call = "POST", "/v1/search", record(Answer), parameters
    if len(given) > 1:
        return Call(*call, photos=given)
    return Call(*call, body=given[0].data, media_type=given[0].media_type)


def similar(item_id: str, k: int, options: Mapping[str, object]) -> Call[Answer]:
    """The items nearest to one of the catalogue."""
    return Call("GET", f"{_item(item_id)}/similar", record(Answer), _pairs(_asked(k, options)))


def feedback(
    query_id: str, positive: Sequence[str], negative: Sequence[str], k: int, options: Mapping[str, object]
) -> Call[Answer]:
    """An earlier query, moved towards some items and away from others."""
    body = _json({"query_id": query_id, "positive": list(positive), "negative": list(negative)})
    return Call("POST", "/v1/feedback", record(Answer), _pairs(_asked(k, options)), body)


def item(item_id: str) -> Call[Item]:
    """An item: its photos and attributes.

    Raises:
        UsageError: no address can carry the id.

    """
    return Call("GET", _item(item_id), record(Item))


def photo(photo_id: str, size: Size) -> Call[bytes]:
    """A photo as a JPEG."""
    return Call("GET", f"/v1/photos/{_segment('photo_id', photo_id)}", whole, _pairs({"size": size}))


def facets(where: Sequence[str]) -> Call[dict[str, dict[str, int]]]:
    """How many items pass the filters, by field and value."""
    return Call("GET", "/v1/facets", by_field, _pairs({"where": where}))


def catalogue() -> Call[ServedCatalogue]:
    """What the catalogue holds."""
    return Call("GET", "/v1/catalogue", record(ServedCatalogue))


def limits() -> Call[ServedLimits]:
    """Every limit that a request can meet."""
    return Call("GET", "/v1/limits", record(ServedLimits))


def event(query_id: str, item_id: str, position: int, kind: Kind) -> Call[None]:
    """What a shopper did with a hit."""
    told = {"query_id": query_id, "item_id": item_id, "position": position, "kind": kind}
    return Call("POST", "/v1/events", nothing, body=_json(told))


def put_item(item_id: str, given: Given | Sequence[Given], attributes: Mapping[str, str]) -> Call[PutReport]:
    """An item with all its photos.

    Raises:
        PathError, PhotoError: a photo is not there, is too large, or is none.
        UsageError: there is no photo, or no address can carry the id.

    """
    told = (("attributes", json.dumps(dict(attributes))),)
    return Call("PUT", _item(item_id), record(PutReport), photos=_photos(given), told=told)


def delete_item(item_id: str) -> Call[int]:
    """An item taken away."""
    return Call("DELETE", _item(item_id), removed)


def patch_items(changes: Mapping[str, Facts]) -> Call[PatchReport]:
    """Fields of many items."""
    body = _json({name: dict(facts) for name, facts in changes.items()})
    return Call("PATCH", "/v1/items", record(PatchReport), body=body)


def versions() -> Call[ServedVersions]:
    """The versions that the catalogue keeps."""
    return Call("GET", "/v1/versions", record(ServedVersions))


def roll_back() -> Call[ServedVersions]:
    """The version that answered before, made to answer again."""
    return Call("POST", "/v1/versions/rollback", record(ServedVersions))


def _photos(given: Given | Sequence[Given]) -> tuple[Photo, ...]:
    several = [given] if isinstance(given, Given) else given
    if not several:
        raise UsageError("there is no photo", "give one photo")
    return tuple(_photo(one) for one in several)


def _photo(given: Given) -> Photo:
    data = given if isinstance(given, bytes) else photos.read_bytes(given)
    photos.check_size(len(data))
    return Photo(data, f"image/{photos.kind_of(data).lower()}")


def _item(item_id: str) -> str:
    return f"/v1/items/{_segment('item_id', item_id)}"


def _segment(name: str, given: str) -> str:
    """An id in an address; dots alone would lead elsewhere, however they are written (WHATWG URL, 4.1)."""
    if given in ("", ".", ".."):
        raise UsageError(f"{name} is {given!r}", "no address can carry it: give another id")
    return quote(given, safe="")


def _asked(k: int, options: Mapping[str, object]) -> dict[str, object]:
    """A search's parameters; categories only where they are asked for, as `Catalogue` tells them."""
    return {"k": k, "categories": False, **options}


def _pairs(parameters: Mapping[str, object]) -> Pairs:
    return tuple((name, _text(one)) for name, value in parameters.items() for one in _each(value))


def _each(value: object) -> Sequence[object]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
