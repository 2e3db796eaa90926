"""What turns the scores of an answer into probabilities, and says whether anything is close; its JSON."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from twinset.records import Calibrated, Estimate

Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression of hits, and the bar that the first of them must pass.

    A hit's probability rises with its score, with its gap (its score less the best of any other item's) and falls
    with the logarithm of how many items are searched: `score`, `gap` and `size` are not negative. `bar` and
    `bar_slope` are a line over that logarithm, seen from `smallest` to `largest` items.
    """

    intercept: float
    score: float
    gap: float
    size: float
    bar: float
    bar_slope: float
    smallest: int
    largest: int

    def probability(self, score: Scores, gap: Scores, items: Scores) -> Scores:
        """How probable it is, 0-1, that hits of these scores and gaps are the same item, among so many items."""
        with np.errstate(over="ignore"):  # of what is hopeless the probability is 0
            return 1 / (1 + np.exp(self.size * np.log(items) - self.intercept - self.evidence(score, gap)))

    def evidence(self, score: Scores, gap: Scores) -> Scores:
        """What speaks for a hit, however many items are searched."""
        return self.score * score + self.gap * gap

    def close(self, score: Scores, gap: Scores, items: Scores) -> npt.NDArray[np.bool_]:
        """Whether a first hit is close. Beyond the sizes that were seen the bar may rise, and never falls."""
        known = np.minimum(items, self.largest) if self.bar_slope < 0 else np.maximum(items, self.smallest)
        passed: npt.NDArray[np.bool_] = self.evidence(score, gap) > self.bar + self.bar_slope * np.log(known)
        return passed


@dataclass(frozen=True, slots=True)
class Bin:
    """Hits of like probability: what was predicted and what came true, on average (0-1), and how many they are."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True, slots=True)
class Tested:
    """What models say of queries whose items they were not fitted on, among `items` items of the gallery.

    They were fitted on galleries of `fitted_on` items and fewer. `ece` is the expected calibration error of first
    hits, `ece_all` that of all shown hits, each with its 95 % interval; `brier` is the mean squared error of first
    hits. `false_alarms` is the share of answers that claim something close though the item is not there; `misses`
    that of `nothing_close` where the right item stands first, `hushed` that where the item is there at all.
    """

    fitted_on: int
    items: int
    ece: Estimate
    ece_all: Estimate
    brier: float
    false_alarms: Estimate
    misses: Estimate
    hushed: Estimate
    reliability: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A model, what it was fitted on, and how it did: `tested` at the gallery's size, `tenfold` at ten times it.

    `items` are the gallery's; `absent` is the share (0-1) of searches for what the shop does not have;
    `false_alarms` the rate that is promised. Where `simulated`, shop photos stood in for customers', and `lone` of
    the queries are changed copies of their item's only photo. `fingerprint` is the bundle's that made the vectors.
    `first_score` and `first_spread` are the mean and the standard deviation of first hits' scores in that gallery.
    """

    model: Model
    fingerprint: str
    source: str
    protocol: str
    queries: int
    query_items: int
    items: int
    absent: float
    false_alarms: float
    simulated: bool
    lone: int
    first_score: float
    first_spread: float
    tested: Tested
    tenfold: Tested | None

    @property
    def told(self) -> Calibrated:
        """What an answer says of it."""
        return Calibrated(self.simulated, self.false_alarms, self.items, self.first_score, self.first_spread)

    def to_json(self) -> dict[str, Any]:
        """As it is stored, and as `calibrate --json` prints it."""
        return asdict(self)

    @classmethod
    def of(cls, raw: object) -> "Calibration":
        """The calibration that `to_json` gave.

        Raises:
            ValueError: it is none, or a value is out of its range.

        """
        facts = _named(raw, cls)
        for name in ("queries", "query_items", "items", "lone"):
            _count(facts, name)
        for name in ("absent", "false_alarms"):
            _within(facts, name)
        _within(facts, "first_score", -1)
        _within(facts, "first_spread")
        for name, kind in (("fingerprint", str), ("source", str), ("protocol", str), ("simulated", bool)):
            if type(facts[name]) is not kind:
                raise ValueError(f"calibration has {name} {facts[name]!r}")
        tenfold = None if facts["tenfold"] is None else _tested(facts["tenfold"])
        parts = {"model": _model(facts["model"]), "tested": _tested(facts["tested"]), "tenfold": tenfold}
        return cls(**{**facts, **parts})


def _named(raw: object, kind: type) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    if not isinstance(raw, Mapping) or set(raw) != names:
        raise ValueError(f"calibration has other facts than {', '.join(sorted(names))}")
    return dict(raw)


def _model(raw: object) -> Model:
    facts = _named(raw, Model)
    for name in ("intercept", "bar", "bar_slope"):
        _within(facts, name, -math.inf, math.inf)
    for name in ("score", "gap", "size"):
        _within(facts, name, 0, math.inf)
    for name in ("smallest", "largest"):
        _count(facts, name, 2)
    return Model(**facts)


def _tested(raw: object) -> Tested:
    facts = _named(raw, Tested)
    for name in ("fitted_on", "items"):
        _count(facts, name)
    _within(facts, "brier")
    for name in ("ece", "ece_all", "false_alarms", "misses", "hushed"):
        mean, low, high = _list(facts, name)
        facts[name] = tuple(_within({name: end}, name) for end in (mean, low, high))
    return Tested(**{**facts, "reliability": tuple(_bin(raw) for raw in _list(facts, "reliability"))})


def _bin(raw: object) -> Bin:
    facts = _named(raw, Bin)
    return Bin(_within(facts, "predicted"), _within(facts, "observed"), _count(facts, "count"))


def _list(facts: Mapping[str, Any], name: str) -> list[Any]:
    value = facts[name]
    if type(value) in (list, tuple):
        return list(value)
    raise ValueError(f"calibration has {name} {value!r}")


def _within(facts: Mapping[str, Any], name: str, least: float = 0, most: float = 1) -> float:
    value = facts[name]
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"calibration has {name} {value!r}")
    return float(value)


def _count(facts: Mapping[str, Any], name: str, least: int = 0) -> int:
    value = facts[name]
    if type(value) is not int or value < least:
        raise ValueError(f"calibration has {name} {value!r}")
    return value
