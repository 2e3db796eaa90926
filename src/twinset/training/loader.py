"""Training photos → batches of pixels, as every other path of the program decodes and prepares them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import torch
from torch import Tensor

from twinset import photos as photo_files
from twinset.errors import PhotoError
from twinset.photos import Decoded, in_fractions
from twinset.preprocess import Preprocess, grown
from twinset.records import Box, Photo, Pixels
from twinset.training.augment import Look, seen

_CACHE_BYTES: Final = 2 * 2**30
"""Decoded photos are kept up to this; once it is full the others are decoded each time."""


def decode(file: Path, photo: Photo) -> tuple[Decoded, Box | None]:
    """The decoded photo, and its box in fractions.

    Raises:
        PathError, PhotoError: it cannot be read or decoded, or the box lies outside; the message names it.

    """
    try:
        decoded = photo_files.decode(photo_files.read_bytes(file))
        return decoded, in_fractions(photo.box, decoded)
    except PhotoError as error:
        raise PhotoError(error.code, f"{photo.path}: {error.message}", error.mend) from error


class Loader:
    """Decodes and prepares photos, from their boxes where they have one; may be shared by threads."""

    def __init__(self, files: Mapping[str, Path], prepare: Preprocess, box_margin: float) -> None:
        self._files, self._prepare, self._margin = files, prepare, box_margin
        self._kept: dict[str, tuple[Pixels, Box | None]] = {}
        self._room = _CACHE_BYTES
        self._lock = Lock()

    def read(self, photo: Photo) -> tuple[Pixels, Box | None]:
        """The decoded photo, and its box in fractions, grown by the margin.

        Raises:
            PathError, PhotoError: it cannot be read or decoded, or the box lies outside.

        """
        kept = self._kept.get(photo.path)
        if kept is not None:
            return kept
        decoded, box = decode(self._files[photo.path], photo)
        result = decoded.pixels, None if box is None else grown(box, self._margin)
        with self._lock:
            if decoded.pixels.nbytes <= self._room and photo.path not in self._kept:
                self._kept[photo.path] = result
                self._room -= decoded.pixels.nbytes
        return result

    def batch(self, photos: Sequence[Photo], looks: Sequence[Look] | None = None) -> Tensor:
        """Photos as uint8 `(N, size, size, 3)`, each in its look where looks are given."""
        squares = [
            self._prepare.apply(*self.read(photo))
            if looks is None
            else seen(looks[i], self._prepare, *self.read(photo))
            for i, photo in enumerate(photos)
        ]
        return torch.from_numpy(np.stack(squares))
