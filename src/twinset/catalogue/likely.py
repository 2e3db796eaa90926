"""How probable the hits of an answer are, and whether any of them is close."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinset.calibration import Calibration, Scores
from twinset.group import Ranked
from twinset.records import Calibrated

_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Likely:
    """A calibration, the two best items by their scores, and how many may be found; without one it says nothing."""

    calibration: Calibration | None = None
    best: tuple[Ranked, ...] = ()
    items: int = 0

    def probability(self, key: str, score: float) -> float | None:
        """How probable it is, 0-1, that the item of this key and score is the one that was asked for."""
        if self.calibration is None:
            return None
        return float(self.calibration.model.probability(*self._facts(key, score)))

    @property
    def nothing_close(self) -> bool | None:
        """Whether even the best item does not pass the bar."""
        if self.calibration is None:
            return None
        first = self.best[0]
        return not self.calibration.model.close(*self._facts(first.key, first.score))

    @property
    def told(self) -> Calibrated | None:
        """What an answer says of it."""
        return None if self.calibration is None else self.calibration.told

    def _facts(self, key: str, score: float) -> tuple[Scores, Scores, Scores]:
        """Score, gap to the best of any other item, and how many items are searched."""
        other = next(ranked for ranked in self.best if ranked.key != key)
        return np.array(score), np.array(score - other.score), np.array(self.items)


def judge(
    calibration: Calibration | None,
    items: int,
    first: Sequence[Ranked],
    look: Callable[[int], Sequence[Ranked]],
) -> Likely:
    """What is known of an answer: its `first` items by score, where these are known, else those that `look` finds.

    Among fewer than two items there is no gap, and so nothing is said.
    """
    if calibration is None or items < _TWO:
        return Likely()
    best = tuple(first if len(first) >= _TWO else look(_TWO))
    return Likely(calibration, best[:_TWO], items) if len(best) >= _TWO else Likely()
