"""One recipe trained with several seeds: what of a figure is the recipe, and what is chance."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

from twinset.errors import UsageError, disk_errors
from twinset.files import write_whole
from twinset.training.fit import Fitted
from twinset.training.recipe import Recipe

_SUMMARY: Final = "seeds.json"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Runs that differ by their seed: mean and spread of recall@1 (0-1) at the end; None without validation.

    `deviation` is the sample standard deviation.
    """

    runs: tuple[Fitted, ...]
    mean: float | None
    deviation: float | None
    lowest: float | None
    highest: float | None

    def to_json(self) -> dict[str, Any]:
        """Each run's figures, and their mean and spread."""
        figures = [{"run": str(run.run.folder), "recall@1": run.recall, "best": run.best} for run in self.runs]
        spread = {name: getattr(self, name) for name in ("mean", "deviation", "lowest", "highest")}
        return {"recall@1": spread, "runs": figures}


def repeat(train: Callable[[Recipe, Path], Fitted], recipe: Recipe, out: Path, seeds: int) -> Repeated:
    """Trains with `seeds` seeds from the recipe's on, each in `out/seed-N`, and writes `out/seeds.json`.

    Raises:
        UsageError: fewer than two seeds.

    """
    if seeds < 2:
        raise UsageError(f"--seeds {seeds} has no spread", "give 2 or more")
    every = [replace(recipe, seed=recipe.seed + number) for number in range(seeds)]
    runs = tuple(train(one, out / f"seed-{one.seed}") for one in every)
    recalls = [run.recall for run in runs if run.recall is not None]
    known = len(recalls) == len(runs)
    repeated = Repeated(
        runs,
        mean(recalls) if known else None,
        stdev(recalls) if known else None,
        min(recalls) if known else None,
        max(recalls) if known else None,
    )
    with disk_errors(out):
        write_whole(out / _SUMMARY, (json.dumps(repeated.to_json(), indent=2) + "\n").encode())
    return repeated
