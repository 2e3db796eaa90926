"""What the frozen part of a net sees of a few looks at every training photo: computed once, read at every step."""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from twinset.embedder import cores, in_order
from twinset.errors import disk_errors
from twinset.files import write_whole
from twinset.progress import Progress
from twinset.records import Photo
from twinset.training import augment
from twinset.training.blend import Blend, Seen
from twinset.training.draws import LOOKS, generator
from twinset.training.loader import Loader
from twinset.training.recipe import Recipe

_AT_ONCE: Final = 32
_MOST_TO_BEGIN: Final = 6000
_DONE: Final = "done.json"
_DEPENDS_ON: Final = (
    "backbone", "pretrained", "trainable_stages", "size", "fit", "box_margin", "augment", "looks", "precision",
    "seed",
)  # fmt: skip
"""The settings on which it depends what is seen."""
_SEEN: Final = 2
"""Goes up with every change of what a `Blend` sees of the same photo."""


class Looks:
    """`recipe.looks` looks at each photo, kept as halves in a folder that is of no use once the run is done.

    The first look is the photo as every other path prepares it; the others are augmented as the recipe says.
    """

    def __init__(self, folder: Path, photos: Sequence[Photo], recipe: Recipe) -> None:
        unique = {photo.path: photo for photo in photos}
        self._folder, self._photos, self._recipe = folder, list(unique.values()), recipe
        self._rows = {path: i for i, path in enumerate(unique)}
        self._kept: list[npt.NDArray[np.float16]] = []

    def see(self, net: Blend, loader: Loader, digest: str, progress: Progress) -> None:
        """Computes what is seen, or opens what a run that was cut has seen already of the same photos, alike.

        Raises:
            DiskFullError, ResourceError: it cannot be written, by the reason.

        """
        done = self._folder / _DONE
        told = {"seen": _SEEN, "digest": digest} | {name: getattr(self._recipe, name) for name in _DEPENDS_ON}
        with disk_errors(self._folder):
            if not (done.is_file() and json.loads(done.read_text(encoding="utf-8")) == told):
                self.forget()
                self._folder.mkdir(parents=True, exist_ok=True)
                with ExitStack() as files:
                    self._compute(net, loader, files, progress)
                write_whole(done, json.dumps(told).encode())
            self._kept = [np.load(self._folder / f"{name}.npy", mmap_mode="r") for name in Seen._fields]

    def plain(self, parts: Sequence[Sequence[Photo]]) -> Seen:
        """What is seen of photos as they are, as much of each part: enough to tell principal directions.

        Of a part that is smaller than others the same photos are seen again.
        """
        each = min(_MOST_TO_BEGIN // len(parts), max(len(photos) for photos in parts))
        chosen = (photos[i * len(photos) // each] for photos in parts for i in range(each))
        return self._of([self._row(self._rows[photo.path], 0) for photo in chosen], trunk=False)

    def batch(self, photos: Sequence[Photo], draws: Iterable[np.random.Generator]) -> Seen:
        """What is seen of photos, each in a look that its generator draws."""
        rows = [
            self._row(self._rows[photo.path], int(draw.integers(self._recipe.looks)))
            for photo, draw in zip(photos, draws, strict=True)
        ]
        return self._of(rows)

    def forget(self) -> None:
        """Removes what was kept, first the word that it is whole, and the folder unless it holds something else."""
        self._kept = []
        with suppress(OSError):
            for name in (_DONE, f"{_DONE}.tmp", *(f"{name}.npy" for name in Seen._fields)):
                (self._folder / name).unlink(missing_ok=True)
            self._folder.rmdir()

    def _row(self, photo: int, look: int) -> int:
        return photo * self._recipe.looks + look

    def _of(self, rows: Sequence[int], *, trunk: bool = True) -> Seen:
        first, *others = self._kept
        places = first[rows] if trunk else first[:0]
        tensors = [torch.from_numpy(places.astype(np.float32)).contiguous(memory_format=torch.channels_last)]
        return Seen(*tensors, *(torch.from_numpy(kept[rows].astype(np.float32)) for kept in others))

    def _compute(self, net: Blend, loader: Loader, opened: ExitStack, progress: Progress) -> None:
        rows, device = len(self._photos) * self._recipe.looks, net.gate.weight.device
        parts = [range(i, min(i + _AT_ONCE, rows)) for i in range(0, rows, _AT_ONCE)]

        def load(part: range) -> Tensor:
            return torch.cat([self._pixels(loader, *divmod(row, self._recipe.looks)) for row in part])

        precise = self._recipe.precision == "f32"
        files: list[BinaryIO] = []
        loaded = opened.enter_context(closing(in_order(load, parts, ahead=cores() + 2)))
        progress.start("looking", rows)
        try:
            with torch.no_grad():
                for part, pixels in zip(parts, loaded, strict=True):
                    with torch.autocast(device.type, torch.bfloat16, enabled=not precise):
                        seen = net.see(pixels.to(device))
                    if not files:
                        named = zip(Seen._fields, seen, strict=True)
                        files = [opened.enter_context(self._file(name, rows, each)) for name, each in named]
                    for file, each in zip(files, seen, strict=True):
                        file.write(each.half().cpu().numpy().tobytes())
                    progress.advance(len(part))
        finally:
            progress.finish()
        for file in files:  # before the marker that says that they are whole
            file.flush()
            os.fsync(file.fileno())

    def _file(self, name: str, rows: int, like: Tensor) -> BinaryIO:
        """A file to which rows are written one after the other: a full disk would end a process that maps it."""
        file = (self._folder / f"{name}.npy").open("wb")
        told = {"descr": "<f2", "fortran_order": False, "shape": (rows, *like.shape[1:])}
        np.lib.format.write_array_header_1_0(file, told)
        return file

    def _pixels(self, loader: Loader, photo: int, look: int) -> Tensor:
        photos = [self._photos[photo]]
        if look == 0 or self._recipe.augment == "none":
            return loader.batch(photos)
        return loader.batch(photos, [augment.light(generator(self._recipe.seed, LOOKS, photo, look))])
