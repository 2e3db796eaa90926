"""Answers → the model that tells how probable their hits are, and when nothing is close."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset.calibrate.answers import Answers
from twinset.calibrate.logistic import rising
from twinset.calibration import Model
from twinset.errors import NoQueriesError
from twinset.ranking import Ints

FITTED: Final = 5
"""How many hits of an answer the model is fitted on: those further down are nearly all wrong, and would outweigh
the first, which counts most."""


def fit(answers: Answers, items: Ints, absent: float, false_alarms: float) -> Model:
    """The model of some answers; `items` `(Q,)` says which item each query shows.

    Answers whose item was taken out weigh `absent`, the others the rest.

    Raises:
        NoQueriesError: there are too few items for the rate of false alarms, or scores do not tell what is right.

    """
    scores, gaps = answers.scores[:, :FITTED], answers.gaps[:, :FITTED]
    who, rank = np.nonzero(np.isfinite(gaps))
    few = -np.log(answers.items[who])
    features = np.column_stack([scores[who, rank], gaps[who, rank], few])
    right = (answers.right[who] == rank).astype(np.float64)
    weights = np.where(answers.absent[who], absent, 1 - absent)
    intercept, score, gap, size = rising(features, right, weights).tolist() if right.any() else (0.0,) * 4
    if score + gap <= 0:
        raise NoQueriesError(
            f"the scores of {len(np.unique(answers.query)):,} queries do not tell right items from wrong ones",
            "use another bundle, or other queries: their right items must be found",
        )
    base = Model(intercept, score, gap, size, 0.0, 0.0, 2, 2)
    return _with_bar(base, answers.only(answers.absent), items, false_alarms)


def _with_bar(base: Model, without: Answers, items: Ints, false_alarms: float) -> Model:
    """The model with a bar that first hits pass too rarely where their item is not there, at every size seen.

    At each size it is a quantile of theirs; the bar is the line through these, lifted until none lies above it.
    """
    sizes, heights = [], []
    for share in np.unique(without.share):
        part = without.only((without.share == share) & np.isfinite(without.gaps[:, 0]))
        level = _level(len(np.unique(items[part.query])), false_alarms)
        heights.append(_quantile(base.evidence(part.scores[:, 0], part.gaps[:, 0]), level))
        sizes.append(float(np.log(part.items).mean()))
    slope = float(np.polyfit(sizes, heights, 1)[0]) if len(sizes) > 1 else 0.0
    bar = max(height - slope * size for size, height in zip(sizes, heights, strict=True))
    smallest, largest = (max(2, round(math.exp(size))) for size in (min(sizes), max(sizes)))
    return Model(base.intercept, base.score, base.gap, base.size, bar, slope, smallest, largest)


def _quantile(values: npt.NDArray[np.floating[Any]], level: float) -> float:
    return float(np.quantile(values, level, method="higher"))


def _level(items: int, false_alarms: float) -> float:
    """The quantile that a new query passes with at most that probability (split conformal; Vovk et al. 2005).

    Queries of one item are alike, so items count, not queries.

    Raises:
        NoQueriesError: there are too few.

    """
    level = math.ceil((items + 1) * (1 - false_alarms)) / items if items else math.inf
    if level > 1:
        raise NoQueriesError(
            f"{items:,} items are too few to promise {false_alarms:g} false alarms",
            f"give queries of more than {1 / false_alarms - 1:.0f} items, or a larger --false-alarm",
        )
    return level
