"""A server's catalogue from Python: the same answers and errors as a `Catalogue` gives, over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinset import photos
from twinset.catalogue.options import Asked

if TYPE_CHECKING:
    pass

_SECONDS: Final = 30.0
_BINARY: Final = "application/octet-stream"
Given = str | Path | bytes


@dataclass(frozen=True, slots=True)
class _Call:
    """A request: method, address, parameters and what it carries."""

    method: str
    path: str
    params: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    parts: tuple[tuple[str, bytes], ...] = ()
    json: Any = None


def _parameters(**given: object) -> list[tuple[str, str]]:
    """The parameters that are given, lists one by one."""
    found: list[tuple[str, str]] = []
    for name, value in given.items():
        each = value if isinstance(value, list | tuple) else [value]
        found += [
            (name, str(one).lower() if isinstance(one, bool) else str(one)) for one in each if one is not None
        ]
    return found


def _search(
    photo: Given | Sequence[Given],
    k: int,
    box: Sequence[float] | None,
    boxes: bool,
    catalogue: str | None,
    options: Asked,
) -> _Call:
    several = [photo] if isinstance(photo, Given) else photo
    data = [one if isinstance(one, bytes) else photos.read_bytes(one) for one in several]
    side = None if box is None else ",".join(f"{value:g}" for value in box)
    params = _parameters(k=k, box=side, boxes=boxes or None, catalogue=catalogue, **options)
    if len(data) == 1:
        return _Call("POST", "/v1/search", params, body=data[0])
    return _Call("POST", "/v1/search", params, parts=tuple(("photo", one) for one in data))
