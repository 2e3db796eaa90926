"""Vectors derived from the rows: a memory-mapped f32 matrix, searched exactly, that may be thrown away.

`derived/<version>/` holds `vectors.f32` and `ids.i64`, which only ever grow, and `state.json`, replaced last,
which says how much of them counts, the sequence number that they have reached, a checksum a block, and its own.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from twinset.files import write_whole
from twinset.records import Vectors
from twinset.store.rows import Ids, Rows
from twinset.store.schema import checksum
from twinset.store.versions import Version

_FORMAT: Final = 1
_BLOCK: Final = 65_536
_STATE: Final = "state.json"
_VECTORS: Final = "vectors.f32"
_IDS: Final = "ids.i64"
_ANEW: Final = "the next `index` makes them anew, and so does `verify --repair`"

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Derived:
    """What `state.json` says: `dead` slots no longer count; a CRC-32 for each block of vectors and of ids."""

    catalogue: str
    version: int
    dim: int
    rows: int
    sequence: int
    dead: tuple[int, ...]
    vectors: tuple[int, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The vectors of one version at one sequence number; safe to share between threads.

    `parts` are matrices `(N, D)` with the photos' numbers `(N,)`, -1 where a slot no longer counts. `lift`, by
    photo number, is added to the scores by which photos are ranked.
    """

    sequence: int
    version: int
    parts: tuple[tuple[Vectors, Ids], ...]
    lift: Scores | None = None

    def __len__(self) -> int:
        return sum(int(np.count_nonzero(ids >= 0)) for _, ids in self.parts)

    def tally(self) -> tuple[int, int]:
        """How many photos there are, and the sum of their numbers."""
        alive = [ids[ids >= 0] for _, ids in self.parts]
        return sum(map(len, alive)), sum(int(ids.sum()) for ids in alive)

    def only(self, kept: npt.NDArray[np.bool_]) -> "View":
        """The same without the photos that `kept`, by photo number, leaves out."""
        parts = tuple((vectors, np.where((ids >= 0) & kept[ids], ids, -1)) for vectors, ids in self.parts)
        return replace(self, parts=parts)

    def search(self, query: Vectors, k: int, least: float = -1.0) -> tuple[Ids, Scores]:
        """The `k` nearest photos exactly: numbers and scores, best first, ties by number.

        A score is the cosine similarity plus the photo's lift; `least` is of the similarity alone. Float32 products
        pick the candidates, with more room than they can err by; float64 adds the lift and settles the order.
        """
        margin = 2.0 * len(query) * 2.0**-24
        near: list[_Near] = []
        floor, kept = -np.inf, np.empty(0)
        for vectors, ids in self._blocks():
            similar = vectors @ query
            scores = similar if self.lift is None else similar + self.lift[ids]
            rows = np.flatnonzero((scores >= floor) & (ids >= 0) & (similar >= least - margin))
            near.append(_Near(vectors, ids, rows, scores[rows]))
            sure = rows[similar[rows] >= least + margin] if least > -1 else rows
            kept = np.concatenate([kept, scores[sure]])
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

    def _blocks(self) -> Iterator[tuple[Vectors, Ids]]:
        for vectors, ids in self.parts:
            for start in range(0, len(ids), _BLOCK):
                yield vectors[start : start + _BLOCK], ids[start : start + _BLOCK]


@dataclass(frozen=True, slots=True)
class _Near:
    """Rows of a block that may be among the nearest, with their scores as float32 gives them."""

    vectors: Vectors
    ids: Ids
    rows: npt.NDArray[np.intp]
    scores: npt.NDArray[np.floating[Any]]


def exact_scores(vectors: Vectors, query: Vectors) -> Scores:
    """Cosine similarities `(N,)` in [-1, 1], summed in float64 row by row: the same wherever a row stands."""
    scores: Scores = np.clip((vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1), -1.0, 1.0)
    return scores


def open_view(folder: Path, rows: Rows, version: Version, sequence: int, catalogue: str) -> View:
    """The vectors at `sequence`, inside a snapshot of the rows: from disk, and what is newer from the rows."""
    derived = _load(folder, version, catalogue)
    if derived is not None and derived[0].sequence <= sequence:
        state, vectors, ids = derived
        ids = _still(ids, rows, version, state)
        view = View(sequence, version.number, ((vectors, ids), *rows.vectors_since(version, state.sequence)))
        if view.tally() == rows.tally(version):
            return view
    return View(sequence, version.number, tuple(rows.vectors_since(version, 0)))


def _still(ids: Ids, rows: Rows, version: Version, state: "_Derived") -> Ids:
    """The numbers, -1 where a photo has changed or gone since `state`."""
    changed = rows.changed_since(version, state.sequence)
    return np.where(np.isin(ids, changed), -1, ids) if len(changed) else ids


def discard_ahead(folder: Path, rows: Rows) -> None:
    """Throws derived files away that are ahead of the rows, as after a restore: numbers will be used again."""
    data = _read_state(folder)
    state = None if data is None else _parse_state(data)
    if state is not None and state.sequence > rows.state().sequence:
        _discard(folder)


def catch_up(folder: Path, rows: Rows, version: Version, catalogue: str, *, rebuild: bool = False) -> None:
    """Brings `folder` to the rows' state, by a writer: what is newer is appended, much waste is rewritten."""
    with rows.snapshot():
        sequence = rows.state().sequence
        new = _Derived(catalogue, version.number, version.dim, 0, sequence, (), (), ())
        loaded = None if rebuild else _load(folder, version, catalogue)
        if loaded is not None and loaded[0].sequence <= sequence:
            old, _, ids = loaded
            if old.sequence == sequence:
                return
            dead = tuple(np.flatnonzero(_still(ids, rows, version, old) < 0).tolist())
            if len(dead) <= max(1000, old.rows // 10):
                kept = replace(new, rows=old.rows, dead=dead)
                _write(folder, kept, rows.vectors_since(version, old.sequence))
                return
        _discard(folder)
        _write(folder, new, rows.vectors_since(version, 0))


def problems(folder: Path, rows: Rows, version: Version, catalogue: str) -> list[str]:
    """What does not agree: checksums, and every vector with the row that it was made from."""
    if not (folder / _STATE).exists():
        return []
    loaded = _load(folder, version, catalogue)
    if loaded is None:
        return [f"the files do not agree with their checksums; {_ANEW}"]
    with rows.snapshot():
        return list(_disagreements(loaded, rows, version))


def _disagreements(loaded: tuple["_Derived", Vectors, Ids], rows: Rows, version: Version) -> Iterator[str]:
    """Of what is not newer than the derived files, whose changes are read from the rows until they catch up."""
    state, vectors, ids = loaded
    if state.sequence > rows.state().sequence:
        yield f"the files are ahead of the rows; {_ANEW}"
        return
    alive = np.flatnonzero(_still(ids, rows, version, state) >= 0)
    slots = dict(zip(ids[alive].tolist(), alive.tolist(), strict=True))
    newer = set(rows.changed_since(version, state.sequence).tolist())
    missing = len(slots) - len(alive)
    for part, numbers in rows.vectors_since(version, 0):
        for vector, number in zip(part, numbers.tolist(), strict=True):
            slot = slots.pop(number, None)
            if slot is None:
                missing += number not in newer
            elif not np.array_equal(vectors[slot], vector):
                yield f"the derived vector of photo {number} differs from its row; {_ANEW}"
    if missing or slots:
        yield f"photos are missing, extra or there twice; {_ANEW}"


def _load(folder: Path, version: Version, catalogue: str) -> tuple[_Derived, Vectors, Ids] | None:
    """The derived files where they are whole and of this catalogue, None otherwise: the rows are the truth.

    A writer may append or replace them meanwhile: what agrees with the checksums of a state belongs to it, and
    where nothing does but the state is another by now, that one is tried.
    """
    before, data = None, _read_state(folder)
    while data is not None and data != before:
        loaded = _agreeing(folder, data, version, catalogue)
        if loaded is not None:
            return loaded
        before, data = data, _read_state(folder)
    return None


def _agreeing(folder: Path, data: bytes, version: Version, catalogue: str) -> tuple[_Derived, Vectors, Ids] | None:
    state = _parse_state(data)
    if state is None or (state.catalogue, state.version, state.dim) != (catalogue, version.number, version.dim):
        return None
    try:
        vectors = _mapped(folder / _VECTORS, np.dtype("<f4"), (state.rows, state.dim))
        ids = np.array(_mapped(folder / _IDS, np.dtype("<i8"), (state.rows,)))
    except (OSError, ValueError):
        return None
    if _sums(ids) != state.ids or _sums(vectors) != state.vectors:
        return None
    ids[list(state.dead)] = -1
    return state, vectors, ids


def _mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", shape=shape)


def _read_state(folder: Path) -> bytes | None:
    try:
        return (folder / _STATE).read_bytes()
    except OSError:
        return None


def _parse_state(data: bytes) -> _Derived | None:
    try:
        raw = json.loads(data)
        if raw.pop("checksum") != checksum(raw) or raw.pop("format") != _FORMAT:
            return None
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return _Derived(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _state_text(state: _Derived) -> str:
    raw = {"format": _FORMAT} | json.loads(json.dumps(asdict(state)))
    return json.dumps(raw | {"checksum": checksum(raw)})


def _sums(array: npt.NDArray[Any]) -> tuple[int, ...]:
    """A CRC-32 of each block; zlib lets other threads run meanwhile."""
    blocks = [array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK)]
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda block: zlib.crc32(np.ascontiguousarray(block).data), blocks))


def _discard(folder: Path) -> None:
    for name in (_STATE, _VECTORS, _IDS):
        (folder / name).unlink(missing_ok=True)


def _write(folder: Path, state: _Derived, newer: Iterable[tuple[Vectors, Ids]]) -> None:
    """Appends `newer` behind the first `state.rows` rows, then writes the state that counts them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = state.rows
    with _at(folder / _VECTORS, rows * state.dim * 4) as vectors_file, _at(folder / _IDS, rows * 8) as ids_file:
        for vectors, ids in newer:
            vectors_file.write(np.ascontiguousarray(vectors, "<f4").data)
            ids_file.write(np.ascontiguousarray(ids, "<i8").data)
            rows += len(ids)
        for file in (vectors_file, ids_file):
            file.flush()
            os.fsync(file.fileno())
    sums = (
        _sums(_mapped(folder / _VECTORS, np.dtype("<f4"), (rows, state.dim))),
        _sums(_mapped(folder / _IDS, np.dtype("<i8"), (rows,))),
    )
    write_whole(folder / _STATE, _state_text(replace(state, rows=rows, vectors=sums[0], ids=sums[1])).encode())


def _at(path: Path, offset: int) -> BinaryIO:
    """A file to write behind what counts, over what a killed writer may have left there."""
    file = path.open("r+b" if path.exists() else "w+b")
    file.seek(offset)
    file.truncate()
    return file
