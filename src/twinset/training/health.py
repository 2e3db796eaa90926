"""The health guard: says in plain words what goes wrong with a run while it goes wrong, and how to mend it."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from twinset.errors import DivergedError
from twinset.training.losses import Indices, TripletLoss, pairs

WINDOW: Final = 50
"""How many steps are judged together; a shorter run is judged at its end."""
FEWEST: Final = 20
_AT_MARGIN: Final = 0.02
"""The loss counts as at the margin within this share of it."""
_FLAT: Final = 0.05
_COLLAPSED: Final = 0.98
"""Mean cosine between photos of different items above which they are all one."""
_RISEN: Final = 3.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one step's batch looked like: its loss; mean cosine of the positive and of the negative pairs; the share
    (0-1) of triplets that violate the margin; mean `d(a, n) - d(a, p)` as a share of the margin; triplets in all.
    """

    loss: float
    positive: float
    negative: float
    violated: float
    gap: float
    triplets: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and how to mend it."""

    code: str
    message: str
    mend: str


def read(embeddings: Tensor, labels: Tensor, indices: Indices, loss: Tensor, margin: TripletLoss) -> Reading:
    """Measures a batch of embeddings `(N, D)` as they came from the net, with the recipe's own margin."""
    with torch.no_grad():
        vectors = functional.normalize(embeddings)
        anchor, positive, other, negative = pairs(labels, indices)
        scores = vectors @ vectors.T
        excess = margin.excess(embeddings, margin.triplets(embeddings, labels, indices))
        gap = (margin.margin - excess) / max(margin.margin, 1e-9)
        figures = [
            loss,
            scores[anchor, positive].mean(),
            scores[other, negative].mean(),
            (excess > 0).float().mean(),
            gap.mean(),
        ]
        loss_, alike, unlike, violated, nearer = torch.stack([figure.float() for figure in figures]).tolist()
        return Reading(loss_, alike, unlike, violated, nearer, len(excess))


def mean(readings: Sequence[Reading]) -> dict[str, float]:
    """The mean of several readings, by name; empty of none."""
    names = ("loss", "positive", "negative", "violated", "gap") if readings else ()
    return {name: sum(getattr(reading, name) for reading in readings) / len(readings) for name in names}


class Guard:
    """Judges the last readings; each thing that is wrong is told once.

    `triplet_loss` says that the loss is the triplet loss, whose value at the margin means that nothing is learnt;
    `told` are codes of what was told before.
    """

    def __init__(self, margin: float, *, triplet_loss: bool, told: Iterable[str] = ()) -> None:
        self._margin, self._triplet_loss = margin, triplet_loss
        self._readings: deque[Reading] = deque(maxlen=WINDOW)
        self._least = math.inf
        self._told = set(told)

    def look(self, reading: Reading, step: int) -> list[Finding]:
        """Takes one step's reading, and says what is newly wrong.

        Raises:
            DivergedError: the loss is no finite number.

        """
        if not reading.triplets:
            return self._new([_NO_TRIPLET])
        if not math.isfinite(reading.loss):
            raise DivergedError(
                f"the loss is {reading.loss} at step {step:,}",
                "start anew with rate at a tenth, or precision = f32",
            )
        self._readings.append(reading)
        return self.judge() if len(self._readings) == WINDOW else []

    def judge(self) -> list[Finding]:
        """What is newly wrong in the readings at hand; nothing is said of fewer than `FEWEST`."""
        return self._new(list(self._findings())) if len(self._readings) >= FEWEST else []

    def _new(self, findings: list[Finding]) -> list[Finding]:
        fresh = [finding for finding in findings if finding.code not in self._told]
        self._told.update(finding.code for finding in fresh)
        return fresh

    def _findings(self) -> Iterator[Finding]:
        loss, positive, negative, _, gap = mean(list(self._readings)).values()
        if negative > _COLLAPSED:
            yield Finding(
                "collapsed",
                f"the embedding collapses: photos of different items have a cosine of {negative:.3f}",
                "set rate to a tenth, or margin lower; with the triplet loss try normalise = true",
            )
        if self._triplet_loss and abs(loss - self._margin) < _AT_MARGIN * self._margin and abs(gap) < _FLAT:
            yield Finding(
                "at_margin",
                f"the loss sits at the margin ({loss:.3f}): positives are no nearer than negatives",
                "set rate higher if it has just begun, lower if the embedding collapses; check the item ids",
            )
        if positive <= negative:
            yield Finding(
                "no_better",
                f"positives score no better than negatives (cosine {positive:.3f} and {negative:.3f})",
                "check item_id and domain of the manifest: are the pairs of the same item?",
            )
        self._least = min(self._least, loss)
        if loss > _RISEN * self._least + 1e-3:
            yield Finding(
                "rate_too_high",
                f"the loss rises: {loss:.3f} after {self._least:.3f}",
                "set rate to a third, or warm_up = 0.1",
            )


_NO_TRIPLET: Final = Finding(
    "no_triplet",
    "a batch held no valid triplet: no anchor has both a positive and a negative",
    "set batch higher, or check that items have several photos in both domains",
)
