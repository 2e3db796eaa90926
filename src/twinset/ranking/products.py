"""Products of vectors, row by row: which may matter, and how many reach a limit."""

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Products = npt.NDArray[np.float32]

_GROUPS: Final = 512
_FEW: Final = 8
"""Up to so many limits are counted one by one; more are looked up in the sorted row."""


def floors_of(rows: Products, least: int) -> Products:
    """For each row a product that at least so many of it reach, and few more; -inf where it has no more than those.

    It is taken from the maxima of groups, which are fewer than the row.
    """
    count, width = rows.shape
    if width >= 4 * _GROUPS:
        deep = width // _GROUPS
        rows = rows[:, : deep * _GROUPS].reshape(count, deep, _GROUPS).max(axis=1)
    if rows.shape[1] <= least:
        return np.full(count, -np.inf, np.float32)
    found: Products = np.partition(rows, -least, axis=1)[:, -least]
    return found


def at_least(row: Products, limits: Scores) -> Ints:
    """How many of a row reach each limit."""
    limits32 = limits.astype(np.float32)
    if len(limits32) <= _FEW:
        return np.array([np.count_nonzero(row >= limit) for limit in limits32])
    return len(row) - np.searchsorted(np.sort(row), limits32, side="left")
