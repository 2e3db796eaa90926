"""The vectors of one state, searched: all of them exactly, or exactly those that a graph finds near."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset.records import Vectors
from twinset.store.blocks import BLOCK
from twinset.store.graph import Graph
from twinset.store.rows import Ids

_PICKED: Final = 1024
_PICKING: Final = 3
"""A row that is picked out costs about as much as three that lie in a line (0.2 µs, D 256)."""

Scores = npt.NDArray[np.float64]
_Rows = npt.NDArray[np.intp]
_Parts = tuple[tuple[Vectors, Ids], ...]


@dataclass(frozen=True, slots=True)
class View:
    """The vectors of one version at one sequence number; safe to share between threads.

    `parts` are matrices `(N, D)` with the photos' numbers `(N,)`, -1 where a slot no longer counts; `counts` says
    how many count. `lift`, by photo number, is added to the scores by which photos are ranked. A `graph` is of the
    whole first part.
    """

    sequence: int
    version: int
    parts: _Parts
    lift: Scores | None = None
    graph: Graph | None = None
    counts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", tuple(int(np.count_nonzero(ids >= 0)) for _, ids in self.parts))

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def exact(self) -> bool:
        """Whether no graph chooses the photos that are looked at; none does where photos are lifted."""
        return self.graph is None or self.lift is not None

    def tally(self) -> tuple[int, int]:
        """How many photos there are, and the sum of their numbers."""
        return len(self), sum(int(ids[ids >= 0].sum()) for _, ids in self.parts)

    def only(self, kept: npt.NDArray[np.bool_]) -> "View":
        """The same without the photos that `kept`, by photo number, leaves out."""
        parts = tuple((vectors, np.where((ids >= 0) & kept[ids], ids, -1)) for vectors, ids in self.parts)
        return replace(self, parts=parts)

    def search(self, query: Vectors, k: int, least: float = -1.0) -> tuple[Ids, Scores]:
        """The `k` nearest photos: numbers and scores, best first, ties by number.

        A score is the cosine similarity plus the photo's lift; `least` is of the similarity alone. Scores and order
        are exact, and so is which photos are found, but where a graph is worth its while: it may miss some.
        """
        parts = self.parts if self.graph is None or self.exact else self._near(self.graph, query, k)
        return self._exactly(parts, query, k, least)

    def _near(self, graph: Graph, query: Vectors, k: int) -> _Parts:
        """Of the graph's photos the nearest, and all others; all of them where the graph does not give enough."""
        vectors, ids = self.parts[0]
        slots = graph.nearest(query, k, self.counts[0])
        slots = slots[ids[slots] >= 0]
        if len(slots) < min(k, self.counts[0]):
            return self.parts
        return (vectors[slots], ids[slots]), *self.parts[1:]

    def _exactly(self, parts: _Parts, query: Vectors, k: int, least: float) -> tuple[Ids, Scores]:
        """Float32 products pick candidates, with more room than they can err by; float64 settles the order."""
        margin = 2.0 * len(query) * 2.0**-24
        near: list[_Near] = []
        floor, kept = -np.inf, np.empty(0)
        for vectors, ids in _blocks(parts):
            rows = np.flatnonzero(ids >= 0)
            similar = _products(vectors, rows, query)
            scores = similar if self.lift is None else similar + self.lift[ids[rows]]
            good = (scores >= floor) & (similar >= least - margin)
            near.append(_Near(vectors, ids, rows[good], scores[good]))
            sure = scores[good & (similar >= least + margin)] if least > -1 else scores[good]
            kept = np.concatenate([kept, sure])
            if len(kept) > k:
                kept = np.partition(kept, len(kept) - k)[-k:]
                floor = float(kept[0]) - margin
        return self._settled(near, query, k, (floor, least))

    def _settled(
        self, near: Sequence["_Near"], query: Vectors, k: int, bounds: tuple[float, float]
    ) -> tuple[Ids, Scores]:
        """The order of candidates: of those above the floor of scores and the least similarity."""
        floor, least = bounds
        ids: list[Ids] = [np.empty(0, np.int64)]
        exact: list[Scores] = [np.empty(0)]
        for block in near:
            rows = block.rows[block.scores >= floor]
            for start in range(0, len(rows), 4096):
                part = rows[start : start + 4096]
                similar = exact_scores(block.vectors[part], query)
                part, similar = part[similar >= least], similar[similar >= least]
                ids.append(block.ids[part])
                exact.append(similar if self.lift is None else similar + self.lift[ids[-1]])
        all_ids, all_scores = np.concatenate(ids), np.concatenate(exact)
        order = np.lexsort((all_ids, -all_scores))[:k]
        return all_ids[order], all_scores[order]


@dataclass(frozen=True, slots=True)
class _Near:
    """Rows of a block that may be among the nearest, with their scores as float32 gives them."""

    vectors: Vectors
    ids: Ids
    rows: _Rows
    scores: npt.NDArray[np.floating[Any]]


def exact_scores(vectors: Vectors, query: Vectors) -> Scores:
    """Cosine similarities `(N,)` in [-1, 1], summed in float64 row by row: the same wherever a row stands."""
    scores: Scores = np.clip((vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1), -1.0, 1.0)
    return scores


def _blocks(parts: _Parts) -> Iterator[tuple[Vectors, Ids]]:
    for vectors, ids in parts:
        for start in range(0, len(ids), BLOCK):
            yield vectors[start : start + BLOCK], ids[start : start + BLOCK]


def _products(vectors: Vectors, rows: _Rows, query: Vectors) -> Vectors:
    """The products of some rows: of all and then those, or where they are few of those alone."""
    if len(rows) * _PICKING > len(vectors):
        every: Vectors = vectors @ query
        return every if len(rows) == len(vectors) else every[rows]
    parts = [vectors[rows[start : start + _PICKED]] @ query for start in range(0, len(rows), _PICKED)]
    return np.concatenate([np.empty(0, np.float32), *parts])
