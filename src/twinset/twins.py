"""Near-identical photos: the same picture, perhaps saved again, whatever item it is said to show."""

from collections.abc import Generator, Sequence
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

Photos saved again as JPEG of quality 75 came to 9 at most, another colour of a trim to 15 (docs/measuring.md).
"""
_SMALL: Final = Preprocess(16, filter="box")
_COARSE: Final = 8
_ROWS_AT_ONCE: Final = 2**24


def find(photos: Sequence[Photo], root: Path, progress: Progress = SILENT) -> tuple[tuple[int, int], ...] | None:
    """Pairs of near-identical photos of one category, by their places, the smaller first.

    Of a photo with a box, what is in the box is looked at. None where one of the photos cannot be read.
    """
    seen: list[Pixels] = []
    with closing(small(photos, root, progress)) as squares:
        for square in squares:
            if square is None:
                return None
            seen.append(square)
    return pairs(seen, [photo.category for photo in photos])


def small(photos: Sequence[Photo], root: Path, progress: Progress = SILENT) -> Generator[Pixels | None]:
    """Each photo as `(16, 16, 3)`, None where it cannot be read; what `pairs` compares."""

    def square(photo: Photo) -> Pixels | None:
        try:
            decoded = photo_files.decode(photo_files.read_bytes(root / photo.path))
            return _SMALL.apply(decoded.pixels, in_fractions(photo.box, decoded))
        except InputError:
            return None

    with closing(in_order(square, photos)) as squares:
        yield from counted(squares, progress, "looking for twins", len(photos))


def pairs(
    squares: Sequence[Pixels], categories: Sequence[str] | None = None, levels: int = LEVELS
) -> tuple[tuple[int, int], ...]:
    """Pairs of `small` photos that differ by at most `levels`, by place; of one category where these are given."""
    if not squares:
        return ()
    kinds = np.unique(categories if categories is not None else [""] * len(squares), return_inverse=True)[1]
    return tuple(_pairs(np.stack(squares), kinds, levels))


def _pairs(small: Pixels, categories: npt.NDArray[np.int64], levels: int = LEVELS) -> list[tuple[int, int]]:
    """Pairs of `(N, 16, 16, 3)` that are of one category and nowhere further apart than `levels`.

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
        one, other = np.nonzero((distance <= furthest) & (categories[part, np.newaxis] == categories))
        one += start
        later = one < other
        pairs = zip(one[later].tolist(), other[later].tolist(), strict=True)
        found += [(i, j) for i, j in pairs if _furthest(small[i], small[j]) <= levels]
    return found


def _furthest(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(np.int16) - other).max())
