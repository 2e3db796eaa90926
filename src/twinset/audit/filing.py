"""Photos under another item than their own, and items whose photos show different products."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from twinset.audit import limits
from twinset.audit.findings import Finding, Limit, Pair
from twinset.audit.limits import Aim
from twinset.audit.near import rivals
from twinset.audit.table import Mask, Table
from twinset.progress import Progress
from twinset.ranking import Ints, Products

_MOST_PLANTED: Final = 2000
_MOST_OWN: Final = 2048
"""So many photos of an item are compared with each of its photos."""
_DRAWS: Final = 5


class Own(NamedTuple):
    """For each photo the best score among the others of its item, its place, and whether these are shop photos.

    -inf where there is no other. Others of the photo's own domain are taken where there are some.
    """

    best: Products
    at: Ints
    shop: Mask


class _Margins(NamedTuple):
    """For each photo how much nearer another item is than its own, and that item's nearest photo; `(N,)`.

    -inf where its item has no other photo. `other` is the score of that photo.
    """

    margin: Products
    other: Products
    at: Ints


def own(table: Table, rows: Sequence[Ints]) -> Own:
    """How near each photo is to the others of its item; a copy of itself is none of them."""
    best = np.full(len(table.photos), -np.inf, np.float32)
    at, shop = np.zeros(len(best), np.int64), table.shop.copy()
    for mine in rows:
        if len(mine) < 2:
            continue
        others = mine if len(mine) <= _MOST_OWN else mine[:: -(-len(mine) // _MOST_OWN)]
        products = table.vectors[mine] @ table.vectors[others].T
        products[table.picture[mine, np.newaxis] == table.picture[others]] = -np.inf
        alike = np.where(table.shop[mine, np.newaxis] == table.shop[others], products, -np.inf)
        across = np.isneginf(alike.max(axis=1))
        compared = np.where(across[:, np.newaxis], products, alike)
        best[mine], at[mine] = compared.max(axis=1), others[compared.argmax(axis=1)]
        shop[mine] ^= across & np.isfinite(best[mine])
    return Own(best, at, shop)


def find(table: Table, rows: Sequence[Ints], mine: Own, aim: Aim) -> tuple[list[Finding], list[Limit]]:
    """Photos that are nearer to another item than to their own, and items of which all photos are."""
    margins = _margins(table, mine, aim.progress)
    strangers = _Strangers(table, rows, mine, margins, aim.rng)
    bounds, drawn = _bounds(strangers, aim)
    torn, more = _torn(strangers, aim)
    excused = _excused(strangers, bounds)
    torn = {code: score for code, score in torn.items() if not excused[rows[code]].all()}
    told = [_disagree(table, rows[code], margins, score) for code, score in torn.items()]
    beyond = np.where(excused, -np.inf, margins.margin - bounds)
    misfiled = [photo for photo in np.flatnonzero(beyond > 0).tolist() if int(table.item[photo]) not in torn]
    told += (_wrong(table, photo, mine, margins, float(beyond[photo])) for photo in misfiled)
    return told, drawn + more


def _bounds(strangers: "_Strangers", aim: Aim) -> tuple[npt.NDArray[np.float64], list[Limit]]:
    """For each photo the margin from which on it is told, inf where none is drawn; and the limits.

    Like is compared with like: a close look is further from an item's other photos than they are from each other.
    """
    bounds, drawn = np.full(len(strangers.table.photos), np.inf), []
    for compared, here in _alike(strangers.table, strangers.mine, strangers.margins):
        planted = strangers.filed(here, shop=bool(strangers.mine.shop[here[0]]))
        limit = limits.draw("wrong_item", compared, strangers.margins.margin[here], planted, aim.rate)
        bounds[here] = np.inf if limit.limit is None else limit.limit
        drawn.append(limit)
    return bounds, drawn


def _alike(table: Table, mine: Own, margins: _Margins) -> list[tuple[str, Ints]]:
    """Photos that have a margin, by their domain, their item's, and their view; views of few photos together."""
    groups: defaultdict[tuple[bool, bool], defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for photo in np.flatnonzero(np.isfinite(margins.margin)).tolist():
        domains = not table.shop[photo], not mine.shop[photo]
        groups[domains][table.photos[photo].view].append(photo)
    found = []
    for (customer, others), views in sorted(groups.items()):
        rest: list[int] = []
        for view, photos in sorted(views.items()):
            if view and len(photos) >= limits.FEWEST:
                found.append(
                    (f"{_domain(not customer)} {view} with {_domain(not others)}", np.array(photos, np.int64))
                )
            else:
                rest += photos
        if rest:
            found.append((f"{_domain(not customer)} with {_domain(not others)}", np.array(rest, np.int64)))
    return found


def _excused(strangers: "_Strangers", bounds: npt.NDArray[np.float64]) -> Mask:
    """Photos whose rival is itself misfiled: it is nearer to the rest of their item than to its own.

    Else a photo under another item would speak against those that it was taken from.
    """
    table, mine, margins = strangers.table, strangers.mine, strangers.margins
    excused = np.zeros(len(table.photos), bool)
    for photo in np.flatnonzero(np.isfinite(margins.margin)).tolist():
        rival = int(margins.at[photo])
        mates = strangers.rows[table.item[photo]]
        mates = mates[table.picture[mates] != table.picture[photo]]
        if len(mates) and np.isfinite(mine.best[rival]):
            near = float((table.vectors[mates] @ table.vectors[rival]).max())
            excused[photo] = near - mine.best[rival] > bounds[rival]
    return excused


def _margins(table: Table, mine: Own, progress: Progress) -> _Margins:
    count = len(table.photos)
    other, at = np.full(count, -np.inf, np.float32), np.zeros(count, np.int64)
    for shop in (True, False):
        queries, gallery = np.flatnonzero(mine.shop == shop), np.flatnonzero(table.shop == shop)
        apart = [(labels[queries], labels[gallery]) for labels in (table.kin, table.picture)]
        if len(gallery):
            near = rivals(table.vectors[queries], table.vectors[gallery], apart, progress, "comparing photos")
            other[queries], at[queries] = near.best, gallery[near.at]
    there = np.isfinite(mine.best) & np.isfinite(other)
    margin = np.full(count, -np.inf, np.float32)
    margin[there] = other[there] - mine.best[there]
    return _Margins(margin, other, at)


class _Strangers:
    """Photos of other items, drawn at random from the same category: the faults that are planted on paper."""

    def __init__(
        self, table: Table, rows: Sequence[Ints], mine: Own, margins: _Margins, rng: np.random.Generator
    ) -> None:
        self.table, self.rows, self.mine, self.margins = table, rows, mine, margins
        self._rng = rng
        self._of: dict[tuple[int, bool], Ints] = {}
        order = np.lexsort((table.category, table.shop))
        keys = table.category[order] * 2 + table.shop[order]
        for alike in np.split(order, np.flatnonzero(np.diff(keys)) + 1) if len(order) else []:
            self._of[int(table.category[alike[0]]), bool(table.shop[alike[0]])] = alike

    def filed(self, photos: Ints, *, shop: bool) -> Products:
        """The margins of some photos, each as if it were filed under another item, of photos of that domain."""
        table, mine, margins = self.table, self.mine, self.margins
        if len(photos) > _MOST_PLANTED:
            photos = np.sort(self._rng.choice(photos, _MOST_PLANTED, replace=False))
        planted = []
        for photo in photos.tolist():
            stranger = self._one(int(table.category[photo]), {int(table.kin[photo])}, shop=shop)
            if stranger is not None:
                there = self.rows[table.item[stranger]]
                there = there[table.shop[there] == shop][:_MOST_OWN]
                nearest = max(float(mine.best[photo]), float(margins.other[photo]))
                planted.append(nearest - float((table.vectors[there] @ table.vectors[photo]).max()))
        return np.array(planted, np.float32)

    def gathered(self, photo: int, count: int, *, shop: bool) -> float | None:
        """The least margin of an item made of `count` photos of that domain, each of another item."""
        table = self.table
        kin: set[int] = set()
        chosen = []
        for _ in range(count):
            stranger = self._one(int(table.category[photo]), kin, shop=shop)
            if stranger is None:
                return None
            kin.add(int(table.kin[stranger]))
            chosen.append(stranger)
        products = table.vectors[chosen] @ table.vectors[chosen].T
        np.fill_diagonal(products, -np.inf)
        return float((np.maximum(self.mine.best[chosen], self.margins.other[chosen]) - products.max(axis=1)).min())

    def _one(self, category: int, kin: set[int], *, shop: bool) -> int | None:
        """A photo that is none of these kin; None where a few draws find none."""
        among = self._of.get((category, shop), np.empty(0, np.int64))
        for _ in range(_DRAWS if len(among) else 0):
            photo = int(among[self._rng.integers(len(among))])
            if int(self.table.kin[photo]) not in kin:
                return photo
        return None


def _torn(strangers: "_Strangers", aim: Aim) -> tuple[dict[int, float], list[Limit]]:
    """Items of which no photo is near another one, by number, and how far beyond the limit the nearest is."""
    table, rows, mine, margins = strangers.table, strangers.rows, strangers.mine, strangers.margins
    found: dict[int, float] = {}
    drawn = []
    for shop in (True, False):
        groups: dict[int, Ints] = {}
        for code, photos in enumerate(rows):
            here = photos[(table.shop[photos] == shop) & (mine.shop[photos] == shop)]
            here = here[np.isfinite(margins.margin[here])]
            if len(here) > 1 and (shop or not table.shop[photos].any()):
                groups[code] = here
        if not groups:
            continue
        seen = np.array([margins.margin[here].min() for here in groups.values()])
        some = list(groups.values())[:: -(-len(groups) // _MOST_PLANTED)]
        planted = [strangers.gathered(int(here[0]), len(here), shop=shop) for here in some]
        there = np.array([one for one in planted if one is not None], np.float32)
        limit = limits.draw("disagree", f"{_domain(shop)} with {_domain(shop)}", seen, there, aim.rate)
        drawn.append(limit)
        if limit.limit is not None:
            found |= {code: float(s - limit.limit) for code, s in zip(groups, seen, strict=True) if s > limit.limit}
    return found, drawn


def _disagree(table: Table, photos: Ints, margins: _Margins, score: float) -> Finding:
    pairs = tuple(_nearest(table, photo, margins) for photo in photos.tolist() if np.isfinite(margins.other[photo]))
    count = len(photos)
    why = f"none of its {count:,} photos is as near to another of them as to other items"
    mend = f"look which photos are of {table.photos[int(photos[0])].item_id}, and file the others elsewhere"
    return Finding("disagree", "embedding", pairs, score, why, mend)


def _wrong(table: Table, photo: int, mine: Own, margins: _Margins, score: float) -> Finding:
    pair = replace(_nearest(table, photo, margins), own_path=table.photos[mine.at[photo]].path)
    why = (
        f"{float(margins.other[photo]):.2f} near to a photo of {pair.other_item_id}, "
        f"{float(mine.best[photo]):.2f} to its own item's"
    )
    return Finding(
        "wrong_item",
        "embedding",
        (pair,),
        score,
        why,
        f"look whether it shows {pair.other_item_id}, or one like it",
    )


def _nearest(table: Table, photo: int, margins: _Margins) -> Pair:
    return table.pair(photo, int(margins.at[photo]))


def _domain(shop: bool) -> str:
    return "shop" if shop else "customer"
