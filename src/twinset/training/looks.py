"""What the frozen part of a net sees of a few looks at every training photo: computed once, read at every step."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

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
from twinset.training.run import evenly

_AT_ONCE: Final = 32
_MOST_TO_BEGIN: Final = 6000
_DONE: Final = "done.json"


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
        """Computes what is seen, or opens what a run that was cut has seen already of the same photos.

        Raises:
            DiskFullError, ResourceError: it cannot be written, by the reason.

        """
        done = self._folder / _DONE
        with disk_errors(self._folder):
            if not (done.is_file() and json.loads(done.read_text(encoding="utf-8")) == digest):
                self.forget()
                self._folder.mkdir(parents=True)
                self._compute(net, loader, progress)
                write_whole(done, json.dumps(digest).encode())
            self._kept = [np.load(self._folder / f"{name}.npy", mmap_mode="r") for name in Seen._fields]

    def plain(self) -> Seen:
        """What is seen of photos as they are, evenly spread over all: enough to tell principal directions."""
        return self._of([self._row(i, 0) for i in evenly(len(self._photos), _MOST_TO_BEGIN)], trunk=False)

    def batch(self, photos: Sequence[Photo], draws: Sequence[np.random.Generator]) -> Seen:
        """What is seen of photos, each in a look that its generator draws."""
        rows = [
            self._row(self._rows[photo.path], int(draw.integers(self._recipe.looks)))
            for photo, draw in zip(photos, draws, strict=True)
        ]
        return self._of(rows)

    def forget(self) -> None:
        """Removes what was kept."""
        self._kept = []
        shutil.rmtree(self._folder, ignore_errors=True)

    def _row(self, photo: int, look: int) -> int:
        return photo * self._recipe.looks + look

    def _of(self, rows: Sequence[int], *, trunk: bool = True) -> Seen:
        first, *others = self._kept
        places = first[rows] if trunk else first[:0]
        tensors = [torch.from_numpy(places.astype(np.float32)).contiguous(memory_format=torch.channels_last)]
        return Seen(*tensors, *(torch.from_numpy(kept[rows].astype(np.float32)) for kept in others))

    def _compute(self, net: Blend, loader: Loader, progress: Progress) -> None:
        rows, device = len(self._photos) * self._recipe.looks, net.gate.weight.device
        parts = [range(i, min(i + _AT_ONCE, rows)) for i in range(0, rows, _AT_ONCE)]

        def load(part: range) -> Tensor:
            return torch.cat([self._pixels(loader, *divmod(row, self._recipe.looks)) for row in part])

        precise = self._recipe.precision == "f32"
        files: list[npt.NDArray[np.float16]] = []
        progress.start("looking", rows)
        try:
            with torch.no_grad():
                for part, pixels in zip(parts, in_order(load, parts, ahead=cores() + 2), strict=True):
                    with torch.autocast(device.type, torch.bfloat16, enabled=not precise):
                        seen = net.see(pixels.to(device))
                    if not files:
                        files = [
                            self._file(name, rows, each) for name, each in zip(Seen._fields, seen, strict=True)
                        ]
                    for file, each in zip(files, seen, strict=True):
                        file[part.start : part.stop] = each.half().cpu().numpy()
                    progress.advance(len(part))
        finally:
            progress.finish()

    def _file(self, name: str, rows: int, like: Tensor) -> npt.NDArray[np.float16]:
        shape = (rows, *like.shape[1:])
        return np.lib.format.open_memmap(self._folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape)

    def _pixels(self, loader: Loader, photo: int, look: int) -> Tensor:
        photos = [self._photos[photo]]
        if look == 0 or self._recipe.augment == "none":
            return loader.batch(photos)
        return loader.batch(photos, [augment.light(generator(self._recipe.seed, LOOKS, photo, look))])
