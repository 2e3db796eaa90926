"""A Parquet manifest → the texts that the same table has as a CSV."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinset import arrow
from twinset.errors import ManifestError

SUFFIX: Final = ".parquet"
_AT_ONCE: Final = 4096
_LONGEST: Final = 131_072
"""Characters of a cell, as of a CSV's."""
_BOX: Final = "box"


def is_parquet(path: Path) -> bool:
    """Whether a file is a Parquet file by its name."""
    return path.suffix.lower() == SUFFIX


def columns(path: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ManifestError: it is damaged, or no Parquet file.

    """
    _, parquet = arrow.libraries()
    with _translated(path), parquet.ParquetFile(path, page_checksum_verification=True) as file:
        return list(file.schema_arrow.names)


def rows(path: Path) -> Iterator[list[str]]:
    """The texts of each row, in the order of `columns`.

    Numbers are written plainly (`39.9`; `123` for 123.0), truths as `true` and `false`, lists with `|` between
    their elements (a `|` inside one becomes `/`) and boxes with commas; what is missing, or not a number, is empty.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ManifestError: it is damaged, or has a column that is no text, or a value that is too long.

    """
    pa, parquet = arrow.libraries()
    begun = 1
    with _translated(path), parquet.ParquetFile(path, page_checksum_verification=True) as file:
        for field in file.schema_arrow:
            _check(pa, path, field)
        for batch in file.iter_batches(_AT_ONCE):
            texts = [
                _texts(pa, column, "," if name == _BOX else "|")
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            for number, row in enumerate(zip(*texts, strict=True), begun):
                if max(map(len, row)) > _LONGEST:
                    raise ManifestError(
                        f"{path}, row {number:,}: a value has more than {_LONGEST:,} characters", "shorten it"
                    )
                yield list(row)
            begun += batch.num_rows


def _check(pa: Any, path: Path, field: Any) -> None:
    kind = _plain(pa, field.type)
    if _is_list(pa, kind):
        kind = _plain(pa, kind.value_type)
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    if pa.types.is_nested(kind) or any(is_kind(kind) for is_kind in binary):
        raise ManifestError(
            f"{path}: the column {field.name} holds {field.type}", "leave it out, or write texts, numbers or lists"
        )


def _texts(pa: Any, column: Any, between: str) -> list[str]:
    kind = _plain(pa, column.type)
    if kind != column.type:
        column = column.cast(kind)
    if not _is_list(pa, kind):
        return _plain_texts(pa, column)
    elements = iter(text.replace(between, "/") for text in _plain_texts(pa, column.flatten()))
    sizes = pa.compute.list_value_length(column).fill_null(0).to_pylist()
    return [between.join(filter(None, [next(elements) for _ in range(size)])) for size in sizes]


def _plain_texts(pa: Any, column: Any) -> list[str]:
    kind = _plain(pa, column.type)
    if pa.types.is_floating(kind):
        return [_number(value) for value in column.cast(kind).to_numpy(zero_copy_only=False)]
    return [text or "" for text in column.cast(kind).cast(pa.string()).to_pylist()]


def _number(value: np.floating[Any]) -> str:
    return "" if np.isnan(value) else np.format_float_positional(value, trim="-")


def _plain(pa: Any, kind: Any) -> Any:
    """The type of what a dictionary stands for, any other as it is."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_list(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _translated(path: Path) -> Any:
    return arrow.translated(path, ManifestError, "write it again, or save it as CSV")
