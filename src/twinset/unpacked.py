"""JSON → frozen records, by the types of their fields."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def unpacked(kind: type[T], told: Any) -> T:
    """The record that its JSON tells; fields that are not known are left out, for newer programs tell more.

    Raises:
        ValueError: a field is missing, or of another type.

    """
    made: T = _made(kind, told, getattr(kind, "__name__", str(kind)))
    return made


def _made(kind: Any, told: Any, name: str) -> Any:
    """`told` as a value of `kind`: a record, text, number, tuple, mapping, or one of those or None."""
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(told, dict):
        return _record(kind, told, name)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (certain,) = (one for one in inner if one is not NoneType)
        return None if told is None else _made(certain, told, name)
    if origin is tuple and isinstance(told, list):
        kinds = inner[:1] * len(told) if inner[1:] == (...,) else inner
        if len(kinds) == len(told):
            return tuple(_made(one, value, name) for one, value in zip(kinds, told, strict=True))
    elif origin in (Mapping, dict) and isinstance(told, dict):
        return {key: _made(inner[1], value, f"{name}.{key}") for key, value in told.items()}
    elif kind is float and type(told) in (int, float):
        return float(told)
    elif kind in (str, int, bool) and type(told) is kind:
        return told
    raise ValueError(f"{name} is {str(told)[:40]!r}")


def _record(kind: type, told: Mapping[str, Any], name: str) -> Any:
    hints = get_type_hints(kind)
    given = {}
    for field in fields(kind):
        if field.name in told:
            given[field.name] = _made(hints[field.name], told[field.name], f"{name}.{field.name}")
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"{name} lacks a field: {error}") from error
