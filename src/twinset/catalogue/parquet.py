"""Records of photos ↔ one Parquet file, a group of rows at a time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from twinset import arrow
from twinset.errors import DumpError, PathError
from twinset.store.copies import Copy
from twinset.store.refill import CONTENT, PHOTO_ID, Record
from twinset.store.schema import COLUMNS, checksum

_ROW: Final = tuple(COLUMNS.split(", "))
_NUMBERS: Final = ("id", "size", "mtime_ns", "sequence", "checksum")
_VECTOR: Final = ("vector_sequence", "made_from", "vector", "vector_checksum")
_COPY: Final = ("copy_width", "copy_height", "copy")
_KEY: Final = b"twinset"
_SUMS_KEY: Final = b"twinset.sums"
_FORMAT: Final = 1
_MEND: Final = "dump the catalogue again, or copy the file again"


class Writer:
    """Writes groups of records; pages carry checksums."""

    def __init__(self, pyarrow: ModuleType, file: Any, dim: int) -> None:
        self._pyarrow, self._file, self._dim = pyarrow, file, dim

    def add(self, records: Sequence[Record]) -> None:
        """Writes a group."""
        pa = self._pyarrow
        rows = list(zip(*(record.row for record in records), strict=True))
        sequences, made_from, blobs, crcs = zip(*(record.vector for record in records), strict=True)
        halves = pa.array(np.frombuffer(b"".join(blobs), "<f2"))
        vectors = pa.FixedSizeListArray.from_arrays(halves, self._dim)
        copies = zip(*map(_copy_cells, records), strict=True)
        columns = [*rows, sequences, made_from, vectors, crcs, *copies]
        schema = _schema(pa, self._dim)
        arrays = [c if c is vectors else pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=schema))

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Writes what the file says of itself."""
        text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
        self._file.add_key_value_metadata({_KEY: text.encode(), _SUMS_KEY: str(checksum(text)).encode()})


@contextmanager
def writing(path: Path, dim: int) -> Iterator[Writer]:
    """A new Parquet file for records whose vectors have `dim` numbers.

    Raises:
        MissingExtraError: pyarrow is not installed.

    """
    pa, pq = arrow.libraries()
    with pq.ParquetWriter(path, _schema(pa, dim), write_page_checksum=True, compression="zstd") as file:
        yield Writer(pa, file, dim)


class Reader:
    """An opened file; `facts` is what it says of itself."""

    def __init__(self, path: Path, file: Any, facts: Mapping[str, Any]) -> None:
        self._path, self._file, self.facts = path, file, facts

    def groups(self) -> Iterator[list[Record]]:
        """The records, a group after another.

        Raises:
            DumpError: a group is damaged.

        """
        for number in range(self._file.num_row_groups):
            with arrow.translated(self._path, DumpError, _MEND):
                records = _records(self._file.read_row_group(number))
            yield records


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """A Parquet file that `writing` wrote.

    Raises:
        MissingExtraError: pyarrow is not installed.
        PathError: there is no such file.
        DumpError: it is damaged, or was not written by `twinset dump`.

    """
    pa, pq = arrow.libraries()
    if not path.is_file():
        raise PathError(f"there is no file {path}", "name a file that twinset dump wrote")
    with arrow.translated(path, DumpError, _MEND):
        file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
    with file:
        metadata = file.metadata.metadata or {}
        facts = _facts(path, metadata.get(_KEY), metadata.get(_SUMS_KEY))
        if not file.schema_arrow.equals(_schema(pa, facts["version"]["dim"])):
            raise DumpError(f"{path} has other columns than twinset dump writes", _MEND)
        yield Reader(path, file, facts)


def _facts(path: Path, text: bytes | None, crc: bytes | None) -> dict[str, Any]:
    if text is None:
        raise DumpError(f"{path} was not written by twinset dump", "name a file that it wrote")
    told = text.decode(errors="replace")
    if str(checksum(told)).encode() != crc:
        raise DumpError(f"{path} is damaged: what it says of itself has another checksum", _MEND)
    facts: dict[str, Any] = json.loads(told)
    if facts["format"] > _FORMAT:
        raise DumpError(
            f"{path} has format {facts['format']}, this program reads {_FORMAT}", "install a newer twinset"
        )
    return facts


def _records(table: Any) -> list[Record]:
    columns = {name: table.column(name) for name in table.column_names}
    rows = zip(*(columns[name].to_pylist() for name in _ROW), strict=True)
    halves = columns["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype("<f2")
    vectors = halves.reshape(table.num_rows, -1)
    sequences, made_from, crcs = (columns[name].to_pylist() for name in _VECTOR if name != "vector")
    blobs = [vector.tobytes() for vector in vectors]
    copies = zip(*(columns[name].to_pylist() for name in _COPY), strict=True)
    return [
        Record(row, vector, None if jpeg is None else Copy(row[PHOTO_ID], row[CONTENT], width, height, jpeg))
        for row, vector, (width, height, jpeg) in zip(
            rows, zip(sequences, made_from, blobs, crcs, strict=True), copies, strict=True
        )
    ]


def _copy_cells(record: Record) -> tuple[int | None, int | None, bytes | None]:
    copy = record.copy
    return (None, None, None) if copy is None else (copy.width, copy.height, copy.jpeg)


def _schema(pa: Any, dim: int) -> Any:
    row = [pa.field(name, pa.int64() if name in _NUMBERS else pa.string(), nullable=False) for name in _ROW]
    kinds = (pa.int64(), pa.string(), pa.list_(pa.field("element", pa.float16(), nullable=False), dim), pa.int64())
    vector = [pa.field(name, kind, nullable=False) for name, kind in zip(_VECTOR, kinds, strict=True)]
    copy = [pa.field(name, kind) for name, kind in zip(_COPY, (pa.int64(), pa.int64(), pa.binary()), strict=True)]
    return pa.schema([*row, *vector, *copy])
