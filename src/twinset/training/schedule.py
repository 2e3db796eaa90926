"""How long a run is, and the learning rate at each of its steps."""

from math import ceil, cos, pi
from typing import Final

from twinset.training.recipe import Recipe
from twinset.training.sampler import Size

_DROPS: Final = (0.5, 0.75)
"""The shares of a run after which the rate of the schedule `step` is a tenth of what it was."""


def steps(recipe: Recipe, size: Size) -> int:
    """Steps of a run: `epochs` of batches, cut where `max_photos` have been seen; at least one.

    >>> steps(Recipe("resnet-50", max_photos=26_400), Size(83, 96, 7_920))
    277
    """
    total = recipe.epochs * size.batches
    if recipe.max_photos:
        epochs, rest = divmod(recipe.max_photos, size.photos)
        total = min(total, epochs * size.batches + ceil(rest / size.photos_per_batch))
    return max(1, ceil(total / recipe.accumulate))


def factor(recipe: Recipe, step: int, total: int) -> float:
    """The share (0-1) of the recipe's rate at a step, counted from 0, of `total`.

    >>> half = Recipe("resnet-50", schedule="cosine", warm_up=0.1)
    >>> [round(factor(half, step, 100), 3) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    warm = ceil(recipe.warm_up * total)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    match recipe.schedule:
        case "cosine":
            return (1 + cos(pi * done)) / 2
        case "step":
            return float(0.1 ** sum(done >= drop for drop in _DROPS))
        case "constant":
            return 1.0


def evaluations(recipe: Recipe, total: int, batches: int) -> frozenset[int]:
    """The steps after which a run is measured: every `evaluate_every` epochs of so many batches, and the last.

    >>> sorted(evaluations(Recipe("resnet-50"), 10, 4))
    [4, 8, 10]
    """
    between = recipe.evaluate_every * batches / recipe.accumulate
    rounds = range(1, min(total, int(total / between)) + 1)
    return frozenset({total, *(max(1, round(between * number)) for number in rounds)})
