"""How a calibration does on queries whose items it was not fitted on."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twinset import metrics
from twinset.calibrate.answers import Answers
from twinset.calibrate.fit import fit
from twinset.calibration import Bin, Tested
from twinset.ranking import Ints
from twinset.records import Estimate

FOLDS: Final = 5
BINS: Final = 10

Floats = npt.NDArray[np.floating[Any]]


class Hits(NamedTuple):
    """Hits: how probable each was said to be, whether it is right, its weight, and of which item its query is."""

    said: Floats
    right: Floats
    weight: Floats
    item: Ints


def crossed(
    fitted: Answers, asked: Answers, items: Ints, absent: float, false_alarms: float, *, seed: int = 0
) -> Tested:
    """What `asked` gets from models that were fitted on the answers `fitted` of queries of other items.

    Items are dealt into five parts; the answers of each are judged by a model of the other four.

    Raises:
        NoQueriesError: as `fit`.

    """
    codes = np.unique(items, return_inverse=True)[1]
    deal = np.random.Generator(np.random.PCG64(seed)).permutation(codes.max() + 1) % FOLDS
    said, close = np.zeros_like(asked.scores), np.zeros(len(asked.query), np.bool_)
    gaps = asked.gaps
    for part in range(FOLDS):
        model = fit(fitted.only(deal[codes[fitted.query]] != part), items, absent, false_alarms)
        mine = deal[codes[asked.query]] == part
        scores, size = asked.scores[mine], asked.items[mine]
        said[mine] = model.probability(scores, gaps[mine], size[:, None])
        close[mine] = model.close(scores[:, 0], gaps[mine][:, 0], size)
    hits = _hits(asked, said, items, absent)
    first = _hits(asked, said[:, :1], items, absent)
    groups = items[asked.query]
    there, found = ~asked.absent, asked.right == 0
    return Tested(
        fitted_on=round(float(fitted.items[fitted.share == fitted.share.max()].mean())),
        items=round(float(asked.items.mean())),
        ece=calibration_error(first),
        ece_all=calibration_error(hits),
        brier=float(first.weight @ (first.said - first.right) ** 2 / first.weight.sum()),
        false_alarms=_rate(close[asked.absent], groups[asked.absent]),
        misses=_rate(~close[found], groups[found]),
        hushed=_rate(~close[there], groups[there]),
        reliability=reliability(first),
    )


def calibration_error(hits: Hits, *, seed: int = 0) -> Estimate:
    """The expected calibration error (0-1) and its 95 % interval, items drawn with replacement.

    Hits are sorted into ten bins of equal weight by what was said of them; the error is the mean over the bins of
    the distance between what was said and what came true (Guo et al. 2017; bins of equal mass as in Nixon et al.
    2019). It is never 0 by chance alone, and its interval lies rather high: what is drawn strays twice.
    """
    bins = _bins(hits)
    off = hits.weight * (hits.said - hits.right)
    columns = np.column_stack([np.where(bins == each, off, 0) for each in range(BINS)] + [hits.weight])
    drawn = metrics.resampled(columns, hits.item, seed=seed)
    errors = np.abs(drawn[:, :-1]).sum(axis=1) / drawn[:, -1]
    low, high = np.percentile(errors, [2.5, 97.5]).tolist()
    return float(np.abs(columns[:, :-1].sum(axis=0)).sum() / hits.weight.sum()), low, high


def reliability(hits: Hits) -> tuple[Bin, ...]:
    """What was said and what came true in ten bins of equal weight, the least probable first."""
    bins = _bins(hits)
    parts = [np.flatnonzero(bins == each) for each in range(BINS)]
    return tuple(
        Bin(
            float(np.average(hits.said[part], weights=hits.weight[part])),
            float(np.average(hits.right[part], weights=hits.weight[part])),
            len(part),
        )
        for part in parts
        if len(part)
    )


def _bins(hits: Hits) -> Ints:
    order = np.argsort(hits.said, kind="stable")
    before = np.cumsum(hits.weight[order]) - hits.weight[order] / 2
    bins = np.empty(len(order), np.int64)
    bins[order] = (before / hits.weight.sum() * BINS).astype(np.int64)
    return bins


def _hits(asked: Answers, said: Floats, items: Ints, absent: float) -> Hits:
    who, rank = np.nonzero(np.isfinite(asked.gaps[:, : said.shape[1]]))
    weight = np.where(asked.absent[who], absent, 1 - absent)
    right = (asked.right[who] == rank).astype(np.float64)
    counts = weight > 0
    who, rank = who[counts], rank[counts]
    return Hits(said[who, rank], right[counts], weight[counts], items[asked.query[who]])


def _rate(told: npt.NDArray[np.bool_], groups: Ints) -> Estimate:
    return metrics.estimates(told.astype(np.float64)[:, None], groups)[0]
