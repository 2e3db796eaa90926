"""Logistic regression whose coefficients are not negative."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

RIDGE: Final = 1e-6
"""Keeps coefficients finite where the classes are separated, and moves none that the data tell."""
_STEPS: Final = 100
_SMALL: Final = 1e-10


def logistic(features: Floats, right: Floats, weights: Floats, ridge: float = RIDGE) -> Floats:
    """The intercept and the coefficients `(1 + F,)` that make `right` `(N,)`, 0 or 1, likeliest given `(N, F)`.

    Minimises the weighted mean of the log loss plus `ridge` / 2 of the squared coefficients of the standardised
    features, by Newton's steps (iteratively reweighted least squares; Hastie, Tibshirani and Friedman 2009, 4.4.1),
    halved while they do not help. A feature that is constant has the coefficient 0.
    """
    share = weights / weights.sum()
    middle = share @ features
    spread = np.sqrt(share @ (features - middle) ** 2)
    spread = np.where(spread > _SMALL * (1 + np.abs(middle)), spread, np.inf)
    rows = np.column_stack([np.ones(len(features)), (features - middle) / spread])
    penalty = ridge * np.array([0.0, *np.ones(features.shape[1])])
    found = np.zeros(rows.shape[1])
    loss = _loss(rows, right, share, penalty, found)
    for _ in range(_STEPS):
        expected = 1 / (1 + np.exp(-rows @ found))
        slope = rows.T @ (share * (expected - right)) + penalty * found
        bend = (rows * (share * expected * (1 - expected))[:, None]).T @ rows + np.diag(penalty + _SMALL)
        step = np.linalg.solve(bend, slope)
        while (after := _loss(rows, right, share, penalty, found - step)) > loss and np.abs(step).max() > _SMALL:
            step = step / 2
        found, loss = found - step, after
        if np.abs(step).max() <= _SMALL:
            break
    slopes = found[1:] / spread
    return np.array([found[0] - slopes @ middle, *slopes])


def rising(features: Floats, right: Floats, weights: Floats) -> Floats:
    """As `logistic`, where no feature speaks against being right: one that would has the coefficient 0."""
    kept = list(range(features.shape[1]))
    while True:
        found = logistic(features[:, kept], right, weights)
        if not kept or found[1:].min() >= 0:
            break
        kept.pop(int(found[1:].argmin()))
    result = np.zeros(features.shape[1] + 1)
    result[[0, *(place + 1 for place in kept)]] = found
    return result


def _loss(rows: Floats, right: Floats, share: Floats, penalty: Floats, found: Floats) -> float:
    sums = rows @ found
    return float(share @ (np.logaddexp(0, sums) - right * sums) + penalty @ found**2 / 2)
