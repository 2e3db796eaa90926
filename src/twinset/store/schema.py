"""The tables of `rows.sqlite`, and how a row and its checksum are written."""

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final

import numpy as np

from twinset.records import Box, Photo, Vectors, box_text

SCHEMA: Final = """
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, photos INTEGER NOT NULL,
    checksum INTEGER NOT NULL, built TEXT NOT NULL);
INSERT INTO state VALUES (1, 0, 0, 0, '');
CREATE TABLE sources (name TEXT PRIMARY KEY, root TEXT NOT NULL, boxes_ignored INTEGER NOT NULL,
    checksum INTEGER NOT NULL);
CREATE TABLE versions (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, bundle TEXT NOT NULL,
    dim INTEGER NOT NULL, live INTEGER NOT NULL, switched INTEGER NOT NULL, facts INTEGER NOT NULL,
    vectors INTEGER NOT NULL DEFAULT 0, checksum INTEGER NOT NULL DEFAULT 0);
CREATE TABLE photos (id INTEGER PRIMARY KEY AUTOINCREMENT, photo_id TEXT NOT NULL UNIQUE, source TEXT NOT NULL,
    path TEXT NOT NULL, item_id TEXT NOT NULL, category TEXT NOT NULL, domain TEXT NOT NULL, view TEXT NOT NULL,
    box TEXT NOT NULL, attributes TEXT NOT NULL, content TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, sequence INTEGER NOT NULL, checksum INTEGER NOT NULL);
CREATE INDEX photos_item ON photos (item_id);
CREATE INDEX photos_path ON photos (path);
CREATE INDEX photos_sequence ON photos (sequence);
CREATE TABLE items (item_id TEXT PRIMARY KEY, photos INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE vectors (version INTEGER NOT NULL, id INTEGER NOT NULL, sequence INTEGER NOT NULL,
    made_from TEXT NOT NULL, vector BLOB NOT NULL, checksum INTEGER NOT NULL, UNIQUE (version, id));
CREATE INDEX vectors_sequence ON vectors (version, sequence);
CREATE TABLE removed (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
"""

COLUMNS: Final = (
    "id, photo_id, source, path, item_id, category, domain, view, box, attributes, content, size, mtime_ns, "
    "sequence, checksum"
)
_JSON: Final = json.JSONEncoder(ensure_ascii=False)
_REMEMBERED: Final = 8192
"""Rows, of about 2 KiB."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stored photo. `photo.box` is the box it was embedded from, None for the whole of it.

    `content` is the SHA-256 of the file, `size` its bytes, `sequence` when the row last changed.
    """

    id: int
    source: str
    photo: Photo
    content: str
    size: int
    mtime_ns: int
    sequence: int
    checksum: int

    @classmethod
    def of(cls, stored: tuple[Any, ...]) -> "Row":
        """A row from `COLUMNS`."""
        number, photo_id, source, path, item, category, domain, view, box, attributes, *rest = stored
        photo = Photo(path, item, category, domain, view, _parse_box(box), json.loads(attributes), photo_id)
        return cls(number, source, photo, *rest)

    def values(self) -> tuple[Any, ...]:
        """The row in the order of `COLUMNS`, less the checksum."""
        photo = self.photo
        head = (self.id, photo.photo_id, self.source, photo.path, photo.item_id, photo.category, photo.domain)
        attributes = json.dumps(dict(photo.attributes), ensure_ascii=False, sort_keys=True)
        tail = (self.content, self.size, self.mtime_ns, self.sequence)
        return (*head, photo.view, box_text(photo.box), attributes, *tail)


@lru_cache(maxsize=_REMEMBERED)
def row_of(stored: tuple[Any, ...]) -> Row | None:
    """A row from `COLUMNS`, None where it does not agree with its checksum.

    Remembered by all that it is made of: a search meets its nearest photos three times, and searches are alike.
    """
    return Row.of(stored) if intact(stored) else None


def _parse_box(text: str) -> Box | None:
    if not text:
        return None
    x1, y1, x2, y2 = (float(side) for side in text.split(","))
    return x1, y1, x2, y2


def checksum(*values: object) -> int:
    """CRC-32 over values; bytes count as they are, all else as JSON."""
    return zlib.crc32(b"".join([_written(value) for value in values]))


def _written(value: object) -> bytes:
    """What a checksum is taken over; texts and whole numbers, which rows are made of, come by a shorter way."""
    if type(value) is str:
        return f"{encode_basestring(value)}\0".encode()
    if type(value) is int:
        return b"%d\0" % value
    return (value if isinstance(value, bytes) else _JSON.encode(value).encode()) + b"\0"


def intact(stored: tuple[Any, ...]) -> bool:
    """Whether what was read agrees with its last column, the checksum."""
    return bool(checksum(*stored[:-1]) == stored[-1])


def pack(vector: Vectors) -> bytes:
    """A vector `(D,)` as the f16 that is stored."""
    return vector.astype("<f2").tobytes()


def unpack(blobs: list[bytes], dim: int) -> Vectors:
    """Stored vectors as f32 `(N, D)`, brought to length 1 again; each the same whatever stands beside it."""
    stored = np.frombuffer(b"".join(blobs), "<f2").reshape(-1, dim).astype(np.float64)
    lengths = np.sqrt((stored * stored).sum(axis=1, keepdims=True))
    restored: Vectors = (stored / lengths).astype(np.float32)
    return restored
