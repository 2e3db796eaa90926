"""Near-identical photos: the same picture, perhaps saved again, whatever item it is said to show."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from twinset import photos as photo_files
from twinset.embedder import in_order
from twinset.errors import InputError
from twinset.photos import in_fractions
from twinset.preprocess import Preprocess
from twinset.progress import SILENT, Progress, counted
from twinset.records import Photo, Pixels

LEVELS: Final = 10
"""Two photos are near-identical where no place of theirs differs by more, of 255.

Photos saved again as JPEG of quality 50 came to 8 at most, another colour of a trim to 12 (docs/measuring.md).
"""
_SMALL: Final = Preprocess(16, filter="bilinear", fit="squash")
"""Squashed and smoothed: a copy of another size, its sides rounded otherwise, has its places where they were."""
_COARSE: Final = 8
_ROWS_AT_ONCE: Final = 2**24
_PAIRS_AT_ONCE: Final = 4096


def find(photos: Sequence[Photo], root: Path, progress: Progress = SILENT) -> tuple[tuple[int, int], ...] | None:
    """Pairs of near-identical photos of one category, by their places, the smaller first.

    Of a photo with a box, what is in the box is looked at. None where one of the photos cannot be read.
    """
    seen = look(photos, root, progress)
    squares = [square for square in seen if square is not None]
    if len(squares) < len(seen):
        return None
    categories = np.unique([photo.category for photo in photos], return_inverse=True)[1]
    return tuple(pairs(np.stack(squares), categories)) if squares else ()


def look(photos: Sequence[Photo], root: Path, progress: Progress = SILENT) -> list[Pixels | None]:
    """Each photo, or what is in its box, as uint8 `(16, 16, 3)`; None for one that cannot be read."""

    def small(photo: Photo) -> Pixels | None:
        try:
            decoded = photo_files.decode(photo_files.read_bytes(root / photo.path))
            return _SMALL.apply(decoded.pixels, in_fractions(photo.box, decoded))
        except InputError:
            return None

    with closing(in_order(small, photos)) as squares:
        return list(counted(squares, progress, "looking for twins", len(photos)))


def pairs(small: Pixels, groups: npt.NDArray[np.int64], levels: int = LEVELS) -> list[tuple[int, int]]:
    """Pairs of `(N, 16, 16, 3)` of one group `(N,)` that are nowhere further apart than `levels`.

    Told by their places, the smaller first.

    Where that holds, the means of larger places are no further apart either: their distance picks the candidates.
    """
    count, deep = len(small), _SMALL.size // _COARSE
    coarse = small.reshape(count, _COARSE, deep, _COARSE, deep, 3).mean(axis=(2, 4), dtype=np.float32)
    flat = coarse.reshape(count, -1) - 128
    square = np.einsum("nd,nd->n", flat, flat)
    furthest = flat.shape[1] * (levels + 0.5) ** 2
    found: list[tuple[int, int]] = []
    step = max(1, _ROWS_AT_ONCE // count)
    for start in range(0, count, step):
        part = slice(start, start + step)
        distance = square[part, np.newaxis] + square - 2 * (flat[part] @ flat.T)
        one, other = np.nonzero((distance <= furthest) & (groups[part, np.newaxis] == groups))
        one += start
        later = one < other
        found += _confirmed(small, one[later], other[later], levels)
    return found


def _confirmed(
    small: Pixels, one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], levels: int
) -> list[tuple[int, int]]:
    """Those of some candidate pairs that are within `levels` at every place."""
    found: list[tuple[int, int]] = []
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        left, right = one[start : start + _PAIRS_AT_ONCE], other[start : start + _PAIRS_AT_ONCE]
        furthest = np.abs(small[left].astype(np.int16) - small[right]).max(axis=(1, 2, 3))
        near = furthest <= levels
        found += zip(left[near].tolist(), right[near].tolist(), strict=True)
    return found
