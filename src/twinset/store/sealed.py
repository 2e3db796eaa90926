"""What a file says of itself, in JSON with its own checksum: alone, or in front of a body."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset.store.schema import checksum

Bytes = npt.NDArray[np.uint8]

_LENGTH: Final = 8
"""Bytes that say how long the facts are."""
_ALIGNED: Final = 64
"""Where a body may begin: at a multiple, so that it can be used where it is mapped."""


def sealed(facts: Mapping[str, Any], indent: int | None = None) -> str:
    """Facts as JSON, with their checksum."""
    told = dict(facts)
    return json.dumps(told | {"checksum": checksum(told)}, indent=indent)


def unsealed(text: str | bytes) -> dict[str, Any]:
    """The facts, without their checksum.

    Raises:
        ValueError: they do not agree with it.
        KeyError, AttributeError, TypeError, RecursionError: it is other JSON.

    """
    facts: dict[str, Any] = json.loads(text)
    if facts.pop("checksum") != checksum(facts):
        raise ValueError("the facts do not agree with their checksum")
    return facts


def head(facts: Mapping[str, Any]) -> bytes:
    """What stands in front of a body: the length of the sealed facts, and these, blanks behind them."""
    text = sealed(facts).encode()
    text += b" " * (-(len(text) + _LENGTH) % _ALIGNED)
    return len(text).to_bytes(_LENGTH, "little") + text


def read(path: Path) -> tuple[dict[str, Any], Bytes]:
    """The facts of a file with a body, and the body, mapped and unchecked.

    Raises:
        OSError: the file cannot be read.
        ValueError, KeyError, AttributeError, TypeError, RecursionError: as `unsealed`.

    """
    data = np.memmap(path, np.uint8, "r")
    start = _LENGTH + int.from_bytes(data[:_LENGTH].tobytes(), "little")
    return unsealed(data[_LENGTH:start].tobytes()), data[start:]
