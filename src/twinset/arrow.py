"""pyarrow, where it is installed: the only module that imports it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from twinset.errors import MissingExtraError, ResourceError, TwinsetError, first_line


def libraries() -> tuple[ModuleType, ModuleType]:
    """`pyarrow` and `pyarrow.parquet`.

    Raises:
        MissingExtraError: pyarrow is not installed.

    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow, which is not installed", 'pip install "twinset[parquet]"'
        ) from error
    return pyarrow, parquet


@contextmanager
def translated(path: Path, damaged: type[TwinsetError], mend: str) -> Iterator[None]:
    """Turns what pyarrow raises while it reads `path` into `damaged`, with a mend.

    Raises:
        ResourceError: the system refused to read the file.

    """
    import pyarrow

    try:
        yield
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise ResourceError(f"{path} cannot be read: {first_line(error)}", "check its permissions") from error
        raise damaged(f"{path} is damaged: {first_line(error)}", mend) from error
