"""Scores → probabilities: fitted on queries whose item is known, and tested on others."""

import math
from typing import Final

import numpy as np

from twinset.calibrate.answers import Answers, Questions, ask
from twinset.calibrate.crossed import FOLDS, crossed
from twinset.calibrate.fit import fit
from twinset.calibration import Calibration
from twinset.errors import NoQueriesError, UsageError
from twinset.progress import SILENT, Progress

__all__ = ["ABSENT", "FALSE_ALARMS", "Questions", "calibrate", "check_shares"]

ABSENT: Final = 0.2
"""The share of searches for what the shop does not have, where nothing else is known."""
FALSE_ALARMS: Final = 0.05
_SHARES: Final = (1.0, 0.5, 0.25, 0.125)
"""Which parts of a gallery are searched, to see what its size does."""
_FEWEST: Final = 10
"""A smaller part of a gallery tells nothing of a larger one."""
_TENTH: Final = 0.1


def calibrate(
    asked: Questions,
    *,
    source: str,
    protocol: str,
    fingerprint: str,
    absent: float = ABSENT,
    false_alarms: float = FALSE_ALARMS,
    simulated: bool = False,
    lone: int = 0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Calibration:
    """The calibration of a gallery, by queries whose item it holds.

    `absent` (0-1) is the share of searches for what the shop does not have. A *false alarm* is an answer to such a
    search that claims something close: they are promised to be at most `false_alarms` (0-1) of these answers.

    Raises:
        UsageError: one of the two is out of its range.
        NoQueriesError: there are too few items for the promise, or scores do not tell what is right.

    """
    check_shares(absent, false_alarms)
    items, size = len(np.unique(asked.right)), len(np.unique(asked.items))
    _check_enough(items, size, false_alarms)
    tenths = [_TENTH * share for share in _shares(size * _TENTH)] if size * _TENTH >= _FEWEST else []
    answers = ask(asked, [*_shares(size), *tenths], seed=seed, progress=progress)
    whole = answers.only(np.isin(answers.share, _shares(size)))
    every = answers.only(answers.share == 1)
    score, spread = _first_scores(every, absent)
    tenth = answers.only(np.isin(answers.share, tenths))
    return Calibration(
        model=fit(whole, asked.right, absent, false_alarms),
        fingerprint=fingerprint,
        source=source,
        protocol=protocol,
        queries=len(asked.queries),
        query_items=items,
        items=size,
        absent=absent,
        false_alarms=false_alarms,
        simulated=simulated,
        lone=lone,
        first_score=score,
        first_spread=spread,
        tested=crossed(whole, every, asked.right, absent, false_alarms, seed=seed),
        tenfold=crossed(tenth, every, asked.right, absent, false_alarms, seed=seed) if tenths else None,
    )


def _first_scores(answers: Answers, absent: float) -> tuple[float, float]:
    """Their mean and standard deviation, searches for what the shop does not have among them as `absent` says."""
    first = answers.scores[:, 0]
    found = np.isfinite(first)
    weights = np.where(answers.absent[found], absent, 1 - absent)
    mean = float(np.average(first[found], weights=weights))
    return mean, math.sqrt(np.average((first[found] - mean) ** 2, weights=weights))


def check_shares(absent: float, false_alarms: float) -> None:
    """Refuses shares that are none, before anything is embedded.

    Raises:
        UsageError: one of them is not between 0 and 1.

    """
    for name, value in (("--absent", absent), ("--false-alarm", false_alarms)):
        if not 0 < value < 1:
            raise UsageError(f"{name} is {value:g}", "use a share between 0 and 1, as 0.2 or 0.05")


def _shares(size: float) -> list[float]:
    return [share for share in _SHARES if share * size >= _FEWEST or share == 1]


def _check_enough(items: int, size: int, false_alarms: float) -> None:
    """Whether the promise can be kept, and tested on items that are not used."""
    needed = math.ceil((1 / false_alarms - 1) * FOLDS / (FOLDS - 1) - 1e-9) + 1
    if items < needed:
        raise NoQueriesError(
            f"queries of {items:,} items are too few to promise {false_alarms:g} false alarms and to test it",
            f"give queries of {needed:,} items, or a larger --false-alarm",
        )
    if size < _FEWEST:
        raise NoQueriesError(f"a gallery of {size:,} items is too small", f"use one of {_FEWEST} items or more")
