"""FAISS: a graph over vectors that lie in a matrix of ours, built, read and walked; its only user."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinset.errors import IntegrityError, MissingExtraError, first_line
from twinset.records import Vectors
from twinset.store.sealed import Bytes

Slots = npt.NDArray[np.int64]

_LINKS: Final = 32
_WIDTH: Final = 80
"""How wide a graph is searched for the neighbours of a vector that is added to it."""
_BATCH: Final = 16_384


class Walker:
    """A graph read from `data`, over `vectors` `(N, D)`, both used where they lie: processes share what is mapped.

    FAISS trusts what it reads: hand in only bytes whose seal was checked.

    Raises:
        MissingExtraError: FAISS is not installed.
        IntegrityError: it cannot read them, or they are of another count or D.

    """

    def __init__(self, data: Bytes, vectors: Vectors) -> None:
        self._faiss = library()
        reader = self._faiss.ZeroCopyIOReader(self._faiss.swig_ptr(data), data.nbytes)
        flags = self._faiss.IO_FLAG_SKIP_STORAGE | self._faiss.IO_FLAG_MMAP_IFC
        try:
            self._index = self._faiss.read_index(reader, flags)
        except RuntimeError as error:
            raise IntegrityError(f"FAISS cannot read the graph: {first_line(error)}", "build it anew") from error
        if (self._index.ntotal, self._index.d) != vectors.shape:
            raise IntegrityError(f"the graph is not of {vectors.shape} vectors", "build it anew")
        self._kept = data, vectors, _over(self._faiss, vectors)
        self._index.own_fields = False
        self._index.storage = self._kept[-1]

    def nearest(self, query: Vectors, depth: int, width: int) -> Slots:
        """The slots of about the `depth` vectors nearest to `query` `(D,)`, best first.

        One query is searched in the thread that asks: FAISS begins others only for several. It is asked by its C++
        method, since `faiss.contrib.torch_utils`, which other libraries load, changes the one for numpy.
        """
        point = self._faiss.swig_ptr
        how = self._faiss.SearchParametersHNSW(efSearch=width)
        asked = np.ascontiguousarray(query, np.float32)
        scores, slots = np.empty(depth, np.float32), np.empty(depth, np.int64)
        self._index.search_c(1, point(asked), depth, point(scores), point(slots), how)
        found: Slots = slots[slots >= 0]
        return found


def build(vectors: Vectors, cores: int, advance: Callable[[int], None]) -> Bytes:
    """A graph over vectors `(N, D)` of length 1, without them, as `Walker` reads it; `advance` is told counts.

    Raises:
        MissingExtraError: FAISS is not installed.

    """
    faiss = library()
    index = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _WIDTH
    with _threads(faiss, cores):
        for start in range(0, len(vectors), _BATCH):
            part = np.ascontiguousarray(vectors[start : start + _BATCH])
            index.add(part)
            advance(len(part))
    graph: Bytes = faiss.serialize_index(index, faiss.IO_FLAG_SKIP_STORAGE)
    return graph


def library() -> ModuleType:
    """The module `faiss`.

    Raises:
        MissingExtraError: it is not installed.

    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "an HNSW graph needs FAISS, which is not installed", 'pip install "twinset[faiss]"'
        ) from error
    module: ModuleType = faiss
    return module


def _over(faiss: ModuleType, vectors: Vectors) -> Any:
    """A flat index that looks at `vectors` where they lie."""
    flat = faiss.IndexFlat(vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
    place = faiss.cast_integer_to_void_ptr(vectors.ctypes.data)
    flat.codes = faiss.MaybeOwnedVectorUInt8.create_view(place, vectors.nbytes, flat.codes.owner)
    flat.ntotal = len(vectors)
    return flat


@contextmanager
def _threads(faiss: ModuleType, count: int) -> Iterator[None]:
    """FAISS's OpenMP has so many threads meanwhile, whatever others of this process have set."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
