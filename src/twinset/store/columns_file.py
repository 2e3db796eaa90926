"""The file of columns: every field of all photos, its texts once each, whole or not at all.

`columns.bin` is a header (`sealed`), and a body: the checksum of each photo's row, int64 by photo number, -1 where
there is no photo; then for each field its distinct texts as a JSON list, and the place of each photo's text in it,
int32, -1 where there is no photo.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset.store import sealed
from twinset.store.sealed import Bytes

_FORMAT: Final = 1

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
Sums = npt.NDArray[np.int64]
"""The checksum of each photo's row by its number, -1 where there is none."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of all photos: the text of photo n is `texts[codes[n]]`, and -1 stands where there is no photo."""

    texts: tuple[str, ...]
    codes: Codes

    def matching(self, fits: Callable[[str], bool]) -> Mask:
        """Which photos' texts fit, `(numbers,)`."""
        return np.array([*map(fits, self.texts), False])[self.codes]

    def packed(self) -> "Column":
        """Without the texts that no photo has any more."""
        used = np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts)) > 0
        places = np.append(np.cumsum(used) - 1, -1).astype(np.int32)
        return Column(
            tuple(t for t, kept in zip(self.texts, used.tolist(), strict=True) if kept), places[self.codes]
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the body a field's texts lie, and how long they are; its codes follow them."""

    offset: int
    texts: int


@dataclass(frozen=True, slots=True)
class _Header:
    """What the file says of itself: `size` is one more than the highest photo number, `body` a CRC-32."""

    catalogue: str
    sequence: int
    size: int
    body: int
    fields: Mapping[str, _Place]


@dataclass(frozen=True, slots=True)
class ColumnsFile:
    """A file that agrees with its checksums; its fields are read one by one."""

    header: _Header
    body: Bytes

    def sums(self) -> Sums:
        """The checksum of each photo's row, -1 where there is none."""
        return np.frombuffer(self.body[: 8 * self.header.size].tobytes(), "<i8")

    def column(self, name: str) -> Column:
        """A field; of one that the file does not know every text is empty."""
        if name not in self.header.fields:
            return Column(("",), np.where(self.sums() >= 0, 0, -1).astype(np.int32))
        place = self.header.fields[name]
        middle = place.offset + place.texts
        codes = self.body[middle : middle + 4 * self.header.size].tobytes()
        texts = json.loads(self.body[place.offset : middle].tobytes())
        return Column(tuple(texts), np.frombuffer(codes, "<i4").astype(np.int32))


def read(path: Path, catalogue: str) -> ColumnsFile | None:
    """The file where it agrees with its checksums and is of this catalogue, None otherwise."""
    try:
        raw, body = sealed.read(path)
        if raw.pop("format") != _FORMAT or raw["catalogue"] != catalogue:
            return None
        fields = {name: _Place(**place) for name, place in raw.pop("fields").items()}
        file = ColumnsFile(_Header(**raw, fields=fields), body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return file if zlib.crc32(file.body.data) == file.header.body else None


def write(catalogue: str, sequence: int, sums: Sums, columns: Mapping[str, Column]) -> bytes:
    """The bytes of a file."""
    parts = [sums.astype("<i8").tobytes()]
    places: dict[str, _Place] = {}
    offset = len(parts[0])
    for name, column in columns.items():
        texts = json.dumps(column.texts, ensure_ascii=False).encode()
        places[name] = _Place(offset, len(texts))
        parts += [texts, column.codes.astype("<i4").tobytes()]
        offset += len(texts) + 4 * len(sums)
    body = b"".join(parts)
    header = _Header(catalogue, sequence, len(sums), zlib.crc32(body), places)
    return sealed.head({"format": _FORMAT} | asdict(header)) + body
