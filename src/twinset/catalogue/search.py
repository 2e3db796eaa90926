"""A photo → an `Answer`: embed, search exactly, rank items, page."""

import base64
import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from twinset import boxes, group, photos
from twinset.catalogue.versions import Live
from twinset.embedder import query_box
from twinset.errors import CatalogueError, CursorError, CursorExpiredError, UsageError
from twinset.group import Ranked
from twinset.records import Answer, Box, Hit, PhotoHit, Vectors
from twinset.store.database import MEND
from twinset.store.rows import Rows, Version
from twinset.store.schema import Row
from twinset.store.vectors import exact_scores

MAX_K: Final = 10_000

By = Literal["item", "photo"]


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where the next page begins: behind `last`, whose rank was `rank`."""

    sequence: int
    query: str
    rank: int
    last: Ranked

    def encode(self) -> str:
        fields = [self.sequence, self.query, self.rank, self.last.score.hex(), self.last.key]
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "_Cursor":
        try:
            sequence, query, rank, score, key = json.loads(base64.b64decode(text, b"-_", validate=True))
            cursor = cls(int(sequence), str(query), int(rank), Ranked(str(key), float.fromhex(score)))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _no_cursor(text) from error
        if cursor.encode() != text or not -1 <= cursor.last.score <= 1:
            raise _no_cursor(text)
        return cursor


def _no_cursor(text: str) -> CursorError:
    return CursorError(f"{text[:40]!r} is no cursor", "pass on `next` of an answer as it is")


def search(
    rows: Rows,
    live: Live,
    photo: bytes,
    *,
    k: int,
    box: Sequence[float] | None,
    by: By,
    cursor: str | None,
    suggest: bool,
) -> Answer:
    """The `k` nearest items, or photos, to a photo; with the boxes that it suggests where no `box` is given.

    Raises:
        UsageError: `k`, `box` or `by` is out of its range.
        PhotoError: the photo is refused.
        CursorError, CursorExpiredError: the cursor is of another query, or of an earlier catalogue.

    """
    if not 1 <= k <= MAX_K:
        raise UsageError(f"k is {k}", f"use 1 to {MAX_K:,}")
    if by not in ("item", "photo"):
        raise UsageError(f"by is {by!r}", "use item or photo")
    part: Box | None = None if box is None else query_box(box)
    clock = [time.perf_counter()]
    decoded = photos.decode(photo)
    clock.append(time.perf_counter())
    with rows.snapshot():
        version, state = rows.live(), rows.state()
        embedder = live.embedder(version)
        query = embedder.embed(decoded, part)
        wanted = suggest and part is None and embedder.has_patches
        suggested = boxes.of_photo(embedder, decoded) if wanted else None
        clock.append(time.perf_counter())
        known = live.state(version, state)
        name = hashlib.sha256(query.tobytes() + by.encode() + version.fingerprint.encode()).hexdigest()[:16]
        after = _after(cursor, state.sequence, name)
        view = live.view(version, state)
        ranked, more = group.rank(
            lambda depth: view.search(query, depth),
            rows.items_of if by == "item" else rows.photo_ids_of,
            len(view),
            k,
            after.last if after else None,
        )
        first = after.rank + 1 if after else 1
        members = _members(rows, version, query, ranked, by)
        hits = tuple(_hit(rank, members[r.key]) for rank, r in enumerate(ranked, first))
    clock.append(time.perf_counter())
    last = first + len(ranked) - 1
    return Answer(
        hits=hits,
        query_id=uuid.uuid4().hex,
        next=_Cursor(state.sequence, name, last, ranked[-1]).encode() if more else None,
        catalogue=known,
        ms=_milliseconds(clock),
        boxes=suggested,
    )


def _after(text: str | None, sequence: int, query: str) -> _Cursor | None:
    if text is None:
        return None
    cursor = _Cursor.decode(text)
    if cursor.sequence != sequence:
        raise CursorExpiredError("the catalogue has changed since this cursor", "search again from the start")
    if cursor.query != query:
        raise CursorError("this cursor belongs to another query", "use the photo, box and `by` it came from")
    return cursor


def _members(
    rows: Rows, version: Version, query: Vectors, ranked: Sequence[Ranked], by: By
) -> dict[str, list[tuple[float, Row]]]:
    """The photos of each key with their scores, best first, ties by photo id.

    Raises:
        CatalogueError: the rows do not give the scores by which they were ranked.

    """
    keys = [r.key for r in ranked]
    found = rows.of_items(keys) if by == "item" else list(rows.find(keys).values())
    scores = exact_scores(rows.vectors(version, [row.id for row in found]), query).tolist() if found else []
    members: defaultdict[str, list[tuple[float, Row]]] = defaultdict(list)
    for score, row in sorted(zip(scores, found, strict=True), key=lambda m: (-m[0], m[1].photo.photo_id)):
        members[row.photo.item_id if by == "item" else row.photo.photo_id].append((score, row))
    for r in ranked:
        if not members[r.key] or members[r.key][0][0] != r.score:
            raise CatalogueError(f"{rows.path} is damaged: the photos of {r.key} do not agree", MEND)
    return members


def _hit(rank: int, members: Sequence[tuple[float, Row]]) -> Hit:
    score, best = members[0][0], members[0][1].photo
    rest = {k: v for k, v in best.attributes.items() if k not in ("split", "style", "title", "url")}
    return Hit(
        rank=rank,
        item_id=best.item_id,
        score=score,
        probability=None,
        category=best.category,
        style=best.value("style"),
        title=best.value("title"),
        url=best.value("url"),
        photo_id=best.photo_id,
        photo=best.path,
        photos=tuple(PhotoHit(row.photo.photo_id, row.photo.path, row.photo.view, own) for own, row in members),
        attributes=rest,
    )


def _milliseconds(clock: Sequence[float]) -> dict[str, float]:
    spans = np.diff(clock) * 1e3
    names = ("decode", "embed", "search")
    return {name: round(float(span), 3) for name, span in zip(names, spans, strict=True)} | {
        "total": round(float(spans.sum()), 3)
    }
