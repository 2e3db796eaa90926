"""The whole audit: photos → what is likely wrong with their manifest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from twinset import twins
from twinset.audit import filing, pictures, products, splits
from twinset.audit.findings import KINDS, Audit, Finding, Limit
from twinset.audit.limits import Aim
from twinset.audit.table import Table
from twinset.errors import UsageError
from twinset.evaluate import Embeds
from twinset.progress import SILENT, Progress
from twinset.ranking import Ints
from twinset.records import Photo, Pixels

RATE: Final = 0.02
"""The share of faultless photos or items that may be told, of each kind."""


def audit(
    photos: Sequence[Photo],
    embeds: Embeds,
    root: Path,
    *,
    rate: float = RATE,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Audit:
    """Looks for products under two ids, photos under the wrong item, items that disagree, and leakage.

    Photos lie below `root`; those that `embeds` leaves out take no part, and those that cannot be read are not
    looked at as pictures. `rate` (0-1) is the share of false alarms to aim at, of each kind.

    Raises:
        UsageError: `rate` is no share of 0.0001 to 0.5.

    """
    if not 1e-4 <= rate <= 0.5:
        raise UsageError(f"{rate:g} is no share of false alarms", "give 0.0001 to 0.5, for example 0.02")
    embedded, vectors = embeds(photos)
    squares = twins.look(embedded, root, progress)
    table = Table.of(embedded, vectors, pictures.clusters(squares))
    rows = table.rows()
    aim = Aim(rate, np.random.Generator(np.random.PCG64(seed)), progress)
    mine = filing.own(table, rows)
    told = list(pictures.findings(table, pictures.shared(table), mine.best))
    table = table.joined(pair for _, pair in told if pair)
    limits: list[Limit] = []
    alike: list[tuple[Finding, tuple[int, int]]] = [(finding, pair) for finding, pair in told if pair]
    for pairs, limit in products.find(table, rows, aim):
        alike += pairs
        told += pairs
        limits.append(limit)
    table = table.joined(pair for _, pair in alike)
    filed, more = filing.find(table, rows, mine, aim)
    leaks, notes = _leakage(table, rows, alike)
    findings = _sorted([*(finding for finding, _ in told), *_new(filed, told), *leaks])
    notes = [*_unseen(squares, len(photos)), *notes]
    return Audit(len(table.photos), len(rows), tuple(findings), (*limits, *more), tuple(notes))


def _leakage(
    table: Table, rows: Sequence[Ints], alike: Sequence[tuple[Finding, tuple[int, int]]]
) -> tuple[list[Finding], list[str]]:
    """What stands in several splits: pictures, items, styles, products; and notes."""
    found = list(splits.by_picture(table))
    notes = []
    for column in ("item_id", "style"):
        torn, note = splits.by_group(table, column, found)
        found += torn
        notes += [note] if note else []
    embedded = [one for one in alike if one[0].evidence == "embedding"]
    return [*found, *splits.by_product(table, rows, embedded)], notes


def _new(filed: Sequence[Finding], told: Sequence[tuple[Finding, tuple[int, int] | None]]) -> list[Finding]:
    """Those of which the pictures have not told already."""
    known = {finding.pairs[0].path for finding, _ in told if finding.kind == "wrong_item"}
    return [finding for finding in filed if finding.kind != "wrong_item" or finding.pairs[0].path not in known]


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    order = list(KINDS)
    return sorted(findings, key=lambda one: (order.index(one.kind), -one.score, one.pairs[0].path))


def _unseen(squares: Sequence[Pixels | None], count: int) -> list[str]:
    """What the audit could not look at."""
    unread = sum(square is None for square in squares)
    notes = [f"{count - len(squares):,} of {count:,} photos have no vector"] if len(squares) < count else []
    if unread:
        notes.append(f"{unread:,} of {count:,} photos cannot be read: they were not looked at as pictures")
    return notes
