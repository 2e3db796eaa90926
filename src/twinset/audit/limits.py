"""From where on evidence is told: between what this manifest's photos say of themselves and planted faults."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset.audit.findings import Kind, Limit
from twinset.progress import SILENT, Progress

Scores = npt.NDArray[np.floating[Any]]

FEWEST: Final = 30
"""With fewer observations, or fewer planted faults, no limit is drawn."""
_SURE: Final = 0.05
"""The share of planted faults that may lie below a limit where the data allow a choice."""
_NORMAL: Final = NormalDist()
_QUARTILE: Final = _NORMAL.inv_cdf(0.75)


@dataclass(frozen=True, slots=True)
class Aim:
    """How an audit is made: the share `rate` (0-1) of false alarms aimed at, what draws the planted faults."""

    rate: float
    rng: np.random.Generator
    progress: Progress = SILENT


def draw(kind: Kind, compared: str, seen: Scores, planted: Scores, rate: float) -> Limit:
    """The limit above which a share `rate` (0-1) of faultless evidence is expected, or less.

    `seen` is the manifest's own evidence, faults and all: so its bulk is described by median and upper quartile,
    which a quarter of faults does not reach, and its tail is taken as a normal one's. `planted` is the evidence of
    faults made of the same photos on paper. Where nearly all of these lie higher than `rate` asks for, the limit
    moves a third of the way to them.
    """
    if len(seen) < FEWEST or len(planted) < FEWEST:
        return Limit(kind, compared, len(seen), len(planted), None, 0.0, 0.0)
    middle, upper = np.quantile(seen, (0.5, 0.75)).tolist()
    spread = max((upper - middle) / _QUARTILE, 1e-6)
    limit = middle + _NORMAL.inv_cdf(1 - rate) * spread
    sure = float(np.quantile(planted, _SURE))
    if sure > limit:
        limit += (sure - limit) / 3
    above = 1 - _NORMAL.cdf((limit - middle) / spread)
    return Limit(kind, compared, len(seen), len(planted), limit, above, float((planted > limit).mean()))
