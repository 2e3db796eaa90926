"""Other orders of the first hits of a search: pure functions over the vectors of a query and of what it found.

Each gives numbers by which the candidates are ordered anew, higher is better; sums are in float64.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from twinset.records import Vectors
from twinset.runtime import Patches

Scores = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_NEARER: Final = 0.75
_FARTHER: Final = 0.15
_SHORTEST: Final = 1e-6
"""A sum of vectors that is shorter has no direction."""


def places(plain: Scores, new: Scores) -> npt.NDArray[np.intp]:
    """Where each of N candidates stands by its new score, from 0; NaN keeps its place by the plain score.

    Equal candidates stand as they are given.

    >>> places(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, np.nan, 3.0, 2.0])).tolist()
    [3, 1, 0, 2]
    """
    before = np.argsort(np.argsort(-plain, kind="stable"))
    known = np.flatnonzero(~np.isnan(new))
    known = known[np.argsort(before[known])]
    after = before.copy()
    after[known[np.argsort(-new[known], kind="stable")]] = before[known]
    return after


def centroid(vectors: Vectors) -> Vectors:
    """The direction `(D,)` between vectors `(N, D)`: their mean at length 1; zeros where they cancel out.

    >>> centroid(np.array([[3, 0], [0, 3]], np.float32)).round(3).tolist()
    [0.7070000171661377, 0.7070000171661377]
    """
    total = vectors.astype(np.float64).sum(axis=0)
    length = float(np.linalg.norm(total))
    found: Vectors = (total / length if length >= _SHORTEST else np.zeros_like(total)).astype(np.float32)
    return found


def expanded(query: Vectors, neighbours: Vectors, scores: Scores, alpha: float) -> Vectors:
    """The query `(D,)` moved towards its neighbours `(N, D)`, each weighed by its score to the power `alpha`.

    Average query expansion (Chum et al., 2007) with the weights of Radenović et al. (2018); the query itself, whose
    score is 1, weighs 1, and a neighbour of a score below 0 nothing.

    >>> expanded(np.array([1, 0]), np.array([[0.6, 0.8]]), np.array([0.6]), 1.0).round(3).tolist()
    [0.9430000185966492, 0.3330000042915344]
    """
    weights = np.maximum(scores, 0.0) ** alpha
    return centroid(np.vstack([query, neighbours * weights[:, np.newaxis]]))


def moved(query: Vectors, positive: Vectors, negative: Vectors) -> Vectors:
    """The query `(D,)` moved towards what was said to be right `(P, D)`, and away from what was not `(N, D)`.

    Relevance feedback (Rocchio, 1971) with the weights of Manning, Raghavan and Schütze (2008, 9.1.1): the query
    counts 1, the mean of the right 0.75, that of the wrong 0.15.

    >>> moved(np.array([1.0, 0.0]), np.array([[0.0, 1.0]]), np.empty((0, 2))).round(3).tolist()
    [0.800000011920929, 0.6000000238418579]
    """
    parts = [query.astype(np.float64)]
    parts += [_NEARER * positive.mean(axis=0)] if len(positive) else []
    parts += [-_FARTHER * negative.mean(axis=0)] if len(negative) else []
    return centroid(np.stack(parts))


def reciprocal(query: Vectors, candidates: Vectors, k1: int, k2: int, weight: float) -> Scores:
    """How near the candidates `(N, D)` are to the query by the company they keep, `(N,)` from -2 to 0.

    k-reciprocal encoding (Zhong et al., 2017) with 1 - cosine for the distance; all that is looked at are the query
    and the candidates. A photo's set are those of its `k1` nearest that have it among theirs, and the sets of half
    as many around these, where two thirds of one lie in it; its encoding is exp(-distance) over its set, summing to
    1, averaged over its `k2` nearest; itself is the first of its nearest. The result is minus the mean of the two
    distances, Jaccard's between encodings and, by `weight` (0-1), the cosine's.

    >>> reciprocal(np.eye(3)[0], np.array([[0.8, 0.6, 0], [0, 0.8, 0.6]]), 2, 1, 0.5).round(3).tolist()
    [-0.191, -1.0]
    """
    points = np.vstack([query, candidates]).astype(np.float64)
    distances = 1.0 - points @ points.T
    np.fill_diagonal(distances, -1.0)  # oneself is nearest, whoever is equal
    order = np.argsort(distances, axis=1, kind="stable")
    np.fill_diagonal(distances, 0.0)
    wide, narrow = _mutual(order, k1), _mutual(order, -(-k1 // 2))
    shared = wide.astype(np.float64) @ narrow
    reached = wide & (3 * shared >= 2 * narrow.sum(axis=1))
    encoded = np.where(wide | (reached @ narrow), np.exp(-distances), 0.0)
    encoded /= encoded.sum(axis=1, keepdims=True)
    averaged = encoded[order[:, :k2]].mean(axis=1)
    shares = np.minimum(averaged[0], averaged).sum(axis=1) / np.maximum(averaged[0], averaged).sum(axis=1)
    scores: Scores = -((1 - weight) * (1 - shares) + weight * distances[0])[1:]
    return scores


def _mutual(order: npt.NDArray[np.intp], k: int) -> _Mask:
    """Who is among the `k` nearest of whom, both ways."""
    near = np.zeros(order.shape, np.bool_)
    np.put_along_axis(near, order[:, :k], values=True, axis=1)
    return near & near.T


def max_sim(query: Patches, hit: Patches) -> float:
    """How well each place of a query `(P, D)` is found again somewhere in a hit `(Q, D)`, from -1 to 1.

    The mean over the query's places of the best cosine (MaxSim, Khattab and Zaharia, 2020), where a place counts by
    the length of what it contributes.

    >>> max_sim(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[5.0, 0.0], [0.6, 0.8]])).__round__(3)
    0.933
    """
    lengths = np.linalg.norm(query.astype(np.float64), axis=1)
    best = (_unit(query) @ _unit(hit).T).max(axis=1)
    return float(lengths @ best / max(lengths.sum(), _SHORTEST))


def _unit(places: Patches) -> Scores:
    lengths = np.linalg.norm(places.astype(np.float64), axis=1, keepdims=True)
    unit: Scores = places / np.where(lengths > 0, lengths, 1.0)
    return unit
