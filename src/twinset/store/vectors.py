"""Vectors derived from the rows: a memory-mapped f32 matrix that may be thrown away.

`derived/<version>/` holds `vectors.f32` and `ids.i64`, which only ever grow, and `state.json`, replaced last,
which says how much of them counts, the sequence number that they have reached, a checksum a block, and its own.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from twinset.files import write_whole
from twinset.progress import SILENT, Progress, counted
from twinset.records import Vectors
from twinset.store import graph
from twinset.store.blocks import sums
from twinset.store.graph import Matrix
from twinset.store.rows import Ids, Rows
from twinset.store.sealed import sealed, unsealed
from twinset.store.versions import Version
from twinset.store.view import View

_FORMAT: Final = 1
_STATE: Final = "state.json"
_VECTORS: Final = "vectors.f32"
_IDS: Final = "ids.i64"
_STEP: Final = "deriving vectors"
_ANEW: Final = "the next `index` makes them anew, and so does `verify --repair`"


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


def open_view(folder: Path, rows: Rows, version: Version, sequence: int, catalogue: str) -> View:
    """The vectors at `sequence`, inside a snapshot of the rows: from disk, and what is newer from the rows."""
    derived = _load(folder, version, catalogue)
    if derived is not None and derived[0].sequence <= sequence:
        state, vectors, ids = derived
        ids = _still(ids, rows, version, state)
        walked = graph.open_graph(folder, _matrix(state, vectors))
        covered = 0 if walked is None else walked.rows
        parts = (vectors[:covered], ids[:covered]), (vectors[covered:], ids[covered:])
        newer = rows.vectors_since(version, state.sequence)
        view = View(sequence, version.number, (*parts, *newer), graph=walked)
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


def catch_up(
    folder: Path,
    rows: Rows,
    version: Version,
    catalogue: str,
    *,
    rebuild: bool = False,
    progress: Progress = SILENT,
) -> None:
    """Brings `folder` to the rows' state, by a writer: what is newer is appended, much waste is rewritten."""

    def newer(since: int) -> Iterator[tuple[Vectors, Ids]]:
        return counted(rows.vectors_since(version, since), progress, _STEP, rows.count_since(since), _units)

    with rows.snapshot():
        sequence = rows.state().sequence
        new = _Derived(catalogue, version.number, version.dim, 0, sequence, (), (), ())
        loaded = None if rebuild else _load(folder, version, catalogue)
        if loaded is not None and loaded[0].sequence <= sequence:
            old, _, ids = loaded
            if old.sequence == sequence:
                return
            if not len(rows.changed_since(version, old.sequence)):  # what is said of photos, and no vector
                _write_state(folder, replace(old, sequence=sequence))
                return
            dead = tuple(np.flatnonzero(_still(ids, rows, version, old) < 0).tolist())
            if len(dead) <= max(1000, old.rows // 10):
                kept = replace(new, rows=old.rows, dead=dead)
                _write(folder, kept, newer(old.sequence))
                return
        _discard(folder)
        _write(folder, new, newer(0))


def catch_up_graph(folder: Path, version: Version, catalogue: str, cores: int, progress: Progress) -> None:
    """Builds a graph beside vectors that are up to date, by a writer, where there is none that is still good.

    Raises:
        MissingExtraError: FAISS is not installed.

    """
    loaded = _load(folder, version, catalogue)
    if loaded is not None:
        state, vectors, ids = loaded
        graph.catch_up(folder, _matrix(state, vectors), ids, cores, progress)


def graph_problems(folder: Path, version: Version, catalogue: str) -> list[str]:
    """What does not agree about the graph; nothing where there is none, or the vectors themselves are bad."""
    loaded = None if graph.stamp(folder) is None else _load(folder, version, catalogue)
    return [] if loaded is None else graph.problems(folder, _matrix(*loaded[:2]))


def _units(part: tuple[Vectors, Ids]) -> int:
    return len(part[1])


def problems(folder: Path, rows: Rows, version: Version, catalogue: str, progress: Progress = SILENT) -> list[str]:
    """What does not agree: checksums, and every vector with the row that it was made from."""
    if not (folder / _STATE).exists():
        return []
    loaded = _load(folder, version, catalogue)
    if loaded is None:
        return [f"the files do not agree with their checksums; {_ANEW}"]
    with rows.snapshot():
        return list(_disagreements(loaded, rows, version, progress))


def _disagreements(
    loaded: tuple["_Derived", Vectors, Ids], rows: Rows, version: Version, progress: Progress
) -> Iterator[str]:
    """Of what is not newer than the derived files, whose changes are read from the rows until they catch up."""
    state, vectors, ids = loaded
    if state.sequence > rows.state().sequence:
        yield f"the files are ahead of the rows; {_ANEW}"
        return
    alive = np.flatnonzero(_still(ids, rows, version, state) >= 0)
    slots = dict(zip(ids[alive].tolist(), alive.tolist(), strict=True))
    newer = set(rows.changed_since(version, state.sequence).tolist())
    missing = len(slots) - len(alive)
    parts = rows.vectors_since(version, 0)
    for part, numbers in counted(parts, progress, "checking derived vectors", rows.count_since(0), _units):
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
    if sums(ids) != state.ids or sums(vectors) != state.vectors:
        return None
    ids[list(state.dead)] = -1
    return state, vectors, ids


def _matrix(state: _Derived, vectors: Vectors) -> Matrix:
    return Matrix(state.catalogue, state.version, vectors, state.vectors)


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
        raw = unsealed(data)
        if raw.pop("format") != _FORMAT:
            return None
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return _Derived(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _discard(folder: Path) -> None:
    for name in (_STATE, _VECTORS, _IDS, graph.NAME):
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
    of_vectors = sums(_mapped(folder / _VECTORS, np.dtype("<f4"), (rows, state.dim)))
    of_ids = sums(_mapped(folder / _IDS, np.dtype("<i8"), (rows,)))
    _write_state(folder, replace(state, rows=rows, vectors=of_vectors, ids=of_ids))


def _write_state(folder: Path, state: _Derived) -> None:
    write_whole(folder / _STATE, sealed({"format": _FORMAT} | asdict(state)).encode())


def _at(path: Path, offset: int) -> BinaryIO:
    """A file to write behind what counts, over what a killed writer may have left there."""
    file = path.open("r+b" if path.exists() else "w+b")
    file.seek(offset)
    file.truncate()
    return file
