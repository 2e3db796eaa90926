"""One product under two ids: items whose photos are as near to each other as those of one item."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from twinset.audit import limits
from twinset.audit.findings import Finding, Limit
from twinset.audit.limits import Aim
from twinset.audit.near import Rivals, rivals
from twinset.audit.table import Table
from twinset.ranking import Ints, Products
from twinset.records import Vectors

_MOST_SPLIT: Final = 2000

Found = tuple[list[tuple[Finding, tuple[int, int]]], Limit]


class _Items(NamedTuple):
    """Items with photos of one domain: their numbers, photos, and the means of their vectors `(K, D)`.

    The product of two means is the mean similarity between the photos of the one and of the other.
    """

    codes: Ints
    rows: list[Ints]
    means: Vectors
    kin: Ints


def find(table: Table, rows: Sequence[Ints], aim: Aim) -> list[Found]:
    """Pairs of items that are one product, and the limit, among shop photos; then among items that have none."""
    shops, others = _items(table, rows, shop=True), _items(table, rows, shop=False)
    return [
        _among(table, items, compared, aim)
        for items, compared in ((shops, "shop with shop"), (others, "customer with customer"))
        if len(items.codes)
    ]


def _items(table: Table, rows: Sequence[Ints], *, shop: bool) -> _Items:
    """Items by their shop photos; or those that have none, by their customers' photos."""
    kept = [(code, mine[table.shop[mine]] if shop else mine) for code, mine in enumerate(rows)]
    kept = [(code, mine) for code, mine in kept if len(mine) and bool(table.shop[mine].any()) == shop]
    means = [table.vectors[mine].mean(axis=0) for _, mine in kept]
    codes = np.array([code for code, _ in kept], np.int64)
    photos = [mine for _, mine in kept]
    kin = np.array([table.kin[mine[0]] for mine in photos], np.int64)
    return _Items(codes, photos, np.array(means, np.float32).reshape(len(kept), table.vectors.shape[1]), kin)


def _among(table: Table, items: _Items, compared: str, aim: Aim) -> Found:
    near = rivals(items.means, items.means, [(items.kin, items.kin)], aim.progress, "comparing items")
    evidence = _evidence(near)
    finite = evidence[np.isfinite(evidence)]
    limit = limits.draw("same_product", compared, finite, _split(table, items, aim), aim.rate)
    found = []
    if limit.limit is not None:
        above = np.flatnonzero(evidence > limit.limit)
        for one in above[np.argsort(-evidence[above], kind="stable")].tolist():
            other = int(near.at[one])
            if near.at[other] == one and one < other:
                score = float(min(evidence[one], evidence[other])) - limit.limit
                if score > 0:
                    found.append(_told(table, items, (one, other), float(near.best[one]), score))
    return found, limit


def _evidence(near: Rivals) -> Products:
    """How near the nearest item is, and how much nearer than the next one, seen from both.

    A product under two ids has one item that is near and none beside it; a product among many of its like has many.
    """
    best, second = (np.where(np.isfinite(scores), scores, 0) for scores in (near.best, near.second))
    gap = best - second
    mutual = near.at[near.at] == np.arange(len(near.at))
    back = np.where(mutual, gap[near.at], best - best[near.at])
    evidence: Products = near.best + np.minimum(gap, back)
    return evidence


def _split(table: Table, items: _Items, aim: Aim) -> Products:
    """The evidence of items taken for two: the photos of each, halved at random."""
    several = [i for i, mine in enumerate(items.rows) if len(np.unique(table.picture[mine])) > 1]
    if len(several) > _MOST_SPLIT:
        several = sorted(aim.rng.choice(several, _MOST_SPLIT, replace=False).tolist())
    halves = []
    for i in several:
        mixed = aim.rng.permutation(items.rows[i])
        half = len(mixed) // 2
        halves.append([table.vectors[mixed[:half]].mean(axis=0), table.vectors[mixed[half:]].mean(axis=0)])
    if not halves:
        return np.empty(0, np.float32)
    pairs = np.array(halves, np.float32)
    together = np.einsum("nd,nd->n", pairs[:, 0], pairs[:, 1])
    kin = items.kin[several]
    beside = [
        rivals(pairs[:, side], items.means, [(kin, items.kin)], aim.progress, "planting").best for side in (0, 1)
    ]
    rival = np.maximum(*beside)
    evidence: Products = 2 * together - np.where(np.isfinite(rival), rival, 0)
    return evidence


def _told(
    table: Table, items: _Items, pair: tuple[int, int], near: float, score: float
) -> tuple[Finding, tuple[int, int]]:
    one, other = items.rows[pair[0]], items.rows[pair[1]]
    products = table.vectors[one] @ table.vectors[other].T
    nearest = np.unravel_index(int(products.argmax()), products.shape)
    closest = table.pair(int(one[nearest[0]]), int(other[nearest[1]]))
    why = f"their photos are as near to each other ({near:.2f} on average) as those of one item, and to no other"
    mend = f"look whether {closest.item_id} and {closest.other_item_id} are one product, and keep one id"
    finding = Finding("same_product", "embedding", (closest,), score, why, mend)
    return finding, (int(items.codes[pair[0]]), int(items.codes[pair[1]]))
