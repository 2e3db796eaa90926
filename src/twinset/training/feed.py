"""Batches of a sampler → what a net takes: pixels, or what its frozen part has seen of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from twinset.progress import Progress
from twinset.records import Photo
from twinset.training import augment
from twinset.training.blend import Blend, Seen
from twinset.training.data import TrainingData
from twinset.training.draws import LOOKS, generator
from twinset.training.loader import Loader
from twinset.training.looks import Looks
from twinset.training.recipe import Recipe
from twinset.training.sampler import Batch, Sampler


@dataclass(frozen=True, slots=True)
class Feed:
    """Gives batch `number` of a run, prepared; may be shared by threads."""

    recipe: Recipe
    sampler: Sampler
    loader: Loader
    looks: Looks | None = None

    def load(self, number: int) -> tuple[Batch, Tensor | Seen]:
        """A batch, and its photos as the net takes them, each in a look of its own."""
        batch = self.sampler.batch(number)
        draws = (generator(self.recipe.seed, LOOKS, number, place) for place in range(len(batch.photos)))
        return batch, self._seen(batch.photos, draws)

    def forget(self) -> None:
        """Removes what was kept for this run alone."""
        if self.looks is not None:
            self.looks.forget()

    def _seen(self, photos: Sequence[Photo], draws: Iterable[np.random.Generator]) -> Tensor | Seen:
        if self.looks is not None:
            return self.looks.batch(photos, draws)
        if self.recipe.augment == "none":
            return self.loader.batch(photos)
        return self.loader.batch(photos, [augment.light(draw) for draw in draws])


def with_looks(
    feed: Feed, net: Blend, found: TrainingData, folder: Path, progress: Progress, *, done: bool = False
) -> Feed:
    """The feed with looks at every photo, kept in a folder, from which the parts of the net begin.

    A run that is done needs none.

    Raises:
        DiskFullError, ResourceError: they cannot be written, by the reason.
        UsageError: there are too few photos to begin from.

    """
    looks = Looks(folder, found.train, feed.recipe)
    if not done:
        looks.see(net.eval(), feed.loader, found.digest, progress)
        net.begin(looks.plain([part.photos for part in found.parts if part.photos]).to(net.gate.weight.device))
    return replace(feed, looks=looks)
